"""The voice-file library: every sentence in every language, and every way a file can be wrong."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ivrd.commands import SAMPLE_RATE, Say, Utterance
from ivrd.errors import Problem, PromptError, SpeechError
from ivrd.events import Json
from ivrd.prompts import LEVEL_DBFS, Voices, check_prompts, pcm, speech_level
from ivrd.resources import FLOWS, PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.templates import load_declared

SENTENCES = FLOWS / "sentences.toml"
LANGUAGES = tuple(GRAMMARS)

DATA: dict[str, Json] = {
    "month": "2026-10",
    "number": "13800138000",
    "name": "monthly_rent",
    "amount": 12345,
    "bill.month": "2026-09",
    "bill.total": 22222,
    "bill.due": "2026-10-20",
    "detail.position": 12,
    "detail.area": "021",
    "detail.other": "62345678",
    "detail.date": "2026-09-05",
    "detail.start": "14:05:09",
    "detail.seconds": 192,
    "detail.charge": 120,
    "detail.surcharge": 20,
    "owed.amount": 123456,
    "owed.months": 3,
    "owed.due": "2026-09-20",
    "promise_date": "2026-12-24",
    "latest": "2026-12-31",
    "how_to_pay": "how_to_pay",
    "notice": "notice_supply",
    "notice_date": "2026-11-25",
}


@pytest.fixture(scope="module")
def voices() -> Voices:
    return Voices(PROMPTS, LANGUAGES, SENTENCES)


def _say(sentence: str, **changed: Json) -> Say:
    data = {path: DATA[path] for path in load_declared(SENTENCES)[sentence]}
    return Say(sentence, data | changed)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", load_declared(SENTENCES))
def test_every_sentence_becomes_audio_that_exists(voices: Voices, name: str, lang: str) -> None:
    heard = voices.utterance(_say(name), lang)
    assert (heard.sentence, heard.lang) == (name, lang)
    assert heard.text
    samples = sum(len(pcm(prompt)) for prompt in heard.prompts) // 2
    assert samples == round(SAMPLE_RATE * heard.duration_s)
    assert 0.5 < heard.duration_s < 16


@pytest.mark.parametrize(
    ("lang", "name", "text"),
    [
        ("zh-CN", "bill_of_month", "您二零二六年九月话费如下。"),
        ("zh-CN", "bill_item", "月租费一百二十三元四角五分"),
        ("zh-CN", "bill_total", "费用合计二百二十二元二角二分"),
        ("zh-CN", "bill_due", "交费截止日期为二零二六年十月二十日"),
        ("zh-CN", "no_bill", "二零二六年十月没有账单。"),
        (
            "zh-CN",
            "call_detail",
            (
                "第十二条。九月五日十四点零五分区号零二幺对方号码六二三四五六七八"
                "通话时长三分十二秒费用一元二角"
            ),
        ),
        ("en-US", "bill_of_month", "Here is your telephone bill for September twenty twenty-six"),
        (
            "en-US",
            "bill_item",
            "Monthly rental, one hundred twenty-three yuan and forty-five fen",
        ),
        ("en-US", "bill_due", "Payment is due by October twentieth twenty twenty-six"),
        (
            "en-US",
            "number_not_known",
            (
                "Sorry, we could not find the number one three eight zero zero one three eight "
                "zero zero zero Please check it."
            ),
        ),
    ],
)
def test_a_sentence_reads_as_a_person_would_say_it(
    voices: Voices, lang: str, name: str, text: str
) -> None:
    assert voices.utterance(_say(name), lang).text == text


def test_a_negative_item_is_said_to_be_a_refund(voices: Voices) -> None:
    say = _say("bill_item", name="adjustments", amount=-350)
    assert voices.utterance(say, "zh-CN").text == "补退费退还三元五角"
    assert (
        voices.utterance(say, "en-US").text == "Adjustments, a refund of three yuan and fifty fen"
    )


def test_a_call_without_area_code_or_number_leaves_their_words_out(voices: Voices) -> None:
    say = _say("call_detail", **{"detail.area": "", "detail.other": ""})
    assert voices.utterance(say, "zh-CN").text == (
        "第十二条。九月五日十四点零五分通话时长三分十二秒费用一元二角"
    )
    assert "area code" not in voices.utterance(say, "en-US").text


def test_a_value_that_is_missing_in_a_group_is_told_all_the_same(voices: Voices) -> None:
    data = {path: value for path, value in DATA.items() if path != "detail.area"}
    with pytest.raises(SpeechError, match=r"call_detail.*detail\.area.*missing"):
        voices.utterance(Say("call_detail", data), "zh-CN")


def test_a_sentence_in_a_language_of_its_own_is_spoken_in_that_language(voices: Voices) -> None:
    heard = voices.utterance(Say("choose_english", lang="en-US"), "zh-CN")
    assert (heard.lang, heard.text) == ("en-US", "For English, press two.")


def test_a_sentence_without_data_is_made_once(voices: Voices) -> None:
    first = voices.utterance(Say("welcome"), "zh-CN")
    assert voices.utterance(Say("welcome"), "zh-CN") is first


def test_the_library_says_what_it_has(voices: Voices) -> None:
    assert voices.languages == LANGUAGES
    assert "monthly_rent" in voices.items("en-US")
    assert voices.prompt("zh-CN", "welcome").text.startswith("您好")
    assert voices.sentences == load_declared(SENTENCES).keys()


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (Say("bill_item", {"name": "data", "amount": "9981"}), ("bill_item", "amount", "fen")),
        (Say("bill_item", {"name": "data"}), ("bill_item", "amount", "missing")),
        (Say("bill_item", {"name": "x9981", "amount": 1}), ("bill_item", "name", "item")),
        (Say("no_bill", {"month": "9981-13"}), ("no_bill", "month", "expected")),
        (Say("number_not_known", {"number": "9981x"}), ("number_not_known", "number")),
        (Say("welcome", lang="fr-FR"), ("welcome", "fr-FR")),
        (Say("no_such_sentence"), ("no_such_sentence",)),
    ],
)
def test_what_cannot_be_spoken_names_the_sentence_and_never_the_value(
    voices: Voices, say: Say, told: Sequence[str]
) -> None:
    with pytest.raises(SpeechError) as caught:
        voices.utterance(say, "zh-CN")
    assert all(word in str(caught.value) for word in told)
    assert "9981" not in str(caught.value)


# The files as they are ----------------------------------------------------------------------


def test_the_shipped_prompts_are_in_order() -> None:
    assert check_prompts(PROMPTS, LANGUAGES, SENTENCES) == []


def test_the_shipped_prompts_stay_under_15_mb() -> None:
    assert sum(file.stat().st_size for file in PROMPTS.rglob("*") if file.is_file()) < 15_000_000


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_shipped_prompts_have_one_loudness(lang: str) -> None:
    for file in sorted(PROMPTS.glob(f"**/{lang}/audio/*")):
        with wave.open(str(file)) as audio:
            samples = array("h", audio.readframes(audio.getnframes()))
        level = speech_level(samples)
        if level is not None:  # the pauses
            assert level == pytest.approx(LEVEL_DBFS, abs=2), file.name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_shipped_prompts_begin_and_end_without_a_click(lang: str) -> None:
    for file in sorted(PROMPTS.glob(f"**/{lang}/audio/*")):
        with wave.open(str(file)) as audio:
            samples = array("h", audio.readframes(audio.getnframes()))
        assert max(map(abs, (*samples[:4], *samples[-4:]))) < 600, file.name


# A file that is wrong -----------------------------------------------------------------------

Folder = Callable[[str], Path]


@pytest.fixture
def zh(tmp_path: Path) -> Path:
    """Return the Mandarin folder, its audio linked, so that a test can break one file of it."""
    folder = tmp_path / "zh-CN"
    (folder / "audio").mkdir(parents=True)
    for name in ("prompts.toml", "sentences.toml"):
        (folder / name).write_bytes((PROMPTS / "zh-CN" / name).read_bytes())
    for file in (PROMPTS / "zh-CN" / "audio").iterdir():
        (folder / "audio" / file.name).symlink_to(file)
    return folder


def _tone(peak: int, samples: int = 4000) -> array[int]:
    """Return 1 kHz; its RMS level is 3 dB below its peak."""
    return array("h", (round(peak * math.sin(math.pi * n / 4)) for n in range(samples)))


def _write(file: Path, samples: array[int], rate: int = 8000, channels: int = 1) -> None:
    file.unlink()
    with wave.open(str(file), "wb") as audio:
        audio.setnchannels(channels)
        audio.setsampwidth(2)
        audio.setframerate(rate)
        audio.writeframes(samples.tobytes())


def _check(zh: Path) -> list[Problem]:
    return check_prompts(zh.parent, ["zh-CN"], SENTENCES)


def _replace(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


def test_the_linked_folder_is_in_order_before_it_is_broken(zh: Path) -> None:
    assert _check(zh) == []


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [
        ("prompt-missing", lambda file: file.unlink()),
        ("prompt-format", lambda file: _write(file, _tone(4600), rate=16000)),
        ("prompt-format", lambda file: _write(file, _tone(4600), channels=2)),
        ("prompt-format", lambda file: _write(file, _tone(4600, 0))),
        ("prompt-format", lambda file: _replace(file, b"")),
        ("prompt-format", lambda file: _replace(file, b"ID3" + bytes(4000))),
        ("prompt-format", lambda file: _replace(file, file.read_bytes()[:4000])),
        ("prompt-silent", lambda file: _write(file, _tone(0))),
        ("prompt-silent", lambda file: _write(file, _tone(100))),
        ("prompt-level", lambda file: _write(file, _tone(1000))),
        ("prompt-level", lambda file: _write(file, _tone(30000))),
    ],
)
def test_a_bad_voice_file_is_told(zh: Path, rule: str, breaks: Callable[[Path], None]) -> None:
    file = zh / "audio" / "welcome.wav"
    breaks(file)
    assert [(p.rule, p.file) for p in _check(zh)] == [(rule, file)]


@pytest.mark.parametrize(
    "breaks",
    [lambda file: file.unlink(), lambda file: _write(file, _tone(4600), rate=16000)],
)
def test_a_missing_or_wrong_voice_file_keeps_the_library_from_loading(
    zh: Path, breaks: Callable[[Path], None]
) -> None:
    breaks(zh / "audio" / "welcome.wav")
    with pytest.raises(PromptError) as caught:
        Voices(zh.parent, ["zh-CN"], SENTENCES)
    assert len(caught.value.problems) == 1


def test_an_8_bit_file_is_told(zh: Path) -> None:
    file = zh / "audio" / "welcome.wav"
    file.unlink()
    with wave.open(str(file), "wb") as audio:
        audio.setparams((1, 1, 8000, 0, "NONE", ""))
        audio.writeframes(bytes(8000))
    assert [p.rule for p in _check(zh)] == ["prompt-format"]


def test_a_clipped_recording_is_told(zh: Path) -> None:
    file = zh / "audio" / "welcome.wav"
    with wave.open(str(file)) as audio:
        samples = array("h", audio.readframes(audio.getnframes()))
    assert "prompt-clipped" not in {p.rule for p in _check(zh)}
    samples[5000:5005] = array("h", [32767] * 5)
    _write(file, samples)
    assert [(p.rule, p.file) for p in _check(zh)] == [("prompt-clipped", file)]


def test_a_voice_file_that_no_list_names_is_told_with_the_nearest(zh: Path) -> None:
    (zh / "audio" / "welcom.wav").symlink_to(PROMPTS / "zh-CN" / "audio" / "welcome.wav")
    (zh / "audio" / "goodbye.mp3").write_bytes(b"")
    assert [(p.rule, p.nearest) for p in _check(zh)] == [
        ("prompt-unlisted", "goodbye"),
        ("prompt-unlisted", "welcome"),
    ]


def test_a_number_that_is_missing_in_the_text_list_is_told(zh: Path) -> None:
    listed = (zh / "prompts.toml").read_text(encoding="utf-8")
    (zh / "prompts.toml").write_text(listed.replace('n_42 = "四十二"\n', ""), encoding="utf-8")
    assert [p.rule for p in _check(zh)] == ["grammar-prompt", "prompt-unlisted"]


def test_a_sentence_that_is_missing_in_one_language_is_told(zh: Path) -> None:
    templates = (zh / "sentences.toml").read_text(encoding="utf-8")
    (zh / "sentences.toml").write_text(
        templates.replace('one_moment = "one_moment"\n', ""), encoding="utf-8"
    )
    problem = _check(zh)[0]
    assert problem.rule == "sentence-missing"
    assert "one_moment" in problem.what
    with pytest.raises(PromptError):
        Voices(zh.parent, ["zh-CN"], SENTENCES)


def test_a_language_without_a_grammar_is_told_with_the_nearest(tmp_path: Path) -> None:
    assert [(p.rule, p.nearest) for p in check_prompts(tmp_path, ["zh-TW"], SENTENCES)] == [
        ("language-unknown", "zh-CN")
    ]


def test_a_language_without_a_folder_is_told(tmp_path: Path) -> None:
    assert [p.rule for p in check_prompts(tmp_path, ["en-US"], SENTENCES)] == ["prompts-folder"]


def test_a_folder_of_all_languages_that_is_missing_is_told_once(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    (problem,) = check_prompts(gone, LANGUAGES, SENTENCES)
    assert (problem.rule, problem.file) == ("prompts-folder", gone)
    with pytest.raises(PromptError) as caught:
        Voices(gone, LANGUAGES, SENTENCES)
    assert caught.value.problems == (problem,)


def test_a_language_without_any_voice_file_is_told_once(zh: Path) -> None:
    for file in (zh / "audio").glob("*.wav"):
        file.unlink()
    (problem,) = _check(zh)
    assert (problem.rule, problem.file) == ("prompt-missing", zh / "audio")


def test_a_wrong_list_of_sentences_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sentences.toml"
    file.write_text("welcome = 3\n", encoding="utf-8")
    assert [p.rule for p in check_prompts(PROMPTS, ["en-US"], file)] == ["sentences"]


# The audio of a call ------------------------------------------------------------------------


def _loaded(zh: Path) -> Utterance:
    return Voices(zh.parent, ["zh-CN"], SENTENCES).utterance(Say("welcome"), "zh-CN")


def test_a_replaced_file_is_heard_after_the_next_load(zh: Path) -> None:
    before = pcm(_loaded(zh).prompts[0])
    _write(zh / "audio" / "welcome.wav", _tone(4600))
    assert before != pcm(_loaded(zh).prompts[0]) == _tone(4600).tobytes()


@pytest.mark.parametrize("samples", [400, 80_000])
def test_a_file_replaced_under_a_call_keeps_the_length_that_was_promised(
    zh: Path, samples: int
) -> None:
    prompt = _loaded(zh).prompts[0]
    _write(zh / "audio" / "welcome.wav", _tone(4600, samples))
    assert len(pcm(prompt)) == 2 * prompt.samples


def test_a_file_that_went_away_under_a_call_is_told(zh: Path) -> None:
    prompt = _loaded(zh).prompts[0]
    (zh / "audio" / "welcome.wav").unlink()
    with pytest.raises(PromptError, match="cannot be read any more"):
        pcm(prompt)


@pytest.mark.parametrize("peak", [327, 3277, 32767])
def test_the_level_of_a_tone_is_its_rms(peak: int) -> None:
    expected = 20 * math.log10(peak / 32768) - 3.01
    assert speech_level(_tone(peak, 8000)) == pytest.approx(expected, abs=0.1)


def test_pauses_do_not_count_for_the_level() -> None:
    tone = _tone(4600, 1600)
    assert speech_level(tone + _tone(0, 8000)) == speech_level(tone)
    assert speech_level(_tone(0)) is None
