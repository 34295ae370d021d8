"""Policy profiles: dated rules of when and how often a debtor may be called, as data files.

A profile binds on the debtor's calendar days from its `from` to its `until`. How its limits
count stands in `ivrd.dunning.frequency`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivrd.dunning.hours import Windows
from ivrd.errors import Problem, ProblemsError, nearest
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

POLICIES = Path(__file__).resolve().parent / "policies"
"""The profiles that come with ivrd."""


class PolicyError(ProblemsError):
    """A policy profile is wrong, or there is none of that name."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` attempts or contacts, per what, within a calendar day or rolling days.

    ``day`` is the debtor's calendar day; a number is that many times 24 hours. With `most` 1, a
    limit of contacts says how long the debtor is left alone after one.
    """

    counts: Literal["attempts", "contacts"]
    per: Literal["person", "number", "debt"]
    most: int
    within: Literal["day"] | int

    @property
    def days(self) -> int:
        """How many days back it looks, at the most."""
        return 1 if self.within == "day" else self.within

    def told(self) -> str:
        """Return the limit as people say it."""
        span = "a calendar day" if self.within == "day" else f"{24 * self.within} hours"
        if self.within != "day" and self.within > 1:
            span = f"{self.within} days"
        what = self.counts if self.most != 1 else self.counts.removesuffix("s")
        return f"{self.most} {what} per {self.per} in {span}"


@dataclass(frozen=True, slots=True)
class Policy:
    """One profile as its file has it; `hours` are those in which calls are permitted.

    `consent`: whose prior consent a call by machine needs: nobody's, that of a mobile number's
    owner, everybody's.
    """

    name: str
    title: str
    source: str
    in_force_from: date
    in_force_until: date | None = None
    hours: Windows | None = None
    limits: tuple[Limit, ...] = ()
    consent: Literal["none", "mobile", "all"] = "none"

    def in_force(self, day: date) -> bool:
        """Return whether it binds on a day of the debtor's calendar."""
        return self.in_force_from <= day and (
            self.in_force_until is None or day <= self.in_force_until
        )


# -- files -------------------------------------------------------------------------------------


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Limit(_Table):
    counts: Literal["attempts", "contacts"]
    per: Literal["person", "number", "debt"]
    most: int = Field(ge=1, le=1000)
    within: Literal["day"] | int


class _File(_Table):
    title: str = Field(min_length=1)
    source: str = Field(min_length=8)
    since: date = Field(alias="from")
    until: date | None = None
    hours: list[str] | None = None
    consent: Literal["none", "mobile", "all"] = "none"
    limit: list[_Limit] = Field(default_factory=list)


def ready_policies() -> dict[str, Policy]:
    """Return the profiles that come with ivrd, by name. Raises `PolicyError`."""
    return {path.stem: load_policy(path) for path in sorted(POLICIES.glob("*.toml"))}


def load_policies(names: Iterable[str], folder: Path) -> dict[str, Policy]:
    """Return profiles by the names that campaigns use: ready ones, and files of the operator's.

    A name with the suffix ``.toml`` is a file, taken from `folder`. Raises `PolicyError` with all
    problems of all files.
    """
    policies = ready_policies()
    problems: list[Problem] = []
    for name in names:
        if not name.endswith(".toml"):
            if name not in policies:
                problems.append(
                    Problem(
                        f"no policy profile {name!r}",
                        expected=f"one of {', '.join(policies)}, or a file such as my-rules.toml",
                        nearest=nearest(name, policies), rule="unknown-name",
                    )
                )  # fmt: skip
            continue
        try:
            policies[name] = load_policy(folder / name)
        except PolicyError as error:
            problems.extend(error.problems)
    if problems:
        raise PolicyError(problems)
    return policies


def load_policy(path: Path) -> Policy:
    """Load and check a profile; its name is that of the file.

    Raises `PolicyError` with all problems: file, line, key, what was expected, nearest name.
    """
    file = TomlFile(path, PolicyError)
    try:
        form = _File.model_validate(file.data)
    except ValidationError as error:
        raise PolicyError(problems_of(error, _File, file)) from None
    problems = [*_dates(form, file), *_within(form, file), *_contradictions(form, file)]
    hours: Windows | None = None
    if form.hours is not None:
        try:
            hours = Windows.daily(*form.hours)
        except ValueError as error:
            problems.append(file.problem(("hours",), str(error), rule="value"))
        if not form.hours:
            problems.append(
                file.problem(("hours",), "no hour of the day is left",
                             expected='hours such as ["08:00-21:00"]', rule="empty")
            )  # fmt: skip
    if problems:
        raise PolicyError(problems)
    limits = tuple(Limit(one.counts, one.per, one.most, one.within) for one in form.limit)
    return Policy(
        path.stem, form.title, form.source, form.since, form.until, hours, limits, form.consent
    )


def _dates(form: _File, file: TomlFile) -> Iterator[Problem]:
    if form.until is not None and form.until < form.since:
        yield file.problem(("until",), f"{form.until} is before {form.since}",
                           expected="a day on or after from", rule="order")  # fmt: skip
    if form.hours is None and not form.limit and form.consent == "none":
        yield file.problem((), "says nothing: neither hours, nor limits, nor consent",
                           rule="empty")  # fmt: skip


def _within(form: _File, file: TomlFile) -> Iterator[Problem]:
    for at, limit in enumerate(form.limit):
        if limit.within != "day" and not 1 <= limit.within <= 366:
            yield file.problem(("limit", at, "within"), f"is {limit.within}",
                               expected='"day" (the debtor\'s calendar day) or 1 to 366 days',
                               rule="value")  # fmt: skip


def _contradictions(form: _File, file: TomlFile) -> Iterator[Problem]:
    """Find limits of which one never matters: most likely one of the two is a slip."""
    for at, limit in enumerate(form.limit):
        for before, other in enumerate(form.limit[:at]):
            if limit.per != other.per:
                continue
            first = f"limit[{before}]"
            if limit.counts == other.counts and limit.within == other.within:
                yield file.problem(("limit", at), f"counts the same as {first}: {other.most} or"
                                   f" {limit.most}?", expected="one of them", rule="twice"
                                   )  # fmt: skip
            elif _never_reached(limit, other):
                yield file.problem(("limit", at, "most"), f"{limit.most} can never be reached:"
                                   f" {first} stops at {other.most}", expected=f"less than"
                                   f" {other.most}, or no such limit", rule="never")  # fmt: skip
            elif _never_reached(other, limit):
                yield file.problem(("limit", at, "most"), f"at {limit.most}, {first} with"
                                   f" {other.most} can never be reached", expected=f"more than"
                                   f" {other.most}, or no {first}", rule="never")  # fmt: skip


def _never_reached(limit: _Limit, other: _Limit) -> bool:
    """Return whether `other` always holds a call before `limit` does.

    An attempt may be no contact but not the other way round, and a calendar day lies within a
    rolling day only where it is not longer.
    """
    counts = other.counts in {limit.counts, "attempts"}
    # a calendar day of 25 h is longer than 24 h, so only two days or more surely cover it
    span = limit.within == other.within or (
        other.within != "day" and (2 if limit.within == "day" else limit.within) <= other.within
    )
    return counts and span and limit.most >= other.most
