"""Settings of `ivrd run` that can be seen without running."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
import structlog

from ivrd.cli.run import how_to_call, log_to, with_callers
from ivrd.config import load_config
from tests.cli.cli_terminal import Invoke


def test_demo_puts_callers_on_every_software_card(sample: Path) -> None:
    config = with_callers(load_config(sample), 90)
    assert [(card.driver, card.options) for card in config.card] == [
        ("demo", {"calls_an_hour": 90})
    ]


def test_demo_0_takes_them_away_with_their_options(own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8").replace(
        'driver = "software"',
        'driver = "demo"\noptions = { calls_an_hour = 9, seed = 3, off_hook_s = 0.5 }',
    )
    own_sample.write_text(text, encoding="utf-8")
    config = with_callers(load_config(own_sample), 0)
    assert [(card.driver, card.options) for card in config.card] == [
        ("software", {"off_hook_s": 0.5})
    ]


def test_demo_needs_a_software_card(own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8").replace('"software"', '"asterisk"')
    own_sample.write_text(text, encoding="utf-8")
    with pytest.raises(click.UsageError, match="software card"):
        with_callers(load_config(own_sample), 90)


def test_watch_needs_a_terminal(invoke: Invoke, sample: Path) -> None:
    result = invoke(sample, "run", "--watch")
    assert result.exit_code == 2
    assert "terminal" in result.stderr


def test_the_words_how_to_call_are_a_call_that_works(invoke: Invoke, sample: Path) -> None:
    keys = how_to_call(load_config(sample)).partition('"')[2].rstrip('"')
    result = invoke(sample, "call", "--fast", "--keys", keys)
    assert result.exit_code == 0, result.output
    assert "一百四十六元九角九分" in result.stdout


@pytest.mark.parametrize(
    ("disclosure", "told"),
    [
        ('disclosure = "own-line"', "一百四十六元九角九分"),
        ('disclosure = "checked"', "月租费"),
        ('disclosure = "checked"\nproof = "last-digits"', "月租费"),
        ('disclosure = "checked"\nproof = "last-digits"\nlast_digits_of = "agreement"', "月租费"),
    ],
)
def test_the_words_how_to_call_fit_who_may_hear_what(
    invoke: Invoke, own_sample: Path, disclosure: str, told: str
) -> None:
    text = own_sample.read_text(encoding="utf-8").replace('disclosure = "open"', disclosure)
    own_sample.write_text(text, encoding="utf-8")
    _, _, _, _, *args = shlex.split(how_to_call(load_config(own_sample)))
    result = invoke(own_sample, "call", "--fast", *args)
    assert result.exit_code == 0, result.output
    assert told in result.stdout


def test_no_sample_number_is_told_for_a_database_of_ones_own(own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8")
    text = text.replace('mapping = "telecom"', 'mapping = "my-billing.toml"')
    own_sample.write_text(text, encoding="utf-8")
    assert how_to_call(load_config(own_sample)) == f"ivrd -c {own_sample} call"


def test_the_daemons_own_log_is_one_line_an_event_in_a_file() -> None:
    stream = io.StringIO()
    before = structlog.get_config()
    log_to(stream, ZoneInfo("Asia/Shanghai"))
    try:
        structlog.get_logger("ivrd").info("card_open", card="soft", channels=8)
        structlog.get_logger("ivrd").debug("too much")
    finally:
        structlog.configure(**before)
    (line,) = stream.getvalue().splitlines()
    assert re.match(r"timestamp=\d{4}-\d\d-\d\dT[\d:.]{12}\+08:00 ", line)  # as in line logs
    assert line.split(" ", 1)[1] == "level=info event=card_open card=soft channels=8"
