"""The OpenAPI document is what the code does: made of it, served, and tried by schemathesis."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import schemathesis
from click.testing import CliRunner

from ivrd.cli import main
from ivrd.control.api.openapi import document, stored, text
from ivrd.control.api.operations import OPERATIONS
from ivrd.control.api.problems import KINDS, TYPE
from tests.cli.cli_terminal import IVRD
from tests.control.api_office import Office, office

TOP = Path(__file__).parents[2]


def test_the_stored_document_is_what_the_code_makes() -> None:
    wanted = "python -m ivrd.control.api.openapi writes it anew"
    assert stored().decode() == text(), wanted


def test_the_document_is_valid() -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.validate()
    assert len(list(schema.get_all_operations())) == len(OPERATIONS)


def test_every_problem_is_in_the_manual() -> None:
    manual = (TOP / "docs/api.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([0-9]{3}) \|", manual, flags=re.MULTILINE))
    assert rows == {code: str(kind.status) for code, kind in KINDS.items()}
    assert TYPE in manual


@pytest.fixture
async def here(sample_db: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sample_db, tmp_path) as made:
        yield made


async def test_the_document_is_served_to_everybody(here: Office) -> None:
    url = f"http://127.0.0.1:{here.listener.port}/openapi.json"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.content_type == "application/json"
        assert await answer.read() == stored()


@dataclass
class Process:
    """A daemon as operators run it, and a token for it."""

    port: int
    token: str
    log: Path


@pytest.fixture
def process(sample: Path) -> Iterator[Process]:
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        shutil.copytree(sample.parent, folder, dirs_exist_ok=True)
        config, log = Path(folder) / "ivrd.toml", Path(folder) / "told"
        table = '\n[api]\nlisten = "127.0.0.1:0"\nwrong_tokens_a_minute = 600\n'
        text = config.read_text(encoding="utf-8").replace("[billing]", "[billing]\nlimit_s = 30", 1)
        config.write_text(text + table, encoding="utf-8")
        words = ["-c", str(config), "api", "client", "add", "tester", "--accounts", "any",
                 "--may", "bills,details,arrears", "--rate", "50000/s", "--json"]  # fmt: skip
        added = CliRunner().invoke(main, words)
        assert added.exit_code == 0, added.output
        # a file for its log: a pipe that nobody reads would fill and hold it up
        with log.open("w", encoding="utf-8") as told:
            daemon = subprocess.Popen(  # noqa: S603 - our own command
                [*IVRD, "--config", str(config), "run"], stdout=subprocess.PIPE, stderr=told,
                text=True,
            )  # fmt: skip
            try:
                assert daemon.stdout is not None
                assert any("Ctrl-C stops" in line for line in daemon.stdout), log.read_text("utf-8")
                port = re.search(r"event=listening .*port=(\d+)", log.read_text(encoding="utf-8"))
                assert port is not None
                yield Process(int(port[1]), json.loads(added.stdout)["token"], log)
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.communicate(timeout=30)


async def _handle(process: Process) -> str:
    url = f"http://127.0.0.1:{process.port}/api/v1/accounts"
    headers = {"Authorization": f"Bearer {process.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"phone": "88610001"}) as answer,
    ):
        return str((await answer.json())["account"])


_SETTINGS = """
[dictionaries.handles]
values = ["{handle}"]
[dictionaries.numbers]
values = ["88610001", "88610005", "88610007"]
[dictionaries.months]
values = ["{month}"]
[parameters]
"path.account" = {{ dictionary = "handles", probability = 0.8 }}
"path.month" = {{ dictionary = "months", probability = 0.8 }}
"query.from" = {{ dictionary = "months", probability = 0.8 }}
"query.to" = {{ dictionary = "months", probability = 0.8 }}
"body.phone" = {{ dictionary = "numbers", probability = 0.8 }}
"""
"""What is there for once, so that not every answer is 404."""


async def test_schemathesis_finds_nothing_that_the_document_does_not_say(
    process: Process, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{process.port}"
    headers = {"Authorization": f"Bearer {process.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/api/v1/client") as answer,
    ):
        month = (await answer.json())["months_to"]
    settings = tmp_path / "schemathesis.toml"
    handle = await _handle(process)
    settings.write_text(_SETTINGS.format(handle=handle, month=month), encoding="utf-8")
    command = Path(sys.executable).with_name("schemathesis")
    words = ["--config-file", str(settings), "run", f"{url}/openapi.json", "--no-color",
             "--header", f"Authorization: Bearer {process.token}", "--max-examples", "6",
             "--generation-deterministic", "--continue-on-failure"]  # fmt: skip
    done = subprocess.run(  # noqa: S603, ASYNC221 - our own tool; nobody else waits here
        [command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:]
    # it has gone through all of it, along the links too, and ivrd met nothing unforeseen
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
    links = re.search(r"API Links: +(\d+) covered", done.stdout)
    assert links is not None
    assert int(links[1]) > 0
    log = process.log.read_text(encoding="utf-8")
    assert log.count("event=api_asked") > 100
    assert "event=api_failed" not in log
    assert " status=5" not in log
