"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()
DAY = sa.String(10)


def upgrade() -> None:
    """Make the tables, each after those that it refers to."""
    _audit()
    _campaigns()
    _debtors()
    _do_not_call()
    _ledger()
    _notes()
    _proofs()
    _reservations()
    _switches()
    _promises()
    _targets()
    _worklist()
    _attempts()
    _decisions()
    _target_numbers()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("chosen_at", INSTANT, nullable=True),
        sa.Column("posted_at", INSTANT, nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("name", name="uq_campaigns_name"),
    )


def _debtors() -> None:
    op.create_table(
        "debtors",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("class", sa.String(16), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("set_by", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("next_action", sa.String(32), nullable=True),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("account", name="pk_debtors"),
    )


def _do_not_call() -> None:
    op.create_table(
        "do_not_call",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("why", sa.String(32), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("added_by", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=True),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.Column("removed_by", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_do_not_call"),
    )
    op.create_index("ix_do_not_call_number", "do_not_call", ["number", "removed_at"])


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("attempt", sa.String(32), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("debt", sa.String(64), nullable=False),
        sa.Column("effective", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("attempt", name="pk_ledger"),
    )
    op.create_index("ix_ledger_debt", "ledger", ["debt", "at"])
    op.create_index("ix_ledger_number", "ledger", ["number", "at"])
    op.create_index("ix_ledger_person", "ledger", ["person", "at"])


def _notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attempt", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_account", "notes", ["account", "at"])


def _proofs() -> None:
    op.create_table(
        "proofs",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proofs"),
    )
    op.create_index("ix_proofs_key", "proofs", ["key", "at"])


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("attempt", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_reservations"),
    )
    op.create_index("ix_reservations_attempt", "reservations", ["attempt"])


def _switches() -> None:
    op.create_table(
        "switches",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("on", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )


def _promises() -> None:
    op.create_table(
        "promises",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("campaign", SERIAL, nullable=True),
        sa.Column("attempt", sa.String(32), nullable=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("pay_by", DAY, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reminded_at", INSTANT, nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_promises"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_promises_campaign"),
    )
    op.create_index("ix_promises_account", "promises", ["account", "state"])
    op.create_index("ix_promises_state", "promises", ["state", "pay_by"])


def _targets() -> None:
    op.create_table(
        "targets",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("campaign", SERIAL, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("due", DAY, nullable=True),
        sa.Column("product", sa.String(64), nullable=True),
        sa.Column("customer_group", sa.String(64), nullable=True),
        sa.Column("lang", sa.String(16), nullable=True),
        sa.Column("zone", sa.String(64), nullable=False, server_default=""),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(64), nullable=True),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("number_at", sa.Integer(), nullable=False),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("paid_at", INSTANT, nullable=True),
        sa.Column("held", sa.String(64), nullable=True),
        sa.Column("held_detail", sa.Text(), nullable=True),
        sa.Column("held_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_targets_campaign"),
        sa.UniqueConstraint("campaign", "account", name="uq_targets_campaign_account"),
    )
    op.create_index("ix_targets_account", "targets", ["account"])
    op.create_index("ix_targets_due", "targets", ["campaign", "zone", "state", "next_at", "id"])


def _worklist() -> None:
    op.create_table(
        "worklist",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("task", sa.String(32), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("due", DAY, nullable=False),
        sa.Column("campaign", SERIAL, nullable=True),
        sa.Column("attempt", sa.String(32), nullable=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.Column("done_by", sa.String(64), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_worklist"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_worklist_campaign"),
    )
    op.create_index("ix_worklist_account", "worklist", ["account", "done_at"])
    op.create_index("ix_worklist_open", "worklist", ["done_at", "due"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("campaign", SERIAL, nullable=False),
        sa.Column("target", SERIAL, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("caller_id", sa.String(32), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("card", sa.String(64), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("call", sa.String(64), nullable=True),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("heard_s", sa.Float(), nullable=True),
        sa.Column("heard_percent", sa.Integer(), nullable=True),
        sa.Column("lasted_s", sa.Float(), nullable=True),
        sa.Column("notes", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_attempts_campaign"),
        sa.ForeignKeyConstraint(["target"], ["targets.id"], name="fk_attempts_target"),
    )
    op.create_index("ix_attempts_began", "attempts", ["began_at"])
    op.create_index("ix_attempts_number", "attempts", ["number", "began_at"])
    op.create_index("ix_attempts_open", "attempts", ["outcome", "lease_until"])
    op.create_index("ix_attempts_target", "attempts", ["target", "began_at"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("target", SERIAL, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["target"], ["targets.id"], name="fk_decisions_target"),
    )
    op.create_index("ix_decisions_target", "decisions", ["target", "at"])


def _target_numbers() -> None:
    op.create_table(
        "target_numbers",
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("target", SERIAL, nullable=False),
        sa.PrimaryKeyConstraint("number", "target", name="pk_target_numbers"),
        sa.ForeignKeyConstraint(
            ["target"],
            ["targets.id"],
            name="fk_target_numbers_target",
            ondelete="CASCADE",
        ),
    )
