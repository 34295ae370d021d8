"""Whatever comes in whatever order, each order gets one answer and on hook always works."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.card_bench import assert_well_formed
from tests.drivers.asterisk_stand_in import StandIn, event, playback, speech
from tests.permits import a_permit

PERMIT = a_permit("+8613800138000", "01012345678", "attempt")

ANSWERS = {
    "off_hook": {"T_OFFH"},
    "on_hook": {"T_ONH"},
    "play": {"T_EOF"},
    "dial": {"T_LCON", "T_BUSY", "T_NOANS", "T_REFUSED", "T_FAULT"},
    "transfer": {"T_MOVED", "T_REFUSED"},
}

Step: TypeAlias = tuple[str, str, int]

IN_CALL: list[Step] = [("card", "ring", 0), ("order", "off_hook", 0), ("event", "Up", 1)]
BEFORE: list[list[Step]] = [
    [],
    IN_CALL,
    [*IN_CALL, ("order", "play", 2)],
    [*IN_CALL, ("order", "transfer", 0)],
    [("order", "dial", 0)],
    [("order", "dial", 0), ("event", "Up", 1)],
]
"""Where it begins: random steps alone seldom get into a call."""

steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from([*ANSWERS, "stop"]), st.integers(0, 3)),
        st.tuples(
            st.just("event"),
            st.sampled_from(
                [
                    "StasisStart",
                    "StasisEnd",
                    "ChannelDestroyed",
                    "ChannelHangupRequest",
                    "ChannelDtmfReceived",
                    "Ringing",
                    "Up",
                    "PlaybackStarted",
                    "done",
                    "failed",
                ]
            ),
            st.integers(0, 6),
        ),
        st.tuples(st.just("reply"), st.sampled_from(["200", "404", "500", "0"]), st.integers(0, 9)),
        st.tuples(st.just("pass"), st.sampled_from(["0.1", "0.5", "5", "40"]), st.just(0)),
        st.tuples(st.just("card"), st.sampled_from(["ring", "away", "back"]), st.just(0)),
    ),
    max_size=40,
)


class Chaos:
    """A channel to which everything happens that a step says, sensible or not."""

    def __init__(self) -> None:
        self.stand_in = StandIn(transfer_context="t", machine_context="m")
        self.given: dict[int, str] = {}
        self.calls = 0
        self.unanswered: list[int] = []

    def step(self, kind: str, what: str, number: int) -> None:
        match kind:
            case "order":
                self.order(what, number)
            case "event":
                self.event(what, number)
            case "reply" if self.unanswered:
                self.stand_in.reply(int(what), self.unanswered.pop(number % len(self.unanswered)))
            case "pass":
                self.stand_in.pass_s(float(what))
            case "card":
                self.card(what)
        seen = len(self.stand_in.asked)
        known = set(self.unanswered) | set(range(getattr(self, "seen", 0)))
        self.unanswered += [index for index in range(seen) if index not in known]
        self.seen = seen

    def order(self, what: str, number: int) -> None:
        channel, id_ = self.stand_in.channel, len(self.given) + 1
        if what == "stop":
            channel.stop(number)
            return
        self.given[id_] = what
        match what:
            case "off_hook":
                channel.off_hook(id_)
            case "on_hook":
                channel.on_hook(id_)
            case "play":
                channel.play(id_, speech(*[0.5] * number))
            case "dial":
                channel.dial(id_, PERMIT, 10.0)
            case "transfer":
                channel.transfer(id_, PERMIT)

    def event(self, what: str, number: int) -> None:
        call = f"1.{number}" if number < 3 else f"ivrd.ivrd.T.{number - 2}"
        target = next(iter(self.stand_in.exchange.calls()), call) if number % 2 else call
        ident = f"ivrd.ivrd.T.{number + 1}"
        match what:
            case "PlaybackStarted":
                made = playback(what, ident, "playing", number, target)
            case "done" | "failed":
                made = playback("PlaybackFinished", ident, what, number, target)
            case "Ringing" | "Up":
                made = event("ChannelStateChange", target, state=what)
            case _:
                made = event(what, target, digit="5", args=["machine", "MACHINE"], cause=17)
        self.stand_in.tell(made)

    def card(self, what: str) -> None:
        channel = self.stand_in.channel
        if what == "ring" and channel.free:
            channel.ring(f"1.{self.calls % 3}", "88610001", "170")
            self.calls += 1
        elif what == "away":
            channel.go_away("gone")
            self.stand_in.exchange.release_all()
        elif what == "back":
            channel.come_back()

    def answers(self, id_: int) -> list[str]:
        return [event.name for event in self.stand_in.sent if event.id == id_]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(BEFORE), steps)
def test_every_order_gets_at_most_one_answer_and_on_hook_always_ends_it(
    before: list[Step], taken: list[Step]
) -> None:
    chaos = Chaos()
    for kind, what, number in [*before, *taken]:
        chaos.step(kind, what, number)
    chaos.card("back")
    chaos.order("on_hook", 0)
    last = len(chaos.given)
    for call in chaos.stand_in.exchange.calls():
        chaos.stand_in.tell(event("ChannelDestroyed", call, cause=16))
    chaos.stand_in.pass_s(60)
    assert chaos.answers(last) == ["T_ONH"]
    assert chaos.stand_in.channel.free
    assert not chaos.stand_in.exchange.calls(), "a call that is still claimed"
    assert not chaos.stand_in.clock.pending, "a timer that is still set"
    for id_, what in chaos.given.items():
        names = chaos.answers(id_)
        assert len(names) <= 1, f"{what} {id_}: {names}"
        assert set(names) <= ANSWERS[what], f"{what} {id_}: {names}"
    lost = "T_LC" in chaos.stand_in.names
    for id_, what in chaos.given.items():
        if what in {"play", "on_hook"} and not lost:
            assert chaos.answers(id_), f"{what} {id_} was never answered"
    ringing = [event for event in chaos.stand_in.sent if event.name != "T_LC"]
    assert_well_formed(ringing if not lost else [])
