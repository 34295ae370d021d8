"""The language of callers' scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.errors import Problem
from ivrd.events import FROM_CARD
from sim.faults import Dead, Double, Endless, Late, Lose, Swap
from sim.party import Ending
from sim.script import ScriptError, keys_script, load_script, parse_script
from sim.steps import Ended, Finish, HangUp, Hear, Interrupt, Key, Listen, Step, Wait


def problems(text: str, **more: object) -> list[str]:
    with pytest.raises(ScriptError) as error:
        parse_script(text, **more)  # type: ignore[arg-type] # handed on as given
    return [str(problem) for problem in error.value.problems]


def test_every_word_of_the_language_is_understood() -> None:
    script = parse_script(
        """
        ; a caller who errs
        caller 88610001            ; ANI
        called 170
        seed 7
        never call_detail
        fault lose T_EOF times 1 skip 2
        fault late T_ONH by 2.5 chance 0.5
        fault double any
        fault swap T_DIGIT
        fault endless times 1
        fault dead after 10 for 5
        fault dead after 90

        hear enter_month
        key 202610# gap 0.2
        hear bill_total 一百二十三元 within 20
        hear bill_total "one hundred  within"
        interrupt *#AD after 0.5
        wait 20
        listen silent 1 within 30
        hang up after 1.0
        ended caller within 3
        """
    )
    assert script.caller == "88610001"
    assert script.called == "170"
    assert script.seed == 7
    assert script.never == {"call_detail"}
    assert script.faults == (
        Lose("T_EOF", 1.0, 1, 2),
        Late("T_ONH", 0.5, by_s=2.5),
        Double(),
        Swap("T_DIGIT"),
        Endless(times=1),
        Dead(10, 5),
        Dead(90),
    )
    assert script.steps == (
        Hear("enter_month"),
        Key("202610#", gap_s=0.2),
        Hear("bill_total", "一百二十三元", 20),
        Hear("bill_total", "one hundred  within"),
        Interrupt("*#AD", after_s=0.5),
        Wait(20),
        Listen(1, 30),
        HangUp(1),
        Ended(Ending.FAR_END, 3),
    )
    assert script.steps[0].line == 15


def test_a_number_may_be_withheld() -> None:
    assert parse_script("caller withheld\nfinish").caller == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("heer enter_month", "unknown word 'heer'; expected caller, called, .*did you mean 'hear'"),
        ("hang", "unknown word 'hang'"),
        ("hear", "no name of a sentence: ''; expected one like enter_month"),
        ("hear EnterMonth", "no name of a sentence: 'EnterMonth'"),
        ("hear enter_month within", "within: no number; expected 0 to 7200, like 0.5"),
        ("hear enter_month within soon", "within: no number of seconds: 'soon'"),
        ("key", "no keys; expected keys like 202610#"),
        ("key 12x4", "no key of a telephone: 'x'; expected 0-9 \\* # A-D"),
        ("key 12 gab 3", "unexpected 'gab'; expected one of gap, after; did you mean 'gap'"),
        ("key 12 gap 1 gap 2", "gap is said twice"),
        ("key 12 gap -1", "gap: no number of seconds: '-1'"),
        ("wait", "wait: no number"),
        ("wait 99999", "wait: no number of seconds: '99999'; expected 0 to 7200"),
        ("wait 1 2", "unexpected '2'; expected the end of the line"),
        ("ended", "who ended the call: ''; expected one of busy, caller, ivrd"),
        ("ended ivr", "who ended the call: 'ivr'; .*did you mean 'ivrd'"),
        ("caller 8861ooo1", "caller: no number: '8861ooo1'; expected digits, .* or 'withheld'"),
        ("caller 1\ncaller 2", "caller is said twice"),
        ("wait 1\ncalled 170", "called comes too late; expected it before the first step"),
        ("wait 1\nfault dead", "a fault holds for the whole call"),
        ("seed x", "seed: no number; expected a whole number"),
        ("fault loose T_EOF", "the fault: 'loose'; .*did you mean 'lose'"),
        ("fault lose T_EFO", "the event: 'T_EFO'; .*did you mean 'T_EOF'"),
        ("fault lose T_EOF by 3", "unexpected 'by'; expected one of chance, times, skip"),
        (
            "fault lose T_EOF chance 2",
            "the fault strikes no number of times; expected chance 0 to 1",
        ),
        ("fault lose T_EOF times 1.5", "the fault strikes .* times and skip whole"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_what_was_expected(line: str, told: str) -> None:
    with pytest.raises(ScriptError, match=f"calls/a.call:[23]: {told}") as error:
        parse_script(f"; a comment\n{line}\nfinish", Path("calls/a.call"))
    assert len(error.value.problems) == 1


def test_all_problems_are_told_at_once_and_each_once() -> None:
    told = problems("caller one\nhear Enter\nkey 12\nwait long\nfinish")
    assert [text.split(":")[0] for text in told] == ["line 1", "line 2", "line 4"]


def test_a_script_must_say_how_the_call_ends() -> None:
    (told,) = problems("hear enter_month\nkey 1")
    assert told.startswith("line 2: the script does not say how the call ends; expected 'hang up'")
    assert len(problems("")) == 1


def test_with_the_list_of_sentences_an_unknown_one_names_the_nearest() -> None:
    (told,) = problems("hear enter_mont\nfinish", sentences={"enter_month", "welcome"})
    assert told == "line 1: unknown sentence 'enter_mont'; did you mean 'enter_month'?"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"none\.call: cannot be read"):
        load_script(tmp_path / "none.call")


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.call").write_text("hear bill_total 元\nfinish", encoding="utf-8")
    assert load_script(tmp_path / "a.call").steps[0] == Hear("bill_total", "元")
    (tmp_path / "b.call").write_bytes("hear bill_total 一百元".encode("gb2312"))
    with pytest.raises(ScriptError, match="cannot be read"):
        load_script(tmp_path / "b.call")


def test_keys_alone_answer_question_after_question() -> None:
    script = keys_script("1 202610# !2", caller="88610001", called="170")
    assert script.caller == "88610001"
    assert script.steps == (
        Listen(),
        Key("1", after_s=0),
        Listen(),
        Key("202610#", after_s=0),
        Interrupt("2"),
        Finish(),
    )


def test_what_is_no_key_is_told_in_keys_alone_too() -> None:
    with pytest.raises(ScriptError, match="word 2: no key of a telephone: 'x'"):
        keys_script("1 2x")


seconds = st.decimals(0, 7200, places=2).map(float)
names = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)
keys = st.text("0123456789*#ABCD", min_size=1)
texts = st.text(st.characters(exclude_characters='"', exclude_categories=("C", "Z")))
steps = st.one_of(
    st.builds(Hear, names, texts, seconds),
    st.builds(Key, keys, seconds, seconds),
    st.builds(Interrupt, keys, seconds, seconds),
    st.builds(Wait, seconds),
    st.builds(Listen, seconds, seconds),
    st.builds(Finish, seconds, seconds),
    st.builds(HangUp, seconds),
    st.builds(Ended, st.sampled_from(Ending), seconds),
)


@given(st.lists(steps))
def test_a_step_as_it_is_printed_is_read_back_as_it_was(given_steps: list[Step]) -> None:
    text = "\n".join(str(step) for step in given_steps)
    assert parse_script(f"{text}\nfinish").steps == (*given_steps, Finish())


words = st.sampled_from(
    [
        *("caller", "called", "seed", "never", "fault", "hear", "key", "interrupt", "wait"),
        *("listen", "finish", "hang", "up", "ended", "within", "gap", "after", "by", "chance"),
        *("lose", "late", "dead", "any", "ivrd", "\n", "\n", "1", "0.5", "#", ";", '"', "x"),
        *sorted(FROM_CARD),
    ]
)


@given(st.one_of(st.text(), st.lists(words).map(" ".join)))
def test_any_text_is_a_script_or_an_error_that_names_a_line(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        last = parse_script(text, Path("a.call")).steps[-1]
    except ScriptError as error:
        problems = error.problems
        last = None
    assert (last is None) == bool(problems)
    assert last is None or isinstance(last, HangUp | Finish | Ended)
    lines = range(1, max(1, len(text.splitlines())) + 1)
    assert all(problem.line in lines for problem in problems)
