"""Permits: only the gate makes one, each is short, and the lists of ivrd.toml bound the rest."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrd.card import DialPermit
from ivrd.dunning.gate import ListedNumbers
from ivrd.errors import IvrdError

TOP = Path(__file__).resolve().parent.parent.parent
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def calls_of(tree: ast.AST, name: str) -> list[ast.Call]:
    """Return every call of a name, bare or behind a dot."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
    ]


def aliases_of(tree: ast.AST, name: str) -> set[str]:
    """Return under which names a module has what it imports as `name`."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == name
    } | {name}


def test_a_permit_is_made_in_the_gate_and_nowhere_else() -> None:
    makers = set()
    for package in ("ivrd", "drivers", "sim", "bench"):
        for path in sorted((TOP / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(calls_of(tree, name) for name in aliases_of(tree, "DialPermit")):
                makers.add(str(path.relative_to(TOP)))
    assert makers == {"ivrd/dunning/gate.py"}


def test_the_search_for_makers_finds_them_under_any_name() -> None:
    for source in (
        "from ivrd.card import DialPermit\nDialPermit(1, 2, 3, 4)",
        "import ivrd.card\nivrd.card.DialPermit(1, 2, 3, 4)",
        "from ivrd.card import DialPermit as P\nP(1, 2, 3, 4)",
    ):
        tree = ast.parse(source)
        assert any(calls_of(tree, name) for name in aliases_of(tree, "DialPermit")), source


@pytest.fixture
def numbers() -> ListedNumbers:
    return ListedNumbers("170", test=["6001"], transfer=["+861088610000"])


def test_a_number_of_the_test_list_is_permitted_for_ten_seconds(numbers: ListedNumbers) -> None:
    permit = numbers.permit_test("6001", NOW)
    assert permit == DialPermit("6001", "170", "test-1", NOW + timedelta(seconds=10))
    assert numbers.permit_test("6001", NOW).attempt == "test-2"


def test_a_transfer_belongs_to_its_attempt(numbers: ListedNumbers) -> None:
    permit = numbers.permit_transfer("+861088610000", "a7", NOW)
    assert (permit.number, permit.attempt) == ("+861088610000", "a7")


@pytest.mark.parametrize("number", ["6002", "", "+861088610000"])
def test_no_other_number_is_dialled_for_a_test(numbers: ListedNumbers, number: str) -> None:
    with pytest.raises(IvrdError, match="not on the test list"):
        numbers.permit_test(number, NOW)


def test_a_call_is_handed_on_only_to_the_configured_number(numbers: ListedNumbers) -> None:
    with pytest.raises(IvrdError, match="not the one"):
        numbers.permit_transfer("6001", "a7", NOW)


def test_the_kill_switch_holds_test_calls_and_transfers_too() -> None:
    numbers = ListedNumbers("170", test=["1"], transfer=["2"], stopped=lambda: True)
    with pytest.raises(IvrdError, match="kill switch"):
        numbers.permit_test("1", NOW)
    with pytest.raises(IvrdError, match="kill switch"):
        numbers.permit_transfer("2", "a", NOW)
