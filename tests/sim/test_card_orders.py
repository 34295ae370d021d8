"""Anything in any order, from within events too: each order is answered once, none is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.commands import Prompt, Utterance
from ivrd.errors import CardError
from ivrd.events import (
    T_BUSY,
    T_DIGIT,
    T_EOF,
    T_FAULT,
    T_LC,
    T_LCON,
    T_LCTERM,
    T_NOANS,
    T_OFFH,
    T_ONH,
    T_REFUSED,
    T_RING,
    Event,
)
from sim.card import SoftwareCard
from sim.clock import VirtualClock
from sim.party import Ending, Leg, LegState, Party
from sim.phone import BUSY, SWITCHED_OFF, Rings, refuses
from tests.permits import a_permit

ANSWERS = {
    "off_hook": {T_OFFH},
    "on_hook": {T_ONH},
    "play": {T_EOF},
    "dial": {T_LCON, T_BUSY, T_NOANS, T_REFUSED, T_FAULT},
}
SPEECH = [Utterance("s", "zh-CN", (Prompt("s", "", Path("none.wav"), n),)) for n in (0, 800, 8000)]
NUMBERS = ("answers", "busy", "off", "refuses", "999")

orders = st.sampled_from(("off_hook", "on_hook", "play", "play", "stop", "dial"))
far_acts = st.sampled_from(("call", "key", "hang up"))
acts = st.tuples(st.one_of(orders, far_acts), st.integers(0, 7))
waits = st.sampled_from((0.0, 0.01, 0.02, 0.05, 1.0, 6.0))


def new_card(channels: int = 1) -> tuple[VirtualClock, SoftwareCard]:
    clock = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
    card = SoftwareCard(clock, channels=channels)
    card.open_now()
    return clock, card


class Meddler(Party):
    """Keys and hangs up from within what it is told, as `acts` have it."""

    def __init__(self, do: Driver) -> None:
        self.do = do
        self.told: list[str] = []

    def joined(self, leg: Leg) -> None:
        super().joined(leg)
        self.told.append("joined")

    def answered(self) -> None:
        self.told.append("answered")
        self.do.next_inner()

    def playing(self, utterances: object) -> None:  # noqa: ARG002 - the party's signature
        self.told.append("playing")
        self.do.next_inner()

    def silence(self) -> None:
        self.told.append("silence")
        self.do.next_inner()

    def ended(self, by: Ending) -> None:
        self.told.append(f"ended {by.value}")
        self.do.next_inner()


class Driver:
    """Gives orders on a channel, some of them from within its events."""

    def __init__(self, inner: list[tuple[str, int]]) -> None:
        self.clock, self.card = new_card()
        self.channel = self.card.channels[0]
        self.channel.connect(self.on_event)
        self.inner = inner
        self.given: dict[int, str] = {}
        self.events: list[Event] = []
        self.parties: list[Meddler] = []
        self.card.parties = {
            "answers": Rings(self.new_party, rings=1),
            "busy": BUSY,
            "off": SWITCHED_OFF,
            "refuses": refuses(),
        }

    def new_party(self) -> Meddler:
        self.parties.append(Meddler(self))
        return self.parties[-1]

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self.next_inner()

    def next_inner(self) -> None:
        if self.inner:
            self.act(*self.inner.pop())

    def act(self, kind: str, number: int) -> None:
        channel = self.channel
        legs = [p.leg for p in self.parties if hasattr(p, "leg")]
        match kind:
            case "call":
                self.card.call("1", "170", self.new_party())
                return
            case "key" | "hang up":
                if legs and kind == "key":
                    legs[number % len(legs)].key("0123456789*#ABCD"[number])
                elif legs:
                    legs[number % len(legs)].hang_up()
                return
            case "stop":
                channel.stop(len(self.given) - number)
                return
        id_ = len(self.given) + 1
        self.given[id_] = kind
        match kind:
            case "off_hook":
                channel.off_hook(id_)
            case "on_hook":
                channel.on_hook(id_)
            case "play":
                channel.play(id_, SPEECH[: number % 4])
            case "dial":
                permit = a_permit(NUMBERS[number % len(NUMBERS)], "1", "attempt")
                channel.dial(id_, permit, 0.5 if number > 5 else 30.0)


@given(st.lists(st.tuples(acts, waits), max_size=40), st.lists(acts, max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_on_hook_and_every_play_is_answered_once_whatever_happens(
    outer: list[tuple[tuple[str, int], float]], inner: list[tuple[str, int]]
) -> None:
    driver = Driver(inner)
    for act, wait_s in outer:
        driver.act(*act)
        driver.clock.run_for(wait_s)
    driver.inner.clear()
    driver.act("on_hook", 0)
    driver.clock.run_until_idle(60)

    for id_, kind in driver.given.items():
        names = [event.name for event in driver.events if event.id == id_]
        assert len(names) <= 1, (kind, id_, driver.events)
        assert set(names) <= ANSWERS[kind]
        assert names or kind in {"off_hook", "dial"}, (kind, id_, driver.events)
    assert {event.id for event in driver.events} <= {None, *driver.given}
    assert driver.channel.free
    for party in driver.parties:
        ends = [word for word in party.told if word.startswith("ended")]
        assert len(ends) == 1, party.told
        assert party.told[-1] == ends[0], "something came after the end"
        for word in ("playing", "silence"):
            if word in party.told:
                assert party.told.index("answered") < party.told.index(word)
        assert not hasattr(party, "leg") or party.leg.state is LegState.ENDED


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"channels": 0}, "channels: 0; expected a whole number, 1 to 32"),
        ({"channels": 33}, "channels: 33;"),
        ({"channels": "8"}, "channels: '8';"),
        ({"channels": True}, "channels: True;"),
        ({"name": " "}, "name: ' '; expected a text"),
        ({"off_hook_s": -1}, "off_hook_s: -1; expected seconds, 0 to 60"),
        ({"setup_s": "fast"}, "setup_s: 'fast';"),
        ({"ring_period_s": 0}, "ring_period_s: 0;"),
        ({"on_hook_s": float("nan")}, "on_hook_s: nan;"),
        ({"onhook_s": 1}, "onhook_s: no such option; .*did you mean 'on_hook_s'"),
    ],
)
def test_a_wrong_option_is_named_with_what_was_expected(
    options: dict[str, object], named: str
) -> None:
    clock, _ = new_card()
    with pytest.raises(CardError, match=named):
        SoftwareCard(clock, **options)  # type: ignore[arg-type] # the very error


def test_a_card_that_is_open_does_not_open_again() -> None:
    _, card = new_card()
    with pytest.raises(CardError, match="open already"):
        card.open_now()


def test_what_is_no_number_does_not_call() -> None:
    _, card = new_card()
    with pytest.raises(ValueError, match="called: no telephone number: 'one'"):
        card.call("88610001", "one", Party())


def test_what_is_no_key_is_not_pressed() -> None:
    _, card = new_card()
    leg = card.call("1", "2", Party())
    assert leg is not None
    with pytest.raises(ValueError, match="no key of a telephone: 'x'"):
        leg.key("x")


def test_off_hook_with_no_call_finds_no_loop() -> None:
    _, card = new_card()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    card.channels[0].off_hook(1)
    assert events == [Event(T_LC, None, {"cause": "no call"})]


def test_a_caller_who_gives_up_while_the_hook_moves_has_broken_the_loop() -> None:
    clock, card = new_card()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    leg = card.call("1", "2", Party())
    assert leg is not None
    card.channels[0].off_hook(1)
    clock.run_for(0.01)
    leg.hang_up()
    clock.run_for(1)
    assert [event.name for event in events] == [T_RING, T_LCTERM]


def test_keys_before_the_answer_are_heard_by_nobody() -> None:
    clock, card = new_card()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    leg = card.call("1", "2", Party())
    assert leg is not None
    leg.key("1")
    card.channels[0].off_hook(1)
    leg.key("2")
    clock.run_for(0.02)
    leg.key("3")
    assert [e.data["key"] for e in events if e.name == T_DIGIT] == ["3"]


class Listener(Party):
    """Notes what it is told, and when."""

    follows_sentences = True

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        self.clock: VirtualClock | None = None

    def note(self, what: str) -> None:
        self.told.append((self.clock.monotonic() if self.clock else -1.0, what))

    def answered(self) -> None:
        self.note("answered")

    def hears(self, utterance: Utterance) -> None:
        self.note(utterance.sentence)

    def silence(self) -> None:
        self.note("silence")

    def ended(self, by: Ending) -> None:
        self.note(by.value)


def sentences(*lengths: int) -> list[Utterance]:
    return [
        Utterance(f"s{n}", "zh-CN", (Prompt("p", "", Path("none.wav"), samples),))
        for n, samples in enumerate(lengths)
    ]


def test_a_party_hears_each_sentence_when_its_first_sample_plays() -> None:
    clock, card = new_card()
    listener = Listener()
    listener.clock = clock
    card.call("1", "2", listener)
    channel = card.channels[0]
    channel.off_hook(1)
    clock.run_until(1.0)
    channel.play(2, sentences(4000, 0, 8000))
    clock.run_until(10.0)
    channel.on_hook(3)
    expected = [
        (0.02, "answered"), (1.0, "s0"), (1.5, "s1"), (1.5, "s2"), (2.5, "silence"), (10.0, "ivrd"),
    ]  # fmt: skip
    assert listener.told == expected


def test_a_play_takes_one_timer_for_a_party_that_follows_no_sentences() -> None:
    clock, card = new_card()
    card.call("1", "2", Party())
    card.channels[0].off_hook(1)
    clock.run_for(1)
    card.channels[0].play(2, sentences(4000, 4000, 4000))
    assert clock.pending == 1


def test_with_when_full_a_caller_too_many_hears_the_sentence_and_is_hung_up() -> None:
    clock, card = new_card()
    card.when_full = sentences(8000)[0]
    card.call("1", "2", Party())
    late = Listener()
    late.clock = clock
    leg = card.call("3", "4", late)
    clock.run_until(2.0)
    assert leg is not None
    assert leg.channel is None
    assert late.told == [(0.0, "answered"), (0.0, "s0"), (1.0, "ivrd")]
    assert [heard.samples for heard in leg.heard()] == [8000]
    assert card.turned_away == 1


def test_a_caller_too_many_may_hang_up_within_the_sentence() -> None:
    clock, card = new_card()
    card.when_full = sentences(8000)[0]
    card.call("1", "2", Party())
    late = Listener()
    leg = card.call("3", "4", late)
    assert leg is not None
    clock.run_until(0.25)
    leg.key("1")
    leg.hang_up()
    assert [heard.samples for heard in leg.heard()] == [2000]
    assert late.told[-1][1] == "far_end"


def test_closing_the_card_ends_calls_dials_and_announcements_and_leaves_no_timer() -> None:
    clock, card = new_card(channels=2)
    card.when_full = sentences(80_000)[0]
    listeners = [Listener(), Listener(), Listener()]
    card.call("1", "2", listeners[0])
    card.parties["5"] = Rings(lambda: listeners[1])
    card.channels[1].dial(1, a_permit("5", "1", "a"), 60)
    clock.run_for(2)
    card.call("3", "4", listeners[2])
    card.close_now()
    assert [listener.told[-1][1] for listener in listeners] == ["ivrd", "ivrd", "ivrd"]
    assert clock.pending == 0


def test_a_dialled_party_that_rejects_is_told_as_rejected() -> None:
    clock, card = new_card()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    party = Listener()
    card.parties["5"] = lambda permit: Rings(lambda: party, rings=len(permit.number) + 3)
    card.channels[0].dial(1, a_permit("5", "1", "a"), 60)
    clock.run_for(3)
    assert party.leg.caller == "1"
    party.leg.hang_up()
    assert events == [Event(T_REFUSED, 1, {"reason": "rejected", "cause": 21})]


def test_a_party_is_told_of_the_silence_after_a_stop_but_not_between_two_plays() -> None:
    clock, card = new_card()
    listener = Listener()
    listener.clock = clock
    card.call("1", "2", listener)
    channel = card.channels[0]
    channel.off_hook(1)
    clock.run_until(1.0)
    channel.play(2, sentences(8000))
    clock.run_until(1.5)
    channel.play(3, sentences(8000))
    clock.run_until(2.0)
    channel.stop(3)
    channel.stop(3)
    expected = [(0.02, "answered"), (1.0, "s0"), (1.5, "s0"), (2.0, "silence")]
    assert listener.told == expected


def test_a_card_that_went_away_is_idle_when_it_is_back_and_its_calls_are_lost() -> None:
    clock, card = new_card(channels=2)
    listener = Listener()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    card.call("1", "2", listener)
    card.channels[0].off_hook(1)
    clock.run_for(1)
    card.channels[0].play(2, sentences(8000))
    card.go_away("unplugged")
    card.go_away("unplugged")
    assert events[-1] == Event(T_LC, None, {"cause": "unplugged"})
    assert [event.name for event in events].count(T_LC) == 1
    assert listener.told[-1][1] == "ivrd"
    assert card.call("1", "2", Party()) is None
    card.come_back()
    assert all(channel.free for channel in card.channels)
    assert clock.pending == 0


def test_who_hangs_up_before_the_first_ring_never_rang() -> None:
    class Hasty(Party):
        """Hangs up at once."""

        def joined(self, leg: Leg) -> None:
            super().joined(leg)
            leg.hang_up()

    clock, card = new_card()
    events: list[Event] = []
    card.channels[0].connect(events.append)
    leg = card.call("1", "2", Hasty())
    clock.run_until_idle(10)
    assert leg is not None
    assert leg.ended_by is Ending.FAR_END
    assert events == []
    assert card.channels[0].free
