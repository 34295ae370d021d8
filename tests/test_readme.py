"""What the documents say is true: commands, options, links, sample numbers, both languages."""

from __future__ import annotations

import re
import shlex
from datetime import datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ivrd.billing.sample import KNOWN, month_back
from ivrd.cli import main
from ivrd.config import load_config

TOP = Path(__file__).resolve().parent.parent
README, CHINESE = TOP / "README.md", TOP / "README.zh-CN.md"
DOCUMENTS = sorted([*TOP.glob("*.md"), *(TOP / "docs").glob("*.md"), *TOP.glob("deploy/**/*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_GAP = re.compile(r".*…|.*/.*\*.*|[A-Z]{4,}")
"""A word that stands for something the reader, or the shell, fills in."""

OFFLINE = ("flow check", "flow draw", "prompts check", "prompts list", "billing check", "doctor",
           "simulate")  # fmt: skip


def blocks(document: Path, language: str) -> list[str]:
    """Return the lines of all code blocks in a language, without their comments."""
    text = "".join(body for lang, body in _FENCE.findall(document.read_text("utf-8"))
                   if lang == language)  # fmt: skip
    return [line for line in (_uncommented(line) for line in text.splitlines()) if line]


def _uncommented(line: str) -> str:
    """Cut a comment, which begins with "#" behind a blank and outside quotes."""
    return re.sub(r"""^((?:"[^"]*"|'[^']*'|[^"'])*?)\s+#\s.*$""", r"\1", line).rstrip()


def codes(document: Path) -> list[str]:
    """Return what stands in `back quotes` in the text, the code blocks left out."""
    text = _FENCE.sub("", document.read_text("utf-8"))
    return [" ".join(code.split()) for code in _CODE.findall(text)]


def commands(document: Path) -> list[list[str]]:
    """Return the words of every ``ivrd …`` in a document, each once."""
    lines = [*blocks(document, "sh"), *codes(document)]
    told = {line for line in lines if line.startswith(("ivrd ", ".venv/bin/ivrd "))}
    return [shlex.split(line)[1:] for line in sorted(told)]


def told_commands() -> list[object]:
    """Return every command of every document, named for pytest."""
    return [
        pytest.param(words, id=f"{document.relative_to(TOP)}: {' '.join(words)}")
        for document in DOCUMENTS
        for words in commands(document)
    ]


def resolved(words: list[str]) -> tuple[str, click.Command, list[str]]:
    """Follow words to the command that they name; return its name, it, and what is left."""
    command: click.Command = main
    names: list[str] = []
    left = list(words)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        found = command.get_command(click.Context(command), left[0])
        assert found is not None, f"no command {' '.join([*names, left[0]])!r}"
        command = found
        names.append(left.pop(0))
    return " ".join(names), command, left


@pytest.mark.parametrize("words", told_commands())
def test_every_command_and_option_that_is_told_exists(words: list[str]) -> None:
    name, command, left = resolved(words)
    known = {option for param in command.params for option in param.opts + param.secondary_opts}
    assert {word for word in left if re.match(r"-\w|--\w", word)} <= known | {"-h", "--help"}
    if left and not any(_GAP.fullmatch(word) for word in left):
        command.make_context(name, left, parent=click.Context(main, obj=Path("ivrd.toml")))


def test_both_readmes_tell_the_same_commands_and_settings() -> None:
    assert blocks(README, "sh") == blocks(CHINESE, "sh")
    assert blocks(README, "toml") == blocks(CHINESE, "toml")
    assert len(blocks(README, "sh")) > 8


def test_both_readmes_name_the_same_things() -> None:
    def named(document: Path) -> list[str]:
        return sorted({code for code in codes(document) if not _HAN.search(code)})

    assert named(README) == named(CHINESE)


def test_both_readmes_are_built_alike() -> None:
    def shape(document: Path) -> list[str]:
        text = document.read_text("utf-8")
        return re.findall(r"^(#+|\d\.|\| \d+|!\[)", text, re.MULTILINE)

    def links(document: Path) -> set[str]:
        return set(_LINK.findall(document.read_text("utf-8"))) - {README.name, CHINESE.name}

    assert shape(README) == shape(CHINESE)
    assert links(README) == links(CHINESE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_links_lead_to_files_that_exist(document: Path) -> None:
    targets = [link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in targets if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_files_of_the_project_that_are_named_exist(document: Path) -> None:
    path = re.compile(r"(ivrd|docs|drivers|fsm_specs|tests|voice_prompts)/[\w./-]+")
    named = [code for code in codes(document) if path.fullmatch(code)]
    places = (TOP, document.parent)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_targets_of_make_exist() -> None:
    there = set(re.findall(r"^([\w-]+):", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        lines = [*blocks(document, "sh"), *codes(document)]
        told = {line.split()[1] for line in lines if re.match(r"make [a-z]", line)}
        assert told <= there, document


def test_sample_numbers_of_the_table_are_in_the_sample() -> None:
    told = set(re.findall(r"^\| (\d{8}) \|", README.read_text("utf-8"), re.MULTILINE))
    assert len(told) == 5
    assert told <= {known.subscriber.phone for known in KNOWN}


# -- what can be run without a daemon --------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a sample set-up, with logs of simulated calls."""
    folder = tmp_path_factory.mktemp("newcomer")
    assert ran(folder, "sample-data", str(folder), named=False).exit_code == 0
    logs = ("simulate", "--lines", "4", "--hours", "1", "--logs", str(folder / "var" / "log"))
    assert ran(folder, *logs).exit_code == 0
    return folder


def ran(folder: Path, *words: str, named: bool = True) -> Result:
    """Run a command in this process, on the ivrd.toml of a folder."""
    before = ["--config", str(folder / "ivrd.toml")] if named else []
    return CliRunner().invoke(main, [*before, *words])


def _offline() -> list[list[str]]:
    told = {" ".join(words): words for document in DOCUMENTS for words in commands(document)}
    offline = [words for words in told.values() if resolved(words)[0] in OFFLINE]
    return [words for words in offline if "--url" not in words]  # a server of the reader's own


@pytest.mark.parametrize("words", _offline(), ids=" ".join)
def test_commands_that_need_no_daemon_do_what_is_told(home: Path, words: list[str]) -> None:
    if words[0] == "simulate":  # a day of 32 lines is for `make bench`
        words = [re.sub(r"^24$", "0.5", word) for word in words]
    result = ran(home, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_the_first_call_of_the_readme_brings_a_bill(home: Path) -> None:
    (words,) = (words for words in commands(README) if "--wav" in words)
    keys = words[words.index("--keys") + 1]
    month = month_back(datetime.now(load_config(home / "ivrd.toml").zone).date(), 1)
    keys = keys.replace("202610", month.replace("-", ""))
    heard = home / "heard.wav"
    result = ran(home, "call", "--fast", "--keys", keys, "--wav", str(heard))
    assert result.exit_code == 0, result.output
    assert "一百四十六元九角九分" in result.stdout
    assert heard.stat().st_size > 40 * 8000 * 2


def test_line_logs_are_shown_and_replay(home: Path) -> None:
    logs = sorted(str(file) for file in (home / "var" / "log").glob("line-*.log"))
    assert len(logs) == 4
    result = ran(home, "replay", *logs)
    assert result.exit_code == 0, result.output
    assert "same" in result.stdout
    assert ran(home, "tail", "1").stdout
