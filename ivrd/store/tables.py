"""The tables of ivrd's own store.

Instants are kept as UTC milliseconds, money as integer fen, days as ISO text. What may name a
person (account, number, note) stays in these tables: it goes into no log and no exception.
The migrations in `ivrd.store.migrations` make these tables; a test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept as UTC milliseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the milliseconds. Raises `ValueError` for an instant without a zone."""
        del dialect
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant without a time zone")
        return round(value.timestamp() * 1000)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the instant, in UTC."""
        del dialect
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class Day(TypeDecorator[date]):
    """A calendar day, kept as ISO text."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:
        """Return the ISO text."""
        del dialect
        return None if value is None else value.isoformat()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> date | None:
        """Return the day."""
        del dialect
        return None if value is None else date.fromisoformat(value)


SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""A row's own number; SQLite counts only INTEGER by itself."""

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("chosen_at", Instant),
    Column("posted_at", Instant),
    Column("waits_for", Text),
)
"""`settings` is the campaign file as it was checked; `chosen_at` when its targets were last taken
from the billing data; `posted_at` until when a list's payments were posted (product D3);
`waits_for` what the campaign said last that it waits for."""

targets = Table(
    "targets",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("campaign", SERIAL, ForeignKey("campaigns.id"), nullable=False),
    Column("account", String(64), nullable=False),
    Column("person", String(64), nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("months", Integer, nullable=False),
    Column("due", Day),
    Column("product", String(64)),
    Column("customer_group", String(64)),
    Column("lang", String(16)),
    Column("zone", String(64), nullable=False, default="", server_default=""),
    Column("state", String(16), nullable=False),
    Column("why", String(64)),
    Column("next_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("number_at", Integer, nullable=False, default=0),
    Column("told_at", Instant),
    Column("ended_at", Instant),
    Column("paid_at", Instant),
    Column("held", String(64)),
    Column("held_detail", Text),
    Column("held_at", Instant),
    Column("consent", Boolean),
    UniqueConstraint("campaign", "account"),
    Index("ix_targets_due", "campaign", "zone", "state", "next_at", "id"),
    Index("ix_targets_account", "account"),
)
"""A debtor of a campaign; `zone` "" is the node's own. `numbers` are in E.164, the main one first;
`number_at` is the place in it of the one to dial next. `tries` counts attempts that cost the debtor
something. `held` is the reason of the gate, or of the retry rule, why it was not called last.
`paid_at` is when it was first seen that the account owes nothing any more, whatever became of the
target. `consent` is whether the holder agreed to calls by machine, NULL where nobody said."""

target_numbers = Table(
    "target_numbers",
    metadata,
    Column("number", String(32), primary_key=True),
    Column("target", SERIAL, ForeignKey("targets.id", ondelete="CASCADE"), primary_key=True),
)
"""Which targets a number belongs to, so that it is found: for `why`, and for a ring-back."""

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("campaign", SERIAL, ForeignKey("campaigns.id"), nullable=False),
    Column("target", SERIAL, ForeignKey("targets.id"), nullable=False),
    Column("account", String(64), nullable=False),
    Column("person", String(64), nullable=False),
    Column("number", String(32), nullable=False),
    Column("caller_id", String(32), nullable=False),
    Column("node", String(64), nullable=False),
    Column("card", String(64), nullable=False),
    Column("line", Integer, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("lease_until", Instant),
    Column("ended_at", Instant),
    Column("outcome", String(32)),
    Column("cause", Text),
    Column("call", String(64)),
    Column("answered", Boolean, nullable=False, default=False),
    Column("confirmed", Boolean, nullable=False, default=False),
    Column("heard_s", Float),
    Column("heard_percent", Integer),
    Column("lasted_s", Float),
    Column("notes", JSON),
    Index("ix_attempts_target", "target", "began_at"),
    Index("ix_attempts_began", "began_at"),
    Index("ix_attempts_number", "number", "began_at"),
    Index("ix_attempts_open", "outcome", "lease_until"),
)
"""Written before the dial, closed by the outcome; `outcome` NULL is an attempt under way.
`cause` is the raw cause; `heard_percent` how much of the message was heard; `call` names the
call in the line's log."""

reservations = Table(
    "reservations",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("attempt", String(32), nullable=False),
    Index("ix_reservations_attempt", "attempt"),
)
"""``number:…`` and ``person:…`` of every attempt under way: never two live dials to one."""

ledger = Table(
    "ledger",
    metadata,
    Column("attempt", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("day", Day, nullable=False),
    Column("person", String(64), nullable=False),
    Column("number", String(32), nullable=False),
    Column("debt", String(64), nullable=False),
    Column("effective", Boolean, nullable=False, default=False),
    Index("ix_ledger_person", "person", "at"),
    Index("ix_ledger_number", "number", "at"),
    Index("ix_ledger_debt", "debt", "at"),
)
"""What frequency rules count: a row for each attempt that cost the debtor something, from the
moment of the dial; `day` is the debtor's calendar day; `effective` that the person was spoken to.
An attempt that turns out to have cost nothing loses its row."""

promises = Table(
    "promises",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("campaign", SERIAL, ForeignKey("campaigns.id")),
    Column("attempt", String(32)),
    Column("amount_fen", BigInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("pay_by", Day, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reminded_at", Instant),
    Column("closed_at", Instant),
    Index("ix_promises_account", "account", "state"),
    Index("ix_promises_state", "state", "pay_by"),
)

do_not_call = Table(
    "do_not_call",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("number", String(32), nullable=False),
    Column("why", String(32), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("account", String(64)),
    Column("removed_at", Instant),
    Column("removed_by", String(64)),
    Index("ix_do_not_call_number", "number", "removed_at"),
)
"""Numbers in E.164. `why` is ``asked``, ``wrong_number``, ``list`` or ``operator``; for a wrong
number, `account` is the one that it does not belong to."""

debtors = Table(
    "debtors",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("class", String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("set_by", String(64), nullable=False),
    Column("owner", String(64)),
    Column("next_action", String(32)),
    Column("next_at", Instant),
)

notes = Table(
    "notes",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("attempt", String(32)),
    Index("ix_notes_account", "account", "at"),
)

worklist = Table(
    "worklist",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("task", String(32), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("due", Day, nullable=False),
    Column("campaign", SERIAL, ForeignKey("campaigns.id")),
    Column("attempt", String(32)),
    Column("owner", String(64)),
    Column("text", Text),
    Column("done_at", Instant),
    Column("done_by", String(64)),
    Column("result", Text),
    Index("ix_worklist_account", "account", "done_at"),
    Index("ix_worklist_open", "done_at", "due"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("target", SERIAL, ForeignKey("targets.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("what", String(32), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("detail", Text),
    Column("next_at", Instant),
    Index("ix_decisions_target", "target", "at"),
)
"""Why a target was called or not (product D11): a row whenever the reason changes. `what` is
``held``, ``dialled``, ``retry``, ``ended`` or an operator's act."""

switches = Table(
    "switches",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("on", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(64), nullable=False),
    Column("why", Text),
)
"""``kill``: no dialling at all. ``line:ivrd:7``: dunning on
that line of that node, by the operator's last word."""

proofs = Table(
    "proofs",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("key", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_proofs_key", "key", "at"),
)
"""Tries of a proof (product E5), each until it proves right or its window is over. `key` is a
digest: neither account nor number stands there in clear."""

audit = Table(
    "audit",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""Every control action; `hash` is SHA-256 over the row and the hash before it."""
