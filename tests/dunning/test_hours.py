"""Hours: windows with breaks and over midnight, on clocks that are put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ivrd.dunning.holiday_calendar import CalendarUnknown, DayKind, calendar_of
from ivrd.dunning.hours import WEEKDAYS, Holidays, Hours, Windows, day_start, parse_span

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = calendar_of("CN")
MINUTE = timedelta(minutes=1)

ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe",
        "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca",
    )
]  # fmt: skip
"""Without a change of clocks; with one by an hour, by half an hour, at midnight, by a day."""

# days near which the clocks of some of these zones are changed
CHANGES = [
    date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5),
    date(2026, 10, 4), date(2010, 11, 7), date(2010, 3, 14), date(2018, 11, 4), date(2018, 2, 18),
    date(2011, 12, 30), date(2026, 2, 15), date(2026, 3, 22),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("09:30-12:00", (570, 720)),
        (" 9:30 - 12:00 ", (570, 720)),
        ("15:00–20:00", (900, 1200)),
        ("22:00-02:00", (1320, 1560)),
        ("00:00-24:00", (0, 1440)),
        ("20:00-00:00", (1200, 1440)),
    ],
)
def test_a_span_is_read(text: str, span: tuple[int, int]) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "9-12", "09:30", "25:00-26:00", "09:60-10:00", "10:00-10:00"])
def test_what_is_no_span_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|from 00:00 to 24:00|a whole day is"):
        parse_span(text)


def test_windows_that_overlap_and_unknown_weekdays_are_refused() -> None:
    with pytest.raises(ValueError, match="windows of mon overlap"):
        Windows.of({"mon": ["09:00-12:00", "11:59-13:00"]})
    with pytest.raises(ValueError, match="'monday' is no weekday"):
        Windows.of({"monday": ["09:00-12:00"]})


def at(hour: int, minute: int = 0, day: int = 24) -> datetime:
    """Return an instant in November 2026; the 24th is a Tuesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


def test_a_break_is_closed_and_a_window_ends_on_its_last_minute() -> None:
    hours = Hours(Windows.daily("09:30-12:00", "15:00-20:00"), SHANGHAI)
    assert not hours.open_at(at(9, 29))
    assert hours.open_at(at(9, 30))
    assert hours.open_at(at(11, 59))
    assert not hours.open_at(at(12))
    assert hours.next_open(at(12)) == at(15)
    assert hours.closes_at(at(15), at(23)) == at(20)
    assert hours.closes_at(at(15), at(16)) == at(16), "nothing closes before"
    assert hours.next_open(at(20)) == at(9, 30, day=25)


def test_a_window_over_midnight_belongs_to_the_day_it_began_on() -> None:
    hours = Hours(Windows.of({"tue": ["22:00-02:00"]}), SHANGHAI)
    assert hours.open_at(at(23))
    assert hours.open_at(at(1, day=25))
    assert not hours.open_at(at(1))
    assert hours.closes_at(at(23), at(23, day=26)) == at(2, day=25)
    assert hours.next_open(at(2, day=25)) == at(22, day=24) + timedelta(days=7)


def test_hours_are_those_of_the_debtors_clock() -> None:
    hours = Hours(Windows.daily("09:00-18:00"), ZoneInfo("Asia/Urumqi"))
    assert not hours.open_at(at(10, 59)), "two hours behind"
    assert hours.next_open(at(10)) == at(11)


def test_an_hour_that_is_left_out_opens_when_the_clock_jumps_into_it() -> None:
    new_york = ZoneInfo("America/New_York")
    hours = Hours(Windows.daily("02:30-04:00"), new_york)
    before = datetime(2026, 3, 8, 1, 59, tzinfo=new_york)
    assert hours.next_open(before) == datetime(2026, 3, 8, 7, 0, tzinfo=UTC), "3:00 by the clock"


def test_an_hour_that_is_repeated_is_open_both_times() -> None:
    new_york = ZoneInfo("America/New_York")
    hours = Hours(Windows.daily("01:00-01:30"), new_york)
    first = datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    assert hours.open_at(first)
    assert hours.closes_at(first, first + timedelta(days=1)) == first + 30 * MINUTE
    assert hours.next_open(first + 30 * MINUTE) == first + 60 * MINUTE
    assert hours.closes_at(first + 60 * MINUTE, first + timedelta(days=1)) == first + 90 * MINUTE


def test_a_day_begins_when_the_clock_first_shows_it() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert day_start(date(2018, 11, 4), sao_paulo) == datetime(2018, 11, 4, 3, 0, tzinfo=UTC)
    assert day_start(date(2026, 11, 24), SHANGHAI) == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


# -- holidays and make-up workdays ------------------------------------------------------------

WEEK = Windows.of({**dict.fromkeys(WEEKDAYS[:5], ("09:30-20:00",)), "sat": ["10:30-12:00"]})


@pytest.mark.parametrize(
    ("holidays", "day", "spans"),
    [
        (Holidays.CLOSED, date(2026, 10, 1), ()),
        (Holidays.AS_SUNDAY, date(2026, 10, 1), ()),
        (Holidays.OPEN, date(2026, 10, 1), ((570, 1200),)),
        (Holidays.CLOSED, date(2026, 10, 10), ((570, 1200),)),
        (Holidays.OPEN, date(2026, 10, 10), ((630, 720),)),
        (Holidays.CLOSED, date(2026, 10, 17), ((630, 720),)),
        (Holidays.CLOSED, date(2026, 9, 20), ((570, 1200),)),
    ],
)
def test_holidays_and_make_up_workdays(
    holidays: Holidays, day: date, spans: tuple[tuple[int, int], ...]
) -> None:
    assert Hours(WEEK, SHANGHAI, CHINA, holidays).spans_on(day) == spans


def test_a_long_holiday_is_passed_over_to_the_first_workday() -> None:
    hours = Hours(WEEK, SHANGHAI, CHINA, Holidays.CLOSED)
    found = hours.next_open(datetime(2026, 9, 30, 21, 0, tzinfo=SHANGHAI))
    assert found == datetime(2026, 10, 8, 9, 30, tzinfo=SHANGHAI)


def test_a_year_that_is_not_confirmed_is_no_working_day() -> None:
    hours = Hours(WEEK, SHANGHAI, CHINA, Holidays.CLOSED)
    with pytest.raises(CalendarUnknown, match="2027-01-01") as caught:
        hours.next_open(datetime(2026, 12, 31, 21, 0, tzinfo=SHANGHAI))
    assert caught.value.begins == date(2027, 1, 1)
    assert Hours(WEEK, SHANGHAI, CHINA, Holidays.OPEN).next_open(
        datetime(2026, 12, 31, 21, 0, tzinfo=SHANGHAI)
    ) == datetime(2027, 1, 1, 9, 30, tzinfo=SHANGHAI)


def test_a_window_closes_where_an_unknown_year_begins() -> None:
    hours = Hours(Windows.daily("00:00-24:00"), SHANGHAI, CHINA, Holidays.CLOSED)
    evening = datetime(2026, 12, 31, 23, 0, tzinfo=SHANGHAI)
    year_end = datetime(2027, 1, 1, tzinfo=SHANGHAI)
    assert hours.closes_at(evening, evening + timedelta(days=2)) == year_end


# -- against minutes counted one by one --------------------------------------------------------


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Draw windows of all kinds: breaks, over midnight, days without any."""
    days = []
    for _ in WEEKDAYS:
        cuts = sorted(set(draw(st.lists(st.integers(0, 95), max_size=4))))
        cuts = cuts[: len(cuts) // 2 * 2]
        spans = [(15 * a, 15 * b) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        if draw(st.booleans()) and (not spans or spans[-1][1] <= 1380):
            spans.append((1380, 1440 + 15 * draw(st.integers(1, 40))))
        days.append(tuple(spans))
    return Windows(tuple(days))


def slowly_open(hours: Hours, instant: datetime) -> bool:
    """Say it again, otherwise: walk over the spans that began today and yesterday."""
    wall = instant.astimezone(hours.zone).replace(tzinfo=None)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        midnight = datetime.combine(day, time())
        spans = hours.windows.days[day.weekday()]
        if hours.calendar is not None and hours.holidays is not Holidays.OPEN:
            kind = hours.calendar.kind(day)
            if kind is DayKind.HOLIDAY:
                sunday = hours.windows.days[6]
                spans = sunday if hours.holidays is Holidays.AS_SUNDAY else ()
            elif kind is DayKind.MAKE_UP:
                spans = hours.windows.days[0]
        for start, end in spans:
            if midnight + start * MINUTE <= wall < midnight + end * MINUTE:
                return True
    return False


@settings(max_examples=150, deadline=None)
@given(
    windows(),
    st.sampled_from(ZONES),
    st.sampled_from(CHANGES),
    st.integers(-2000, 2000),
)
@example(Windows.daily("00:00-00:15"), ZoneInfo("America/St_Johns"), date(2010, 11, 7), 0)
@example(Windows.daily("23:45-00:15"), ZoneInfo("Pacific/Apia"), date(2011, 12, 30), -600)
def test_openings_and_closings_are_those_that_counting_minutes_finds(
    plan: Windows, zone: ZoneInfo, day: date, offset: int
) -> None:
    hours = Hours(plan, zone)
    begin = datetime.combine(day, time(12), UTC) + offset * MINUTE
    walk = [begin + count * MINUTE for count in range(3 * 24 * 60)]
    state = [slowly_open(hours, instant) for instant in walk]
    assert [hours.open_at(instant) for instant in walk[::7]] == state[::7]
    opens = next((instant for instant, is_open in zip(walk, state, strict=True) if is_open), None)
    found = hours.next_open(begin)
    assert found == opens or (opens is None and (found is None or found > walk[-1]))
    if opens is None:
        return
    rest = [instant for instant in walk if instant >= opens]
    closes = next((instant for instant in rest if not slowly_open(hours, instant)), walk[-1])
    assert hours.closes_at(opens, walk[-1]) == closes


@settings(max_examples=60, deadline=None)
@given(
    windows(),
    st.sampled_from([Holidays.CLOSED, Holidays.AS_SUNDAY]),
    st.integers(0, 370 * 24 * 60),
)
def test_with_holidays_too(plan: Windows, holidays: Holidays, offset: int) -> None:
    hours = Hours(plan, SHANGHAI, CHINA, holidays)
    begin = datetime(2025, 12, 20, tzinfo=SHANGHAI) + offset * MINUTE
    assert hours.open_at(begin) == slowly_open(hours, begin)
    try:
        found = hours.next_open(begin)
    except CalendarUnknown:
        found = datetime(2027, 1, 1, tzinfo=SHANGHAI)
    limit = min(found or begin + timedelta(days=15), begin + timedelta(days=15))
    limit = min(limit, datetime(2027, 1, 1, tzinfo=SHANGHAI))
    count = 0
    while begin + count * MINUTE < limit:
        assert not slowly_open(hours, begin + count * MINUTE)
        count += 5
    if found is not None and found < datetime(2027, 1, 1, tzinfo=SHANGHAI):
        assert slowly_open(hours, found)


def test_windows_that_never_meet_are_known() -> None:
    assert Windows.daily("09:00-12:00").meets(Windows.daily("11:59-13:00"))
    assert not Windows.daily("09:00-12:00").meets(Windows.daily("12:00-13:00"))
    night = Windows.of({"sun": ["23:00-01:00"]})
    assert night.meets(Windows.of({"mon": ["00:00-00:30"]}))
    assert not night.meets(Windows.daily("08:00-20:00"), Windows.daily("00:00-24:00"))
