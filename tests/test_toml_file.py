"""TOML with a memory for places: each key's line is the one a person finds it on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrd.errors import ConfigError, FlowError, Problem
from ivrd.toml_file import TomlFile, dotted

TEXT = """\
# a comment
title = "one"            # line 2
dotted.key = 1

[table]
plain = "a = b"
"quoted key" = 2
list = [
    "x = 1",             # no key
    "]",
]
after = 3

[table.inner]
deep = '''
not = "a key"
'''
next = { a = 1, b = { c = 2 } }

[[card]]
driver = "software"

[[card]]
driver = "asterisk"
  [card.options]
  host = "x"
[[card.line]]
number = 1
[[card.line]]
number = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> TomlFile:
    path = tmp_path / "some.toml"
    path.write_text(TEXT, encoding="utf-8")
    return TomlFile(path, ConfigError)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("title",), 2),
        (("dotted",), 3),
        (("dotted", "key"), 3),
        (("table",), 5),
        (("table", "plain"), 6),
        (("table", "quoted key"), 7),
        (("table", "list"), 8),
        (("table", "after"), 12),
        (("table", "inner"), 14),
        (("table", "inner", "deep"), 15),
        (("table", "inner", "next"), 18),
        (("card", 0), 20),
        (("card", 0, "driver"), 21),
        (("card", 1), 23),
        (("card", 1, "driver"), 24),
        (("card", 1, "options", "host"), 26),
        (("card", 1, "line", 0, "number"), 28),
        (("card", 1, "line", 1, "number"), 30),
    ],
)
def test_key_stands_on_this_line(file: TomlFile, key: tuple[str | int, ...], line: int) -> None:
    assert file.line_of(*key) == line


def test_key_that_is_not_there_has_the_line_of_what_is_around_it(file: TomlFile) -> None:
    assert file.line_of("table", "missing") == 5
    assert file.line_of("table", "inner", "next", "b", "c") == 18
    assert file.line_of("missing") is None


def test_text_that_looks_like_a_key_is_none(file: TomlFile) -> None:
    assert file.line_of("table", "inner", "not") == file.line_of("table", "inner")
    assert file.line_of("x") is None


def test_problem_names_file_line_and_key(file: TomlFile) -> None:
    problem = file.problem(("card", 1, "driver"), "no such driver", expected="software")
    assert str(problem) == f"{file.path}:24: card[1].driver: no such driver; expected software"


def test_problem_has_the_near_name() -> None:
    problem = Problem("unknown key", key="tabel", nearest="table")
    assert str(problem) == "tabel: unknown key; did you mean 'table'?"


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"none\.toml: no such file$"):
        TomlFile(tmp_path / "none.toml", FlowError)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="cannot be read: Is a directory"):
        TomlFile(tmp_path, FlowError)


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "gbk.toml"
    path.write_bytes('name = "话费"'.encode("gbk"))
    with pytest.raises(ConfigError, match="cannot be read: not UTF-8 text"):
        TomlFile(path, ConfigError)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \nc = 3\n", 2),
        ("a = 1\na = 2\n", 2),
        ('[t]\nx = "open\n', 2),
        ("a = [1,\n2", 2),
    ],
)
def test_syntax_error_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        TomlFile(path, ConfigError)
    (problem,) = caught.value.problems
    assert (problem.rule, problem.line) == ("toml", line)
    assert problem.what.startswith("not TOML: ")
    assert "at line" not in problem.what


def test_dotted_key_is_written_as_people_write_it() -> None:
    assert dotted(("card", 1, "line", 0, "number")) == "card[1].line[0].number"
    assert dotted(()) == ""


NAME = st.from_regex(r"[a-z_][a-z0-9_-]{0,6}", fullmatch=True)
VALUE = st.sampled_from(
    ["1", '"x"', '"a = 1"', "true", "[1,\n  2]", "{ k = 1 }", "'''\nz = 1\n'''", '"[t]" # c', "[]"]
)


@given(
    tables=st.dictionaries(NAME, st.dictionaries(NAME, VALUE, max_size=4), max_size=4),
    gap=st.sampled_from(["", "\n", "# x = 1\n"]),
)
def test_every_key_of_every_table_has_the_line_it_was_written_on(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, dict[str, str]], gap: str
) -> None:
    lines: dict[tuple[str, ...], int] = {}
    text = ""
    for table, keys in tables.items():
        text += gap
        lines[table,] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, value in keys.items():
            lines[table, key] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    tomllib.loads(text)  # what was made up is TOML
    path = tmp_path_factory.mktemp("toml") / "made.toml"
    path.write_text(text)
    file = TomlFile(path, ConfigError)
    assert {key: file.line_of(*key) for key in lines} == lines
