"""Trades: their words over the languages', what is told of a wrong one, and whole calls in each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ivrd import resources
from ivrd.assembly import load_voices
from ivrd.billing.mapping import load_mapping
from ivrd.billing.ready_profiles import profile
from ivrd.commands import Say
from ivrd.config import Config, load_config
from ivrd.errors import Problem, PromptError
from ivrd.prompt_copies import copy_prompts
from ivrd.prompts import Voices, check_prompts
from ivrd.resources import FLOWS, PROMPTS
from ivrd.speech import GRAMMARS
from ivrd.speech.trades import TRADES, layers
from ivrd.synthesised import outdated
from tests.call_files import CallFile, config_for, every_call_file
from tests.call_office import TODAY, Databases, make_call
from tests.test_traces import check_ending, check_expectations, told_secrets

SENTENCES = FLOWS / "sentences.toml"
LANGUAGES = tuple(GRAMMARS)
READY = sorted(folder.name for folder in (PROMPTS / TRADES).iterdir())
FILES = every_call_file("trades")


def test_there_is_a_profile_for_each_ready_trade() -> None:
    assert READY == ["list", "mobile", "property", "water"]
    assert {profile(name).trade for name in READY} == set(READY)


# -- whole calls ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the sample database of each trade."""
    folder = tmp_path_factory.mktemp("trades")
    made = {name: folder / f"{name}.db" for name in READY}
    for name, file in made.items():
        profile(name).write(file, TODAY, seed=7, accounts=40, months=12)
    return made


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize("call", FILES, ids=lambda call: call.name)
def test_scripted_call_of_a_trade(
    call: CallFile, databases: Databases, samples: dict[str, Path], tmp_path: Path
) -> None:
    sample = replace(databases, sample=samples[call.office["profile"]])
    made = make_call(call, sample, tmp_path)
    assert made.failure is None, f"{call.shows}\n{made.report}"
    check_expectations(call, made)
    assert made.kept == [], "a bill and a debt that are heard leave nothing to do"
    check_ending(made)
    assert not told_secrets(call, made)


def test_each_trade_has_a_bill_and_a_debt_in_both_languages() -> None:
    kinds = ("bill_in_mandarin", "bill_in_english", "debt_in_mandarin", "debt_in_english")
    assert [call.name for call in FILES] == sorted(f"{t}_{kind}" for t in READY for kind in kinds)


@pytest.mark.parametrize("name", READY)
def test_a_profile_is_refused_in_the_telephones_words(name: str) -> None:
    call = next(call for call in FILES if call.office["profile"] == name)
    config = config_for(call, Path("bills.db"))
    config = config.model_copy(update={"node": config.node.model_copy(update={"trade": None})})
    with pytest.raises(PromptError) as caught:
        load_voices(config, load_mapping(config.mapping))
    assert {problem.rule for problem in caught.value.problems} == {"item"}
    assert f'node.trade = "{name}"' in str(caught.value)


# -- the ready ones ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READY)
def test_a_ready_trade_is_in_order(name: str) -> None:
    trade = PROMPTS / TRADES / name
    assert check_prompts(PROMPTS, LANGUAGES, SENTENCES, trade) == []
    assert outdated(PROMPTS, LANGUAGES, trade) == []


@pytest.mark.parametrize("name", READY)
def test_a_ready_trade_names_every_item_of_its_mapping(name: str) -> None:
    voices = Voices(PROMPTS, LANGUAGES, SENTENCES, PROMPTS / TRADES / name)
    items = set(load_mapping(resources.PROFILES / f"{name}.toml").bill.items)
    telephone = Voices(PROMPTS, LANGUAGES, SENTENCES)
    for lang in LANGUAGES:
        own = voices.items(lang) - telephone.items(lang)
        # water without tiers is in no sample, but in drafts of mappings
        assert own - {"water"} <= items, "no name that no bill has"
        assert items <= voices.items(lang)


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_of_the_telephone_is_left_in_a_trade(name: str, lang: str) -> None:
    voices = Voices(PROMPTS, [lang], SENTENCES, PROMPTS / TRADES / name)
    heard = " ".join(
        voices.utterance(Say(sentence, {"owed.amount": 100, "bill.month": "2026-10"}), lang).text
        for sentence in ("welcome", "choose_lookup", "enter_agreement", "enter_last_digits",
                         "bill_of_month", "test_call", "reminder_greeting", "are_you_holder",
                         "ask_holder_to_call", "you_owe")
    )  # fmt: skip
    assert not [
        word for word in ("话费", "协议", "机主", "telephone", "agreement") if word in heard
    ]


@pytest.mark.parametrize(
    ("prompt", "pinyin"),
    [
        ("list/item_amount_due", "ying1 fu4 jin1 e2"),
        ("property/item_management_fee", "wu4 ye4 guan2 li3 fei4"),
        ("property/trade_bill", "wu4 ye4 fei4"),
        ("water/item_sewage", "wu1 shui3 chu2 li3 fei4"),
        ("water/item_water_tier_1", "di4 yi1 jie1 ti1 shui3 fei4"),
        ("water/trade_caller", "gong1 shui3 fu2 wu4 zhong1 xin1 ,"),
        ("mobile/item_value_added", "zeng1 zhi2 ye4 wu4 fei4"),
        ("mobile/item_extra_data", "tao4 can1 wai4 liu2 liang4 fei4"),
    ],
)
def test_items_of_a_trade_are_read_right(prompt: str, pinyin: str) -> None:
    synthesis = pytest.importorskip("ivrd.synthesis")
    name, id_ = prompt.split("/")
    listed = layers(PROMPTS, "zh-CN", PROMPTS / TRADES / name)[-1].listed
    assert synthesis.spoken_form(listed.texts[id_], listed.voice) == pinyin


def test_a_list_says_its_one_amount_once() -> None:
    voices = Voices(PROMPTS, LANGUAGES, SENTENCES, PROMPTS / TRADES / "list")
    for lang in LANGUAGES:
        say = Say("bill_item", {"name": "amount_due", "amount": 100})
        assert voices.utterance(say, lang).text == ""


# -- a wrong one ---------------------------------------------------------------------------------


@pytest.fixture
def gas(tmp_path: Path) -> Path:
    """Return a trade of one's own, a copy of the ready one for water."""
    return shutil.copytree(PROMPTS / TRADES / "water", tmp_path / "gas")


def _check(trade: Path) -> list[Problem]:
    return check_prompts(PROMPTS, LANGUAGES, SENTENCES, trade)


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('trade_holder = "户主"\n', "", [("trade-word", "trade_holder", None)]),
        (
            "trade_holder =",
            "trade_holde =",
            [
                ("trade-word", "trade.trade_holde", "trade_holder"),
                ("trade-word", "trade_holder", "trade_holde"),
            ],
        ),
        ("[prompts]\n", '[prompts]\nwelcom = "您好"\n',
         [("prompt-unused", "prompts.welcom", "welcome")]),
        ("[prompts]\n", '[prompts]\nnotice_leak = "停气通知"\n', []),
        ("[prompts]\n", '[prompts]\nhow_to_pay_cash = "请用现金"\n', []),
        ("[trade]\n", '[voice]\nespeak = "cmn"\n[trade]\n', [("text-list", "voice", None)]),
        ("[trade]\n", '[trades]\na = "b"\n[trade]\n', [("text-list", "trades", "trade")]),
        ('item_sewage = "', 'item_sewage = 3 # "', [("text-list", "prompts.item_sewage", None)]),
    ],
)  # fmt: skip
def test_a_slip_in_the_words_of_a_trade_is_told_with_the_nearest(
    gas: Path, old: str, new: str, told: list[tuple[str, str, str | None]]
) -> None:
    _edit(gas / "zh-CN" / "prompts.toml", old, new)
    found = [p for p in _check(gas) if p.rule not in {"prompt-missing", "prompt-unlisted"}]
    assert [p.rule for p in found] == [rule for rule, _, _ in told]
    for problem, (_, where, near) in zip(found, told, strict=True):
        assert where in f"{problem.key} {problem.what}"
        assert problem.nearest == near
        assert problem.file == gas / "zh-CN" / "prompts.toml"


def test_a_word_of_the_trade_among_the_prompts_is_told_once(gas: Path) -> None:
    _edit(gas / "zh-CN" / "prompts.toml", "[prompts]\n", '[prompts]\ntrade_bill = "气费"\n')
    (problem,) = _check(gas)
    assert (problem.rule, problem.key) == ("text-list", "prompts.trade_bill")


def test_a_language_that_the_trade_lacks_is_told(gas: Path) -> None:
    (gas / "en-US").rename(gas / "en-GB")
    (problem,) = _check(gas)
    assert (problem.rule, problem.file, problem.nearest) == (
        "prompts-folder", gas / "en-US", "en-GB",
    )  # fmt: skip
    with pytest.raises(PromptError):
        Voices(PROMPTS, LANGUAGES, SENTENCES, gas)
    assert Voices(PROMPTS, ["zh-CN"], SENTENCES, gas).languages == ("zh-CN",)


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [
        ("prompt-missing", lambda audio: (audio / "trade_bill.wav").unlink()),
        ("prompt-missing", shutil.rmtree),
        ("prompt-unlisted", lambda audio: shutil.copy(audio / "trade_bill.wav", audio / "x.wav")),
    ],
)
def test_a_bad_voice_file_of_a_trade_is_told(
    gas: Path, rule: str, breaks: Callable[[Path], None]
) -> None:
    breaks(gas / "zh-CN" / "audio")
    assert [p.rule for p in _check(gas)] == [rule]


def test_a_changed_text_of_a_trade_is_told_until_it_is_spoken_anew(gas: Path) -> None:
    _edit(gas / "zh-CN" / "prompts.toml", '"水费"', '"燃气费"')
    (problem,) = outdated(PROMPTS, LANGUAGES, gas)
    assert problem.rule == "prompt-outdated"
    assert "trade_bill" in problem.what
    assert problem.line == 5


def test_a_sentence_of_a_trade_goes_over_the_languages_and_is_checked(gas: Path) -> None:
    own = gas / "zh-CN" / "sentences.toml"
    own.write_text('bill_total = "trade_bill {bill.total:money}"\n', encoding="utf-8")
    say = Say("bill_total", {"bill.total": 100})
    assert Voices(PROMPTS, LANGUAGES, SENTENCES, gas).utterance(say, "zh-CN").text == "水费一元"
    own.write_text('bill_totl = "total"\nwelcome = "welcom"\n', encoding="utf-8")
    assert [(p.rule, p.nearest) for p in _check(gas)] == [
        ("sentence-unknown", "bill_total"), ("prompt-unknown", "welcome"),
    ]  # fmt: skip


def _config(tmp_path: Path, trade: str) -> Config:
    file = tmp_path / "ivrd.toml"
    file.write_text(
        f'[node]\nlanguages = ["zh-CN", "en-US"]\ntrade = "{trade}"\n'
        '[enquiry]\ndisclosure = "open"\n'
        '[billing]\nmapping = "water"\nurl = "sqlite:///bills.db"\n'
        '[[card]]\nname = "soft"\ndriver = "software"\n',
        encoding="utf-8",
    )
    return load_config(file)


def test_an_unknown_trade_is_told_once_with_its_place_and_the_nearest(tmp_path: Path) -> None:
    config = _config(tmp_path, "watre")
    with pytest.raises(PromptError) as caught:
        load_voices(config, load_mapping(config.mapping))
    (problem,) = caught.value.problems
    assert (problem.file, problem.key, problem.nearest) == (config.path, "node.trade", "water")
    assert "mobile" in str(problem.expected)


def test_a_trade_of_ones_own_is_a_folder_beside_the_settings(tmp_path: Path, gas: Path) -> None:
    config = _config(tmp_path, "./gas")
    assert config.trade == gas
    voices = load_voices(config, load_mapping(config.mapping))
    assert "水费" in voices.utterance(Say("welcome"), "zh-CN").text


# -- copies for an exchange ----------------------------------------------------------------------


def test_the_voice_files_of_a_trade_are_copied_into_the_same_tree(tmp_path: Path) -> None:
    trade = PROMPTS / TRADES / "water"
    there = tmp_path / "there"
    done = copy_prompts(PROMPTS, ["zh-CN"], there, trade)
    for file in (trade / "zh-CN" / "audio").iterdir():
        name = file.relative_to(PROMPTS).as_posix()
        assert name in done.new
        assert (there / name).read_bytes() == file.read_bytes()
    assert (there / "zh-CN" / "audio" / "welcome.wav").exists()


def test_a_trade_outside_the_folder_of_the_voice_files_is_not_copied(
    tmp_path: Path, gas: Path
) -> None:
    with pytest.raises(PromptError, match=r"trades/gas, as node\.trade = "):
        copy_prompts(PROMPTS, LANGUAGES, tmp_path / "there", gas)
    assert not (tmp_path / "there").exists()
