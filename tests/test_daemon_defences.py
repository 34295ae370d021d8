"""The daemon when cards, logs and people around it fail: it says so, and goes on."""

from __future__ import annotations

import asyncio
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import wave
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ivrd.daemon
import sim.card
from ivrd import resources
from ivrd.assembly import Parts
from ivrd.clock import Clock
from ivrd.commands import Prompt
from ivrd.config import Config, load_config
from ivrd.control.client import ControlClient
from ivrd.control.run import run_daemon
from ivrd.control.server import ControlServer
from ivrd.daemon import Daemon
from ivrd.errors import CardError, ControlError
from sim.card import SoftwareCard
from sim.channel import SoftwareChannel
from sim.party import Leg, read_pcm

SETTINGS = """
[node]
data = "{data}"

[enquiry]
disclosure = "open"

[billing]
mapping = "telecom"
url = "sqlite:///{db}"
{cards}
"""
CARD = """
[[card]]
name = "{name}"
driver = "{driver}"
channels = 2
"""


class Moody(SoftwareCard):
    """A software card that fails so often before it works, at a step of its life."""

    fails: dict[str, list[Exception]]
    did: list[str]

    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__(clock, **options)

    def _do(self, what: str) -> None:
        self.did.append(what)
        if self.fails.get(what):
            raise self.fails[what].pop(0)

    async def open(self) -> Sequence[SoftwareChannel]:
        """Open, or fail."""
        self._do("open")
        return await super().open()

    async def prepare(self, prompts: Collection[Prompt]) -> None:
        """Prepare, or fail."""
        self._do("prepare")
        await super().prepare(prompts)

    async def close(self) -> None:
        """Close, or fail."""
        self._do("close")
        await super().close()


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> type[Moody]:
    """Return a driver that can be found by the name of moody, and is tried again at once."""

    class Driver(Moody):
        fails: dict[str, list[Exception]] = {}  # noqa: RUF012 - one class for each test
        did: list[str] = []  # noqa: RUF012 - as above

    points = [
        SimpleNamespace(name="moody", load=lambda: Driver),
        SimpleNamespace(name="software", load=lambda: SoftwareCard),
    ]
    monkeypatch.setattr(ivrd.daemon, "entry_points", lambda group: points if group else [])
    monkeypatch.setattr(ivrd.daemon, "RETRY_S", 0.0)
    return Driver


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder whose path is short enough for a socket (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as name:
        yield Path(name)


def config(folder: Path, db: Path, *drivers: str) -> Config:
    """Return settings with a card for each driver, called by its name."""
    cards = "".join(CARD.format(name=driver, driver=driver) for driver in drivers)
    file = folder / "ivrd.toml"
    file.write_text(SETTINGS.format(data=folder / "var", db=db, cards=cards), encoding="utf-8")
    return load_config(file)


async def until_open(daemon: Daemon, card: str) -> None:
    """Wait until a card is open."""
    async with asyncio.timeout(10):
        while not daemon.cards[card].open:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


# -- cards ---------------------------------------------------------------------------------------


async def test_card_that_breaks_while_opening_is_told_and_tried_again(
    folder: Path, sample_db: Path, moody: type[Moody], capsys: pytest.CaptureFixture[str]
) -> None:
    moody.fails["open"] = [CardError("busy"), OSError("no such device"), KeyError("slot")]
    daemon = Daemon(config(folder, sample_db, "moody"))
    await daemon.start()
    try:
        await until_open(daemon, "moody")
        assert sorted(daemon.lines) == [1, 2]
    finally:
        await daemon.stop()
    told = capsys.readouterr().out
    assert told.count("card_not_open") == 3
    assert "no such device" in told


async def test_card_is_closed_before_it_is_opened_again(
    folder: Path, sample_db: Path, moody: type[Moody]
) -> None:
    moody.fails["prepare"] = [CardError("x.wav cannot be played")]
    daemon = Daemon(config(folder, sample_db, "moody"))
    await daemon.start()
    try:
        await until_open(daemon, "moody")
        assert moody.did == ["open", "prepare", "close", "open", "prepare"]
    finally:
        await daemon.stop()


@pytest.mark.usefixtures("moody")
async def test_log_that_cannot_be_opened_is_told_and_tried_again(
    folder: Path, sample_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(config(folder, sample_db, "moody"))
    (folder / "var" / "log" / "line-02.log").mkdir(parents=True)
    await daemon.start()
    try:
        async with asyncio.timeout(10):
            while "IsADirectoryError" not in daemon.cards["moody"].reason:
                assert not daemon.cards["moody"].open, "open, but without lines"
                await asyncio.sleep(0)
        (folder / "var" / "log" / "line-02.log").rmdir()
        await until_open(daemon, "moody")
        assert sorted(daemon.lines) == [1, 2]
    finally:
        await daemon.stop()
    assert "card_not_open" in capsys.readouterr().out


async def test_card_that_is_not_open_keeps_no_other_from_a_reload(
    folder: Path, sample_db: Path, moody: type[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ivrd.daemon, "RETRY_S", 3600.0)
    moody.fails["open"] = [CardError("not plugged in")]
    moody.fails["prepare"] = [CardError("not plugged in")]
    daemon = Daemon(config(folder, sample_db, "software", "moody"))
    await daemon.start()
    try:
        await until_open(daemon, "software")
        assert (await daemon.reload())["flow"]["changed"] is False
        assert "prepare" not in moody.did, "it prepares when it opens"
    finally:
        await daemon.stop()


@pytest.mark.usefixtures("no_leftovers")
async def test_card_that_breaks_while_closing_keeps_nothing_else_open(
    folder: Path,
    sample_db: Path,
    moody: type[Moody],
    capsys: pytest.CaptureFixture[str],
) -> None:
    moody.fails["close"] = [OSError("stuck")]
    daemon = Daemon(config(folder, sample_db, "moody", "software"))
    await daemon.start()
    await until_open(daemon, "moody")
    await until_open(daemon, "software")
    await daemon.stop()
    assert [state.open for state in daemon.cards.values()] == [False, False]
    assert list(daemon.cards["software"].card.channels) == []  # type: ignore[attr-defined]  # the software card's
    assert "stuck" in capsys.readouterr().out


# -- reloads -------------------------------------------------------------------------------------


async def test_reloads_come_one_after_the_other(
    folder: Path, sample_db: Path, moody: type[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    reloaded = Parts.reloaded

    def noted(parts: Parts) -> Parts:
        steps.append("reads")
        try:
            return reloaded(parts)
        finally:
            steps.append("has read")

    monkeypatch.setattr(Parts, "reloaded", noted)
    daemon = Daemon(config(folder, sample_db, "software"))
    await daemon.start()
    try:
        await until_open(daemon, "software")
        await asyncio.gather(daemon.reload(), daemon.reload(), daemon.reload())
    finally:
        await daemon.stop()
    assert steps == ["reads", "has read"] * 3
    assert moody.did == []


async def test_reload_that_breaks_is_told(
    folder: Path,
    sample_db: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[int] = []

    def breaks(_: Parts) -> Parts:
        asked.append(1)
        raise MemoryError("no room for voices")

    monkeypatch.setattr(Parts, "reloaded", breaks)

    async def send_both(daemon: Daemon) -> None:
        signal.raise_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while not asked:  # noqa: ASYNC110 - asked in a thread
                await asyncio.sleep(0)
        async with ControlClient(daemon.config.socket) as client:
            with pytest.raises(ControlError, match="MemoryError"):
                await client.post("/reload")
        signal.raise_signal(signal.SIGTERM)

    tasks: list[asyncio.Task[None]] = []
    await run_daemon(
        config(folder, sample_db, "software"),
        lambda daemon: tasks.append(asyncio.create_task(send_both(daemon))),
    )
    await tasks[0]
    assert "reload_refused" in capsys.readouterr().out


async def test_reload_gives_the_card_its_new_sentence_for_callers_without_a_line(
    folder: Path, sample_db: Path
) -> None:
    shutil.copytree(resources.PROMPTS, folder / "voice_prompts")
    settings = config(folder, sample_db, "software")
    file = folder / "ivrd.toml"
    text = file.read_text(encoding="utf-8") + 'when_full = "sentence"\n'
    file.write_text(text + f'[places]\nprompts = "{folder}/voice_prompts"\n', encoding="utf-8")
    daemon = Daemon(load_config(settings.path))
    await daemon.start()
    try:
        await until_open(daemon, "software")
        card = daemon.cards["software"].card
        assert card.when_full is not None
        before_s = card.when_full.duration_s
        for prompt in card.when_full.prompts:
            _make_half_as_long(prompt.path)
        await daemon.reload()
        assert card.when_full.duration_s == pytest.approx(before_s / 2, abs=0.01)
    finally:
        await daemon.stop()


def _make_half_as_long(file: Path) -> None:
    with wave.open(str(file), "rb") as sound:
        form, frames = sound.getparams(), sound.readframes(sound.getnframes() // 2)
    with wave.open(str(file), "wb") as sound:
        sound.setparams(form)
        sound.writeframes(frames)


async def test_calls_go_on_while_the_card_reads_its_new_voice_files(
    folder: Path, sample_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_row: list[int] = []

    def noted(prompt: Prompt) -> bytes:
        in_a_row[-1] += 1
        return read_pcm(prompt)

    async def turns() -> None:
        while True:
            in_a_row.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(sim.card, "read_pcm", noted)
    others = asyncio.create_task(turns())
    await asyncio.sleep(0)
    daemon = Daemon(config(folder, sample_db, "software"))
    await daemon.start()
    try:
        await until_open(daemon, "software")
        await daemon.reload()
    finally:
        others.cancel()
        await daemon.stop()
    assert sum(in_a_row) > 100
    assert max(in_a_row) == 1, "files read without a turn for anything else"


async def test_lines_are_there_when_the_daemon_says_that_it_runs(
    folder: Path, sample_db: Path
) -> None:
    lines: list[int] = []

    def ready(daemon: Daemon) -> None:
        lines.extend(daemon.lines)
        signal.raise_signal(signal.SIGTERM)

    await run_daemon(config(folder, sample_db, "software"), ready)
    assert lines == [1, 2]


HANGS_UP_WHILE_STARTING = """
import asyncio, os, signal, sys
from pathlib import Path
from ivrd.config import load_config
from ivrd.control.run import run_daemon
from ivrd.daemon import Daemon

start, reload = Daemon.start, Daemon.reload

async def hung_up(daemon):
    os.kill(os.getpid(), signal.SIGHUP)
    await start(daemon)

async def last(daemon):
    told = await reload(daemon)
    os.kill(os.getpid(), signal.SIGTERM)
    return told

Daemon.reload = last
Daemon.start = hung_up
asyncio.run(run_daemon(load_config(Path(sys.argv[1]))))
"""


def test_sighup_during_the_start_is_a_reload_after_it(folder: Path, sample_db: Path) -> None:
    config(folder, sample_db, "software")
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", HANGS_UP_WHILE_STARTING, str(folder / "ivrd.toml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.index("started") < done.stdout.index("reloaded")


# -- the control socket --------------------------------------------------------------------------


@pytest.fixture
def settings(folder: Path, sample_db: Path) -> Config:
    return config(folder, sample_db, "software")


async def test_control_socket_replaces_no_file(settings: Config) -> None:
    settings.socket.parent.mkdir()
    settings.socket.write_text("precious", encoding="utf-8")
    server = ControlServer(Daemon(settings))
    with pytest.raises(ControlError, match=r"is no socket"):
        await server.start()
    await server.stop()
    assert settings.socket.read_text(encoding="utf-8") == "precious"


async def test_control_socket_is_its_owners_alone(settings: Config) -> None:
    server = ControlServer(Daemon(settings))
    await server.start()
    try:
        assert stat.S_IMODE(settings.socket.stat().st_mode) == 0o600
    finally:
        await server.stop()
    assert not settings.socket.exists()


async def test_folder_of_the_control_socket_that_cannot_be_made_is_told(settings: Config) -> None:
    settings.data.write_text("a file where the folder should be", encoding="utf-8")
    server = ControlServer(Daemon(settings))
    with pytest.raises(ControlError, match=r"places\.socket"):
        await server.start()
    await server.stop()


async def test_recording_of_a_call_is_not_written_in_the_loops_thread(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    write_wav = Leg.write_wav

    def noted(leg: Leg, path: Path) -> None:
        threads.append(threading.current_thread().name)
        write_wav(leg, path)

    monkeypatch.setattr(Leg, "write_wav", noted)
    daemon = Daemon(settings)
    await daemon.start()
    server = ControlServer(daemon)
    await server.start()
    try:
        await until_open(daemon, "software")
        async with ControlClient(settings.socket) as client, asyncio.timeout(10):
            call = await client.phone(wav="1")
            await call.hang_up()
            told = [message async for message in call]
    finally:
        await daemon.stop()
        await server.stop()
    assert isinstance(told[-1], bytes)
    assert told[-1].startswith(b"RIFF")
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize(
    "body",
    [
        {"lines": "12"},
        {"lines": [1], "now": "false"},
        {"lines": [1.5]},
        {"lines": [True]},
        {"lines": ["1"]},
        {"lines": {"1": 2}},
        [1],
        None,
    ],
    ids=str,
)
async def test_lines_that_are_no_list_of_numbers_stop_nothing(settings: Config, body: Any) -> None:
    daemon = Daemon(settings)
    await daemon.start()
    server = ControlServer(daemon)
    await server.start()
    try:
        await until_open(daemon, "software")
        async with ControlClient(settings.socket) as client:
            with pytest.raises(ControlError, match="expected"):
                await client.post("/lines/stop", body)
            assert not any(line.stopped for line in daemon.lines.values())
            assert await client.post("/lines/stop", {"lines": [2, 1, 2]}) == {"lines": [1, 2]}
    finally:
        await daemon.stop()
        await server.stop()
