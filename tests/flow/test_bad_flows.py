"""Every rule finds its mistake: one small bad flow a rule, with the exact words it must be told in.

A file is named after its rule, and after a variant of it; its lines that begin with ``#!`` are
the problems as a person sees them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ivrd.flow.check
import ivrd.flow.load
from ivrd.errors import FlowError
from ivrd.flow.load import load_flow, load_sentences
from tests.flow.flow_world import ACTIONS, problems_of

BAD = Path(__file__).parent / "bad"
NOT_FLOWS = {"sentences", "proof", "mirror"}
FLOWS = [path for path in sorted(BAD.glob("*.toml")) if path.stem not in NOT_FLOWS]


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_bad_flow_is_told_in_these_words(path: Path) -> None:
    problems = problems_of(path)
    told = [str(problem).replace(f"{BAD}/", "") for problem in problems]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert told == [line.removeprefix("#! ") for line in lines if line.startswith("#!")]
    assert path.stem.split(".")[0] in {problem.rule for problem in problems}


def rules_of_check() -> set[str]:
    table = (ivrd.flow.check.__doc__ or "").splitlines()
    return {m[1] for line in table if (m := re.match(r"([a-z]+(?:-[a-z]+)*) {2,}\S", line))}


def rules_of_load() -> set[str]:
    found = re.search(r"``([a-z\s-]+)``", ivrd.flow.load.__doc__ or "")
    assert found
    return set(found[1].split())


def test_every_rule_has_a_bad_flow() -> None:
    shown = {path.stem.split(".")[0] for path in FLOWS}
    assert rules_of_check() | rules_of_load() == shown | {"no-file"}
    assert len(rules_of_check()) > 30


def test_every_problem_has_the_word_of_a_documented_rule() -> None:
    told = {problem.rule for path in FLOWS for problem in problems_of(path)}
    assert told <= rules_of_check() | rules_of_load()


def test_flow_that_is_not_there() -> None:
    with pytest.raises(FlowError, match=r"none\.toml: no such file") as caught:
        load_flow(BAD / "none.toml", ACTIONS)
    assert [problem.rule for problem in caught.value.problems] == ["no-file"]


def test_flow_without_sentences_beside_it(tmp_path: Path) -> None:
    lone = tmp_path / "lone.toml"
    lone.write_text('flow = "lone"\nstart = "idle"\ncall_s = 9\n[idle]\nT_RING = "idle"\n')
    with pytest.raises(FlowError, match=r"sentences\.toml: no such file"):
        load_flow(lone, ACTIONS)


def test_sentence_whose_needs_are_no_list(tmp_path: Path) -> None:
    path = tmp_path / "sentences.toml"
    path.write_text('welcome = []\ntotal = "bill.total"\nitem = [1]\n')
    with pytest.raises(FlowError) as caught:
        load_sentences(path)
    assert [str(problem) for problem in caught.value.problems] == [
        f'{path}:2: total: not a list of names; expected such as ["bill.total"]',
        f'{path}:3: item: not a list of names; expected such as ["bill.total"]',
    ]


def test_problem_in_a_part_that_is_used_twice_is_told_once(tmp_path: Path) -> None:
    flow = (BAD / "part-exit.toml").read_text(encoding="utf-8")
    flow = flow.replace('U_OK = "hang_up"', 'U_OK = "hang_up"\nU_ERR = "sorry"')
    flow += '\n[again]\nlike = "bill"\n'
    (tmp_path / "twice.toml").write_text(flow)
    part = (BAD / "proof.toml").read_text(encoding="utf-8").replace("nothing_keyed", "nothing")
    (tmp_path / "proof.toml").write_text(part)
    (tmp_path / "sentences.toml").write_text((BAD / "sentences.toml").read_text(encoding="utf-8"))
    (problem,) = problems_of(tmp_path / "twice.toml")
    assert problem.file == tmp_path / "proof.toml"
    assert (problem.line, problem.key) == (12, "prove.T_TIME.say")
    assert problem.what == "no sentence 'nothing'"
