"""Random callers from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest

from ivrd.card import Channel
from ivrd.events import T_DIGIT, T_LCTERM, T_OFFH, T_ONH, T_RING, Event
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.crowd import HOURS, Crowd, Hostile, arrivals
from sim.party import Ending
from sim.subscriber import MENU_KEYS, Habits, Subscriber, draw_habits
from tests.sim.echo_line import EchoLine, Rig, Voice

START = datetime(2026, 11, 2, tzinfo=timezone(timedelta(hours=8)))
SUBSCRIBERS = [Subscriber(f"8861{n:04d}", f"30000000{n:04d}", "1234", "5678") for n in range(20)]
MONTHS = ["202610", "202609"]


class Questions:
    """A line that asks what a list says, and goes on when an entry is complete."""

    def __init__(self, channel: Channel, voice: Voice, asked: list[list[str]]) -> None:
        self.channel = channel
        self.voice = voice
        self.asked = asked
        self.keys: list[list[str]] = []
        self.times: list[float] = []
        self.now: Callable[[], float] = float
        self._id = 0
        self._left: list[list[str]] = []
        channel.connect(self.feed)

    def feed(self, event: Event) -> None:
        self._id += 1
        match event.name:
            case name if name == T_RING:
                self.channel.off_hook(self._id)
            case name if name == T_OFFH:
                self._left, self.keys = list(self.asked), []
                self._ask()
            case name if name == T_DIGIT:
                self.times.append(self.now())
                self.keys[-1].append(str(event.data["key"]))
                if self.keys[-1][-1] == "#" or self.asked[len(self.keys) - 1][-1] in _ONE_KEY:
                    self._ask()
            case name if name == T_LCTERM:
                self.channel.on_hook(self._id)

    @property
    def answers(self) -> list[str]:
        return ["".join(keys) for keys in self.keys]

    def _ask(self) -> None:
        if not self._left:
            self.channel.on_hook(self._id)
            return
        self.keys.append([])
        self.channel.play(self._id, [self.voice(name, 1.0) for name in self._left.pop(0)])


_ONE_KEY = {*MENU_KEYS, "choose_lookup", "choose_own_number"}


def new_day(channels: int = 32) -> tuple[VirtualClock, SoftwareCard]:
    clock = VirtualClock(START)
    card = SoftwareCard(clock, channels=channels)
    card.open_now()
    return clock, card


def ask(tmp_path: Path, asked: list[list[str]], habits: Habits, seed: int = 1) -> Questions:
    clock, card = new_day(1)
    line = Questions(card.channels[0], Voice(tmp_path), asked)
    line.now = clock.monotonic
    crowd = Crowd(
        clock, card.call, SUBSCRIBERS[:1], MONTHS[:1], seed=seed, calls_a_day=1, habits=habits
    )
    crowd.send_one()
    clock.run_for(300)
    return line


SURE = Habits(wrong=0.0, interrupts=0.0)


def test_the_hours_of_a_day_have_their_share_of_the_calls() -> None:
    rng = random.Random(7)
    times = list(takewhile(lambda at_s: at_s < 86_400, arrivals(rng, START, 45_000)))
    assert len(times) == pytest.approx(45_000, rel=0.02)
    by_hour = Counter(int(at_s // 3600) for at_s in times)
    for hour, weight in enumerate(HOURS):
        expected = 45_000 * weight / sum(HOURS)
        assert by_hour[hour] == pytest.approx(expected, abs=5 * expected**0.5)


def test_the_hours_are_those_of_the_clocks_zone() -> None:
    morning = START.replace(hour=9).astimezone(UTC)
    in_utc = takewhile(lambda s: s < 3600, arrivals(random.Random(7), morning, 45_000))
    at_nine = takewhile(
        lambda s: s < 3600, arrivals(random.Random(7), START.replace(hour=9), 45_000)
    )
    assert len(list(at_nine)) > 10 * len(list(in_utc))


def test_a_caller_answers_each_question_with_what_they_know(tmp_path: Path) -> None:
    asked = [
        ["choose_mandarin", "choose_english"],
        ["welcome", "enter_month"],
        ["choose_lookup"],
        ["enter_phone"],
        ["enter_password"],
        ["enter_last_digits"],
    ]
    line = ask(tmp_path, asked, SURE)
    assert line.answers == ["1", "202610#", "1", "88610000#", "1234#", "5678#"]


def test_a_caller_who_speaks_english_says_so_and_one_with_an_agreement_gives_it(
    tmp_path: Path,
) -> None:
    asked = [["choose_mandarin", "choose_english"], ["choose_lookup"], ["enter_agreement"]]
    line = ask(tmp_path, asked, Habits(wrong=0, english=True, agreement=True))
    assert line.answers == ["2", "2", "300000000000#"]


def test_a_caller_with_patience_hears_a_question_out_and_a_regular_does_not(tmp_path: Path) -> None:
    asked = [["welcome", "enter_month"]]
    assert ask(tmp_path, asked, SURE).times[0] > 2.0
    regular = Habits(wrong=0, interrupts=1.0, think_s=0.3)
    assert ask(tmp_path, asked, regular).times[0] < 0.7


def test_a_caller_who_types_ahead_keys_all_in_one_go(tmp_path: Path) -> None:
    asked = [["enter_month"], ["choose_lookup"], ["enter_phone"], ["menu_end"]]
    line = ask(tmp_path, asked, Habits(wrong=0, types_ahead=True, gap_s=0.1, more=0))
    assert line.answers == ["202610#", "1", "88610000#", "0"]
    assert line.times[16] - line.times[0] == pytest.approx(1.6)


def test_a_silent_caller_keys_nothing_and_one_without_patience_hangs_up(tmp_path: Path) -> None:
    line = ask(tmp_path, [["enter_month"]], Habits(silent=True, patience_s=30))
    assert line.answers == [""]
    assert line.times == []


def test_callers_who_err_key_something_else_sometimes(tmp_path: Path) -> None:
    asked = [["enter_month"]] * 40
    answers = ask(tmp_path, asked, Habits(wrong=0.5, gap_s=0.1, think_s=0.1)).answers
    wrong = [answer for answer in answers if answer != "202610#"]
    assert 8 < len(wrong) < 32
    assert all(set(answer) <= set("0123456789#") for answer in answers)


def test_at_a_menu_only_keys_that_are_offered_are_chosen(tmp_path: Path) -> None:
    menu = ["menu_repeat", "menu_month", "menu_number", "menu_end"]
    answers = ask(tmp_path, [menu] * 60, Habits(more=1.0, think_s=0.1), seed=3).answers
    assert set(answers) == {"1", "3", "4", "0"}


def test_who_wants_details_asks_for_them_and_then_for_the_next(tmp_path: Path) -> None:
    asked = [["menu_details", "menu_end"], ["detail_next", "detail_end"]]
    assert ask(tmp_path, asked, Habits(more=1.0, details=1.0)).answers == ["2", "3"]


def test_all_kinds_of_callers_are_drawn() -> None:
    rng = random.Random(1)
    kinds = Counter(draw_habits(rng).kind for _ in range(5000))
    assert set(kinds) == {
        *("ordinary", "regular", "typing ahead", "slow", "mistaken", "hanging up"),
        *("details", "silent"),
    }
    assert min(kinds.values()) > 50


def traffic(seed: int, folder: Path) -> list[str]:
    """Return all events of four hours of traffic on echo lines, with their times."""
    rig = Rig(folder, channels=4)
    seen: list[str] = []

    def watch(line: EchoLine, event: Event) -> None:
        seen.append(f"{rig.clock.monotonic():.6f} {line.channel.number} {event}")
        line.feed(event)

    for line in rig.lines:
        line.channel.connect(partial(watch, line))
    crowd = Crowd(rig.clock, rig.card.call, SUBSCRIBERS, MONTHS, seed=seed, calls_a_day=2000)
    crowd.start()
    rig.clock.run_for(1800)
    crowd.stop()
    seen.append(str(sorted(crowd.tally.items())))
    return seen


def test_same_seed_same_traffic_to_the_last_event(tmp_path: Path) -> None:
    first = traffic(7, tmp_path)
    assert len(first) > 500
    assert traffic(7, tmp_path) == first
    assert traffic(8, tmp_path) != first


def test_what_one_caller_does_moves_no_other() -> None:
    clock, card = new_day(1)
    crowd = Crowd(clock, card.call, SUBSCRIBERS, MONTHS, seed=3, calls_a_day=100)
    habits = [crowd.send_one().habits for _ in range(5)]
    other = Crowd(clock, lambda *_: None, SUBSCRIBERS, MONTHS, seed=3, calls_a_day=100)
    assert [other.send_one().habits for _ in range(5)] == habits
    assert len(set(habits)) == 5
    assert crowd.tally["ended by busy"] == 4


def test_who_has_gone_is_forgotten_and_the_tally_adds_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path, channels=2)
    crowd = Crowd(rig.clock, rig.card.call, SUBSCRIBERS, MONTHS, seed=3, calls_a_day=20_000)
    crowd.start()
    rig.clock.run_for(600)
    crowd.stop()
    rig.card.close_now()
    assert crowd.calling == set()
    tally = crowd.tally
    assert tally["calls"] > 50
    assert sum(n for word, n in tally.items() if word.startswith("ended")) == tally["calls"]
    assert rig.clock.pending == 0


def test_a_crowd_of_nobody_or_for_no_calls_is_refused() -> None:
    clock, card = new_day(1)
    with pytest.raises(ValueError, match="at least one subscriber"):
        Crowd(clock, card.call, [], MONTHS, seed=1, calls_a_day=10)
    with pytest.raises(ValueError, match="calls_a_day must be above 0"):
        Crowd(clock, card.call, SUBSCRIBERS, MONTHS, seed=1, calls_a_day=0)


@pytest.mark.parametrize("seed", range(40))
def test_hostile_callers_always_leave_and_the_line_is_on_hook(tmp_path: Path, seed: int) -> None:
    rig = Rig(tmp_path, channels=1)
    for n in range(5):
        party = Hostile(random.Random(seed * 100 + n), longest_s=30)
        leg = rig.card.call("1", "170", party)
        assert leg is not None
        rig.clock.run_for(31)
        assert party.ended_by in {Ending.FAR_END, Ending.IVRD}
        assert rig.lines[0].names[-1] == T_ONH
    assert rig.clock.pending == 0


def test_hostile_callers_use_every_key_and_the_moments_of_plays() -> None:
    pressed: Counter[str] = Counter()
    clock, card = new_day(1)
    card.channels[0].connect(
        lambda event: (
            card.channels[0].off_hook(1)
            if event.name == T_RING
            else pressed.update([str(event.data["key"])])
            if event.name == T_DIGIT
            else None
        )
    )
    card.call("1", "2", Hostile(random.Random(5), pace_s=0.05, longest_s=3600))
    clock.run_for(60)
    assert set(pressed) == set("0123456789*#ABCD")
