"""A flow file comes out flat: copies made, parts put in, [any] spread to where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrd.events import T_EOF, T_LC, T_MACHINE, T_TIME, U_FAIL, U_STOP
from ivrd.flow.load import load_flow
from ivrd.flow.spec import Flow, Kind
from tests.flow.flow_world import ACTIONS, problems_of

GOOD = Path(__file__).parent / "good"


@pytest.fixture(scope="module")
def inbound() -> Flow:
    return load_flow(GOOD / "inbound.toml", ACTIONS)


@pytest.fixture(scope="module")
def outbound() -> Flow:
    return load_flow(GOOD / "outbound.toml", ACTIONS)


def test_kinds_are_told_by_the_keys(inbound: Flow) -> None:
    kinds = {name: inbound.states[name].kind for name in ("idle", "is_open", "find", "news")}
    assert kinds == {
        "idle": Kind.START, "is_open": Kind.BRANCH, "find": Kind.DO, "news": Kind.STATEMENT,
    }  # fmt: skip
    assert inbound.states["language"].kind is Kind.MENU
    assert inbound.states["ask"].kind is Kind.COLLECT


def test_part_stands_under_the_name_of_the_state_that_uses_it(inbound: Flow) -> None:
    prove = inbound.states["prove"]
    assert prove.collect is not None
    assert prove.collect.private
    assert prove.edges["T_MAXDT"].to == "bill"
    assert prove.edges["T_MAXDT"].notes == ("proved",)
    assert prove.edges["T_TIME"].to == "prove"
    assert prove.edges["U_TRIES"].to == "sorry"
    assert prove.place.file == GOOD / "proof.toml"
    assert inbound.sources == (GOOD / "inbound.toml", GOOD / "proof.toml")


def test_names_inside_a_part_begin_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "sentences.toml").write_text("a = []\n")
    (tmp_path / "p.toml").write_text(
        'part = "p"\nstart = "one"\nexits = ["U_OK"]\n'
        '[one]\nsay = ["a"]\nT_EOF = "two"\n[two]\nsay = ["a"]\nT_EOF = "U_OK"\n'
    )
    (tmp_path / "f.toml").write_text(
        'flow = "f"\nstart = "idle"\ncall_s = 9\n[idle]\nT_RING = "x"\n'
        '[x]\nuse = "p"\nU_OK = "y"\n[y]\nuse = "p"\nU_OK = "idle"\n'
    )
    flow = load_flow(tmp_path / "f.toml", {})
    assert {name: [e.to for e in s.edges.values()] for name, s in flow.states.items()} == {
        "idle": ["x"], "x": ["x.two"], "x.two": ["y"], "y": ["y.two"], "y.two": ["idle"],
    }  # fmt: skip
    assert flow.sources == (tmp_path / "f.toml", tmp_path / "p.toml")


def test_part_may_use_a_part_under_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "sentences.toml").write_text("a = []\n")
    (tmp_path / "inner.toml").write_text(
        'part = "inner"\nstart = "one"\nexits = ["U_OK"]\n'
        '[one]\nsay = ["a"]\nT_EOF = "two"\n[two]\nsay = ["a"]\nT_EOF = "U_OK"\n'
    )
    (tmp_path / "outer.toml").write_text(
        'part = "outer"\nstart = "first"\nexits = ["U_OK"]\n'
        '[first]\nsay = ["a"]\nT_EOF = "proof"\n[proof]\nuse = "inner"\nU_OK = "U_OK"\n'
    )
    (tmp_path / "f.toml").write_text(
        'flow = "f"\nstart = "idle"\ncall_s = 9\n[idle]\nT_RING = "x"\n'
        '[x]\nuse = "outer"\nU_OK = "idle"\n'
    )
    flow = load_flow(tmp_path / "f.toml", {})
    assert {name: [e.to for e in s.edges.values()] for name, s in flow.states.items()} == {
        "idle": ["x"], "x": ["x.proof"], "x.proof": ["x.proof.two"], "x.proof.two": ["idle"],
    }  # fmt: skip


def test_copy_keeps_what_it_does_not_say_otherwise(tmp_path: Path) -> None:
    (tmp_path / "sentences.toml").write_text("a = []\nb = []\n")
    (tmp_path / "f.toml").write_text(
        'flow = "f"\nstart = "idle"\ncall_s = 9\n[idle]\nT_RING = "x"\n'
        '[x]\nsay = ["a"]\nsay_s = 7\nT_EOF = "y"\n[y]\nlike = "x"\nsay = ["b"]\n'
    )
    copy = load_flow(tmp_path / "f.toml", {}).states["y"]
    assert [sentence.name for sentence in copy.say] == ["b"]
    assert (copy.say_s, copy.edges[T_EOF].to) == (7.0, "y")


def test_any_goes_where_its_event_can_come_and_not_to_its_own_target(outbound: Flow) -> None:
    def having(event: str) -> set[str]:
        return {
            name
            for name, state in outbound.states.items()
            if event in state.edges and state.edges[event].shared
        }

    waiting = {"dialling", "holder", "find", "message", "transfer", "bye"}
    assert having(T_LC) == waiting
    assert having(T_MACHINE) == waiting
    assert having(T_TIME) == {"dialling", "find"}
    assert having(U_FAIL) == {"find"}
    assert having(U_STOP) == waiting - {"bye", "dialling"}


def test_defaults_are_those_of_the_flow_unless_a_state_says_otherwise(inbound: Flow) -> None:
    assert inbound.states["find"].wait is not None
    assert inbound.states["find"].wait.name == "choose"
    assert inbound.states["answering"].wait is None
    assert inbound.states["ask"].tries == "most"
    assert inbound.states["language"].tries == 3


def test_private_paths_are_those_of_private_entries_and_of_actions(inbound: Flow) -> None:
    assert inbound.private == {"proof"}


def test_hash_changes_with_the_meaning_and_not_with_the_place(tmp_path: Path) -> None:
    for path in GOOD.glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "inbound.toml"
    text = path.read_text(encoding="utf-8")
    first = load_flow(path, ACTIONS).hash
    path.write_text("# one line more\n" + text, encoding="utf-8")
    assert load_flow(path, ACTIONS).hash == first
    path.write_text(text.replace("digits = 8", "digits = 7"), encoding="utf-8")
    assert load_flow(path, ACTIONS).hash != first
    assert len(first) == 8


ODD = ["1", '"x"', "[]", "{}", "true", "[1]", "{ to = 1 }", "-1", "1.5", "2020-01-01", '""', "nan",
       '{ retry = "ask" }', '{ to = "" }', "[{ say = 1 }]", '[["a"]]', '"idle"', "inf"]  # fmt: skip
KEYS = ["say", "keys", "do", "collect", "if", "use", "like", "T_TIME", "U_X", "tries", "any",
        "yes", "with", "defaults", "set", "end", "start", "knows"]  # fmt: skip
LINES = (GOOD / "inbound.toml").read_text(encoding="utf-8").splitlines()


@settings(max_examples=300, deadline=None)
@given(
    line=st.integers(0, len(LINES) - 1),
    what=st.sampled_from(["value", "gone", "more"]),
    key=st.sampled_from(KEYS),
    value=st.sampled_from(ODD),
)
def test_whatever_is_written_is_told_and_never_raises_otherwise(
    tmp_path_factory: pytest.TempPathFactory, line: int, what: str, key: str, value: str
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    for name in ("sentences.toml", "proof.toml"):
        (folder / name).write_text((GOOD / name).read_text(encoding="utf-8"), encoding="utf-8")
    lines = [*LINES]
    if what == "value" and "=" in lines[line]:
        lines[line] = f"{lines[line].split('=')[0]}= {value}"
    elif what == "more":
        lines.insert(line, f"{key} = {value}")
    else:
        lines[line] = ""
    path = folder / "odd.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    for problem in problems_of(path):
        assert problem.rule
        assert problem.what
        assert problem.file is not None
        # only what is missing from the file as a whole has no line
        assert problem.line is not None or problem.what.startswith("has no "), problem
