"""Whom a campaign calls: the accounts in arrears that its [choose] fits, from the billing data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ivrd.billing.entities import Debtor
from ivrd.billing.reader import BillingReader
from ivrd.dunning.campaign import Campaign, Choose
from ivrd.dunning.case import Reason
from ivrd.dunning.numbers import NumberPlan, NumberProblem
from ivrd.dunning.target_rows import TargetRow
from ivrd.errors import BillingError, nearest

ZONE_UNKNOWN = "zone_unknown"
"""Why a debtor is excluded whose account names a time zone that there is not."""

_LONGEST_ID = 64
"""Characters that the store keeps of an account."""


class NumberRanges:
    """The ranges of [choose] numbers: of E.164 numbers with a +, else as the data writes them."""

    def __init__(self, ranges: Sequence[str]) -> None:
        self._ranges: list[tuple[bool, int, int, int]] = []
        for text in ranges:
            low, _, high = text.partition("-")
            whole = low.startswith("+")
            digits = low.removeprefix("+")
            self._ranges.append((whole, len(digits), int(digits), int(high.removeprefix("+"))))

    def __contains__(self, numbers: tuple[str, str | None]) -> bool:
        """Return whether a number, as written and in E.164, lies in one of them; in none is all."""
        raw, e164 = numbers
        written = "".join(c for c in raw if c in "0123456789")
        for whole, length, low, high in self._ranges:
            digits = (e164 or "").removeprefix("+") if whole else written
            if len(digits) == length and low <= int(digits) <= high:
                return True
        return not self._ranges


def choose_targets(
    reader: BillingReader, campaign: Campaign, plan: NumberPlan, today: date
) -> Iterator[TargetRow]:
    """Yield every account that owes something for the campaign's products and groups.

    Those that its amount, days or number ranges leave out have `chosen` False: they owe, and are
    not to be taken for settled. One whose numbers the dial plan refuses comes with the reason.
    Raises `BillingError` where the billing data cannot be read, `ValueError` for a campaign of
    a list.
    """
    rules = campaign.choose
    if rules is None:
        raise ValueError("the campaign's debtors come from a list")
    choice = _Choice(rules, campaign.languages, plan, today)
    for debtor in reader.debtors(groups=rules.groups, products=rules.products):
        yield choice.row(debtor)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class _Choice:
    """One choice: the rules, and what turns a debtor into a target."""

    def __init__(
        self, rules: Choose, languages: Sequence[str], plan: NumberPlan, today: date
    ) -> None:
        self._rules, self._plan = rules, plan
        self._languages = frozenset(languages)
        self._ranges = NumberRanges(rules.numbers)
        self._least_fen = rules.amount_at_least_fen
        days = rules.overdue_at_least_days
        self._latest_due = today - timedelta(days=days) if days else None

    def row(self, debtor: Debtor) -> TargetRow:
        """Return a debtor as a target."""
        owed = debtor.owed
        if len(owed.account_id) > _LONGEST_ID:
            raise BillingError(f"account.id: longer than {_LONGEST_ID} characters")
        numbers, refused = self._numbers(debtor.phones)
        reason, detail = refused[0] if refused else (None, None)
        if debtor.zone and not _is_zone(debtor.zone):
            # by which clock their hours run is not known: nobody guesses it
            numbers, reason, detail = (
                (),
                ZONE_UNKNOWN,
                "the billing data names no time zone there is",
            )
        return TargetRow(
            account=owed.account_id,
            person=(debtor.customer or owed.account_id)[:_LONGEST_ID],
            numbers=numbers,
            amount_fen=owed.amount_fen,
            months=max(owed.months, 1),
            due=owed.due,
            product=owed.product and owed.product[:_LONGEST_ID],
            group=owed.group and owed.group[:_LONGEST_ID],
            zone=debtor.zone or None,
            consent=debtor.consent,
            lang=debtor.language if debtor.language in self._languages else None,
            chosen=self._chosen(debtor, numbers),
            refused=reason,
            refused_detail=detail,
        )

    def _chosen(self, debtor: Debtor, numbers: tuple[str, ...]) -> bool:
        owed = debtor.owed
        if owed.amount_fen < self._least_fen:
            return False
        if self._latest_due and (owed.due is None or owed.due > self._latest_due):
            return False
        main = debtor.phones[0] if debtor.phones else ""
        return (main, numbers[0] if numbers else None) in self._ranges

    def _numbers(self, phones: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Return the numbers that may be dialled, and what is wrong with each of the others."""
        good: list[str] = []
        refused: list[tuple[str, str]] = []
        for place, phone in enumerate(phones, start=1):
            which = f"number {place} of {len(phones)}: "
            try:
                number = self._plan.e164(phone)
            except NumberProblem as exc:
                refused.append((Reason.NUMBER_INVALID.value, which + str(exc)))
                continue
            barred = self._plan.blocked(number)
            if barred:
                refused.append((Reason.NUMBER_BLOCKED.value, which + barred))
            else:
                good.append(number)
        if not phones:
            refused.append((Reason.NUMBER_INVALID.value, "no telephone number on record"))
        return tuple(dict.fromkeys(good)), refused


def why_nobody(reader: BillingReader, campaign: Campaign) -> str:
    """Return why a choice found nobody, with the nearest group or product where one is unknown."""
    rules = campaign.choose
    if rules is None:
        return "the list has no debtor"
    groups: set[str] = set()
    products: set[str] = set()
    rows = 0
    for rows, row in enumerate(reader.owed_rows(), start=1):  # noqa: B007 - the count is told
        groups |= {row.owed.group} if row.owed.group else set()
        products |= {row.owed.product} if row.owed.product else set()
    if not rows:
        return "the billing data has nobody in arrears"
    for what, named, known in (
        ("group", rules.groups, groups),
        ("product", rules.products, products),
    ):
        for name in named:
            if name not in known:
                near = nearest(name, known)
                hint = f"; did you mean {near!r}?" if near else ""
                there = ", ".join(sorted(known)[:12]) or "none at all"
                return f"no arrears are of {what} {name!r}, but of {there}{hint}"
    return f"none of the {rows} rows in arrears fits amount, days and numbers of [choose]"
