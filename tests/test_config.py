"""ivrd.toml: each way of writing it wrong is told with file, line, key and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.config import Config, load_config, number_ranges
from ivrd.errors import ConfigError

GOOD = """\
[node]
languages = ["zh-CN", "en-US"]

[enquiry]
disclosure = "open"

[billing]
mapping = "telecom"
url = "sqlite:///var/sample.db"

[[card]]
name = "soft"
driver = "software"
channels = 8

[[lines]]
numbers = "1-8"
card = "soft"
channels = "1-8"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ivrd.toml"


def wrong(file: Path, text: str) -> list[str]:
    """Return what is said of a wrong file, without its name."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_good_file_is_taken_as_it_stands(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    config = load_config(file)
    assert config.node.languages == ["zh-CN", "en-US"]
    assert [(n, card, channel) for n, card, channel, _ in config.every_line()] == [
        (n, "soft", n) for n in range(1, 9)
    ]
    assert config.billing_url == f"sqlite:///{file.parent}/var/sample.db"
    assert config.logs == file.parent / "var" / "log"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"open"', '"open', "5: not TOML: Illegal character '\\n'"),
        ("[enquiry]", "[enquiry", "4: not TOML: Expected ']' at the end of a table declaration"),
        (
            "disclosure",
            "disclosur",
            (
                "5: enquiry.disclosur: no such key; expected one of disclosure, proof,"
                " flow, last_digits_of,"
                " months_back,"
                " speak_zero_items, when_stopped; did you mean 'disclosure'?"
            ),
        ),
        (
            'disclosure = "open"\n',
            "",
            "4: enquiry.disclosure: missing; expected open or own-line or checked",
        ),
        ('[enquiry]\ndisclosure = "open"\n', "", " enquiry: missing"),
        (
            '"open"',
            '"opem"',
            (
                "5: enquiry.disclosure: is 'opem'; expected open or own-line or checked;"
                " did you mean 'open'?"
            ),
        ),
        (
            '"open"',
            '"open"\nproof = "password"',
            (
                "6: enquiry.proof: is asked for only where callers are checked;"
                ' expected disclosure = "checked"'
            ),
        ),
        (
            '"open"',
            '"open"\nmonths_back = 0',
            "6: enquiry.months_back: is 0; expected greater than or equal to 1",
        ),
        (
            "[node]",
            '[node]\nzone = "Asia/Peking"',
            "2: node.zone: 'Asia/Peking' is no time zone; write it as in Asia/Shanghai",
        ),
        (
            "[node]",
            '[node]\nname = "two words"',
            "2: node.name: is 'two words'; expected text that matches ^[\\w.-]{1,64}$",
        ),
        (
            "channels = 8",
            "channels = -1",
            "14: card[0].channels: is -1; expected greater than or equal to 1",
        ),
        (
            "channels = 8",
            "channels = 33",
            "14: card[0].channels: is 33; expected less than or equal to 32",
        ),
        (
            "channels = 8",
            'channels = "eight"',
            (
                "14: card[0].channels: is 'eight'; expected a valid integer, unable to"
                " parse string as an integer"
            ),
        ),
        ('driver = "software"\n', "", "11: card[0].driver: missing"),
        (
            '"1-8"',
            '"-1-8"',
            "17: lines[0].numbers: '-1-8' names no numbers; write them as in 1-4,7",
        ),
        ('"1-8"', '"0-7"', "17: lines[0].numbers: '0-7' is no range of numbers from 1 on"),
        ('"1-8"', '"8-1"', "17: lines[0].numbers: '8-1' is no range of numbers from 1 on"),
        ('"1-8"', '"1-8,8"', "17: lines[0].numbers: '1-8,8' names a number twice"),
        ('"1-8"', '"1-99999"', "17: lines[0].numbers: '1-99999' is too long a range"),
        ('"1-8"', '""', "17: lines[0].numbers: '' names no numbers; write them as in 1-4,7"),
        (
            '"1-8"',
            '"1-7"',
            ("19: lines[0].channels: 7 lines, 8 channels; expected as many channels as lines"),
        ),
        (
            'card = "soft"',
            'card = "sotf"',
            "18: lines[0].card: no card 'sotf'; did you mean 'soft'?",
        ),
        (
            "channels = 8",
            "channels = 7",
            "19: lines[0].channels: 'soft' has no channel 8; expected 1 to 7",
        ),
        (
            'channels = "1-8"',
            'channels = "1-8"\nrole = "enquire"',
            (
                "20: lines[0].role: is 'enquire'; expected enquiry or dunning or both or off;"
                " did you mean 'enquiry'?"
            ),
        ),
        (
            'channels = "1-8"',
            'channels = "1-8"\nrings = 0',
            "20: lines[0].rings: is 0; expected greater than or equal to 1",
        ),
        (
            "[[card]]",
            '[dial]\ntest = ["6001", "6001"]\ncaller_id = "170"\n[[card]]',
            "12: dial.test[1]: '6001' is there twice",
        ),
        (
            "[[card]]",
            '[dial]\ntest = ["six"]\ncaller_id = "170"\n[[card]]',
            ("12: dial.test[0]: 'six' is no telephone number; write it as +8657188610001 or 6001"),
        ),
        ("[[card]]", '[dial]\ntest = ["6001"]\n[[card]]', "11: dial.caller_id: missing"),
        (
            "[[card]]",
            "[cards]",
            (
                "11: cards: no such key; expected one of node, enquiry, billing, import, card,"
                " lines, dial, dunning, arrears, store, mqtt, metrics, api, log, places;"
                " did you mean 'card'?"
            ),
        ),
        (
            '"telecom"',
            '"telecom"\nlimit_s = 0',
            "9: billing.limit_s: is 0; expected greater than 0",
        ),
        ('url = "sqlite:///var/sample.db"\n', "", "7: billing.url: missing"),
    ],
)
def test_wrong_file_is_told_exactly(file: Path, old: str, new: str, said: str) -> None:
    assert wrong(file, changed(old, new))[0] == said


def test_line_that_stands_there_twice(file: Path) -> None:
    more = '\n[[lines]]\nnumbers = "8"\ncard = "soft2"\nchannels = "1"\n'
    card = '\n[[card]]\nname = "soft2"\ndriver = "software"\n'
    assert wrong(file, GOOD + more + card) == ["22: lines[1].numbers: line 8 is there twice"]


def test_two_lines_on_one_channel(file: Path) -> None:
    more = '\n[[lines]]\nnumbers = "9"\ncard = "soft"\nchannels = "8"\n'
    assert wrong(file, GOOD + more) == [
        "24: lines[1].channels: channel 8 of card 'soft' has line 8 already"
    ]


def test_two_cards_of_one_name(file: Path) -> None:
    card = '\n[[card]]\nname = "soft"\ndriver = "software"\n'
    assert wrong(file, GOOD + card) == ["22: card[1].name: 'soft' is taken"]


def test_every_mistake_is_told_at_once(file: Path) -> None:
    text = (
        changed('"1-8"', '"0-7"')
        .replace('"open"', '"opem"')
        .replace("channels = 8", "channels = 0")
    )
    assert len(wrong(file, text)) == 3


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file"):
        load_config(tmp_path / "nowhere.toml")


def test_without_lines_every_channel_is_one(file: Path) -> None:
    file.write_text(GOOD[: GOOD.index("[[lines]]")], encoding="utf-8")
    lines = list(load_config(file).every_line())
    assert [(number, channel) for number, _, channel, _ in lines] == [(n, n) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1", [1]), ("1-4, 7", [1, 2, 3, 4, 7]), (" 3 - 5 ,1", [3, 4, 5, 1])],
)
def test_ranges_of_numbers(text: str, numbers: list[int]) -> None:
    assert number_ranges(text) == numbers


def test_settings_of_the_repository_are_good() -> None:
    config = load_config(Path(__file__).parent.parent / "ivrd.toml")
    assert isinstance(config, Config)
    assert config.flow_file.exists()
    assert config.mapping.exists()


def test_the_proof_may_be_said_for_called_persons_alone(file: Path) -> None:
    text = GOOD.replace('"open"', '"open"\nproof = "last-digits"')
    file.write_text(f'{text}\n[dunning]\ncaller_id = "170"\n', encoding="utf-8")
    assert load_config(file).enquiry.proof == "last-digits"
