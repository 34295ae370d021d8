"""From a dump that nobody described to the spoken bill: a draft, and what a person changes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from ivrd import resources
from ivrd.billing.check import check_billing
from ivrd.billing.draft.drafting import draft_mapping
from ivrd.billing.draft.write import toml_of
from ivrd.billing.mapping import load_mapping
from ivrd.billing.reader import BillingReader
from ivrd.prompts import Voices
from tests.billing.dumped import DUMPS, KIND, Caller, dumped, expected_of, voices_with
from tests.billing.places import BillingServer, reader_engine
from tests.billing.test_dumps import debtors_told, found, heard, written

EDITS: dict[str, dict[str, Any]] = {
    # which states of a subscriber count, only the vendor knows
    "jfxt_county": {"account.where": {"YHZT": [0, 1]}},
    "shuiwu": {},
    "wuye": {
        "account.where": {"Empty": False},
        # what a caller keys: the flat without its dashes
        "account.agreement": {"concat": ["Bldg", "Unit", "Door"]},
        "bill.items": {
            "management_fee": 1, "parking": 2, "shared_energy": 3, "late_fee": 4, "waived": 5,
            "other_fees": 6,
        },
    },
    "bss97": {
        "account.where": {"STATE": {"not": [2]}},
        "account.language.codes": {"01": "zh-CN", "02": "en-US"},
        # showing the caller's number belongs to the rent; telegrams are long gone
        "bill.items": {
            "monthly_rent": [101, 102], "local_calls": 201, "long_distance": 202,
            "operator_long_distance": 203, "data": 301, "information": 999, "adjustments": 901,
        },
    },
    "catv": {
        "bill.items": {
            "cable_tv": ["TV01", "TV02"], "broadband": ["NET1", "NET2"], "set_top_box": "STB",
            "rebate": "RB",
        },
    },
}  # fmt: skip
"""What a person changes in the draft of each dump: keys of the mapping, and what they then say."""

MOST_EDITS = 4


@pytest.fixture(scope="module", params=KIND)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def engine(
    name: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    server: BillingServer | None = None
    if KIND[name] != "sqlite":
        server = request.getfixturevalue(KIND[name])
    made = reader_engine(dumped(name, server, tmp_path_factory.mktemp("drafted")))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def drafted(name: str, engine: Engine) -> str:
    """Return the draft as it is written into a file."""
    voices = Voices(resources.PROMPTS, ["zh-CN"], resources.FLOWS / "sentences.toml")
    schema = "WuYe" if name == "wuye" else None
    # where nothing stands for the rest, each item gets a name of its own; with it: test_draft_heard
    spoken = {*voices.items("zh-CN"), *expected_of(name).items} - {
        "other_charges",
        "other_charges_2",
    }
    return toml_of(draft_mapping(engine, name=name, schema=schema, spoken=spoken))


@pytest.fixture(scope="module")
def reader(
    name: str, drafted: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> BillingReader:
    """Return a reader by the draft after the edits of a person."""
    data = tomllib.loads(drafted)
    for key, said in EDITS[name].items():
        table = data
        *path, last = key.split(".")
        for part in path:
            table = table.setdefault(part, {})
        table[last] = said
    file = tmp_path_factory.mktemp("edited") / f"{name}.toml"
    file.write_text("\n".join(toml_lines(data)) + "\n", encoding="utf-8")
    mapping = load_mapping(file)
    assert [str(problem) for problem in check_billing(mapping, engine).problems] == []
    return BillingReader(mapping, engine, today=lambda: expected_of(name).today)


def toml_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a mapping as a file, each top key on a line of its own."""
    for key, said in data.items():
        yield f"{key} = {inline(said)}"


def inline(said: Any) -> str:
    if isinstance(said, dict):
        return "{ " + ", ".join(f"{inline(k)} = {inline(v)}" for k, v in said.items()) + " }"
    if isinstance(said, list):
        return "[" + ", ".join(map(inline, said)) + "]"
    if isinstance(said, bool):
        return "true" if said else "false"
    return str(said) if isinstance(said, int) else '"' + said.replace('"', '\\"') + '"'


def callers_of(name: str) -> list[Caller]:
    return [caller for caller in expected_of(name).callers if caller.account]


def test_a_draft_needs_few_changes(name: str, drafted: str) -> None:
    assert len(EDITS[name]) <= MOST_EDITS
    by_hand = tomllib.loads((DUMPS / f"{name}.toml").read_text("utf-8"))
    data = tomllib.loads(drafted)
    for part in ("layout", "table", "account"):
        assert data["bill"][part] == by_hand["bill"][part]


def test_the_edited_draft_speaks_the_same_bills_to_the_same_callers(
    name: str, reader: BillingReader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    voices = voices_with(expected_of(name).items, tmp_path_factory.mktemp("voices"))
    for caller in expected_of(name).callers:
        account = found(reader, caller.phone, caller.agreement)
        assert (account.id if account else "") == caller.account
        for month, words in caller.hears.items():
            assert heard(reader.bill(caller.account, month), voices) == words, month


def test_the_edited_draft_tells_the_same_arrears_and_calls(
    name: str, reader: BillingReader
) -> None:
    for caller in callers_of(name):
        owed = sum(one.amount_fen for one in reader.arrears(caller.account))
        assert owed == caller.owes_fen
        for month, lines in caller.calls.items():
            told = [reader.details(caller.account, month, n + 1) for n in range(len(lines))]
            assert [written(call) for call, _ in told if call] == lines
    assert debtors_told(reader) == expected_of(name).debtors
