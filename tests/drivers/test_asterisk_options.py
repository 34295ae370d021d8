"""The options of the card: each wrong one is told by its name, with what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.asterisk.options import read_options
from ivrd.errors import CardError

RIGHT: dict[str, object] = {"password_env": "IVRD_TEST_ARI"}


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRD_TEST_ARI", "secret")


def test_the_defaults_fit_an_asterisk_on_the_same_machine() -> None:
    options = read_options(8, RIGHT)
    assert (options.url, options.user, options.app) == ("http://127.0.0.1:8088", "ivrd", "ivrd")
    assert (options.password, options.endpoint, options.prompts) == ("secret", None, None)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("channels", 33, "1 to 32"),
        ("channels", True, "1 to 32"),
        ("url", "127.0.0.1:8088", "http://HOST:PORT"),
        ("url", "http://u:p@host", "password"),
        ("url", "http://host:99999", "http://HOST:PORT"),
        ("user", " ", "not empty"),
        ("app", "a b", "letters"),
        ("endpoint", "PJSIP/trunk", "{number} or {digits}"),
        ("endpoint", "PJSIP/{digits}@a&PJSIP/{digits}@b", "{number} or {digits}"),
        ("endpoint", 7, "{number} or {digits}"),
        ("prompts_here", "/voice", "both"),
        ("prompts_there", "voice", "an absolute path"),
        ("longest_call_s", 5, "10 to 86400"),
        ("transfer_context", "a,b", "letters"),
        ("ulr", "http://host", "did you mean 'url'"),
    ],
)
def test_a_wrong_option_is_told_by_name_with_what_was_expected(
    option: str, value: Any, expected: str
) -> None:
    given = {**RIGHT, option: value}
    channels = given.pop("channels", 8)
    with pytest.raises(CardError) as error:
        read_options(channels, given)
    assert option in str(error.value)
    assert expected in str(error.value)


def test_all_wrong_options_are_told_at_once() -> None:
    with pytest.raises(CardError) as error:
        read_options(0, {"app": "", "endpoint": "x"})
    text = str(error.value)
    assert all(name in text for name in ("channels", "app", "endpoint", "password_env"))


def test_a_password_comes_from_one_place_only() -> None:
    with pytest.raises(CardError, match="one of the two"):
        read_options(8, {"password_env": "IVRD_TEST_ARI", "password_file": "/x"})


def test_a_password_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3\n")
    file.chmod(0o640)
    with pytest.raises(CardError, match="mode 0600, not 0640"):
        read_options(8, {"password_file": str(file)})
    file.chmod(0o600)
    options = read_options(8, {"password_file": str(file)})
    assert options.password == "s3"  # noqa: S105 - a test's own


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"password_env": "IVRD_TEST_NOT_SET"}, "that is set"),
        ({"password_file": "secret"}, "an absolute path"),
        ({"password_file": "/no/such/file"}, "No such file"),
        ({"password_file": 7}, "a text"),
    ],
)
def test_a_password_that_cannot_be_had_is_told(given: dict[str, object], expected: str) -> None:
    with pytest.raises(CardError, match=expected):
        read_options(8, given)


def test_no_error_holds_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVRD_TEST_ARI", "hunter2")
    with pytest.raises(CardError) as error:
        read_options(99, RIGHT)
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(error.value)
