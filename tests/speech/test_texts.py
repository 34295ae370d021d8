"""The text list: one bad file for each way of being wrong, and the languages are complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.resources import PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.texts import Text, Voice, load_texts

VOICE = '[voice]\nespeak = "en-us"\n'
GOOD = VOICE + '[prompts]\nwelcome = "Welcome."\n'


def _write(folder: Path, text: str) -> Path:
    (folder / "prompts.toml").write_text(text, encoding="utf-8")
    return folder


def test_an_entry_is_a_text_a_text_with_its_pronunciation_or_a_pause(tmp_path: Path) -> None:
    listed = load_texts(
        _write(
            tmp_path,
            GOOD + 'call = { text = "Call", spoken = "Call," }\npause = { silence_ms = 200 }\n',
        )
    )
    assert listed.problems == ()
    assert listed.voice == Voice("en-us")
    assert listed.texts == {
        "welcome": Text("Welcome."),
        "call": Text("Call", "Call,"),
        "pause": Text("", silence_ms=200),
    }
    assert listed.line_of("call") == 5


@pytest.mark.parametrize(
    ("text", "line", "key", "near"),
    [
        (GOOD + "goodbye = 3\n", 5, "prompts.goodbye", None),
        (GOOD + 'goodbye = ""\n', 5, "prompts.goodbye", None),
        (GOOD + 'goodbye = { text = "Bye", speken = "Bye" }\n', 5, "prompts.goodbye", None),
        (GOOD + 'goodbye = { text = "Bye", spoken = 3 }\n', 5, "prompts.goodbye", None),
        (GOOD + "pause = { silence_ms = 0 }\n", 5, "prompts.pause", None),
        (GOOD + "pause = { silence_ms = true }\n", 5, "prompts.pause", None),
        (GOOD + 'Good-Bye = "Bye"\n', 5, "prompts.Good-Bye", None),
        (GOOD + "[voices]\n", 5, "voices", "voice"),
        (VOICE, None, "prompts", None),
        ('[prompts]\na = "a"\n', None, "voice", None),
        (GOOD.replace('"en-us"', "3"), 2, "voice.espeak", None),
        (GOOD.replace("[prompts]", "pich = 3\n[prompts]"), 3, "voice.pich", "pitch"),
        (GOOD.replace("[prompts]", "pitch = 100\n[prompts]"), 3, "voice.pitch", None),
        (GOOD.replace("[prompts]", "pinyin = 1\n[prompts]"), 3, "voice.pinyin", None),
        (
            GOOD.replace("[prompts]", "words_per_minute = 1.5\n[prompts]"),
            3,
            "voice.words_per_minute",
            None,
        ),
    ],
)
def test_a_wrong_list_is_told_with_its_place(
    tmp_path: Path, text: str, line: int | None, key: str, near: str | None
) -> None:
    problems = load_texts(_write(tmp_path, text)).problems
    assert [(p.rule, p.line, p.key, p.nearest) for p in problems] == [
        ("text-list", line, key, near)
    ]


def test_an_id_that_stands_twice_is_told_with_its_line(tmp_path: Path) -> None:
    problems = load_texts(_write(tmp_path, GOOD + 'welcome = "Again."\n')).problems
    assert [(p.rule, p.line) for p in problems] == [("toml", 5)]


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    assert [p.rule for p in load_texts(tmp_path).problems] == ["no-file"]


@pytest.mark.parametrize("lang", GRAMMARS)
def test_the_list_has_all_that_the_grammar_speaks(lang: str) -> None:
    listed = load_texts(PROMPTS / lang)
    assert listed.problems == ()
    assert GRAMMARS[lang].ids - listed.texts.keys() == set()


def test_both_languages_name_the_same_items() -> None:
    names = [
        {id_ for id_ in load_texts(PROMPTS / lang).texts if id_.startswith("item_")}
        for lang in GRAMMARS
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 11, "the telephone's eight; of every trade: a late fee, other charges"
