"""Whether a call may be made: every rule, in one order, with no store and no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ivrd.dunning.case import WIDE, Case, GateRules, Held, History, Reason
from ivrd.dunning.frequency import reached_until
from ivrd.dunning.holiday_calendar import CalendarUnknown, DayKind, HolidayCalendar
from ivrd.dunning.hours import Holidays, Hours, day_of, day_start
from ivrd.dunning.numbers import NumberKind, NumberPlan
from ivrd.dunning.policy import Limit, Policy

_ONE_DAY = timedelta(days=1)

_STEPS = 200
"""Holds in a row that are followed to find the instant at which to ask again."""


class Judge:
    """Holds the rules against a case. Pure: the same case, history and instant, the same answer."""

    def __init__(self, rules: GateRules, plan: NumberPlan, calendar: HolidayCalendar) -> None:
        self.rules = rules
        self.plan = plan
        self.calendar = calendar

    def judge(self, case: Case, history: History, now: datetime) -> Held | None:
        """Return why the case is held, and until when; None where it may be dialled now."""
        first = next(self._all(case, history, now), None)
        if first is None or first.until is None:
            return first
        wide = first.reason in WIDE

        def holds(at: datetime) -> Held | None:
            if wide:
                return next(self._hours(case, at), None)
            return next(self._all(_read_anew(case, at - now), history, at), None)

        return Held(first.reason, first.detail, _through(holds, first.until), first.final)

    def good_until(self, case: Case, now: datetime, latest: datetime) -> datetime:
        """Return until when a case that may be dialled now surely may be; `latest` at the most.

        Its hours may close, its message go stale, its data become too old, the day end.
        """
        day = day_of(now, case.zone)
        # the next day may bring other profiles into force
        ends = [latest, day_start(day + _ONE_DAY, case.zone)]
        ends += [one.closes_at(now, latest) for one in self._each_hours(case)]
        for policy in self._in_force(case.profiles, day):
            if policy.hours is not None:
                ends.append(Hours(policy.hours, case.zone).closes_at(now, latest))
        ends += [at for at in (case.stale_after, case.ends) if at is not None]
        if case.kind == "dunning":
            ends += [at + timedelta(hours=case.max_age_h) for at in _ages(case) if at is not None]
        return min(ends)

    def looks_back_days(self, profiles: Sequence[str]) -> int:
        """Return how many days of the ledger the limits of some profiles need."""
        named = [self.rules.policies[name] for name in profiles if name in self.rules.policies]
        return max([2, *(limit.days + 1 for policy in named for limit in policy.limits)])

    # -- the rules, in order -------------------------------------------------------------------

    def _all(self, case: Case, history: History, now: datetime) -> Iterator[Held]:
        yield from _state(history)
        yield from self._number(case, history)
        yield from _truth(case, now)
        yield from self._agreed(case, now)
        yield from _promised(case, history, now)
        if history.due_at is not None and now < history.due_at:
            yield Held(Reason.NOT_DUE, f"the next try is at {_told(history.due_at, case.zone)}",
                       history.due_at)  # fmt: skip
        yield from self._hours(case, now)
        if history.number_busy:
            yield Held(Reason.NUMBER_BUSY, "a call to this number is under way")
        if history.person_busy:
            yield Held(
                Reason.PERSON_BUSY, "a call to this person, or about this debt, is under way"
            )
        yield from self._frequency(case, history, now)

    def _number(self, case: Case, history: History) -> Iterator[Held]:
        if history.numbers is not None and case.number not in history.numbers:
            yield Held(Reason.FOREIGN_NUMBER, "the number is none of those that the debtor has in"
                       f" the {_SOURCES[case.source]}", final=True)  # fmt: skip
        why = self.plan.blocked(case.number)
        if why is not None:
            invalid = why.startswith("not a number")
            reason = Reason.NUMBER_INVALID if invalid else Reason.NUMBER_BLOCKED
            yield Held(reason, f"the number is {why}", final=True)
        if history.do_not_call is not None:
            why = f"the number is on the do-not-call list ({history.do_not_call})"
            yield Held(Reason.DO_NOT_CALL, why, final=True)
        if self.rules.allowed is not None and case.number not in self.rules.allowed:
            yield Held(Reason.NOT_ALLOWED, "there is an allow list, and the number is not on it")

    def _agreed(self, case: Case, now: datetime) -> Iterator[Held]:
        day = day_of(now, case.zone)
        yield from self._profiles(case.profiles, day, case.zone)
        if case.consent:
            return
        mobile = self.plan.kind(case.number) is not NumberKind.FIXED
        for policy in self._in_force(case.profiles, day):
            if policy.consent == "all" or (policy.consent == "mobile" and mobile):
                none = "there is none" if case.consent is None else "the account says no"
                yield Held(Reason.NO_CONSENT, f"profile {policy.name} wants consent to calls by"
                           f" machine, and {none}")  # fmt: skip

    def _profiles(self, names: Sequence[str], day: date, zone: ZoneInfo) -> Iterator[Held]:
        for name in names:
            if name not in self.rules.policies:
                yield Held(Reason.POLICY_UNKNOWN, f"there is no policy profile {name!r}")
        if names and not self._in_force(names, day):
            begins = [self.rules.policies[name].in_force_from for name in names]
            later = min((one for one in begins if one > day), default=None)
            yield Held(
                Reason.POLICY_NOT_IN_FORCE,
                f"none of its policy profiles ({', '.join(names)}) is in force on {day}",
                day_start(later, zone) if later else None,
            )

    def _in_force(self, names: Sequence[str], day: date) -> list[Policy]:
        named = [self.rules.policies[name] for name in names if name in self.rules.policies]
        return [policy for policy in named if policy.in_force(day)]

    def _each_hours(self, case: Case) -> tuple[Hours, Hours]:
        own = Hours(case.windows, case.zone, self.calendar, case.holidays)
        return own, Hours(self.rules.outer.hours, case.zone)

    def _hours(self, case: Case, now: datetime) -> Iterator[Held]:
        day = day_of(now, case.zone)
        yield from self._profiles(case.profiles, day, case.zone)
        own, outer = self._each_hours(case)
        yield from _in_windows(own, now)
        for policy in self._in_force(case.profiles, day):
            if policy.hours is not None:
                what = f"the hours of profile {policy.name}"
                yield from _within(Hours(policy.hours, case.zone), Reason.QUIET_HOURS, what, now)
        yield from _within(outer, Reason.OUTER_HOURS, "the hours of the outer limit", now)

    def _frequency(self, case: Case, history: History, now: datetime) -> Iterator[Held]:
        most = self.rules.outer.attempts_a_day
        limits = [(Limit("attempts", "number", most, "day"), "the outer limit")]
        for policy in self._in_force(case.profiles, day_of(now, case.zone)):
            limits += [(limit, f"profile {policy.name}") for limit in policy.limits]
        for at, (limit, whose) in enumerate(limits):
            key: str = getattr(case, limit.per)
            until = reached_until(limit, history.calls, key, case.zone, now)
            if until is not None:
                reason = Reason.FREQUENCY if at else Reason.OUTER_FREQUENCY
                yield Held(reason, f"{whose} allows {limit.told()}, and that is used up", until)


_SOURCES = {"account": "billing data", "list": "imported list"}


def _through(holds: Callable[[datetime], Held | None], until: datetime) -> datetime | None:
    """Follow one hold after the other to the instant at which none is left, or an event is due.

    None where they go on and on: there is no such instant within reach.
    """
    for _ in range(_STEPS):
        held = holds(until)
        if held is None or held.until is None:
            return until
        until = held.until
    return None


def _read_anew(case: Case, later: timedelta) -> Case:
    """Return the case as it is asked later: what is owed is read right before, as it was now."""
    return replace(case, read_at=case.read_at + later) if case.read_at else case


def _state(history: History) -> Iterator[Held]:
    if history.killed:
        yield Held(Reason.KILL_SWITCH, "the kill switch is on: nobody is dialled")
    if not history.campaign_runs:
        yield Held(Reason.CAMPAIGN_NOT_RUNNING, "the campaign is not running")
    if not history.target_waits:
        yield Held(Reason.TARGET_NOT_WAITING, "the debtor is being called, or is through with the"
                   " campaign")  # fmt: skip


def _ages(case: Case) -> tuple[datetime | None, ...]:
    """Return the instants of which none may be too old, None where one is not known."""
    if case.source == "list":
        return (case.posted_at,)
    return (case.read_at,) if case.posted_at is None else (case.read_at, case.posted_at)


def _truth(case: Case, now: datetime) -> Iterator[Held]:
    """Hold what is no longer true: the message, the data it is made of, the debt itself."""
    if case.ends is not None and now >= case.ends:
        yield Held(Reason.CAMPAIGN_OVER, f"the campaign ended at {_told(case.ends, case.zone)}",
                   final=True)  # fmt: skip
    if case.stale_after is not None and now >= case.stale_after:
        yield Held(Reason.MESSAGE_STALE, "the message is out of date since"
                   f" {_told(case.stale_after, case.zone)}", final=True)  # fmt: skip
    if case.kind == "notice":
        return
    # an instant that lies as far ahead is as little to be trusted: the clock was put back
    limit = timedelta(hours=case.max_age_h)
    if any(at is None or abs(now - at) >= limit for at in _ages(case)):
        yield Held(Reason.BILLING_STALE, "what is owed was last known more than"
                   f" {case.max_age_h:g} hours ago")  # fmt: skip
    if case.owed_fen <= 0:
        yield Held(Reason.SETTLED, "nothing is owed any more", final=True)


def _promised(case: Case, history: History, now: datetime) -> Iterator[Held]:
    """Leave a debtor alone until the day before the promised one; then one reminder."""
    promise = history.promise
    if promise is None or case.kind == "notice":
        return
    if promise.reminded:
        back = promise.pay_by + _ONE_DAY
        what = f"the debtor was reminded of the promise to pay by {promise.pay_by}"
    else:
        made = day_of(promise.made_at, case.zone)
        back = max(promise.pay_by - _ONE_DAY, made + _ONE_DAY)
        what = f"the debtor promised to pay by {promise.pay_by}"
    start = day_start(back, case.zone)
    if now < start:
        yield Held(Reason.PROMISED, what, start)


def _in_windows(own: Hours, now: datetime) -> Iterator[Held]:
    try:
        if own.open_at(now):
            return
    except CalendarUnknown as unknown:
        yield Held(Reason.CALENDAR_UNKNOWN, str(unknown), _known_again(own, now))
        return
    local = now.astimezone(own.zone)
    reason = Reason.OUTSIDE_WINDOW
    what = f"outside the campaign's hours ({own.windows.told(local.weekday())})"
    asked = own.calendar if own.holidays is Holidays.CLOSED else None
    if asked is not None and asked.kind(local.date()) is DayKind.HOLIDAY:
        reason, what = Reason.HOLIDAY, f"a holiday ({asked.name(local.date())})"
    try:
        opens = own.next_open(now)
    except CalendarUnknown as unknown:
        opens = day_start(unknown.begins, own.zone)
        what += f"; {unknown}"
    else:
        what += f"; they begin again at {_told(opens, own.zone)}" if opens else "; for good"
    yield Held(reason, what, opens)


def _known_again(own: Hours, now: datetime) -> datetime | None:
    """Return when a day begins of which the calendar tells enough."""
    if own.calendar is None:
        return None
    day = own.calendar.known_from(day_of(now, own.zone))
    if own.windows.over_midnight:
        # the night into a year that is known belongs to one that may not be
        today = day_of(now, own.zone)
        day = today + _ONE_DAY if _known(own.calendar, today) else day and day + _ONE_DAY
    return day_start(day, own.zone) if day else None


def _known(calendar: HolidayCalendar, day: date) -> bool:
    return day.year in calendar.years


def _within(hours: Hours, reason: Reason, what: str, now: datetime) -> Iterator[Held]:
    if hours.open_at(now):
        return
    opens = hours.next_open(now)
    local = now.astimezone(hours.zone)
    when = f"; they begin again at {_told(opens, hours.zone)}" if opens else ""
    yield Held(reason, f"outside {what} ({hours.windows.told(local.weekday())}){when}", opens)


def _told(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant by the debtor's clock."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
