"""One channel when answers come late, fail, or come after what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.card import Ability
from ivrd.events import Event
from tests.drivers.asterisk_stand_in import StandIn, event, playback, speech
from tests.permits import a_permit

PERMIT = a_permit("+8613800138000", "01012345678", "attempt")
PLACED, FIRST_PLAY = "ivrd.ivrd.T.1", "ivrd.ivrd.T.1"


def in_call(**more: object) -> StandIn:
    """Return a channel that answered a call."""
    stand_in = StandIn(**more)
    stand_in.channel.ring("1.1", "88610001", "170")
    stand_in.channel.off_hook(1)
    stand_in.reply()
    assert stand_in.names == ["T_RING", "T_OFFH"]
    stand_in.sent.clear()
    stand_in.asked.clear()
    return stand_in


def begins(call: str) -> dict[str, Any]:
    """Make the event that Asterisk dials."""
    made = event("Dial", call, dialstatus="")
    return {**made, "peer": made["channel"]}


def answered(call: str) -> dict[str, Any]:
    """Make the event that a call which was dialled is answered."""
    return event("ChannelStateChange", call, state="Up")


def test_a_ring_is_repeated_by_the_clock_until_it_is_answered() -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "88610001", "170")
    stand_in.pass_s(10.1)
    assert stand_in.names == ["T_RING"] * 3
    stand_in.channel.off_hook(1)
    stand_in.pass_s(30)
    assert stand_in.names == ["T_RING"] * 3


@pytest.mark.parametrize("first", ["reply", "event"])
def test_off_hook_is_told_once_by_whichever_comes_first(first: str) -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "", "170")
    stand_in.channel.off_hook(1)
    for news in (first, "event" if first == "reply" else "reply"):
        if news == "reply":
            stand_in.reply()
        else:
            stand_in.tell(event("ChannelStateChange"))
    assert stand_in.names == ["T_RING", "T_OFFH"]


@pytest.mark.parametrize("status", [404, 409, 500, 0])
def test_an_answer_that_asterisk_refuses_ends_the_call(status: int) -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "", "170")
    stand_in.channel.off_hook(1)
    stand_in.reply(status)
    assert stand_in.names == ["T_RING", "T_LCTERM"]
    stand_in.channel.on_hook(2)
    if status != 404:
        assert stand_in.asked[-1][0].method == "DELETE"
        stand_in.tell(event("StasisEnd"))
    assert stand_in.sent[-1] == Event("T_ONH", 2)


def test_the_end_of_a_play_before_the_reply_to_its_order() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(0.1))
    stand_in.tell(playback("PlaybackStarted", FIRST_PLAY, "playing", 1.0))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.1))
    stand_in.reply(201)
    assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": 0.1, "whole": True})]


def test_a_play_is_counted_from_the_instant_of_the_reply_to_its_order() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0, 2.0))
    stand_in.reply(201, at_s=1.0)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 4.0))
    assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": 3.0, "whole": True})]


def test_the_end_of_a_play_waits_for_a_late_reply_that_tells_when_it_began() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(0.1))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.1))
    assert not stand_in.sent
    stand_in.reply(201, at_s=1.0)
    assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": 0.1, "whole": True})]


def test_a_play_of_which_nothing_tells_when_it_began_is_not_whole() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(0.1))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.1))
    stand_in.pass_s(0.3)
    assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": 0.0, "whole": False})]


PAUSE_S, DIGIT_S = 0.12, 0.15
"""The shortest voice files that there are."""


@given(
    st.lists(st.sampled_from([DIGIT_S, 0.3, 0.6, 1.4]), max_size=60),
    st.floats(-0.001, 0.02),
    st.data(),
)
def test_whichever_file_was_skipped_the_play_is_too_short_to_be_whole(
    spoken_s: list[float], late_s: float, data: st.DataObject
) -> None:
    lengths_s = [*spoken_s, PAUSE_S]
    missing = data.draw(st.none() | st.integers(0, len(lengths_s) - 1))
    seam_s = data.draw(st.floats(0.0003, 0.0009))
    took_s = late_s + sum(
        0.001 if number == missing else length_s - 22 / 8000 + seam_s
        for number, length_s in enumerate(lengths_s)
    )
    stand_in = in_call()
    stand_in.channel.play(2, speech(*lengths_s))
    stand_in.reply(201, at_s=1.0)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.0 + took_s))
    assert stand_in.sent[0].data["whole"] is (missing is None)


def played_and_counted(lengths_s: list[float], sent: int) -> StandIn:
    """Return a channel on which a list took its whole time, but for which `sent` packets went."""
    stand_in = in_call()
    stand_in.channel.play(2, speech(*lengths_s))
    assert [request.method for request, _ in stand_in.asked] == ["GET", "POST"]
    stand_in.reply(200, 0, '{"txcount": 1000}')
    stand_in.reply(201, 1, at_s=1.0)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.0 + sum(lengths_s)))
    assert not stand_in.sent
    stand_in.reply(200, 2, f'{{"txcount": {1000 + sent}}}')
    return stand_in


def packets(lengths_s: list[float]) -> int:
    return sum(-(-(round(length_s * 8000) - 22) // 160) for length_s in lengths_s)


@given(
    st.lists(st.sampled_from([PAUSE_S, DIGIT_S, 0.3, 1.4]), min_size=1, max_size=60),
    st.data(),
)
def test_a_file_that_was_skipped_while_asterisk_stood_still_is_missed_by_its_packets(
    spoken_s: list[float], data: st.DataObject
) -> None:
    lengths_s = [*spoken_s, PAUSE_S]
    gone = data.draw(st.integers(0, len(lengths_s) - 1))
    left_s = [length_s for number, length_s in enumerate(lengths_s) if number != gone]
    assert not played_and_counted(lengths_s, packets(left_s)).sent[0].data["whole"]
    assert played_and_counted(lengths_s, packets(lengths_s)).sent[0].data["whole"]


def test_a_play_whose_packets_are_never_told_is_judged_by_its_time() -> None:
    for took_s, whole in ((0.5, True), (0.3, False)):
        stand_in = in_call()
        stand_in.channel.play(2, speech(0.3, 0.2))
        stand_in.reply(200, 0, '{"txcount": 1000}')
        stand_in.reply(201, 1, at_s=1.0)
        stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.0 + took_s))
        stand_in.pass_s(0.3)
        assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": took_s, "whole": whole})]


def test_a_play_that_ended_before_the_hang_up_is_told_before_it_though_its_packets_are_not() -> (
    None
):
    stand_in = in_call()
    stand_in.channel.play(2, speech(0.3, 0.2))
    stand_in.reply(200, 0, '{"txcount": 1000}')
    stand_in.reply(201, 1, at_s=1.0)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.5))
    stand_in.tell(event("ChannelHangupRequest"))
    assert stand_in.names == ["T_EOF", "T_LCTERM"]
    assert stand_in.sent[0].data["whole"] is True


def test_on_hook_upon_such_an_end_is_answered_and_nothing_is_told_after_it() -> None:
    stand_in = in_call()

    def hang_up(news: Event) -> None:
        stand_in.sent.append(news)
        if news.name == "T_EOF":
            stand_in.channel.on_hook(3)

    stand_in.channel.connect(hang_up)
    stand_in.channel.play(2, speech(0.3, 0.2))
    stand_in.reply(200, 0, '{"txcount": 1000}')
    stand_in.reply(201, 1, at_s=1.0)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.5))
    stand_in.tell(event("StasisEnd"))
    assert stand_in.names == ["T_EOF", "T_ONH"]


@pytest.mark.parametrize("status", [404, 500, 503, 0])
def test_a_play_that_asterisk_refuses_ends_and_is_not_whole(status: int) -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.reply(status)
    assert not stand_in.sent
    stand_in.pass_s(0.3)
    assert stand_in.sent == [Event("T_EOF", 2, {"heard_s": 0.0, "whole": False})]


def test_a_play_refused_because_the_call_has_ended_is_told_after_the_hang_up() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.reply(404)
    stand_in.tell(event("StasisEnd"))
    assert stand_in.names == ["T_LCTERM", "T_EOF"]


def test_a_play_that_failed_is_told_as_soon_as_the_hang_up_is_known() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "failed", 1.0))
    stand_in.tell(event("ChannelHangupRequest"))
    assert stand_in.names == ["T_LCTERM", "T_EOF"]


def test_a_play_whose_end_was_never_told_ends_before_on_hook() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.tell(playback("PlaybackStarted", FIRST_PLAY, "playing", 1.0))
    stand_in.channel.on_hook(3)
    stand_in.tell(event("StasisEnd", at_s=1.5))
    assert stand_in.names == ["T_EOF", "T_ONH"]
    assert stand_in.sent[0].data == {"heard_s": 0.5, "whole": False}


def test_a_caller_who_is_answered_at_once_hears_no_ringing() -> None:
    stand_in = StandIn()
    stand_in.channel.connect(
        lambda event: stand_in.channel.off_hook(1) if event.name == "T_RING" else None
    )
    stand_in.channel.ring("1.1", "", "170")
    assert [request.path for request, _ in stand_in.asked] == ["channels/1.1/answer"]


def test_a_caller_who_has_to_wait_hears_ringing() -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "", "170")
    assert [request.path for request, _ in stand_in.asked] == ["channels/1.1/ring"]


def test_a_late_reply_of_the_last_call_does_not_answer_the_next() -> None:
    stand_in = StandIn()
    stand_in.channel.ring("1.1", "", "170")
    stand_in.channel.off_hook(1)
    late = len(stand_in.asked) - 1
    stand_in.tell(event("StasisEnd"))
    stand_in.channel.on_hook(2)
    stand_in.channel.ring("1.2", "", "170")
    stand_in.channel.off_hook(3)
    stand_in.reply(204, late)
    assert stand_in.names == ["T_RING", "T_LCTERM", "T_ONH", "T_RING"]


def test_a_stop_that_came_too_late_gets_no_second_end() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.channel.stop(2)
    stand_in.reply(404)
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "done", 1.0))
    stand_in.pass_s(1)
    assert stand_in.names == ["T_EOF"]


def test_a_stop_cuts_a_play_that_failed_and_is_still_held() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "failed", 1.0))
    assert not stand_in.sent
    stand_in.channel.stop(2)
    assert stand_in.names == ["T_EOF"]


@pytest.mark.parametrize("status", [500, 503, 0])
def test_a_hang_up_that_fails_is_tried_again(status: int) -> None:
    stand_in = in_call()
    stand_in.channel.on_hook(2)
    stand_in.reply(status)
    stand_in.channel.on_hook(3)
    stand_in.pass_s(1)
    assert [request.method for request, _ in stand_in.asked] == ["DELETE", "DELETE"]
    stand_in.reply(404)
    assert stand_in.sent == [Event("T_ONH", 2), Event("T_ONH", 3)]


def test_a_dial_that_asterisk_cannot_make_is_a_fault() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.reply(500, body='{"error": "Allocation failed for 13800138000"}')
    cause = "HTTP 500: Allocation failed for …; dialled through PJSIP/{digits}@trunk"
    assert stand_in.sent == [Event("T_FAULT", 1, {"cause": cause})]
    stand_in.channel.on_hook(2)
    assert stand_in.sent[-1] == Event("T_ONH", 2)
    assert len(stand_in.asked) == 1, "there is nothing to hang up"


def test_a_call_that_was_made_and_cannot_be_dialled_is_a_fault_and_hung_up() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.reply(200)
    stand_in.tell(event("StasisStart", PLACED, args=["out"], state="Down"))
    assert stand_in.asked[-1][0].path == f"channels/{PLACED}/dial?timeout=15"
    stand_in.reply(409)
    assert stand_in.names == ["T_FAULT"]
    stand_in.channel.on_hook(2)
    assert stand_in.asked[-1][0].method == "DELETE"
    stand_in.reply(204)
    stand_in.tell(event("StasisEnd", PLACED))
    assert stand_in.names == ["T_FAULT", "T_ONH"]


def test_a_dial_that_asterisk_takes_and_never_begins_is_a_fault_of_its_set_up() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.tell(event("StasisStart", PLACED, args=["out"], state="Down"))
    stand_in.reply(204)
    stand_in.pass_s(10)
    assert stand_in.names == ["T_FAULT"]
    assert "bridge_holding" in str(stand_in.sent[0].data["cause"])


def test_the_end_of_a_dial_is_told_with_the_cause_that_comes_last() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.tell(event("StasisStart", PLACED, args=["out"], state="Down"))
    stand_in.tell(event("StasisEnd", PLACED))
    assert not stand_in.sent
    stand_in.tell(event("ChannelDestroyed", PLACED, cause=23, tech_cause=302))
    assert stand_in.names == ["T_REFUSED"]
    assert stand_in.sent[0].data == {"reason": "changed", "cause": 23, "tech_cause": 302}


def test_a_dial_without_any_reply_is_hung_up_all_the_same() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.reply(0)
    stand_in.channel.on_hook(2)
    assert stand_in.asked[-1][0].method == "DELETE"
    stand_in.reply(404)
    assert stand_in.names == ["T_FAULT", "T_ONH"]


@pytest.mark.parametrize("status", [200, 500, 0])
def test_a_late_reply_to_the_last_dial_says_nothing_of_the_next(status: int) -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    late = len(stand_in.asked) - 1
    stand_in.channel.on_hook(2)
    stand_in.tell(event("ChannelDestroyed", PLACED))
    stand_in.channel.dial(3, PERMIT, 10)
    stand_in.reply(status, late)
    assert stand_in.sent == [Event("T_ONH", 2)]
    stand_in.tell(answered("ivrd.ivrd.T.2"))
    assert stand_in.sent[1:] == [Event("T_LCON", 3)]


def test_an_answer_after_the_time_is_hung_up_and_not_told() -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.tell(begins(PLACED))
    stand_in.pass_s(10)
    stand_in.tell(answered(PLACED))
    assert stand_in.sent == [Event("T_NOANS", 1, {"rang": False, "cause": 18})]
    assert stand_in.asked[-1][0].method == "DELETE"
    stand_in.channel.on_hook(2)
    stand_in.tell(event("StasisEnd", PLACED))
    assert stand_in.names == ["T_NOANS", "T_ONH"]


@pytest.mark.parametrize("number", ["", "12&SIP/x", "a", "1@evil", "+", "1\n2", "１２"])
def test_what_is_no_number_is_never_dialled(number: str) -> None:
    stand_in = StandIn()
    stand_in.channel.dial(1, a_permit(number, "", ""), 10)
    assert stand_in.names == ["T_FAULT"]
    assert not stand_in.asked


def test_a_card_without_an_endpoint_does_not_dial() -> None:
    stand_in = StandIn(endpoint=None)
    assert Ability.DIAL not in stand_in.channel.abilities
    stand_in.channel.dial(1, PERMIT, 10)
    assert stand_in.names == ["T_FAULT"]


def test_what_comes_of_a_call_that_is_over_is_dropped() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.channel.on_hook(3)
    stand_in.tell(event("StasisEnd"))
    stand_in.channel.ring("1.2", "88610002", "170")
    sent = list(stand_in.sent)
    for late in (
        event("ChannelDestroyed"),
        event("ChannelDtmfReceived", digit="1"),
        playback("PlaybackFinished", FIRST_PLAY, "done", 9.0),
    ):
        stand_in.tell(late)
    assert stand_in.sent == sent


def test_loss_of_the_card_takes_the_place_of_all_answers() -> None:
    stand_in = in_call()
    stand_in.channel.play(2, speech(1.0))
    stand_in.tell(playback("PlaybackFinished", FIRST_PLAY, "failed", 1.0))
    stand_in.channel.on_hook(3)
    stand_in.channel.go_away("gone")
    for index in range(len(stand_in.asked)):
        stand_in.reply(0, index)
    stand_in.channel.on_hook(4)
    stand_in.pass_s(60)
    assert stand_in.sent[-1] == Event("T_LC", None, {"cause": "gone"})
    assert stand_in.names.count("T_LC") == 1
    assert "T_ONH" not in stand_in.names
    stand_in.channel.come_back()
    stand_in.channel.on_hook(5)
    assert stand_in.sent[-1] == Event("T_ONH", 5)


# Machines -------------------------------------------------------------------------------------


def dialled_with_detection() -> StandIn:
    stand_in = StandIn(machine_context="ivrd-amd")
    stand_in.channel.dial(1, PERMIT, 10)
    stand_in.tell(event("StasisStart", PLACED, args=["out"], state="Down"))
    assert not stand_in.asked[-1][0].path.endswith("/continue")
    stand_in.tell(answered(PLACED))
    assert stand_in.asked[-1][0].path.endswith("/continue")
    stand_in.tell(event("StasisEnd", PLACED))
    assert not stand_in.sent
    return stand_in


@pytest.mark.parametrize(
    ("verdict", "names"),
    [("MACHINE", ["T_LCON", "T_MACHINE"]), ("HUMAN", ["T_LCON"]), ("NOTSURE", ["T_LCON"])],
)
def test_the_dialplan_tells_a_machine(verdict: str, names: list[str]) -> None:
    stand_in = dialled_with_detection()
    stand_in.tell(event("StasisStart", PLACED, args=["machine", verdict]))
    assert stand_in.names == names


def test_a_hang_up_while_it_is_being_told_is_an_answer_and_a_hang_up() -> None:
    stand_in = dialled_with_detection()
    stand_in.tell(event("ChannelDestroyed", PLACED, cause=16))
    assert stand_in.names == ["T_LCON", "T_LCTERM"]


@pytest.mark.parametrize("ends", ["hang-up", "too late"])
def test_what_is_said_to_who_hung_up_while_being_told_ends_after_the_hang_up(ends: str) -> None:
    stand_in = dialled_with_detection()

    def line(told: Event) -> None:
        stand_in.sent.append(told)
        if told.name == "T_LCON":
            stand_in.channel.play(2, speech(1.0))

    stand_in.channel.connect(line)
    if ends == "hang-up":
        stand_in.tell(event("ChannelDestroyed", PLACED, cause=16))
    else:
        stand_in.pass_s(10)
    assert stand_in.names == ["T_LCON", "T_LCTERM", "T_EOF"]
    assert stand_in.sent[-1].data == {"heard_s": 0.0, "whole": False}
    stand_in.reply(404)
    stand_in.pass_s(10)
    stand_in.channel.on_hook(3)
    stand_in.reply(404)
    assert stand_in.names[3:] == ["T_ONH"]


def test_it_rings_so_long_that_who_answers_last_can_be_told_in_time() -> None:
    stand_in = StandIn(machine_context="ivrd-amd")
    stand_in.channel.dial(1, PERMIT, 45)
    stand_in.tell(begins(PLACED))
    stand_in.pass_s(39.9)
    assert not stand_in.sent
    stand_in.pass_s(0.2)
    assert stand_in.names == ["T_NOANS"]


def test_a_dialplan_that_does_not_give_the_call_back_is_not_waited_for() -> None:
    stand_in = dialled_with_detection()
    stand_in.pass_s(10)
    assert stand_in.names == ["T_LCON", "T_LCTERM"]
    stand_in.channel.on_hook(2)
    assert stand_in.asked[-1][0].method == "DELETE"


# Transfer -------------------------------------------------------------------------------------

PERSON = "ivrd.ivrd.T.1"


def transferring() -> StandIn:
    stand_in = in_call(transfer_context="ivrd-transfer")
    stand_in.channel.transfer(2, PERMIT)
    return stand_in


def test_a_transfer_joins_the_two_in_the_dialplan_and_is_told_when_the_caller_has_left() -> None:
    stand_in = transferring()
    stand_in.tell(event("StasisStart", PERSON, args=["out"]))
    assert [request.path for request, _ in stand_in.asked][-2:] == [
        "channels/1.1/variable",
        "channels/1.1/continue",
    ]
    assert not stand_in.sent
    stand_in.tell(event("StasisEnd"))
    assert stand_in.sent == [Event("T_MOVED", 2)]
    stand_in.tell(event("StasisEnd", PERSON))
    asked = len(stand_in.asked)
    stand_in.channel.on_hook(3)
    stand_in.pass_s(10)
    assert stand_in.sent[-1] == Event("T_ONH", 3)
    assert len(stand_in.asked) == asked, "neither call is ours to hang up"


def test_a_person_whom_the_dialplan_does_not_take_is_hung_up() -> None:
    stand_in = transferring()
    stand_in.tell(event("StasisStart", PERSON, args=["out"]))
    stand_in.tell(event("StasisEnd"))
    stand_in.pass_s(5)
    assert stand_in.asked[-1][0].path == f"channels/{PERSON}?reason=normal"


def test_a_caller_who_hangs_up_while_being_joined_takes_the_person_with_them() -> None:
    stand_in = transferring()
    stand_in.tell(event("StasisStart", PERSON, args=["out"]))
    stand_in.tell(event("ChannelHangupRequest"))
    assert stand_in.names == ["T_LCTERM"]
    assert stand_in.asked[-1][0].path == f"channels/{PERSON}?reason=normal"


def test_a_transfer_to_nobody_leaves_the_caller_with_us() -> None:
    stand_in = transferring()
    stand_in.pass_s(30)
    assert stand_in.names == ["T_REFUSED"]
    assert stand_in.sent[0].data["outcome"] == "T_NOANS"
    stand_in.channel.play(3, speech(1.0))
    assert stand_in.asked[-1][0].path == "channels/1.1/play"


@pytest.mark.parametrize("how", ["caller", "on_hook"])
def test_a_call_that_ends_in_a_transfer_takes_the_other_call_with_it(how: str) -> None:
    stand_in = transferring()
    if how == "caller":
        stand_in.tell(event("ChannelHangupRequest"))
        assert stand_in.names == ["T_LCTERM"]
    else:
        stand_in.channel.on_hook(3)
    hung_up = [request.path for request, _ in stand_in.asked if request.method == "DELETE"]
    assert f"channels/{PERSON}?reason=normal" in hung_up
    stand_in.tell(event("ChannelDestroyed", PERSON, cause=16))
    assert "T_REFUSED" not in stand_in.names
