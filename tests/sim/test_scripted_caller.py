"""Callers who follow a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.events import T_DIGIT, T_LCTERM, T_RINGOFF
from sim.caller import ScriptedCaller
from sim.party import Ending, Party
from sim.script import keys_script, parse_script
from tests.sim.echo_line import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def run(rig: Rig, text: str) -> ScriptedCaller:
    caller = ScriptedCaller(parse_script(text))
    caller.call(rig.card)
    rig.clock.run_until_idle(600)
    assert caller.finished
    assert all(line.on_hook for line in rig.lines if line.events)
    return caller


def keyed(caller: ScriptedCaller) -> list[tuple[float, str]]:
    return [(round(at_s, 3), key) for at_s, key in caller.keyed]


# The rig's line goes off hook at 0.02 s; `welcome` lasts 1 s, `enter_month` 2 s, `echo` 1.5 s.


def test_a_call_from_the_first_sentence_to_the_last(rig: Rig) -> None:
    caller = run(rig, "hear enter_month\nkey 42#\nhear echo 42\nkey 0#\nhear goodbye\nended ivrd")
    assert caller.passed, caller.failure
    assert [s.sentence for s in caller.heard] == [
        *("welcome", "enter_month", "echo", "enter_month", "goodbye"),
    ]
    assert [round(s.at_s, 2) for s in caller.heard[:2]] == [0.02, 1.02]


def test_key_waits_until_ivrd_is_silent_and_keeps_the_gap(rig: Rig) -> None:
    caller = run(rig, "hear welcome\nkey 12# gap 0.5 after 0.1\nhear echo 12\nhang up")
    assert caller.passed, caller.failure
    assert keyed(caller) == [(3.12, "1"), (3.62, "2"), (4.12, "#")]


def test_interrupt_keys_into_the_sentence(rig: Rig) -> None:
    caller = run(rig, "hear welcome\ninterrupt 5 after 0.5\nhang up")
    assert caller.passed, caller.failure
    assert keyed(caller) == [(0.52, "5")]
    assert sum(heard.samples for heard in caller.leg.heard()) == 4000


def test_hear_fails_with_what_was_heard_instead_and_the_caller_hangs_up(rig: Rig) -> None:
    caller = run(rig, "caller 1\nhear bill_total within 5\nfinish")
    assert caller.failure == (
        "line 2: hear bill_total within 5: not in 5 s; "
        "heard welcome (welcome), enter_month (enter_month)"
    )
    assert caller.ended_by is Ending.FAR_END
    assert not caller.passed


def test_hear_with_text_passes_only_where_the_text_is_spoken(rig: Rig) -> None:
    assert run(rig, "hear enter_month\nkey 42#\nhear echo 4\nhang up").passed
    caller = run(rig, "hear enter_month\nkey 42#\nhear echo 43 within 9\nhang up")
    assert 'line 3: hear echo "43" within 9: not in 9 s; heard echo (42)' in str(caller.failure)


def test_a_sentence_spoken_before_the_last_key_counts_no_more(rig: Rig) -> None:
    caller = run(rig, "listen\nkey 1\nhear enter_month within 10\nhang up")
    assert "hear enter_month within 10: not in 10 s; heard nothing" in str(caller.failure)


def test_a_sentence_that_answers_the_key_at_once_counts(rig: Rig) -> None:
    assert run(rig, "listen\nkey 1#\nhear echo 1 within 0.1\nhang up").passed


def test_the_end_of_the_call_fails_a_step_that_waits(rig: Rig) -> None:
    caller = run(rig, "listen\nkey 0#\nhear echo\nfinish")
    assert "hear echo within 60: the call has ended; heard goodbye" in str(caller.failure)
    assert caller.ended_by is Ending.IVRD


def test_ended_sees_who_ended_it(rig: Rig) -> None:
    assert run(rig, "hang up after 2\nended caller").passed
    assert "it was ended by far_end" in str(run(rig, "hang up\nended ivrd").failure)
    assert "it goes on; heard welcome" in str(run(rig, "ended ivrd within 30").failure)


def test_a_caller_may_give_up_while_it_rings(rig: Rig) -> None:
    caller = run(rig, "hang up after 0.01\nended caller")
    assert caller.passed
    assert rig.lines[0].names.count(T_LCTERM) + rig.lines[0].names.count(T_RINGOFF) == 1
    assert caller.heard == []


def test_a_caller_who_is_told_busy_fails_unless_that_was_expected(rig: Rig) -> None:
    for _ in rig.lines:
        rig.card.call("1", "2", Party())
    busy = ScriptedCaller(parse_script("ended busy"))
    assert busy.call(rig.card) is None
    assert busy.passed
    other = ScriptedCaller(parse_script("hear welcome\nhang up"))
    other.call(rig.card)
    assert "the call has ended" in str(other.failure)
    assert other.finished


def test_silence_is_kept(rig: Rig) -> None:
    caller = run(rig, "wait 20\nhang up")
    assert caller.passed
    assert caller.leg.ended_s == pytest.approx(20.0)
    assert T_DIGIT not in rig.lines[0].names


def test_never_fails_at_the_moment_the_sentence_is_heard(rig: Rig) -> None:
    caller = run(rig, "never enter_month\nfinish")
    assert caller.failure == "expected never to hear enter_month, heard it: enter_month"
    assert caller.leg.ended_s == pytest.approx(1.02)
    assert run(rig, "never bill_total\nfinish").passed


def test_a_script_may_break_the_card_for_its_call(rig: Rig) -> None:
    caller = run(rig, "fault lose T_DIGIT skip 1 times 1\nlisten\nkey 123#\nhear echo 13\nhang up")
    assert caller.passed, caller.failure
    dead = run(rig, "fault dead after 1.5 for 5\nlisten\nkey 1#\nhear echo within 9\nhang up")
    assert "hear echo" in str(dead.failure)


def test_keys_alone_make_a_whole_call(rig: Rig) -> None:
    caller = ScriptedCaller(keys_script("12# !3# 0#"))
    caller.call(rig.card)
    rig.clock.run_until_idle(600)
    assert caller.passed, caller.failure
    assert [s.text for s in caller.heard if s.sentence == "echo"] == ["12", "3"]
    assert caller.ended_by is Ending.IVRD


def test_keys_alone_hang_up_when_ivrd_has_nothing_more_to_say(rig: Rig) -> None:
    caller = ScriptedCaller(keys_script("12#"))
    caller.call(rig.card)
    rig.clock.run_until_idle(600)
    assert caller.passed, caller.failure
    assert caller.ended_by is Ending.FAR_END
    assert rig.clock.monotonic() > 3.02 + 3.5 + 4


def test_the_report_tells_what_was_heard_and_when(rig: Rig) -> None:
    caller = run(rig, "hear enter_month\nhang up")
    assert caller.report().splitlines() == [
        "    0.02  welcome  welcome",
        "    1.02  enter_month  enter_month",
        "ended by far_end; done",
    ]


def test_who_watches_is_told_each_sentence_and_the_end_once(rig: Rig) -> None:
    told: list[str] = []
    caller = ScriptedCaller(
        parse_script("hear enter_month\nhang up after 0.5"),
        when_hears=lambda sentence: told.append(sentence.sentence),
        when_finished=lambda done: told.append(str(done.passed)),
    )
    caller.call(rig.card)
    rig.clock.run_until_idle(60)
    assert told == ["welcome", "enter_month", "True"]
