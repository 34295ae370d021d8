"""A whole dunning node on virtual time: store, gate, dialler, lines, software card, debtors."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from ivrd.config import load_config
from ivrd.dunning.campaign import load_campaign
from ivrd.dunning.choose import choose_targets
from ivrd.dunning.clerk import InlineClerk
from ivrd.dunning.dialler import Care
from ivrd.dunning_settings import campaign_defaults, number_plan
from ivrd.outbound import Clerks, Outbound, outbound_of
from ivrd.rehearsal import enrol
from ivrd.simulation import Office
from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from ivrd.store.states import CampaignState
from sim.debtor import Does, Manner, outcome
from sim.phone import Answering

SHANGHAI = ZoneInfo("Asia/Shanghai")
SATURDAY = datetime(2026, 11, 21, 9, 0, tzinfo=SHANGHAI)
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=SHANGHAI)

SETTINGS = """
[node]
area_code = "010"
languages = ["zh-CN", "en-US"]
data = "{data}"

[enquiry]
disclosure = "open"

[billing]
mapping = "telecom"
url = "sqlite:///{billing}"

[[card]]
name = "soft"
driver = "software"

[dunning]
caller_id = "+861088617000"
guard_s = 1.0
dials_per_s = 5.0
{more}
"""

CAMPAIGN = """
name = "arrears"

[choose]
amount_at_least = "0.01"
"""


RICH, OLD = "+861088610001", "+861088610005"
"""Numbers of sample subscribers in arrears, as they are dialled."""


class DunningOffice:
    """Lines that dial on virtual time; the billing data is a file of its own to be changed."""

    def __init__(
        self,
        folder: Path,
        billing: Path,
        start: datetime = MONDAY,
        *,
        lines: int = 4,
        more: str = "",
        store: Store | None = None,
    ) -> None:
        self.folder = folder
        self.billing = billing
        settings = folder / "ivrd.toml"
        settings.write_text(
            SETTINGS.format(data=folder / "var", billing=billing, more=more), encoding="utf-8"
        )
        self.config = load_config(settings)
        assert self.config.dunning is not None
        self.dunning = self.config.dunning
        self.office = Office(self.config, start, lines=lines, store=store)
        self.clock = self.office.clock
        self.store = self.office.store
        if store is not None:
            self.store = store
        numbers = itertools.count(1)
        clerk = InlineClerk(self.clock)
        outbound = outbound_of(
            self.config, lambda: self.office.parts, self.clock, Clerks(clerk, clerk),
            lambda: {line.number: line for line in self.office.lines}, lambda: self.office.actions,
            ids=lambda now: f"{now:%Y%m%d%H%M%S}-{next(numbers)}",
            care=Care(dials_per_s=5.0, guard_s=1.0, look_s=30.0, upkeep_s=600.0),
        )  # fmt: skip
        assert outbound is not None
        self.outbound: Outbound = outbound
        for line in self.office.lines:
            line.on_change = self.outbound.dialler.line_changed

    @property
    def parties(self) -> dict[str, Answering]:
        """Who answers behind a number."""
        return self.office.card.parties

    def campaign(
        self, text: str = CAMPAIGN, *, state: CampaignState = CampaignState.RUNNING
    ) -> int:
        """Make a campaign from a file's text, choose its debtors, and let it run."""
        file = self.folder / "campaign.toml"
        file.write_text(text, encoding="utf-8")
        now = self.clock.now()
        campaign = load_campaign(file, campaign_defaults(self.config, self.dunning), now)

        rows = list(
            choose_targets(self.office.parts.reader, campaign, number_plan(self.config), now.date())
        )
        made = self.store.transact(partial(enrol, campaign=campaign, rows=rows, now=now))
        if state is not CampaignState.RUNNING:
            self.change(tables.campaigns, tables.campaigns.c.id == made, state=state.value)
        return made

    def rows(self, table: Any, **where: Any) -> list[Mapping[str, Any]]:
        """Return rows of the store."""
        query = select(table)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        return self.store.read(lambda tx: [dict(row) for row in tx.execute(query).mappings()])

    def change(self, table: Any, which: Any, **values: Any) -> None:
        """Change rows of the store, as an operator's command would."""
        self.store.transact(lambda tx: tx.execute(update(table).where(which).values(**values)))

    def pay(self, phone: str) -> None:
        """Let a subscriber pay all that is owed, in the billing data."""
        with closing(sqlite3.connect(self.billing)) as database, database:
            database.execute(
                "DELETE FROM TB_OWE WHERE SERV_ID IN"
                " (SELECT SERV_ID FROM TB_SERV WHERE ACC_NBR = ?)",
                (phone,),
            )

    def keep_only(self, *phones: str) -> None:
        """Let nobody else owe anything."""
        marks = ",".join("?" * len(phones))
        with closing(sqlite3.connect(self.billing)) as database, database:
            database.execute(
                "DELETE FROM TB_OWE WHERE SERV_ID NOT IN (SELECT SERV_ID FROM TB_SERV"  # noqa: S608 - marks only
                f" WHERE ACC_NBR IN ({marks}))",
                phones,
            )

    def run_until(self, hour: int, minute: int = 0) -> None:
        """Run to the next time that the clock on the wall shows this."""
        now = self.clock.now()
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if then <= now:
            then += timedelta(days=1)
        self.clock.run_for((then - now).total_seconds())

    def close(self) -> None:
        """End it all."""
        self.outbound.shut()
        self.office.close()


def memory_store(now: Any) -> Store:
    """Return a store in memory."""
    return open_store("sqlite://", now=now)


def attempts(node: DunningOffice, number: str | None = None) -> list[str]:
    """Return what came of the attempts, in order."""
    rows = node.rows(tables.attempts, **({"number": number} if number else {}))
    return [row["outcome"] for row in sorted(rows, key=lambda row: (row["began_at"], row["id"]))]


def target(node: DunningOffice, number: str = RICH) -> dict[str, Any]:
    """Return how a debtor stands."""
    (found,) = [row for row in node.rows(tables.targets) if row["numbers"][0] == number]
    return dict(found)


def behind(node: DunningOffice, number: str, does: Does, manner: Manner | None = None) -> None:
    """Let a debtor do this whenever the number is dialled."""
    node.parties[number] = outcome(does, manner or Manner())
