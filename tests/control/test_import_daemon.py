"""A daemon in stand-alone mode: it imports by plan, and goes over to new data between calls."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ivrd import import_watch
from ivrd.billing.imports.embedded import seen
from ivrd.billing.sample_tables import write_sample
from ivrd.cli import main
from ivrd.control.views import status_view
from ivrd.daemon import Daemon
from ivrd.flow.actions import Answer
from ivrd.service import Service
from sim.party import Party
from tests.control.conftest import card_of, daemon_with, until

SETTINGS = """
[node]
data = "{data}"
languages = ["zh-CN"]
[enquiry]
disclosure = "open"
[billing]
mode = "stand-alone"
[import]
mapping = "telecom"
url = "sqlite:///{source}"
{more}
[[card]]
name = "soft"
driver = "software"
channels = 2
"""


class Home:
    """A stand-alone node with its source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source.db"
        self.file = folder / "var" / "billing.db"

    def settings(self, more: str = "") -> str:
        return SETTINGS.format(data=self.folder / "var", source=self.source, more=more)

    def run_import(self) -> None:
        file = self.folder / "by-hand.toml"
        file.write_text(self.settings(), encoding="utf-8")
        done = CliRunner().invoke(main, ["--config", str(file), "import"])
        assert done.exit_code == 0, done.output

    def renumber(self) -> None:
        """Let everybody have another phone number."""
        with closing(sqlite3.connect(self.source)) as owner, owner:
            owner.execute("UPDATE TB_SERV SET ACC_NBR = '9' || ACC_NBR")

    def held(self) -> int:
        """Return how many files of ours this process reads that are no longer in their place."""
        links = Path("/proc/self/fd").iterdir()
        return sum(1 for link in links if _target(link) == f"{self.file} (deleted)")


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(import_watch, "LOOK_S", 0.01)
    made = Home(tmp_path)
    write_sample(made.source, datetime.now().astimezone().date(), accounts=30, months=2)
    return made


@pytest.fixture
async def daemon(home: Home) -> AsyncIterator[Daemon]:
    """Run a daemon on data that was imported before it started."""
    home.run_import()
    async with daemon_with(home.settings()) as running:
        yield running


async def found(service: Service, number: str) -> str:
    """Look a number up as a call of this service does, and return how that ended."""
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    service.actions.start("find_by_phone", {"number": number}, answered.set_result)
    return (await answered).event


async def test_calls_in_progress_end_on_the_data_they_began_with(
    home: Home, daemon: Daemon
) -> None:
    leg = card_of(daemon).call("88610001", "170", Party())
    await until(lambda: daemon.lines[1].talk or daemon.lines[2].talk)
    line = next(line for line in daemon.lines.values() if line.talk)
    assert line.talk
    begun = line.talk.service
    assert leg
    old = await found(begun, "88610001")
    gone = await found(begun, "988610001")
    assert old != gone
    home.renumber()
    await asyncio.to_thread(home.run_import)
    await until(lambda: daemon.service is not begun)
    for _ in range(10):  # more than there are connections
        assert await found(begun, "88610001") == old
        assert await found(begun, "988610001") == gone
    assert line.talk is not None
    assert line.talk.service is begun
    assert await found(daemon.service, "988610001") == old
    assert await found(daemon.service, "88610001") == gone
    assert daemon.parts.reader.find_by_phone("988610001")
    assert home.held()
    begun = daemon.service
    leg.hang_up()
    await until(lambda: line.talk is None)

    def let_go() -> bool:
        gc.collect()
        return not home.held()

    await until(let_go)


async def test_status_says_how_old_the_data_is(home: Home, daemon: Daemon) -> None:
    told: dict[str, Any] = status_view(daemon)["imported"]
    assert told["as_of"]
    assert told["age_s"] < 600
    assert not told["old"]
    assert told["rows"]["accounts"] > 20
    assert told["next"] is None
    del home


async def test_data_that_does_not_fit_is_not_used(home: Home, daemon: Daemon) -> None:
    before = daemon.service
    home.file.with_suffix(".bad").write_bytes(b"no database at all")
    home.file.with_suffix(".bad").replace(home.file)
    imports = daemon.imports
    assert imports
    await until(lambda: seen(home.file) == imports._seen)  # noqa: SLF001 - nothing tells of it
    await asyncio.sleep(0)
    assert daemon.service is before
    assert daemon.parts.reader.find_by_phone("88610001")


async def test_what_was_missed_is_imported_when_the_daemon_starts(home: Home) -> None:
    async with daemon_with(home.settings('at = ["00:00"]')) as daemon:
        assert await found(daemon.service, "88610001") == "U_DOWN"
        imports = daemon.imports
        assert imports
        await until(lambda: imports.age_s is not None and not imports.running, 60)
        await until(lambda: daemon.parts.mapping.name == "stand-alone")
        assert imports.failed is None
        await until(lambda: daemon.billing.state == "up")
        assert daemon.parts.reader.find_by_phone("88610001")


async def test_an_import_that_fails_is_told_and_calls_go_on(home: Home) -> None:
    home.run_import()
    home.source.unlink()
    with closing(sqlite3.connect(home.file)) as owner, owner:
        owner.execute('UPDATE about SET told = replace(told, \'"as_of": "20\', \'"as_of": "19\')')
    async with daemon_with(home.settings('at = ["00:00"]')) as daemon:
        imports = daemon.imports
        assert imports
        await until(lambda: imports.failed, 60)
        told: dict[str, Any] = status_view(daemon)["imported"]
        assert told["old"]
        assert "source.db" in told["why"]
        assert daemon.parts.reader.find_by_phone("88610001")
