"""A node that dials debtors on the private Asterisk: its settings, its billing data, its parties.

Each debtor's number in the billing data is a mobile number whose digits say what the telephone
behind it does (`tests.real.sipp_scenarios.called`), and who answers does what a party says.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from click.testing import CliRunner
from sqlalchemy import Table, select

from ivrd.cli import main
from ivrd.config import Config, load_config
from ivrd.daemon import Daemon
from tests.real.audio import pcm_of
from tests.real.conftest import prompt
from tests.real.enquiry_office import enquiry_config
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import PACKET_S, Pcm
from tests.real.telephones import Exchange, Telephone

FLOWS = Path(__file__).parents[2] / "fsm_specs"

RING_S = 12
"""How long the copied flow lets it ring, AMD included; the card gives up 2 s earlier."""

CALLER_ID = "+861086100170"

DUE = date(2026, 10, 20)

_SETTINGS = """
[places]
flows = "flows"

[dunning]
caller_id = "{caller_id}"
profiles = ["any-hour.toml"]
dials_per_s = 10
guard_s = 0.2
transfer = "{person}"

[dunning.outer_limit]
because = "a trial of the lines at any hour; every number is the operator's own"
hours = "00:00-24:00"
"""

_PROFILE = """
title = "A trial at any hour"
source = "the operator's own: nobody but the operator is called"
from = 2000-01-01

[[limit]]
counts = "contacts"
per = "person"
most = 3
within = "day"
"""

_CAMPAIGN = """
name = "{name}"

[choose]
groups = ["{name}"]

[message]
times = 1

[when]
weekdays = ["00:00-24:00"]
weekends = ["00:00-24:00"]
holidays = "open"
"""

Does: TypeAlias = Callable[[Telephone], Awaitable[None]]


@dataclass
class Party:
    """A debtor: what the telephone does, who answers, and what must come of the call."""

    behaviour: str
    outcome: str
    does: Does | None = None
    cause: str | None = None
    confirmed: bool = False
    notes: frozenset[str] = frozenset()
    """Notes that the attempt must have."""
    state: str = "waiting"
    """Where the debtor must be in the campaign afterwards."""
    number: str = field(default="", init=False)
    account: int = field(default=0, init=False)

    @property
    def owes_fen(self) -> int:
        """What the billing data says; another amount for each."""
        return 10_000 + self.account % 1000


# -- what people do ------------------------------------------------------------------------------


def quiet(seconds: float) -> Pcm:
    return np.zeros(round(seconds * 8000), np.int16)


async def hello(phone: Telephone) -> None:
    """Say one word, as people do who answer; AMD() takes silence for a machine."""
    await phone.speak(np.concatenate((quiet(0.4), pcm_of(prompt("d_1")), quiet(1.6))))


async def hears(phone: Telephone, seconds: float) -> None:
    """Wait until so much more was heard."""
    enough = len(phone.voice.packets) + seconds / PACKET_S
    until_s = time.monotonic() + seconds + 10
    while len(phone.voice.packets) < enough:
        if phone.over or time.monotonic() > until_s:
            raise AssertionError(f"not {seconds} s of speech: {phone.words}")
        await asyncio.sleep(0.05)


async def confirms(phone: Telephone) -> None:
    """Hear who calls to the end, and be the holder."""
    await hello(phone)
    await phone.until_quiet(1.0)
    await phone.keys("1")


async def confirms_soon(phone: Telephone) -> None:
    """Be the holder before the question has ended."""
    await hello(phone)
    await hears(phone, 1.5)
    await phone.keys("1")


# -- the node ------------------------------------------------------------------------------------


class CampaignOffice:
    """Settings, billing data and campaigns of a node; `answer` lets the parties answer."""

    def __init__(self, folder: Path, asterisk: PrivateAsterisk, lines: int, person: str) -> None:
        self.folder = folder
        self._lines = lines
        self._asterisk = asterisk
        self._person = person
        self._accounts = iter(range(101_000, 101_040))
        self.config = self._settings()
        self.failures: list[str] = []
        """What went otherwise than a party expected."""

    def _settings(self) -> Config:
        enquiry_config(self.folder, self._asterisk, self._lines)
        flows = Path(shutil.copytree(FLOWS, self.folder / "flows"))
        flow = (flows / "dunning.toml").read_text(encoding="utf-8")
        assert flow.count("within_s = 47") == 1
        (flows / "dunning.toml").write_text(
            flow.replace("within_s = 47", f"within_s = {RING_S}"), encoding="utf-8"
        )
        (self.folder / "any-hour.toml").write_text(_PROFILE, encoding="utf-8")
        file = self.folder / "asterisk.toml"
        text = file.read_text(encoding="utf-8")
        contexts = 'machine_context = "ivrd-machine", transfer_context = "ivrd-person", '
        text = text.replace("options = { ", f"options = {{ {contexts}")
        text += 'role = "both"\n' + _SETTINGS.format(caller_id=CALLER_ID, person=self._person)
        file.write_text(text, encoding="utf-8")
        return load_config(file)

    async def campaign(self, name: str, parties: Sequence[Party], exchange: Exchange) -> None:
        """Let the parties owe, and make a campaign of them with the operator's own command."""
        with closing(sqlite3.connect(self.folder / "var" / "sample.db")) as database, database:
            for party in parties:
                party.account = next(self._accounts)
                party.number = await exchange.mobile(party.behaviour)
                owes = (party.account, 202609, party.owes_fen / 100, f"{DUE:%Y%m%d}", "PSTN", name)
                changed = database.execute(
                    "UPDATE TB_SERV SET ACC_NBR = ?, CONTACT_NBR = NULL, STATE_CD = 'F0A',"
                    " LANG_CD = 'zh-CN' WHERE SERV_ID = ?",
                    (party.number.removeprefix("+86"), party.account),
                )
                assert changed.rowcount == 1
                database.execute("DELETE FROM TB_OWE WHERE SERV_ID = ?", (party.account,))
                database.execute("INSERT INTO TB_OWE VALUES (?, ?, ?, ?, ?, ?)", owes)
        file = self.folder / f"{name}.toml"
        file.write_text(_CAMPAIGN.format(name=name), encoding="utf-8")
        self.command("campaign", "new", str(file))

    def command(self, *words: str) -> str:
        """Give a command as an operator would; return what it says."""
        done = CliRunner().invoke(main, ["-c", str(self.config.path), *words])
        assert done.exit_code == 0, done.output
        return done.output

    async def answer(self, exchange: Exchange, parties: Sequence[Party]) -> None:
        """Let whoever is called do what the party does, until cancelled."""
        does = {party.number[-5:]: party for party in parties}
        known: set[str] = set()
        people: list[asyncio.Task[None]] = []
        try:
            while True:
                for phone in exchange.dialled():
                    party = does.get(str(phone.voice.port))
                    if party is None or party.does is None or phone.call_id in known:
                        continue
                    if phone.answered:
                        known.add(phone.call_id)
                        people.append(asyncio.create_task(self._do(party, party.does, phone)))
                await asyncio.sleep(0.05)
        finally:
            for one in people:
                one.cancel()
            await asyncio.gather(*people, return_exceptions=True)

    async def _do(self, party: Party, does: Does, phone: Telephone) -> None:
        try:
            await does(phone)
        except AssertionError as failure:
            self.failures.append(f"{party.outcome} at {party.behaviour}: {failure}")


def rows(daemon: Daemon, table: Table) -> list[Mapping[str, Any]]:
    """Return the rows of a table of the node's store."""
    query = select(table)
    return daemon.parts.store.read(lambda tx: [dict(row) for row in tx.execute(query).mappings()])


def attempt_of(daemon: Daemon, attempts: Table, party: Party) -> Mapping[str, Any]:
    """Return the one attempt on a party."""
    (found,) = [row for row in rows(daemon, attempts) if row["number"] == party.number]
    return found
