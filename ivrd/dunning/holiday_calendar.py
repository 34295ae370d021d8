"""Public holidays and make-up workdays, for the years that are confirmed and no others.

The `holidays` library answers for any year, also for one whose days nobody has fixed yet. So a
file of ours says which years are confirmed, by which source, and on which days; the library lends
the names. A country whose holidays follow from its law alone may take the days from it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Literal

import holidays
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivrd.errors import IvrdError, Problem, ProblemsError, nearest
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

CALENDARS = Path(__file__).resolve().parent / "calendars"
"""The calendars that come with ivrd, one file for each country."""


class CalendarError(ProblemsError):
    """A calendar file is wrong."""


class CalendarUnknown(IvrdError):  # noqa: N818 - the name is the answer
    """The holidays of a year are not confirmed; `begins` is the first day that is not known."""

    def __init__(self, country: str, begins: date) -> None:
        self.country = country
        self.begins = begins
        super().__init__(
            f"the holidays of {begins.year} ({country}) are not confirmed: from"
            f" {begins.isoformat()} on nobody is called until that year is in the calendar"
        )


class DayKind(StrEnum):
    """What a day is in a country."""

    PLAIN = "plain"
    """As its weekday says."""
    HOLIDAY = "holiday"
    MAKE_UP = "make_up"
    """A Saturday or Sunday on which the country works (调休)."""


@dataclass(frozen=True, slots=True)
class ConfirmedYear:
    """The days of a year off, and those of its weekends that are worked."""

    off: frozenset[date]
    make_up: frozenset[date]
    source: str


class HolidayCalendar:
    """The holidays of one country, or of one of its subdivisions."""

    def __init__(
        self,
        country: str,
        years: Mapping[int, ConfirmedYear],
        subdivision: str | None = None,
    ) -> None:
        self.country = country
        self.subdivision = subdivision
        self.years = dict(years)

    def kind(self, day: date) -> DayKind:
        """Return what a day is. Raises `CalendarUnknown` for a year that is not confirmed."""
        year = self.years.get(day.year)
        if year is None:
            raise CalendarUnknown(self.country, day.replace(month=1, day=1))
        if day in year.make_up:
            return DayKind.MAKE_UP
        return DayKind.HOLIDAY if day in year.off else DayKind.PLAIN

    def name(self, day: date) -> str:
        """Return the English name of a holiday, as the library has it."""
        return _names(self.country, self.subdivision, day.year).get(day) or "public holiday"

    def known_from(self, day: date) -> date | None:
        """Return the first day after `day` of a year that is confirmed; None: there is none."""
        later = [date(year, 1, 1) for year in self.years if date(year, 1, 1) > day]
        return min(later, default=None)


@lru_cache(maxsize=64)
def _names(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    for language in ("en_US", None):
        # not every country is there, and not every one in English
        with suppress(NotImplementedError, ValueError):
            found = holidays.country_holidays(
                country, subdiv=subdivision, years=year, language=language
            )
            return dict(found.items())
    return {}


# -- files -------------------------------------------------------------------------------------


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Days(_Table):
    first: date
    last: date


class _Year(_Table):
    year: int = Field(ge=2000, le=2199)
    source: str = Field(min_length=8)
    days: Literal["listed", "library"] = "listed"
    off: list[_Days] = Field(default_factory=list)
    make_up: list[date] = Field(default_factory=list)


class _File(_Table):
    country: str = Field(pattern=r"^[A-Z]{2}$")
    year: list[_Year] = Field(min_length=1)


def calendar_of(country: str, subdivision: str | None = None) -> HolidayCalendar:
    """Return the calendar that comes with ivrd for a country (ISO 3166, such as ``CN``).

    A country without one has no year confirmed: nobody is called there while holidays matter.
    Raises `CalendarError` for a subdivision that the country does not have.
    """
    path = CALENDARS / f"{country.lower()}.toml"
    if not path.exists():
        return HolidayCalendar(country, {}, subdivision)
    return load_calendar(path, subdivision)


def load_calendar(path: Path, subdivision: str | None = None) -> HolidayCalendar:
    """Load and check a calendar file.

    Raises `CalendarError` with all problems: file, line, key, what was expected, nearest name.
    """
    file = TomlFile(path, CalendarError)
    try:
        form = _File.model_validate(file.data)
    except ValidationError as error:
        raise CalendarError(problems_of(error, _File, file)) from None
    problems = [*_country(form, file, subdivision), *_years(form, file)]
    if problems:
        raise CalendarError(problems)
    years = {year.year: _confirmed(form.country, subdivision, year) for year in form.year}
    return HolidayCalendar(form.country, years, subdivision)


def _confirmed(country: str, subdivision: str | None, year: _Year) -> ConfirmedYear:
    off = {day for days in year.off for day in _each(days)}
    if year.days == "library":
        off.update(holidays.country_holidays(country, subdiv=subdivision, years=year.year))
    return ConfirmedYear(frozenset(off), frozenset(year.make_up), year.source)


def _each(days: _Days) -> Iterator[date]:
    for ahead in range((days.last - days.first).days + 1):
        yield days.first + timedelta(days=ahead)


def _country(form: _File, file: TomlFile, subdivision: str | None) -> Iterator[Problem]:
    known = holidays.list_supported_countries()
    if form.country not in known:
        yield file.problem(("country",), f"{form.country!r} is not known",
                           expected="a country code of ISO 3166 such as CN",
                           nearest=nearest(form.country, known), rule="country")  # fmt: skip
    elif subdivision is not None and subdivision not in known[form.country]:
        yield file.problem(("country",), f"{form.country} has no subdivision {subdivision!r}",
                           nearest=nearest(subdivision, known[form.country]),
                           rule="subdivision")  # fmt: skip


def _years(form: _File, file: TomlFile) -> Iterator[Problem]:
    seen: set[int] = set()
    for at, year in enumerate(form.year):
        key = ("year", at)
        if year.year in seen:
            yield file.problem((*key, "year"), f"{year.year} is there twice", rule="twice")
        seen.add(year.year)
        if year.days == "listed" and not year.off:
            yield file.problem(key, f"{year.year} has no holidays",
                               expected='days off, or days = "library"', rule="empty")  # fmt: skip
        off: set[date] = set()
        for days in year.off:
            if days.last < days.first:
                yield file.problem((*key, "off"), f"{days.last} is before {days.first}",
                                   rule="order")  # fmt: skip
                continue
            twice = off & set(_each(days))
            if twice:
                yield file.problem((*key, "off"), f"{min(twice)} is there twice", rule="twice")
            off.update(_each(days))
        for day in sorted(off | set(year.make_up)):
            if day.year != year.year:
                yield file.problem(key, f"{day} is not in {year.year}", rule="year")
        for day in year.make_up:
            if day in off:
                yield file.problem((*key, "make_up"), f"{day} is a day off too", rule="both")
            elif day.weekday() < 5:
                yield file.problem((*key, "make_up"), f"{day} is a workday anyway",
                                   expected="a Saturday or Sunday", rule="weekday")  # fmt: skip
