"""Calls as a real Asterisk told them, event by event, and what the line hears of each."""

from __future__ import annotations

import pytest

from ivrd.events import Event
from tests.drivers.asterisk_stand_in import StandIn, recorded, speech
from tests.permits import a_permit

PERMIT = a_permit("+8613800138000", "01012345678", "attempt")

WELCOME_S, GOODBYE_S = 2.888, 1.866


@pytest.fixture(params=[False, True], ids=["by events", "by replies"])
def stand_in(request: pytest.FixtureRequest) -> StandIn:
    """Return a channel that is told in one of two ways when a play began."""
    made = StandIn()
    made.replies_bear_time = request.param
    return made


def take(stand_in: StandIn, name: str, plays: dict[str, tuple[int, list[float]]]) -> list[Event]:
    """Let a recorded incoming call happen; answer it; order a play before its first event.

    `plays` are, by the playback's id, the order's id and the lengths of its files.
    """
    ordered: set[str] = set()
    for event in recorded(name):
        if event["type"] == "StasisStart":
            stand_in.channel.ring("1.1", event["channel"]["caller"]["number"], event["args"][0])
        elif event["type"] == "ChannelStateChange":
            stand_in.channel.off_hook(1)
        elif "playback" in event and event["playback"]["id"] not in ordered:
            ordered.add(event["playback"]["id"])
            id_, lengths_s = plays[event["playback"]["id"]]
            stand_in.channel.play(id_, speech(*lengths_s))
        stand_in.tell(event)
    return stand_in.sent


def test_a_caller_hangs_up_in_a_play(stand_in: StandIn) -> None:
    sent = take(
        stand_in, "caller_hangs_up_in_a_play", {"ivrd.ivrd.T.1": (2, [WELCOME_S, GOODBYE_S])}
    )
    assert stand_in.names == ["T_RING", "T_OFFH", "T_LCTERM", "T_EOF"]
    assert sent[-1].data["heard_s"] == pytest.approx(0.9, abs=0.05)
    assert sent[-1].data["whole"] is False
    stand_in.channel.on_hook(3)
    assert sent[-1] == Event("T_ONH", 3)


def test_the_guard_of_the_dialplan_ends_the_call_in_a_play(stand_in: StandIn) -> None:
    take(stand_in, "guard_ends_the_call_in_a_play", {"ivrd.ivrd.T.1": (2, [WELCOME_S] * 5)})
    assert stand_in.names == ["T_RING", "T_OFFH", "T_LCTERM", "T_EOF"]


def test_a_caller_gives_up() -> None:
    stand_in = StandIn()
    take(stand_in, "caller_gives_up", {})
    assert stand_in.names == ["T_RING", "T_RINGOFF"]
    assert stand_in.channel.free
    stand_in.pass_s(30)
    assert stand_in.names == ["T_RING", "T_RINGOFF"]


def test_on_hook_in_a_play(stand_in: StandIn) -> None:
    for event in recorded("on_hook_in_a_play"):
        if event["type"] == "StasisStart":
            stand_in.channel.ring("1.1", "", "170")
        elif event["type"] == "ChannelStateChange":
            stand_in.channel.off_hook(1)
            stand_in.tell(event)
            stand_in.channel.play(2, speech(WELCOME_S))
            continue
        elif event["type"] == "PlaybackStarted":
            stand_in.tell(event)
            stand_in.channel.on_hook(3)
            continue
        stand_in.tell(event)
    assert stand_in.names == ["T_RING", "T_OFFH", "T_EOF", "T_ONH"]


def test_one_play_to_its_end_and_one_stopped(stand_in: StandIn) -> None:
    started = 0
    for event in recorded("one_play_to_its_end_and_one_stopped"):
        if event["type"] == "StasisStart":
            stand_in.channel.ring("1.1", "", "170")
        elif event["type"] == "ChannelStateChange":
            stand_in.channel.off_hook(1)
        stand_in.tell(event)
        started += event["type"] == "PlaybackStarted"
        if event["type"] == "ChannelStateChange":
            stand_in.channel.play(2, speech(WELCOME_S, GOODBYE_S))
        elif event["type"] == "PlaybackFinished" and started == 2:
            stand_in.channel.play(3, speech(WELCOME_S))
        elif started == 3:
            stand_in.channel.stop(3)
    whole, cut = [event for event in stand_in.sent if event.name == "T_EOF"]
    assert (whole.id, whole.data["whole"]) == (2, True)
    assert whole.data["heard_s"] == pytest.approx(WELCOME_S + GOODBYE_S, abs=0.05)
    assert (cut.id, cut.data["whole"]) == (3, False)
    assert cut.data["heard_s"] == pytest.approx(0.4, abs=0.05)


def test_a_file_that_is_missing_in_a_list_or_alone_makes_the_play_not_whole(
    stand_in: StandIn,
) -> None:
    plays = {
        "ivrd.ivrd.T.1": (2, [GOODBYE_S, 1.0, GOODBYE_S]),
        "ivrd.ivrd.T.2": (3, [1.0]),
    }
    ordered: set[str] = set()
    for event in recorded("a_file_is_missing"):
        if event["type"] == "StasisStart":
            stand_in.channel.ring("1.1", "", "170")
        elif event["type"] == "ChannelStateChange":
            stand_in.channel.off_hook(1)
        elif event["type"] == "ChannelHangupRequest":  # by our own order
            stand_in.pass_s(0.3)  # so long was it held on the real card too
            stand_in.channel.on_hook(4)
        elif "playback" in event and event["playback"]["id"] not in ordered:
            ordered.add(event["playback"]["id"])
            id_, lengths_s = plays[event["playback"]["id"]]
            stand_in.channel.play(id_, speech(*lengths_s))
        stand_in.tell(event)
    ends = [event for event in stand_in.sent if event.name == "T_EOF"]
    assert [event.data["whole"] for event in ends] == [False, False]
    assert ends[0].data["heard_s"] == pytest.approx(2 * GOODBYE_S, abs=0.05)
    assert ends[1].data["heard_s"] == pytest.approx(0, abs=0.01)
    assert stand_in.names == ["T_RING", "T_OFFH", "T_EOF", "T_EOF", "T_ONH"]


def test_a_called_party_rings_and_is_busy() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    for event in recorded("rings_then_busy"):
        stand_in.tell(event)
    assert stand_in.sent == [Event("T_BUSY", 1, {"cause": 17, "tech_cause": 486})]
    stand_in.channel.on_hook(2)
    assert stand_in.names == ["T_BUSY", "T_ONH"]


def test_a_called_party_answers_and_hangs_up_in_a_play(stand_in: StandIn) -> None:
    stand_in.channel.dial(1, PERMIT, 10)
    for event in recorded("answers_and_hangs_up_in_a_play"):
        stand_in.tell(event)
        if event["type"] == "StasisStart":
            stand_in.channel.play(2, speech(WELCOME_S))
    assert stand_in.names == ["T_LCON", "T_LCTERM", "T_EOF"]
    assert stand_in.sent[-1].data["heard_s"] == pytest.approx(0.5, abs=0.05)


def test_a_called_party_rings_and_is_given_up() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 1)
    for event in recorded("rings_and_is_given_up"):
        if event["type"] != "ChannelStateChange":
            stand_in.pass_s(1)  # to the end of the dial
        stand_in.tell(event)
    assert stand_in.sent == [Event("T_NOANS", 1, {"rang": True, "cause": 19})]
    assert [request.method for request, _ in stand_in.asked] == ["POST", "DELETE"]
    stand_in.channel.on_hook(2)
    assert stand_in.names == ["T_NOANS", "T_ONH"]
