"""What all commands share: loading, help, failures and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ivrd.cli.app import COMMANDS, Commands, main
from ivrd.cli.output import duration, json_option
from tests.cli.cli_terminal import Invoke, started


def test_version_is_quick_and_loads_no_command() -> None:
    script = (
        "import sys\nfrom ivrd.cli import main\n"
        "try: main(['--version'])\n"
        "finally: print([name for name in ('rich', 'aiohttp', 'sqlalchemy', 'pydantic')"
        " if name in sys.modules])"
    )
    began_s = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0].split()[1] == __import__("ivrd").__version__
    assert done.stdout.splitlines()[1] == "[]"
    assert time.perf_counter() - began_s < 2.0


def test_help_lists_every_command_without_loading_it(invoke: Invoke) -> None:
    result = invoke(None, "--help")
    assert result.exit_code == 0
    for name, (_, told) in COMMANDS.items():
        assert name in result.output
        assert told.split(":")[0].split(",")[0] in " ".join(result.output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_has_help(name: str, invoke: Invoke) -> None:
    result = invoke(None, name, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def _printing(command: click.Command, path: str) -> dict[str, click.Command]:
    if isinstance(command, click.Group):
        found: dict[str, click.Command] = {}
        for name, inner in command.commands.items():
            found |= _printing(inner, f"{path} {name}")
        return found
    return {path: command}


def test_all_that_prints_can_print_json() -> None:
    group = main
    assert isinstance(group, Commands)
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        for path, inner in _printing(command, name).items():
            options = {option for param in inner.params for option in param.opts}
            assert "--json" in options or path == "run", path


def test_unknown_command_is_wrong_use(invoke: Invoke) -> None:
    result = invoke(None, "stats")
    assert result.exit_code == 2
    assert "stats" in result.stderr


def test_missing_settings_say_what_to_do(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(tmp_path / "ivrd.toml", "status")
    assert result.exit_code == 2
    assert "sample-data" in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_settings_are_all_told_one_a_line(invoke: Invoke, own_sample: Path) -> None:
    text = own_sample.read_text(encoding="utf-8")
    text = text.replace('disclosure = "open"', 'disclosure = "opne"').replace(
        "rings = 1", "ringz = 1"
    )
    own_sample.write_text(text, encoding="utf-8")
    result = invoke(own_sample, "lines", "--json")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"ivrd: {own_sample}:") for line in lines)
    told = json.loads(result.stdout)
    assert [problem["key"] for problem in told["problems"]] == [
        "enquiry.disclosure",
        "lines[0].ringz",
    ]
    assert told["problems"][1]["nearest"] == "rings"


@pytest.mark.parametrize(
    "args",
    [("status",), ("lines",), ("watch",), ("reload",), ("call", "--keys", "1"),
     ("enquiry", "stop", "--lines", "1"), ("flow", "reload")],
)  # fmt: skip
def test_without_a_daemon_the_exit_code_is_3(
    args: tuple[str, ...], invoke: Invoke, sample: Path
) -> None:
    result = invoke(sample, *args)
    assert result.exit_code == 3
    assert "ivrd run" in result.stderr
    assert result.stdout == ""


def test_a_fault_of_our_own_is_no_traceback_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.group(cls=Commands)
    def broken() -> None:
        raise KeyError("13805710009")

    monkeypatch.delenv("IVRD_DEBUG", raising=False)
    result = CliRunner().invoke(broken, ["status"])
    assert result.exit_code == 70
    assert "KeyError" in result.stderr
    assert "13805710009" not in result.stderr
    monkeypatch.setenv("IVRD_DEBUG", "1")
    assert "Traceback" in CliRunner().invoke(broken, ["status"]).stderr


def test_a_reader_that_goes_away_ends_it_quietly(sample: Path) -> None:
    listing = started("prompts", "list", config=sample)
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.readline()
    listing.stdout.close()
    told = listing.stderr.read()
    listing.stderr.close()
    listing.wait()
    assert told == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.9, "59 s"), (185, "3:05"), (3723, "1:02:03"), (187200, "2 d 4 h")],
)
def test_durations_as_people_read_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_json_option_is_remembered_for_failures() -> None:
    @click.command()
    @json_option
    @click.pass_context
    def shows(ctx: click.Context, as_json: bool) -> None:
        click.echo(f"{as_json} {ctx.meta}")

    assert "True" in CliRunner().invoke(shows, ["--json"]).output
