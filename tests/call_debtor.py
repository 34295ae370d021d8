"""Scripted calls about a reminder: the debtor in the store, the dial, and what is kept after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Table, insert, select

from ivrd.card import Ability, DialPermit
from ivrd.dunning.campaign import Campaign, campaign_from
from ivrd.dunning.reminders import Reminder, reminder_of
from ivrd.dunning_settings import facts_of
from ivrd.events import T_MOVED, T_REFUSED, U_TIME, Event, Json
from ivrd.flow.machine import FlowMachine
from ivrd.simulation import Office
from ivrd.store import tables
from ivrd.store.engine import Store
from ivrd.store.states import CampaignState, Outcome, TargetState
from sim.caller import ScriptedCaller
from sim.phone import (
    BUSY,
    NO_ANSWER,
    SWITCHED_OFF,
    TRUNK_DOWN,
    UNALLOCATED,
    Answering,
    Rings,
)
from tests.call_files import CallFile

ATTEMPT = "20261121013000-0001"
MACHINE_AFTER_S = 1.5
"""How long after the answer the card can tell a machine."""

_NETWORK: dict[str, Answering] = {
    "busy": BUSY, "nobody": NO_ANSWER, "switched_off": SWITCHED_OFF,
    "unallocated": UNALLOCATED, "trunk_down": TRUNK_DOWN,
}  # fmt: skip


def campaign_of(call: CallFile) -> Campaign:
    """Return the campaign that a call's file describes."""
    said = call.campaign
    settings: dict[str, Any] = {
        "name": "arrears", "flow": "dunning",
        "kind": "notice" if "notice" in said else "dunning",
        "caller_id": "+8657188617000", "languages": ["zh-CN", "en-US"], "profiles": [],
        "dials_per_s": 1.0,
        "message": {"times": int(said.get("times", "1")), "confirm": said.get("confirm", "key")},
    }  # fmt: skip
    if "stale_after" in said:
        settings["message"]["stale_after"] = said["stale_after"]
    if "notice" in said:
        prompt, *day = said["notice"].split()
        settings["notice"] = {
            "prompt": f"notice_{prompt}", "date": day[0] if day else None,
            "to_holder": "to_holder" in said,
        }  # fmt: skip
    if "list" in said or "notice" in said:
        settings["list"] = {"posted_at": "2026-11-21T06:00:00+08:00"}
    else:
        settings["choose"] = {"groups": said["groups"].split()} if "groups" in said else {}
    return campaign_from(settings)


def write_attempt(call: CallFile, office: Office) -> None:
    """Write the campaign, its debtor and an attempt: open for a dial, else of the day before."""
    account = office.parts.reader.find_by_phone(call.debtor)
    assert account is not None
    campaign, now = campaign_of(call), office.clock.now()
    fen, months, due = (*call.campaign.get("list", "0 1").split(), "")[:3]
    area = "571" if len(call.debtor) == 8 else ""
    number = f"+86{area}{call.debtor}"
    ringing = bool(call.dials)
    began = now if ringing else now - timedelta(days=1)

    def job(tx: Any) -> None:
        def add(table: Table, **values: object) -> int:
            return int(tx.execute(insert(table).values(**values)).inserted_primary_key[0])

        made = add(
            tables.campaigns, name=campaign.name, kind=campaign.kind,
            state=CampaignState.RUNNING.value, settings=campaign.settings(), made_at=began,
        )  # fmt: skip
        target = add(
            tables.targets, campaign=made, account=account.id, person=account.id,
            numbers=[number], amount_fen=int(fen), months=int(months),
            due=date.fromisoformat(due) if due else None,
            state=(TargetState.CALLING if ringing else TargetState.WAITING),
            next_at=began,
        )  # fmt: skip
        tx.execute(
            insert(tables.attempts).values(
                id=ATTEMPT, campaign=made, target=target, account=account.id, person=account.id,
                number=number, caller_id=campaign.caller_id, node="node", card="soft", line=1,
                began_at=began, outcome=None if ringing else Outcome.NO_ANSWER.value,
            )
        )  # fmt: skip

    office.store.transact(job)


def dial(call: CallFile, office: Office, called: ScriptedCaller, call_s: float) -> FlowMachine:
    """Let ivrd call the debtor; return what the line runs."""
    config, line = office.parts.config, office.lines[0]
    assert config.dunning is not None
    assert office.parts.reminder is not None
    machine = office.parts.reminder
    if call_s:
        machine = FlowMachine(replace(machine.flow, call_s=call_s))
    reminder: Reminder = office.store.read(lambda tx: reminder_of(tx, ATTEMPT))
    facts: dict[str, Json] = {**facts_of(config, config.dunning, reminder)}
    for said in call.facts:
        name, _, value = said.partition("=")
        facts[name] = value or True
    until = office.clock.now() + timedelta(seconds=10)
    permit = DialPermit(reminder.number, reminder.campaign.caller_id, ATTEMPT, until)
    service = replace(
        office.service,
        machine=machine,
        lang=call.campaign.get("speaks", "zh-CN"),
        transfer=line.service.transfer,
    )
    office.card.parties[reminder.number] = _far_end(call, called)
    office.card.channels[0].inject(*call.script.faults, seed=call.script.seed)
    line.place(service, permit, facts, Event(U_TIME))
    return machine


def _far_end(call: CallFile, called: ScriptedCaller) -> Answering:
    if call.dials in {"person", "machine"}:
        after_s = MACHINE_AFTER_S if call.dials == "machine" else None
        return Rings(lambda: called, machine_after_s=after_s)
    return _NETWORK[call.dials]


def let_transfer(what: str, office: Office) -> None:
    """Let the line hand calls over, for which the software card has no second leg."""
    line = office.lines[0]
    until = office.clock.now() + timedelta(hours=1)
    permit = DialPermit("+8657188618000", "+8657188617000", "transfer", until)
    line.service = replace(line.service, transfer=lambda: permit)
    channel: Any = office.card.channels[0]
    answers = {"moves": T_MOVED, "refuses": T_REFUSED}

    def transfer(ident: int, permit: DialPermit) -> None:
        del permit
        if what in answers:
            office.clock.call_later(1.0, lambda: channel.emit(Event(answers[what], ident)))

    class Transferring(type(channel)):  # type: ignore[misc]  # the channel's own class
        """The same channel, able to transfer."""

        @property
        def abilities(self) -> frozenset[Ability]:
            return frozenset({*super().abilities, Ability.TRANSFER})

    channel.__class__ = Transferring
    channel.transfer = transfer


# -- what stands in the store ----------------------------------------------------------------------


def kept(store: Store) -> list[str]:
    """Return in words what calls have left in the store, sorted."""
    words: dict[Table, Callable[[Any], str]] = {
        tables.promises: lambda row: f"promise {row.pay_by} {row.amount_fen / 100:.2f} {row.state}",
        tables.worklist: lambda row: f"task {row.task} {row.due}",
        tables.do_not_call: lambda row: f"do_not_call {row.why}",
        tables.debtors: lambda row: f"class {row._mapping['class']}",  # noqa: SLF001 - a column with a keyword's name
        tables.notes: lambda row: f"note {row.text}",
        tables.targets: lambda row: f"target {row.state}",
    }

    def job(tx: Any) -> list[str]:
        return [word(row) for table, word in words.items() for row in tx.execute(select(table))]

    aside = {f"target {state.value}" for state in (TargetState.CALLING, TargetState.WAITING)}
    return sorted(set(store.read(job)) - aside)
