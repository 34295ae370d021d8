"""One private Asterisk with the four ways to carry the call on it, and what each costs."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.asterisk.ari_script import APP
from bench.asterisk.bill import (
    AUDIO,
    GREETING,
    LOOKUP,
    MENU,
    NUMBER,
    PHONE,
    TOP,
    Bills,
    last_month,
    write_bills,
)
from ivrd.card import MAX_CHANNELS
from tests.real.private_asterisk import PrivateAsterisk

READY_S = 90.0
_RTP_PORTS = 1600
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Way:
    """One way to carry the call."""

    name: str
    numbers: tuple[str, ...]
    """What is dialled; calls go to them in turn."""
    process: subprocess.Popen[bytes] | None = None
    """The application, where there is one."""


class Exchange:
    """The Asterisk and the three applications, up all the time."""

    def __init__(self, folder: Path, calls: int) -> None:
        self._folder = folder
        self.ways: list[Way] = []
        # one path is short enough for a whole bill in one order of the dialplan
        self._voices = folder / "v"
        self._voices.symlink_to(AUDIO)
        write_bills(folder / "sample.db")
        self._bill = Bills(folder / "sample.db").sentences(PHONE, last_month())
        self.asterisk = PrivateAsterisk(folder / "a")
        self._agi_port = _free_port()
        self._apps = [f"ivrd{n + 1}" for n in range(-(-calls // MAX_CHANNELS))]
        self._write_files(calls)

    @property
    def bill(self) -> list[str]:
        """The voice files of the bill that each call hears."""
        return [name for sentence in self._bill for name in sentence]

    def start_ivrd(self) -> None:
        """Start Asterisk and ivrd, without the peers, and wait until they take calls."""
        asyncio.run(self.asterisk.start())
        self.ways = [self._ivrd()]
        self._wait_until_ready(self._apps)

    def start(self) -> None:
        """Start all of it, and wait until it takes calls."""
        asyncio.run(self.asterisk.start())
        database, voices = str(self._folder / "sample.db"), str(self._voices)
        agi = self._run(
            "agi", "-m", "bench.asterisk.fastagi", str(self._agi_port), database, voices
        )
        ari = self._run("ari", "-m", "bench.asterisk.ari_script", str(self.asterisk.http_port),
                        str(self.asterisk.secret_file), database, voices)  # fmt: skip
        self.ways = [
            Way("native dialplan", ("native",)),
            Way("asyncio FastAGI", ("agi",), agi),
            Way("aiohttp ARI script", ("script",), ari),
            self._ivrd(),
        ]
        self._wait_until_ready([APP, *self._apps])

    def stop(self) -> None:
        """End all of it."""
        for way in self.ways:
            if way.process is not None:
                way.process.terminate()
                try:
                    way.process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    way.process.kill()
                    way.process.wait()
        self.asterisk.stop()

    def cpu_s(self, way: Way) -> tuple[float, float]:
        """Return the processor seconds of Asterisk and of the application so far."""
        if self.asterisk.process is None:
            raise RuntimeError("Asterisk does not run")
        return _cpu_s(self.asterisk.process.pid), _cpu_s(way.process.pid) if way.process else 0.0

    def wait_until_quiet(self) -> None:
        """Wait until no channel is up."""
        until_s = time.monotonic() + 20
        while self.asterisk.channels():
            if time.monotonic() > until_s:
                raise RuntimeError("channels stay up: " + self.asterisk.cli("core show channels"))
            time.sleep(0.2)

    def _run(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.out").open("wb") as out:
            return subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, *command], cwd=TOP, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, env=os.environ | {"PYTHONPATH": str(TOP)},
            )  # fmt: skip

    def _ivrd(self) -> Way:
        process = self._run("ivrd", "-c", "from ivrd.cli import main; main()", "--config",
                            str(self._folder / "ivrd.toml"), "run")  # fmt: skip
        return Way("ivrd", tuple(self._apps), process)

    def _wait_until_ready(self, wanted: Sequence[str]) -> None:
        """Wait until the applications are known to Asterisk and idle: ivrd tries voice files."""
        until_s = time.monotonic() + READY_S
        while True:
            apps = set(self.asterisk.cli("ari show apps").split())
            agi = len(self.ways) == 1 or _connects(self._agi_port)
            up = apps.issuperset(wanted) and agi and self.asterisk.channels() == 0
            if up and self.lines_idle() == self.lines:
                return
            for way in self.ways:
                if way.process is not None and way.process.poll() is not None:
                    raise RuntimeError(f"{way.name} ended; see {self._folder}")
            if time.monotonic() > until_s:
                raise RuntimeError(f"not ready within {READY_S:g} s; see {self._folder}")
            time.sleep(0.5)

    @property
    def lines(self) -> int:
        """How many lines ivrd has."""
        return MAX_CHANNELS * len(self._apps)

    def lines_idle(self) -> int:
        """Return how many of ivrd's lines wait for a call."""
        command = ["-c", "from ivrd.cli import main; main()", "--config",
                   str(self._folder / "ivrd.toml"), "lines"]  # fmt: skip
        lines = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, *command], cwd=TOP, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(TOP)},
        )  # fmt: skip
        return len(re.findall(r"(?i)\bidle\b", lines.stdout))

    # The files -----------------------------------------------------------------------------

    def _write_files(self, calls: int) -> None:
        etc = self._folder / "a" / "etc"
        with (etc / "modules.conf").open("a") as file:
            # res_agi will not load without res_speech
            for name in ("res_speech", "res_agi", "app_read", "func_db"):
                file.write(f"load = {name}.so\n")
        with (etc / "extensions.conf").open("a") as file:
            file.write(self._dialplan())
        _edit(etc / "http.conf", "sessionlimit = .*", f"sessionlimit = {200 + 2 * calls}")
        end = self.asterisk.rtp_start + max(_RTP_PORTS, 4 * calls)
        _edit(etc / "rtp.conf", "rtpend = .*", f"rtpend = {end}")
        with sqlite3.connect(self._folder / "a" / "db" / "astdb.sqlite3") as astdb:
            astdb.execute(
                "CREATE TABLE astdb (key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))"
            )
            said = self._files(self.bill)
            key = f"/bill/{PHONE}-{last_month()}"
            astdb.execute("INSERT INTO astdb VALUES (?, ?)", (key, said))
        cards = "\n".join(self._card(app) for app in self._apps)
        (self._folder / "ivrd.toml").write_text(
            f"""
[node]
languages = ["zh-CN"]
data = "{self._folder}/var"
[places]
flows = "{TOP}/fsm_specs"
prompts = "{TOP}/voice_prompts"
[enquiry]
disclosure = "open"
[billing]
mapping = "telecom"
url = "sqlite:///{self._folder}/sample.db"
{cards}
{self._lines()}
""",
            encoding="utf-8",
        )

    def _card(self, app: str) -> str:
        return f"""
[[card]]
name = "{app}"
driver = "asterisk"
channels = {MAX_CHANNELS}
[card.options]
url = "http://127.0.0.1:{self.asterisk.http_port}"
password_file = "{self.asterisk.secret_file}"
app = "{app}"
"""

    def _lines(self) -> str:
        return "\n".join(
            f'[[lines]]\nnumbers = "{n * MAX_CHANNELS + 1}-{(n + 1) * MAX_CHANNELS}"\n'
            f'card = "{app}"\nchannels = "1-{MAX_CHANNELS}"\n'
            for n, app in enumerate(self._apps)
        )

    def _dialplan(self) -> str:
        stasis = "".join(
            f"exten => {number},1,Stasis({app},170)\n same => n,Hangup()\n"
            for number, app in [("script", APP), *((app, app) for app in self._apps)]
        )
        return f"""
[ivrd-in](+)
exten => native,1,Answer()
 same => n,Read(MONTH,{self._files(GREETING)},6,,1,8)
 same => n,Read(WAY,{self._files(LOOKUP)},1,,1,8)
 same => n,Read(PHONE,{self._files(NUMBER)},11,,1,8)
 same => n,Playback(${{DB(bill/${{PHONE}}-${{MONTH}})}})
 same => n,Playback({self._files(MENU)})
 same => n,Read(WAY,,1,,1,8)
 same => n,Hangup()
exten => agi,1,AGI(agi://127.0.0.1:{self._agi_port}/)
 same => n,Hangup()
{stasis}"""

    def _files(self, names: Sequence[str]) -> str:
        return "&".join(f"{self._voices}/{name}" for name in names)


def _edit(file: Path, old: str, new: str) -> None:
    text, times = re.subn(f"(?m)^{old}$", new, file.read_text())
    if times != 1:
        raise RuntimeError(f"{file} has {old!r} {times} times, expected once")
    file.write_text(text)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
