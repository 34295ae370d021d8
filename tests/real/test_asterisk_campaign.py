"""A campaign on real lines: every outcome that a far end can make, and Asterisk's death in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivrd.commands import Prompt, Say
from ivrd.daemon import Daemon
from ivrd.records import Status
from ivrd.store import tables
from ivrd.store.states import COSTS_NOTHING, EFFECTIVE, Outcome
from tests.real.audio import faults, follow, pcm_of
from tests.real.campaign_office import (
    CALLER_ID,
    DUE,
    CampaignOffice,
    Party,
    attempt_of,
    confirms,
    confirms_soon,
    hears,
    hello,
    quiet,
    rows,
)
from tests.real.conftest import prompt
from tests.real.enquiry_office import open_office
from tests.real.private_asterisk import PrivateAsterisk
from tests.real.rtp import time_line
from tests.real.telephones import Exchange, Telephone, until

LINES = 24

MESSAGE_S = 10.0
"""Who has heard so much after confirming has heard the message; how to pay is being said."""

PAY_IN = timedelta(days=5)

heard_in_message: dict[str, float] = {}
"""What who hung up in the message had heard of it, by call."""


async def listens(phone: Telephone) -> None:
    """Hear the greeting and the message to the end, and hang up in what follows."""
    await confirms(phone)
    await hears(phone, MESSAGE_S)
    await phone.hang_up()


async def hangs_up_in_greeting(phone: Telephone) -> None:
    await hello(phone)
    await hears(phone, 1.5)
    await phone.hang_up()


async def hangs_up_in_message(phone: Telephone) -> None:
    await confirms(phone)
    before_s = phone.heard_s
    await hears(phone, 3)
    await phone.hang_up()
    await phone.until("over")
    heard_in_message[phone.call_id] = phone.heard_s - before_s


async def keys_wrong(phone: Telephone) -> None:
    await hello(phone)
    for _ in range(3):
        await hears(phone, 1.5)
        await phone.keys("8")


def keys_at_greeting(key: str) -> Any:
    async def does(phone: Telephone) -> None:
        await hello(phone)
        await hears(phone, 1.5)
        await phone.keys(key)

    return does


def keys_in_message(key: str) -> Any:
    async def does(phone: Telephone) -> None:
        await confirms_soon(phone)
        await hears(phone, 2)
        await phone.keys(key)

    return does


def promises(month_and_day: str) -> Any:
    """Hear the message to its end, then promise to pay by that day."""

    async def does(phone: Telephone) -> None:
        await confirms_soon(phone)
        await hears(phone, MESSAGE_S)
        await phone.keys("3")
        await hears(phone, 1.5)
        await phone.keys(month_and_day, on_s=0.08, off_s=0.08)
        await phone.until_quiet(1.0)
        await phone.keys("1")

    return does


async def is_a_machine(phone: Telephone) -> None:
    sound = [pcm_of(prompt(name)) for name in ("welcome", "enter_phone")]
    await phone.speak(np.concatenate((quiet(0.4), *sound, quiet(2))))


async def talks_to_a_person(phone: Telephone) -> None:
    await keys_in_message("0")(phone)
    # what plays before that is short; then both are joined, and nobody speaks
    await phone.until_quiet(3.0)
    await phone.hang_up()


def every_way(promised: str) -> dict[str, Party]:
    told = frozenset({"answered", "confirmed", "told_in_full"})
    seen = frozenset({"answered", "confirmed"})
    return {
        "told": Party("1200", "told", listens, None, True, told, "notified"),
        "promise": Party(
            "1200", "told", promises(promised), None, True, told | {"promise"}, "promised"
        ),
        "greeting": Party("1202", "not_confirmed", hangs_up_in_greeting),
        "at once": Party("1201", "not_confirmed"),
        "in part": Party("1202", "told_in_part", hangs_up_in_message, None, True, seen),
        "wrong keys": Party(
            "1202", "not_confirmed", keys_wrong, notes=frozenset({"not_confirmed"})
        ),
        "not holder": Party(
            "1202", "not_confirmed", keys_at_greeting("2"), notes=frozenset({"not_holder"})
        ),
        "wrong number": Party(
            "1202", "not_confirmed", keys_at_greeting("5"),
            notes=frozenset({"wrong_number"}), state="excluded",
        ),
        "no calls": Party(
            "1202", "told_in_part", keys_in_message("9"), None, True,
            seen | {"do_not_call"}, "excluded",
        ),
        "paid": Party(
            "1202", "told_in_part", keys_in_message("4"), None, True, seen | {"says_paid"},
            "notified",
        ),
        "dispute": Party(
            "1202", "told_in_part", keys_in_message("6"), None, True, seen | {"dispute"},
            "excluded",
        ),
        "transfer": Party(
            "1202", "transferred", talks_to_a_person, None, True, seen | {"transferred"},
            "notified",
        ),
        "machine": Party("1202", "machine", is_a_machine, notes=frozenset({"machine"})),
        "busy": Party("1486", "busy", cause="T_BUSY 17 486"),
        "rings out": Party("1180", "no_answer", cause="T_NOANS 19"),
        "rings, away": Party("2480", "no_answer", cause="T_NOANS 19 480"),
        "off": Party("1480", "out_of_service", cause="T_NOANS 19 480"),
        "unallocated": Party(
            "1404", "unallocated", cause="T_REFUSED 1 404", state="excluded"
        ),
        "changed": Party(
            "1301", "unallocated", cause="T_REFUSED 16 301", state="excluded"
        ),
        "rejected": Party("1603", "rejected", cause="T_REFUSED 21 603"),
        "congestion": Party("1503", "network", cause="T_FAULT 34 503"),
        "hops": Party("1483", "line_fault", cause="T_FAULT 19 483"),
    }  # fmt: skip


def closed(daemon: Daemon, parties: Sequence[Party]) -> bool:
    """Whether every party has been called, and every call has an outcome."""
    found = {row["number"]: row["outcome"] for row in rows(daemon, tables.attempts)}
    return all(found.get(party.number) for party in parties)


async def have_closed(daemon: Daemon, parties: Sequence[Party], within_s: float) -> None:
    for _ in range(round(within_s / 0.25)):
        if closed(daemon, parties):
            return
        await asyncio.sleep(0.25)
    raise AssertionError(
        {p.behaviour: [r["outcome"] for r in rows(daemon, tables.attempts)
                       if r["number"] == p.number] for p in parties}
    )  # fmt: skip


def message_of(daemon: Daemon, party: Party) -> list[list[Prompt]]:
    """Return what a debtor must hear, play by play, by what the billing data says."""
    plays: list[list[tuple[str, dict[str, Any]]]] = [
        [("reminder_greeting", {}), ("are_you_holder", {})],
        [
            ("you_owe", {"owed.amount": party.owes_fen}),
            ("months_owed", {"owed.months": 1}),
            ("debt_due", {"owed.due": DUE.isoformat()}),
        ],
    ]
    voices = daemon.parts.voices
    return [
        [p for name, data in play for p in voices.utterance(Say(name, data), "zh-CN").prompts]
        for play in plays
    ]


def check_ledger(daemon: Daemon) -> None:
    """No reservation is left, and the ledger holds who was disturbed, and who was spoken to."""
    assert rows(daemon, tables.reservations) == []
    attempts = rows(daemon, tables.attempts)
    outcomes = {row["id"]: Outcome(row["outcome"]) for row in attempts}
    counted = {row["attempt"]: row["effective"] for row in rows(daemon, tables.ledger)}
    assert counted == {
        id_: outcome in EFFECTIVE
        for id_, outcome in outcomes.items()
        if outcome not in COSTS_NOTHING
    }


def check_rows(daemon: Daemon, office: CampaignOffice, ways: dict[str, Party]) -> None:
    """Compare what the store has of each way with what must be there."""
    states = {row["account"]: row["state"] for row in rows(daemon, tables.targets)}
    had: dict[str, tuple[Any, ...]] = {}
    due: dict[str, tuple[Any, ...]] = {}
    for name, party in ways.items():
        row = attempt_of(daemon, tables.attempts, party)
        had[name] = (
            row["outcome"], row["cause"], row["answered"], row["confirmed"],
            party.notes & set(row["notes"]), _heard(row["heard_percent"]),
            states[str(party.account)],
        )  # fmt: skip
        heard = "all" if "told_in_full" in party.notes else "part" if party.confirmed else "none"
        due[name] = (
            party.outcome, party.cause, party.behaviour.startswith("12"), party.confirmed,
            party.notes, heard, party.state,
        )  # fmt: skip
    assert had == due
    assert office.failures == []


def _heard(percent: int) -> str:
    return "all" if percent == 100 else "part" if percent else "none"


async def test_campaign_calls_debtors_who_answer_in_every_way_and_tells_each_apart(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    person = await exchange.mobile("1202")
    office = CampaignOffice(tmp_path, asterisk, LINES, person)
    async with open_office(office.config) as daemon:
        pay_by = daemon.clock.now().date() + PAY_IN
        ways = every_way(f"{pay_by:%m%d}")
        parties = list(ways.values())
        await office.campaign("every-way", parties, exchange)
        office.command("campaign", "start", "every-way")
        answering = asyncio.create_task(office.answer(exchange, parties))
        daemon.set_dunning(list(daemon.lines), "start", "operator", at=None, now=False)
        await have_closed(daemon, parties, 90)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        check_rows(daemon, office, ways)
        check_ledger(daemon)
        listed = {row["number"]: row["why"] for row in rows(daemon, tables.do_not_call)}
        assert listed == {
            ways["no calls"].number: "asked", ways["wrong number"].number: "wrong_number",
        }  # fmt: skip
        (promise,) = rows(daemon, tables.promises)
        assert (promise["account"], promise["pay_by"], promise["state"]) == (
            str(ways["promise"].account), pay_by, "open",
        )  # fmt: skip
        assert promise["amount_fen"] == ways["promise"].owes_fen
        tasks = {(row["account"], row["task"]) for row in rows(daemon, tables.worklist)}
        assert {
            (str(ways["paid"].account), "check_payment"),
            (str(ways["dispute"].account), "dispute"),
            (str(ways["unallocated"].account), "find_number"),
        } <= tasks
        (told,) = exchange.dialled_as(ways["told"].number)
        assert told.caller == CALLER_ID
        heard = follow(time_line(told.packets), message_of(daemon, ways["told"]))
        assert len(heard) > 8
        assert faults(heard, told.packets) == []
        (cut,) = exchange.dialled_as(ways["in part"].number)
        row = attempt_of(daemon, tables.attempts, ways["in part"])
        assert row["heard_s"] == pytest.approx(heard_in_message.pop(cut.call_id), abs=0.15)
        (agent,) = exchange.dialled_as(person)
        assert await until(lambda: agent.over, 5)
        assert "told" in office.command("why", ways["told"].number)
        assert sum(line.counters.errors for line in daemon.lines.values()) == 0
    assert asterisk.channels() == 0


async def test_campaign_goes_on_when_asterisk_dies_in_its_calls_and_a_caller_keeps_the_line(
    asterisk: PrivateAsterisk, exchange: Exchange, tmp_path: Path
) -> None:
    office = CampaignOffice(tmp_path, asterisk, 2, await exchange.mobile("1202"))

    cut = Party("1202", "told_in_part", confirms_soon, "T_LC", True)
    rings = Party("1180", "unknown", cause="T_LC")
    last = Party("1202", "told", listens, None, True)
    parties = [cut, rings, last]
    async with open_office(office.config) as daemon:
        await office.campaign("cut-off", parties, exchange)
        answering = asyncio.create_task(office.answer(exchange, parties))
        caller = await exchange.call("88610001", "170")
        await caller.until("answered")
        assert daemon.lines[1].talk is not None
        office.command("campaign", "start", "cut-off")
        daemon.set_dunning([1, 2], "start", "operator", at=None, now=False)
        assert await until(lambda: bool(exchange.dialled()), 10)
        (phone,) = exchange.dialled()
        # the line on which somebody calls is left alone, the other one dials
        assert await until(lambda: phone.answered, 5)
        assert attempt_of(daemon, tables.attempts, cut)["line"] == 2
        assert not caller.over
        assert await until(lambda: _in_message(daemon, 2), 30)
        await caller.hang_up()
        assert await until(lambda: len(exchange.dialled_as(rings.number)) == 1, 10)
        assert attempt_of(daemon, tables.attempts, rings)["line"] == 1
        await hears(phone, 1)
        assert [line.status for line in daemon.lines.values()] == [Status.IN_CALL] * 2
        asterisk.kill()
        await have_closed(daemon, [cut, rings], 15)
        assert not exchange.dialled_as(last.number)
        await asterisk.start()
        await have_closed(daemon, parties, 60)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        for party in parties:
            row = attempt_of(daemon, tables.attempts, party)
            assert row["outcome"] == party.outcome, row
            assert str(row["cause"]).startswith(str(party.cause)), row
        # a card that died tells no end of a play: no share of the message is claimed
        assert attempt_of(daemon, tables.attempts, cut)["heard_percent"] < 100
        check_ledger(daemon)
        assert await until(lambda: asterisk.channels() == 0, 30)


def _in_message(daemon: Daemon, number: int) -> bool:
    talk = daemon.lines[number].talk
    return talk is not None and any(one.sentence == "you_owe" for one in talk.spoken)
