"""Dunning on one node: the dialler with its desk, and the operator's word for each line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection

from ivrd.assembly import Parts
from ivrd.billing.entities import Arrears
from ivrd.card import DialPermit
from ivrd.clock import Clock
from ivrd.config import Config, Dunning
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.campaign_prompts import unspoken
from ivrd.dunning.choose import choose_targets
from ivrd.dunning.claim import Claim
from ivrd.dunning.desk import DunningDesk, new_attempt
from ivrd.dunning.dialler import Care, Clerk, Dialler, Given, cannot_dial, log_failure
from ivrd.dunning.gate import ListedNumbers
from ivrd.dunning.openings import CampaignHours
from ivrd.dunning.running import Campaigns
from ivrd.dunning.target_rows import TargetRow
from ivrd.dunning.upkeep import Chosen, Done
from ivrd.dunning_settings import care_of, facts_of
from ivrd.errors import IvrdError
from ivrd.line import Line
from ivrd.prompts import Voices
from ivrd.records import Role
from ivrd.service import Actions, Service
from ivrd.store.audit import record
from ivrd.store.engine import Store
from ivrd.store.switches import Switch, all_switches, line_switch, set_switch

DO = ("start", "stop", "pause")
"""What an operator can order for lines."""

_ALWAYS = frozenset({Role.DUNNING, Role.BOTH})
"""Roles of lines that dial from the start, unless the operator's last word is another."""

_log = structlog.get_logger("ivrd.dunning")


class Clerks(NamedTuple):
    """Who carries out what may block: what calls need, and aside of it what takes long."""

    calls: Clerk
    aside: Clerk


class Outbound:
    """Dunning on this node. `service` gives what a claim's call runs."""

    def __init__(
        self,
        config: Config,
        store: Store,
        desk: DunningDesk,
        clock: Clock,
        clerks: Clerks,
        lines: Callable[[], Mapping[int, Line]],
        service: Callable[[Claim], Service],
        care: Care,
    ) -> None:
        self._config = config
        self._store = store
        self.desk = desk
        self._clock = clock
        self._clerk, self._aside = clerks
        self._lines = lines
        self._upkeep_s = care.upkeep_s
        self._upkeep_due = clock.call_later(care.upkeep_s, self._upkeep)
        self._choosing = False
        self._switches: dict[str, Switch] = {}
        self.dialler = Dialler(clock, desk, clerks.calls, lines, service, care, config.node.name)

    def recover(self) -> int:
        """Close what a crash left open, and look how lines were given; blocking.

        Returns how many attempts were open. Raises `StoreError`.
        """
        lost = self.desk.recover()
        if lost:
            _log.warning("attempts_cut_off", attempts=lost, outcome="unknown")
        self._switches = self._store.read(all_switches)
        return lost

    def resume(self) -> None:
        """Give lines as they were given when `recover` looked."""
        for number, _, _, table in self._config.every_line():
            switch = self._switches.get(line_switch(self._config.node.name, number))
            if switch is not None:
                self._restore(number, switch)
            elif table is not None and table.role in _ALWAYS:
                self.dialler.start([number])

    def _restore(self, number: int, switch: Switch) -> None:
        if switch.on:
            self.dialler.start([number], switch.at)
        elif switch.why == "pause":
            self.dialler.stop([number], pause=True)

    def order(
        self, numbers: list[int], do: str, by: str, *, at: datetime | None = None, now: bool = False
    ) -> None:
        """Do what the operator orders for lines, and remember it; `now` ends calls under way.

        Raises `IvrdError` for what cannot be ordered.
        """
        if do not in DO:
            raise IvrdError(f"{do!r} cannot be done with lines; expected one of {', '.join(DO)}")
        if at is not None and do != "start":
            raise IvrdError("only a start can be set for a time")
        if at is not None and at <= self._clock.now():
            raise IvrdError(f"{at:%Y-%m-%d %H:%M} is past; give a time to come")
        if do == "start":
            for number in numbers:
                line = self._lines().get(number)
                why = cannot_dial(line) if line is not None else ""
                if why:
                    raise IvrdError(f"line {number} {why}")
            self.dialler.start(numbers, at)
        else:
            self.dialler.stop(numbers, pause=do == "pause", now=now)
        job = partial(
            _remember,
            node=self._config.node.name,
            numbers=numbers,
            do=do,
            by=by,
            at=at,
            now=self._clock.now(),
        )
        self._clerk.submit(partial(self._store.transact, job), self._remembered)
        _log.info(f"dunning_{do}", lines=numbers, at=at.isoformat() if at else None)

    def _remembered(self, result: object) -> None:
        if isinstance(result, Exception):
            log_failure("line_order_not_kept", result)

    def _upkeep(self) -> None:
        self._clerk.submit(self.desk.upkeep, self._kept_up)

    def _kept_up(self, done: Done | Exception) -> None:
        if isinstance(done, Done):
            if done != Done():
                _log.info("upkeep", lost=done.lost, kept=done.kept, broken=done.broken)
        else:
            log_failure("upkeep_failed", done)
        if not self._choosing:
            self._choosing = True
            self._aside.submit(self.desk.choose_again, self._chosen)
        self._upkeep_due = self._clock.call_later(self._upkeep_s, self._upkeep)

    def _chosen(self, chosen: Chosen | Exception | None) -> None:
        """Tell what a day's choice brought; that it brought nobody is an alarm."""
        self._choosing = False
        if isinstance(chosen, Exception):
            log_failure("debtors_not_chosen", chosen)
        elif chosen is not None:
            filled = chosen.filled
            tell = _log.error if filled.empty else _log.info
            tell(
                "nobody_chosen" if filled.empty else "debtors_chosen", campaign=chosen.campaign,
                added=filled.added, again=filled.again, settled=filled.settled,
                dropped=filled.dropped,
            )  # fmt: skip
            self.dialler.wake()

    def line_view(self, number: int) -> dict[str, Any]:
        """Return how a line stands towards dunning."""
        given: Given = self.dialler.given(number)
        word = "on" if given.on else "paused" if given.paused else "off"
        at = given.starts_at.isoformat(timespec="seconds") if given.starts_at else None
        return {"dunning": "starts" if at else word, "dunning_at": at}

    def view(self) -> dict[str, Any]:
        """Return how dunning goes on this node since its start."""
        counts = self.dialler.counts
        return {
            "waits_for": self.dialler.waits_for,
            "dialled": counts.dialled,
            "lost_to_callers": counts.lost_to_callers,
            "outcomes": dict(counts.outcomes),
            "unsaved": counts.unsaved,
        }

    def shut(self) -> None:
        """Dial no more; outcomes of calls that end from now on are still written."""
        self._upkeep_due.cancel()
        self.dialler.shut()


def outbound_of(  # noqa: PLR0913 - what a node has, each by its name
    config: Config,
    parts: Callable[[], Parts],
    clock: Clock,
    clerks: Clerks,
    lines: Callable[[], Mapping[int, Line]],
    actions: Callable[[], Actions],
    *,
    ids: Callable[[datetime], str] = new_attempt,
    care: Care | None = None,
    choose_daily: bool = True,
) -> Outbound | None:
    """Return dunning as ivrd.toml has it; None where it has none.

    `parts` and `actions` are looked at anew for each call, since a reload or an import may change
    them. `care` stands
    for what ivrd.toml says of it, in simulations. Without `choose_daily` campaigns keep the debtors
    that they have.
    """
    dunning, gate, store = config.dunning, parts().gate, parts().store
    if dunning is None or gate is None:
        return None
    campaigns = Campaigns(config.zone, CampaignHours(gate.rules, gate.calendar))
    facts = partial(facts_of, config, dunning)

    def choose(campaign: Campaign, today: date) -> Iterator[TargetRow]:
        return choose_targets(parts().reader, campaign, gate.plan, today)

    def arrears(account: str) -> tuple[Arrears, ...]:
        return parts().reader.arrears(account)

    desk = DunningDesk(
        store, gate, campaigns, arrears, facts, choose if choose_daily else None,
        config.node.name, ids=ids, clock=clock.now,
        mute=lambda campaign: _mute(campaign, parts().voices),
    )  # fmt: skip
    service = partial(_service, config, parts, actions, _transfers(dunning, clock))
    care = care or care_of(dunning)
    return Outbound(config, store, desk, clock, clerks, lines, service, care)


def _mute(campaign: Campaign, voices: Voices) -> str:
    """Return why a campaign cannot be spoken, "" where it can: nobody is called for an apology."""
    return "; ".join(problem.what for problem in unspoken(campaign, voices))


def _transfers(dunning: Dunning, clock: Clock) -> Callable[[], DialPermit | None]:
    """Return what gives the permit to hand a call to a person.

    The kill switch does not hold it: that call is one the person on the line asks for.
    """
    number = dunning.transfer
    listed = ListedNumbers(dunning.caller_id, transfer=[number] if number else ())
    return lambda: listed.permit_transfer(number, "transfer", clock.now()) if number else None


def _service(
    config: Config,
    parts: Callable[[], Parts],
    actions: Callable[[], Actions],
    transfer: Callable[[], DialPermit | None],
    claim: Claim,
) -> Service:
    """Return what a reminder call runs, in the debtor's language."""
    now = parts()
    if now.reminder is None:
        raise RuntimeError("no flow of a reminder call")
    languages = config.node.languages
    lang = claim.lang if claim.lang in languages else languages[0]
    return Service(now.reminder, lambda _caller, _called: {}, actions(), now.voices, lang, transfer)


def _remember(
    tx: Connection,
    *,
    node: str,
    numbers: list[int],
    do: str,
    by: str,
    at: datetime | None,
    now: datetime,
) -> None:
    for number in numbers:
        set_switch(tx, at or now, line_switch(node, number), do == "start", by, do)
    record(tx, now, by, f"dunning {do}", {"lines": numbers, "at": at.isoformat() if at else None})
