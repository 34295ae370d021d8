"""Synthesis of prompts with the real espeak-ng: what is made, what is left alone, how it sounds."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import wave
from array import array
from pathlib import Path
from typing import cast

import pytest
from pypinyin import Style, lazy_pinyin

from ivrd.commands import Say
from ivrd.errors import PromptError
from ivrd.prompts import LEVEL_DBFS, Voices, check_prompts, speech_level
from ivrd.resources import PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.grammar import COMMON_IDS, DIGITS, Grammar, Ids
from ivrd.speech.texts import load_texts
from ivrd.synthesis import Report, make_prompts, spoken_form
from ivrd.synthesised import PEAK_DBFS

pytestmark = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)

LIST = """
[voice]
espeak = "en-us"

[prompts]
welcome = "Welcome to the bill enquiry service."
total = { text = "Your total is", spoken = "Your total is," }
n_5 = "five"
pause = { silence_ms = 200 }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "en-US").mkdir()
    (tmp_path / "en-US" / "prompts.toml").write_text(LIST, encoding="utf-8")
    return tmp_path


def _make(root: Path, *, only_missing: bool = False, force: bool = False) -> Report:
    return make_prompts(root, ["en-US"], only_missing=only_missing, force=force)


def _rewrite(root: Path, old: str, new: str) -> None:
    file = root / "en-US" / "prompts.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def _files(root: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in (root / "en-US" / "audio").iterdir()}


def _record(root: Path, prompt: str) -> bytes:
    """Put a recording by a person in a prompt's place and return it."""
    file = root / "en-US" / "audio" / f"{prompt}.wav"
    recording = file.read_bytes()[:-2] + b"\1\1"
    file.write_bytes(recording)
    return recording


def _samples(file: Path) -> array[int]:
    with wave.open(str(file)) as audio:
        assert audio.getparams()[:3] == (1, 2, 8000)
        return array("h", audio.readframes(audio.getnframes()))


def test_a_list_becomes_audio_at_one_level_and_is_told_one_by_one(root: Path) -> None:
    told: list[tuple[str, str, str]] = []
    report = make_prompts(root, ["en-US"], progress=lambda *what: told.append(what))
    assert report.made == ["en-US/welcome", "en-US/total", "en-US/n_5", "en-US/pause"]
    assert told == [("en-US", id_, "made") for id_ in ("welcome", "total", "n_5", "pause")]
    for prompt in ("welcome", "total", "n_5"):
        samples = _samples(root / "en-US" / "audio" / f"{prompt}.wav")
        assert speech_level(samples) == pytest.approx(LEVEL_DBFS, abs=1)
        assert max(map(abs, samples)) <= 32768 * 10 ** (PEAK_DBFS / 20)
    assert list(_samples(root / "en-US" / "audio" / "pause.wav")) == [0] * 1600


def test_speech_begins_at_once_and_a_sentence_ends_in_a_pause(root: Path) -> None:
    _make(root)
    audio = root / "en-US" / "audio"

    def quiet_ends_s(prompt: str) -> tuple[float, float]:
        loud = [abs(sample) > 58 for sample in _samples(audio / f"{prompt}.wav")]  # -55 dBFS
        return loud.index(True) / 8000, loud[::-1].index(True) / 8000

    start, end = quiet_ends_s("welcome")
    assert start < 0.02
    assert 0.2 <= end < 0.25
    start, end = quiet_ends_s("n_5")
    assert start < 0.02
    assert end < 0.05


def test_the_same_lists_give_the_same_files(root: Path) -> None:
    _make(root)
    first = _files(root)
    assert _make(root, force=True).made
    assert _files(root) == first


def test_what_is_made_and_unchanged_is_kept(root: Path) -> None:
    _make(root)
    report = _make(root)
    assert (len(report.made), len(report.kept), len(report.recorded)) == (0, 4, 0)


@pytest.mark.parametrize(
    ("old", "new", "made"),
    [
        ('"five"', '"fife"', ["en-US/n_5"]),
        ('"Your total is,"', '"Your total."', ["en-US/total"]),
        ("silence_ms = 200", "silence_ms = 300", ["en-US/pause"]),
        ('n_5 = "five"', 'n_5 = "five"\nn_6 = "six"', ["en-US/n_6"]),
        ('espeak = "en-us"', 'espeak = "en-us"\npitch = 60', None),
    ],
)
def test_what_changed_in_the_list_is_made_anew(
    root: Path, old: str, new: str, made: list[str] | None
) -> None:
    _make(root)
    _rewrite(root, old, new)
    report = _make(root)
    assert report.made == (report.made + report.kept if made is None else made)
    assert _make(root).made == []


def test_only_missing_leaves_what_exists_until_it_is_asked_for(root: Path) -> None:
    _make(root)
    _rewrite(root, '"five"', '"fife"')
    (root / "en-US" / "audio" / "total.wav").unlink()
    assert _make(root, only_missing=True).made == ["en-US/total"]
    assert _make(root).made == ["en-US/n_5"]


def test_a_recording_by_a_person_is_left_alone_unless_forced(root: Path) -> None:
    _make(root)
    recording = _record(root, "n_5")
    _rewrite(root, '"five"', '"fife"')
    report = _make(root)
    assert (report.made, report.recorded) == ([], ["en-US/n_5"])
    assert _files(root)["n_5"] == recording
    assert "en-US/n_5" in _make(root, force=True).made
    assert _files(root)["n_5"] != recording


def test_a_file_that_no_record_names_counts_as_a_recording(root: Path) -> None:
    _make(root)
    (root / "en-US" / "synthesised.json").unlink()
    report = _make(root)
    assert (report.made, len(report.recorded)) == ([], 4)


def test_a_prompt_that_left_the_list_leaves_the_record(root: Path) -> None:
    _make(root)
    _rewrite(root, 'n_5 = "five"\n', "")
    _make(root)
    record = json.loads((root / "en-US" / "synthesised.json").read_text(encoding="utf-8"))
    assert set(record) == {"welcome", "total", "pause"}


def test_what_was_made_before_an_error_is_recorded(root: Path) -> None:
    _rewrite(root, '"five"', '"，"')
    with pytest.raises(PromptError) as caught:
        _make(root)
    assert [(p.rule, p.line, p.key) for p in caught.value.problems] == [("synthesis", 8, "n_5")]
    _rewrite(root, '"，"', '"five"')
    assert _make(root).kept == ["en-US/welcome", "en-US/total"]


def test_an_unknown_voice_is_told(root: Path) -> None:
    _rewrite(root, '"en-us"', '"en-uss"')
    with pytest.raises(PromptError) as caught:
        _make(root)
    assert [(p.line, p.key, p.nearest) for p in caught.value.problems] == [
        (3, "voice.espeak", "en-us")
    ]


def test_a_wrong_list_is_told_before_anything_is_made(root: Path) -> None:
    _rewrite(root, '"five"', "5")
    with pytest.raises(PromptError) as caught:
        _make(root)
    assert [p.rule for p in caught.value.problems] == ["text-list"]
    assert not (root / "en-US" / "audio").exists()


def test_a_record_that_cannot_be_read_is_told(root: Path) -> None:
    (root / "en-US" / "synthesised.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(PromptError, match="not a record"):
        _make(root)


# What is shipped ----------------------------------------------------------------------------

READ_RIGHT = {
    "item_local_calls": "shi4 hua4 tong1 hua4 fei4",
    "item_long_distance": "zi4 dong4 chang2 hua4 fei4",
    "item_operator_long_distance": "ren2 gong1 chang2 hua4 fei4",
    "item_adjustments": "bu3 tui4 fei4",
    "lasted": "tong1 hua4 shi2 chang2",
    "menu_repeat": "chong2 ting1 qing3 an4 yi1.",
    "detail_repeat": "chong2 ting1 zhe4 yi4 tiao2 qing3 an4 er4.",
    "no_earlier_details": "yi3 jing1 shi4 di4 yi1 tiao2 tong1 hua4 ji4 lu4.",
    "month_not_yet": "de5 zhang4 dan1 hai2 mei2 you3 chan3 sheng1.",
    "bill_unpaid": "zhe4 fen4 zhang4 dan1 hai2 mei2 you3 jiao1 fei4 .",
    "refund": "tui4 huan2",
    "d_1": "yao1",
    "n_1": "yi1",
    "n_1_wan": "yi2 wan4",
    "n_1_yuan": "yi4 yuan2",
    "n_11_yuan": "shi2 yi1 yuan2",
    "fen_01": "ling2 yi1 fen1",
    "due": "jiao1 fei4 jie2 zhi3 ri4 qi1 wei2",
    "confirm_promise": "que4 ren4 qing3 an4 yi1, chong2 xin1 shu1 ru4 qing3 an4 er4.",
    "wrong_number_noted": (
        "hen3 bao4 qian4 da2 rao3 nin2, zhe4 ge5 hao4 ma3 yi3 jing1 deng1 ji4 wei2 cuo4 hao4."
    ),
    "liang_yuan": "liang3 yuan2",
    "month_1": "yi1 yue4",
    "month_11": "shi2 yi1 yue4",
}


@pytest.mark.parametrize(("prompt", "pinyin"), READ_RIGHT.items())
def test_characters_with_several_readings_are_read_right(prompt: str, pinyin: str) -> None:
    listed = load_texts(PROMPTS / "zh-CN")
    assert listed.voice is not None
    assert spoken_form(listed.texts[prompt], listed.voice) == pinyin


def test_every_override_has_a_syllable_for_each_character() -> None:
    for id_, text in load_texts(PROMPTS / "zh-CN").texts.items():
        if text.spoken:
            characters = lazy_pinyin(text.text, style=Style.TONE3, errors="ignore")
            assert len(text.spoken.rstrip(".").split()) == len(characters), id_


@pytest.mark.parametrize("lang", GRAMMARS)
def test_the_shipped_audio_is_what_the_lists_say(lang: str, tmp_path: Path) -> None:
    shutil.copytree(PROMPTS / lang, tmp_path / lang)
    report = make_prompts(tmp_path, [lang])
    assert report.made == []


# A further language -------------------------------------------------------------------------


class _German(Grammar):
    """As much of a grammar as a test needs: digits, and whole numbers below ten."""

    @property
    def ids(self) -> frozenset[str]:
        return COMMON_IDS

    def integer(self, n: int) -> Ids:
        return [DIGITS[str(n)]]

    def money(self, fen: int) -> Ids:
        return self.integer(fen)

    def duration(self, seconds: int) -> Ids:
        return self.integer(seconds)

    def month(self, year: int, month: int) -> Ids:
        return [*self.integer(year % 10), *self.integer(month % 10)]

    def date(self, day: dt.date) -> Ids:
        return self.month(day.year, day.month)

    def day(self, day: dt.date) -> Ids:
        return self.integer(day.day % 10)

    def time(self, hour: int, minute: int, second: int | None) -> Ids:
        return self.month(hour, minute + (second or 0))


def test_a_third_language_is_a_folder_and_a_grammar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast("dict[str, Grammar]", GRAMMARS), "de-DE", _German())
    (tmp_path / "de-DE").mkdir()
    digits = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
    listed = '[voice]\nespeak = "de"\n[prompts]\npause_short = { silence_ms = 120 }\n'
    listed += 'd_plus = "plus"\nyou_keyed = "Sie wählten"\n'
    listed += "".join(f'd_{n} = "{digit}"\n' for n, digit in enumerate(digits))
    (tmp_path / "de-DE" / "prompts.toml").write_text(listed, encoding="utf-8")
    (tmp_path / "de-DE" / "sentences.toml").write_text(
        'you_keyed = "you_keyed {number:phone}"\n', encoding="utf-8"
    )
    declared = tmp_path / "sentences.toml"
    declared.write_text('you_keyed = ["number"]\n', encoding="utf-8")

    make_prompts(tmp_path, ["de-DE"])
    assert check_prompts(tmp_path, ["de-DE"], declared) == []
    heard = Voices(tmp_path, ["de-DE"], declared).utterance(
        Say("you_keyed", {"number": "110"}), "de-DE"
    )
    assert heard.text == "Sie wählten eins eins null"
