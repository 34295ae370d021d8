"""The calendar: confirmed years only, with make-up workdays; a wrong file is told by its line."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import holidays
import pytest

from ivrd.dunning.holiday_calendar import (
    CALENDARS,
    CalendarError,
    CalendarUnknown,
    DayKind,
    calendar_of,
    load_calendar,
)

CHINA = calendar_of("CN")


def test_the_years_that_are_confirmed_name_their_source() -> None:
    assert sorted(CHINA.years) == [2025, 2026]
    assert all("国办发明电" in year.source for year in CHINA.years.values())


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2025, 1, 26), DayKind.MAKE_UP),
        (date(2025, 1, 28), DayKind.HOLIDAY),
        (date(2025, 10, 8), DayKind.HOLIDAY),
        (date(2025, 10, 9), DayKind.PLAIN),
        (date(2026, 1, 4), DayKind.MAKE_UP),
        (date(2026, 2, 15), DayKind.HOLIDAY),
        (date(2026, 2, 23), DayKind.HOLIDAY),
        (date(2026, 2, 24), DayKind.PLAIN),
        (date(2026, 10, 10), DayKind.MAKE_UP),
        (date(2026, 11, 22), DayKind.PLAIN),
    ],
)
def test_days_of_the_state_councils_notices(day: date, kind: DayKind) -> None:
    assert CHINA.kind(day) is kind


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_librarys_workdays_off_and_worked_weekends_are_the_same(year: int) -> None:
    library = holidays.country_holidays("CN", years=year)
    day = date(year, 1, 1)
    while day.year == year:
        kind = CHINA.kind(day)
        if day.weekday() < 5:
            assert (kind is DayKind.HOLIDAY) == (day in library), day
        else:
            assert (kind is DayKind.MAKE_UP) == library.is_working_day(day), day
        day += timedelta(days=1)


def test_a_year_that_nobody_confirmed_is_an_error_with_its_first_day() -> None:
    with pytest.raises(CalendarUnknown, match="2027-01-01") as caught:
        CHINA.kind(date(2027, 5, 1))
    assert caught.value.begins == date(2027, 1, 1)
    assert CHINA.known_from(date(2027, 5, 1)) is None
    assert CHINA.known_from(date(2024, 5, 1)) == date(2025, 1, 1)


def test_a_country_without_a_file_has_no_year() -> None:
    with pytest.raises(CalendarUnknown):
        calendar_of("FR").kind(date(2026, 1, 1))


def test_names_are_the_librarys() -> None:
    assert CHINA.name(date(2026, 10, 1)) == "National Day"
    assert CHINA.name(date(2026, 2, 15)) == "public holiday", "a Sunday that the library leaves out"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "xx.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_country_may_take_its_days_from_the_library(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
country = "US"
[[year]]
year = 2026
source = "5 U.S.C. 6103"
days = "library"
""",
    )
    calendar = load_calendar(path)
    assert calendar.kind(date(2026, 11, 26)) is DayKind.HOLIDAY
    assert calendar.name(date(2026, 11, 26)) == "Thanksgiving Day"
    assert load_calendar(path, "CA").kind(date(2026, 3, 31)) is DayKind.HOLIDAY, "of California"
    with pytest.raises(CalendarUnknown):
        calendar.kind(date(2027, 1, 1))
    with pytest.raises(CalendarError, match="no subdivision 'ZZ'"):
        load_calendar(path, "ZZ")


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """country = "CN"
[[year]]
year = 2026
source = "somebody said so"
make_up = [2026-01-05, 2026-01-02, 2027-01-03]
off = [
  { first = 2026-01-01, last = 2026-01-03 },
  { first = 2026-01-03, last = 2026-01-04 },
  { first = 2026-05-03, last = 2026-05-01 },
]
[[year]]
year = 2026
source = "and again so"
""",
    )
    with pytest.raises(CalendarError) as caught:
        load_calendar(path)
    told = str(caught.value)
    for part in (
        "xx.toml:5: year[0].make_up: 2026-01-05 is a workday anyway",
        "2026-01-02 is a day off too",
        "2027-01-03 is not in 2026",
        "xx.toml:6: year[0].off: 2026-01-03 is there twice",
        "2026-05-01 is before 2026-05-03",
        "xx.toml:12: year[1].year: 2026 is there twice",
        "xx.toml:11: year[1]: 2026 has no holidays",
    ):
        assert part in told, told


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, 'country = "CN"\n[[year]]\nyear = 2026\nsuorce = "somebody"\n')
    with pytest.raises(CalendarError, match=r"xx.toml:4: year\[0\].suorce: no such key.*'source'"):
        load_calendar(path)


@pytest.mark.parametrize("path", sorted(CALENDARS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_calendars_that_come_with_ivrd_are_right(path: Path) -> None:
    assert load_calendar(path).years
