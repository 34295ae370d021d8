"""What is missing or wrong is told before a line is opened, with file, key and line."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from ivrd import resources
from ivrd.assembly import Parts, assemble, enquiry_service
from ivrd.config import load_config
from ivrd.daemon import Daemon
from ivrd.errors import ConfigError, FlowError, MappingError, ProblemsError, PromptError
from ivrd.runner import InlineActions
from sim.clock import VirtualClock
from tests.call_office import START

SETTINGS = """\
[node]
languages = ["zh-CN", "en-US"]
[enquiry]
disclosure = "open"
[billing]
mapping = "telecom"
url = "sqlite:///sample.db"
[[card]]
name = "soft"
driver = "software"
"""


@pytest.fixture
def home(tmp_path: Path, sample_db: Path) -> Path:
    """Return a folder with good settings and a copy of the sample database."""
    shutil.copy(sample_db, tmp_path / "sample.db")
    (tmp_path / "ivrd.toml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def set_up(home: Path, old: str = "", new: str = "") -> Parts:
    """Assemble what the folder's settings say, one line of them changed."""
    file = home / "ivrd.toml"
    assert old in SETTINGS
    file.write_text(SETTINGS.replace(old, new, 1), encoding="utf-8")
    return assemble(load_config(file), lambda: START)


def refused(home: Path, error: type[ProblemsError], old: str = "", new: str = "") -> list[str]:
    """Return what is said when the parts cannot be put together."""
    with pytest.raises(error) as caught:
        set_up(home, old, new).close()
    return [str(problem) for problem in caught.value.problems]


def copy_of(home: Path, folder: Path, key: str) -> tuple[Path, str]:
    """Copy flows or voice files into the folder; return where, and the settings that say so."""
    mine = home / folder.name
    shutil.copytree(folder, mine)
    return mine, f'[places]\n{key} = "{folder.name}"\n[enquiry]'


@pytest.mark.usefixtures("no_leftovers")
def test_good_settings_make_a_service_and_leave_nothing_open(home: Path) -> None:
    parts = set_up(home)
    clock = VirtualClock(START)
    service = enquiry_service(parts.config, parts, InlineActions(parts.registry, clock))
    assert service.lang == "zh-CN"
    assert service.facts("88610001", "170") == {
        "several_languages": True, "closed": False, "own_line_only": False,
        "check_caller": False, "by_password": True, "caller": "88610001",
        "ring_back": False,
    }  # fmt: skip
    assert parts.warnings == ()
    parts.close()


# -- the billing database ------------------------------------------------------------------------


def test_missing_column_is_told_with_mapping_key_and_nearest_name(home: Path) -> None:
    with closing(sqlite3.connect(home / "sample.db")) as database:
        database.execute("ALTER TABLE TB_ZHANGDAN RENAME COLUMN RENT_FEE TO RENT_FEES")
    said = refused(home, MappingError)
    assert len(said) == 1
    assert said[0].startswith(f"{resources.PROFILES / 'telecom.toml'}:")
    assert "bill.items.monthly_rent: TB_ZHANGDAN has no column 'RENT_FEE'" in said[0]
    assert "did you mean 'RENT_FEES'?" in said[0]


def test_missing_table_is_told(home: Path) -> None:
    with closing(sqlite3.connect(home / "sample.db")) as database:
        database.execute("DROP TABLE TB_BILLING_RUN")
    said = refused(home, MappingError)
    assert len(said) == 1
    assert "bill.ready.table: the database has no table 'TB_BILLING_RUN'" in said[0]


def test_database_that_is_down_is_a_warning_for_calls_say_so(home: Path) -> None:
    (home / "sample.db").unlink()
    parts = set_up(home)
    assert [problem.rule for problem in parts.warnings] == ["down"]
    parts.close()


def test_language_that_ivrd_does_not_speak_is_told_where_it_stands(home: Path) -> None:
    (said,) = refused(home, PromptError, '"en-US"', '"fr-FR"')
    assert said.startswith(f"{home / 'ivrd.toml'}: node.languages: no grammar for language 'fr-FR'")


def test_mapping_that_is_not_there(home: Path) -> None:
    said = refused(home, MappingError, '"telecom"', '"telekom"')
    (told,) = said
    assert told == (
        "no ready mapping 'telekom'; expected list or mobile or property or telecom or"
        " telecom-monthly or telecom-narrow or water, or a file by its name"
        " with .toml; did you mean 'telecom'?"
    )


def test_password_in_the_url_is_refused_and_not_repeated(home: Path) -> None:
    said = refused(home, ConfigError, "sqlite:///sample.db",
                   "postgresql+psycopg://reader:hunter2@db/billing")  # fmt: skip
    file = home / "ivrd.toml"
    assert said == [
        (
            f"{file}: billing.url: a password stands in the URL;"
            " expected password_env or password_file instead"
        )
    ]
    assert "hunter2" not in "".join(said)


def test_database_driver_that_is_not_known(home: Path) -> None:
    said = refused(home, ConfigError, "sqlite:///sample.db", "mysql+asyncmy://db/billing")
    assert len(said) == 1
    assert said[0].startswith(f"{home / 'ivrd.toml'}: billing.url: ")
    assert "is not supported; expected one of sqlite+pysqlite" in said[0]


def test_password_that_is_not_in_the_environment(home: Path) -> None:
    said = refused(home, ConfigError, '"sqlite:///sample.db"',
                   '"sqlite:///sample.db"\npassword_env = "IVRD_TEST_NOT_SET"')  # fmt: skip
    assert "IVRD_TEST_NOT_SET" not in os.environ
    assert said == [
        (
            f"{home / 'ivrd.toml'}: billing.password_env:"
            " the environment variable IVRD_TEST_NOT_SET is not set"
        )
    ]


def test_password_file_that_others_may_read(home: Path) -> None:
    secret = home / "password"
    secret.write_text("hunter2\n", encoding="utf-8")
    secret.chmod(0o644)
    said = refused(home, ConfigError, '"sqlite:///sample.db"',
                   '"sqlite:///sample.db"\npassword_file = "password"')  # fmt: skip
    assert said == [
        (
            f"{home / 'ivrd.toml'}: billing.password_file: {secret} has mode 0644: others than its"
            f" owner may use it; expected mode 0600 (chmod 600 {secret})"
        )
    ]


# -- voice files ---------------------------------------------------------------------------------


def test_missing_prompt_is_told_with_its_file(home: Path) -> None:
    mine, places = copy_of(home, resources.PROMPTS, "prompts")
    (mine / "zh-CN" / "audio" / "welcome.wav").unlink()
    said = refused(home, PromptError, "[enquiry]", places)
    assert len(said) == 1
    assert "welcome" in said[0]
    assert str(mine / "zh-CN") in said[0]


def test_prompt_that_is_no_wav_is_told_with_its_file(home: Path) -> None:
    mine, places = copy_of(home, resources.PROMPTS, "prompts")
    (mine / "en-US" / "audio" / "welcome.wav").write_bytes(b"not a sound")
    said = refused(home, PromptError, "[enquiry]", places)
    assert len(said) == 1
    assert "welcome.wav" in said[0]


def test_language_without_voice_files(home: Path) -> None:
    said = refused(home, PromptError, '"en-US"', '"fr-FR"')
    assert said
    assert any("fr-FR" in problem for problem in said)


def test_item_of_the_bill_without_a_prompt(home: Path) -> None:
    mapping = (resources.PROFILES / "telecom.toml").read_text(encoding="utf-8")
    (home / "mine.toml").write_text(
        mapping.replace("information =", "informatoin ="), encoding="utf-8"
    )
    said = refused(home, PromptError, '"telecom"', '"mine.toml"')
    assert said == [
        f"{home / 'mine.toml'}: item 'informatoin' has no prompt in {lang};"
        " expected a prompt item_informatoin; did you mean 'information'?"
        for lang in ("zh-CN", "en-US")
    ]


# -- the flow ------------------------------------------------------------------------------------


def with_flow(home: Path, old: str, new: str) -> str:
    mine, places = copy_of(home, resources.FLOWS, "flows")
    flow = mine / "enquiry.toml"
    text = flow.read_text(encoding="utf-8")
    assert old in text
    flow.write_text(text.replace(old, new, 1), encoding="utf-8")
    return places


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('T_EOF = "ask_month"', 'T_EOF = "ask_mouth"', "did you mean 'ask_month'?"),
        ('say = ["enter_month"]', 'say = ["enter_moth"]', "did you mean 'enter_month'?"),
        ('do = "read_bill"', 'do = "read_bil"', "did you mean 'read_bill'?"),
        ('T_LCTERM = "hang_up"\n', "", "T_LCTERM"),
    ],
    ids=["unknown state", "unknown sentence", "unknown action", "hang-up not handled"],
)
def test_broken_flow_is_told_with_its_line(home: Path, old: str, new: str, said: str) -> None:
    found = refused(home, FlowError, "[enquiry]", with_flow(home, old, new))
    assert any(problem.startswith(str(home / "fsm_specs" / "enquiry.toml")) for problem in found)
    assert any(said in problem for problem in found)


def test_flow_that_is_not_there(home: Path) -> None:
    said = refused(home, FlowError, "[enquiry]", '[enquiry]\nflow = "inquiry"')
    assert said == [f"{resources.FLOWS / 'inquiry.toml'}: no such file"]


@pytest.mark.parametrize("lang", ["zh-CN", "en-US"])
@pytest.mark.parametrize("disclosure", ["open", "own-line", "checked"])
def test_one_language_is_enough_under_every_disclosure(
    home: Path, lang: str, disclosure: str
) -> None:
    file = home / "ivrd.toml"
    text = SETTINGS.replace('"zh-CN", "en-US"', f'"{lang}"').replace('"open"', f'"{disclosure}"')
    file.write_text(text, encoding="utf-8")
    parts = assemble(load_config(file), lambda: START)
    service = enquiry_service(
        parts.config, parts, InlineActions(parts.registry, VirtualClock(START))
    )
    facts = service.facts("", "")
    assert facts["several_languages"] is False
    assert facts["own_line_only"] is (disclosure == "own-line")
    assert facts["check_caller"] is (disclosure == "checked")
    parts.close()


# -- reloading -----------------------------------------------------------------------------------


def test_reload_takes_a_changed_flow_and_keeps_the_old_for_those_who_hold_it(home: Path) -> None:
    parts = set_up(home, "[enquiry]", with_flow(home, "first_s = 3\n", "first_s = 3\n"))
    flow = home / "fsm_specs" / "enquiry.toml"
    flow.write_text(
        flow.read_text(encoding="utf-8").replace("call_s = 900", "call_s = 600"), encoding="utf-8"
    )
    again = parts.reloaded()
    assert (parts.machine.flow.call_s, again.machine.flow.call_s) == (900, 600)
    assert parts.machine.hash != again.machine.hash
    assert again.reader is parts.reader
    parts.close()


def test_reload_of_a_broken_flow_is_refused(home: Path) -> None:
    parts = set_up(home, "[enquiry]", with_flow(home, "first_s = 3\n", "first_s = 3\n"))
    flow = home / "fsm_specs" / "enquiry.toml"
    flow.write_text("flow = 3\n", encoding="utf-8")
    with pytest.raises(FlowError):
        parts.reloaded()
    assert parts.machine.flow.name == "enquiry"
    parts.close()


def test_now_of_the_parts_decides_which_month_is_over(home: Path) -> None:
    now = START
    parts = set_up(home)
    parts.close()
    later = assemble(parts.config, lambda: now)
    check = later.registry["check_month"].do
    assert check({"entry": "202611"}).event == "U_NOT_YET"
    now = datetime(2026, 12, 1, tzinfo=START.tzinfo)
    assert check({"entry": "202611"}).event == "U_OK"
    later.close()


# -- cards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'driver = "software"',
            'driver = "softwear"',
            "card soft: no driver 'softwear'; expected one of",
        ),
        (
            'driver = "software"',
            'driver = "software"\noptions = { ring_periods_s = 3 }',
            "card soft: ring_periods_s: no such option;",
        ),
    ],
    ids=["unknown driver", "unknown option of a driver"],
)
async def test_card_that_cannot_be_made_keeps_the_daemon_from_starting(
    home: Path, old: str, new: str, said: str
) -> None:
    file = home / "ivrd.toml"
    file.write_text(SETTINGS.replace(old, new, 1), encoding="utf-8")
    daemon = Daemon(load_config(file))
    with pytest.raises(ConfigError) as caught:
        await daemon.start()
    daemon.parts.close()
    assert str(caught.value).startswith(f"{file}: {said}")
    assert "did you mean 'software'?" in str(caught.value) or "ring_period_s" in str(caught.value)
    assert daemon.lines == {}
