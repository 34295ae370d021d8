"""Connections: secrets from where they belong, URLs that can be used, limits on every statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrd.billing.engine import engine_from, password_from
from ivrd.errors import ConfigError, Problem

SERVER = "postgresql+psycopg2://reader@127.0.0.1/billing"


def problem_of(url: str, **options: object) -> Problem:
    with pytest.raises(ConfigError) as caught:
        engine_from(url, **options)  # type: ignore[arg-type]  # each test gives what it names
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:hunter2@host/billing",
        "mysql+pymysql://reader@host/billing?password=hunter2",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    problem = problem_of(url)
    assert (problem.key, problem.rule) == ("url", "secret")
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "url", ["", "billing.db", "sqlit:///x.db", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_no_database_is_refused_with_an_example(url: str) -> None:
    problem = problem_of(url)
    assert (problem.key, problem.rule) == ("url", "url")
    assert "sqlite:///billing.db" in str(problem.expected)


def test_a_driver_that_is_not_supported_is_refused_with_the_nearest() -> None:
    problem = problem_of("postgresql+pg8000://reader@host/billing")
    assert (problem.rule, problem.nearest) == ("driver", "postgresql+psycopg")


def test_an_environment_variable_that_is_not_set_is_told() -> None:
    problem = problem_of(SERVER, password_env="IVRD_DB", environment={})  # noqa: S106 - a name, no secret
    assert (problem.key, problem.what) == (
        "password_env",
        "the environment variable IVRD_DB is not set",
    )


def test_two_places_for_one_password_are_refused(tmp_path: Path) -> None:
    problem = problem_of(SERVER, password_env="X", password_file=tmp_path, environment={"X": "y"})  # noqa: S106 - as above
    assert (problem.key, problem.expected) == ("password_env", "one of the two")


def secret(tmp_path: Path, text: str, mode: int) -> Path:
    file = tmp_path / "secret"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_secret_that_others_may_use_is_refused_unread(mode: int, tmp_path: Path) -> None:
    problem = problem_of(SERVER, password_file=secret(tmp_path, "hunter2", mode))
    assert problem.key == "password_file"
    assert "chmod 600" in str(problem)
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n"])
def test_a_secret_of_no_line_or_several_is_refused(text: str, tmp_path: Path) -> None:
    problem = problem_of(SERVER, password_file=secret(tmp_path, text, 0o600))
    assert "one line" in problem.what


def test_a_secret_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    problem = problem_of(SERVER, password_file=tmp_path / "none")
    assert "No such file" in problem.what


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_password_of_a_private_file_is_used(mode: int, tmp_path: Path) -> None:
    problems: list[Problem] = []
    file = secret(tmp_path, "hunter2\n", mode)
    assert password_from(None, file, {}, problems) == "hunter2"
    assert problems == []


def test_the_password_of_the_environment_is_used() -> None:
    problems: list[Problem] = []
    assert password_from("X", None, {"X": "hunter2"}, problems) == "hunter2"
    assert problems == []


def test_no_password_is_needed_where_none_is_named() -> None:
    assert password_from(None, None, {"X": "y"}, []) is None


def test_a_driver_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg2", None)
    problem = problem_of(SERVER)
    assert (problem.rule, problem.what, problem.expected) == (
        "driver",
        "the driver of postgresql+psycopg2 is not installed",
        "pip install 'psycopg2-binary'",
    )


def test_a_path_with_signs_of_urls_in_it_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "50% a?b #c.db"
    file.touch()
    engine = engine_from(f"sqlite:///{str(file).replace('?', '%3F').replace('50% ', '50%25 ')}")
    assert "mode=ro" in str(engine.url)
