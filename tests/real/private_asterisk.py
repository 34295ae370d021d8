"""An Asterisk of our own: the package's files and deploy/asterisk, on loopback and free ports.

Its files are in a folder of its own. It runs from the folder that tests/real/setup unpacked, by
that folder's own loader and libraries, so it needs no root and sees this machine's files: voice
files have one path for both sides.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy" / "asterisk"

TRUNK_HOST = "127.0.0.2"
GATEWAY_HOST = "127.0.0.3"
"""Where the far ends are: Asterisk knows trunk and gateway by their address, as it should."""

_BOOT_S = 30.0
_RTP_PORTS = 800


def tree() -> Path:
    """Return the folder of the unpacked Asterisk, there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("IVRD_ASTERISK") or cache / "ivrd" / "asterisk")


def missing() -> str:
    """Return what the tests lack on this machine, or ""."""
    lacks = [tool for tool in ("sipp", "baresip") if shutil.which(tool) is None]
    if not (tree() / ".complete").exists():
        lacks.insert(0, f"Asterisk in {tree()}")
    return f"no {', no '.join(lacks)}: run tests/real/setup" if lacks else ""


@dataclass
class PrivateAsterisk:
    """One Asterisk; `kill` and `start` may follow each other as often as you like."""

    folder: Path
    away_prompt: str = ""
    sip_port: int = field(default_factory=lambda: _free_port(socket.SOCK_DGRAM))
    http_port: int = field(default_factory=lambda: _free_port(socket.SOCK_STREAM))
    trunk_port: int = field(default_factory=lambda: _free_port(socket.SOCK_DGRAM, TRUNK_HOST))
    rtp_start: int = field(default_factory=lambda: _free_range(_RTP_PORTS))
    process: subprocess.Popen[bytes] | None = None
    boots: int = 0

    def __post_init__(self) -> None:
        self._write_files()

    @property
    def secret_file(self) -> Path:
        return self.folder / "etc" / "ari_secret"

    @property
    def secret(self) -> str:
        return self.secret_file.read_text().strip()

    @property
    def softphone_password(self) -> str:
        text = (self.folder / "etc" / "softphone_password.conf").read_text()
        return text.split("=")[1].strip()

    @property
    def messages(self) -> str:
        """What Asterisk has said since it was first started."""
        return (self.folder / "output").read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.process is not None

    async def start(self) -> None:
        """Start it, and wait until it takes requests."""
        assert self.process is None, "it runs already"
        output = (self.folder / "output").open("ab")
        with output:
            self.process = subprocess.Popen(  # noqa: ASYNC220, S603 - exec only; our own command
                [*_command(), "-f", "-n", "-C", str(self.folder / "etc" / "asterisk.conf")],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.boots += 1
        until_s = asyncio.get_running_loop().time() + _BOOT_S
        while not await self._answers():
            if self.process.poll() is not None or asyncio.get_running_loop().time() > until_s:
                self.kill()
                raise RuntimeError(f"Asterisk did not start:\n{self.messages}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would, in an instant; nothing where it does not run."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it answer nothing, with all its connections open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def cli(self, command: str) -> str:
        """Return what Asterisk's command line answers."""
        asked = [*_command(), "-C", str(self.folder / "etc" / "asterisk.conf"), "-rx", command]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - our own command
        return done.stdout

    @contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Let a variable of [globals] have another value for a while."""
        old = re.search(rf"(?m)^{name} = (.*)$", (self.folder / "etc/extensions.conf").read_text())
        assert old, f"extensions.conf has no {name}"
        self.cli(f'dialplan set global {name} "{value}"')
        try:
            yield
        finally:
            self.cli(f'dialplan set global {name} "{old[1]}"')

    def login(self) -> dict[str, str]:
        """Return the header that ARI wants."""
        token = base64.b64encode(f"ivrd:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    def channels(self) -> int:
        """Return how many channels are up."""
        found = re.search(r"(\d+) active channel", self.cli("core show channels count"))
        assert found, "no count of channels"
        return int(found[1])

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    async def _answers(self) -> bool:
        """Whether ARI answers: the port opens some time before all modules are there."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
        except OSError:
            return False
        headers = {"Host": "127.0.0.1", "Connection": "close"} | self.login()
        lines = ["GET /ari/asterisk/info?only=status HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            status = await asyncio.wait_for(reader.readline(), 2)
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        if b" 401 " in status:
            raise RuntimeError("Asterisk does not take the password of ari_password.conf")
        return b" 200 " in status

    # The files -----------------------------------------------------------------------------

    def _write_files(self) -> None:
        etc = self.folder / "etc"
        # as deploy/asterisk/README.md says: the package's own files, and ours over them
        shutil.copytree(tree() / "etc" / "asterisk", etc)
        shutil.copytree(DEPLOY, etc, dirs_exist_ok=True)
        for name in ("lib", "db", "spool", "run", "log"):
            (self.folder / name).mkdir()
        # the package has it on, on a port that all would share; ivrd needs none
        (etc / "manager.conf").write_text("[general]\nenabled = no\n")
        subprocess.run([etc / "passwords", etc], check=True)  # noqa: S603 - our own script
        share = tree() / "usr" / "share" / "asterisk"
        modules = next((tree() / "usr" / "lib").glob("*/asterisk/modules"))
        for file, old, new in (
            ("asterisk.conf", r"\[directories\]\(!\)", "[directories]"),
            ("asterisk.conf", "astetcdir => .+", f"astetcdir => {etc}"),
            ("asterisk.conf", "astmoddir => .+", f"astmoddir => {modules}"),
            ("asterisk.conf", "astvarlibdir => .+", f"astvarlibdir => {self.folder}/lib"),
            ("asterisk.conf", "astdbdir => .+", f"astdbdir => {self.folder}/db"),
            ("asterisk.conf", "astkeydir => .+", f"astkeydir => {self.folder}/lib"),
            ("asterisk.conf", "astdatadir => .+", f"astdatadir => {share}"),
            ("asterisk.conf", "astagidir => .+", f"astagidir => {share}/agi-bin"),
            ("asterisk.conf", "astspooldir => .+", f"astspooldir => {self.folder}/spool"),
            ("asterisk.conf", "astrundir => .+", f"astrundir => {self.folder}/run"),
            ("asterisk.conf", "astlogdir => .+", f"astlogdir => {self.folder}/log"),
            ("asterisk.conf", "; *mindtmfduration = .*", "mindtmfduration = 40"),
            ("http.conf", "bindport = 8088", f"bindport = {self.http_port}"),
            ("pjsip.conf", "bind = 0.0.0.0:5060", f"bind = 127.0.0.1:{self.sip_port}"),
            ("pjsip.conf", "contact = sip:192.0.2.10:5060",
             f"contact = sip:{TRUNK_HOST}:{self.trunk_port}"),
            ("pjsip.conf", "from_domain = 192.0.2.10", f"from_domain = {TRUNK_HOST}"),
            ("pjsip.conf", "match = 192.0.2.10", f"match = {TRUNK_HOST}"),
            ("pjsip.conf", "contact = sip:192.0.2.20:5060",
             f"contact = sip:{GATEWAY_HOST}:{self.trunk_port}"),
            ("pjsip.conf", "match = 192.0.2.20", f"match = {GATEWAY_HOST}"),
            ("rtp.conf", "rtpstart = 10000", f"rtpstart = {self.rtp_start}"),
            ("rtp.conf", "rtpend = 11999", f"rtpend = {self.rtp_start + _RTP_PORTS - 1}"),
            ("extensions.conf", "IVRD_AWAY_PROMPT = .*", f"IVRD_AWAY_PROMPT = {self.away_prompt}"),
        ):  # fmt: skip
            path = etc / file
            text, times = re.subn(f"(?m)^{old}$", new, path.read_text())
            assert times == 1, f"{file} has {old!r} {times} times, expected once"
            path.write_text(text)
        text = (etc / "pjsip.conf").read_text()
        # OPTIONS would end up in the far ends' scenarios, which speak of calls only
        (etc / "pjsip.conf").write_text(text.replace("qualify_frequency = 30", ""))


def _command() -> list[str]:
    usr = tree() / "usr"
    loader = next(path for lib in ("lib64", "lib") for path in (usr / lib).glob("ld-linux*"))
    libraries = next((usr / "lib").glob("*-linux-gnu*"))
    return [str(loader), "--library-path", f"{libraries}:{usr}/lib", f"{usr}/sbin/asterisk"]


def _free_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _free_range(ports: int) -> int:
    """Return the first of so many UDP ports that are free, below those that Linux hands out."""
    while True:
        first = random.randrange(12_000, 32_000 - ports, 2)
        probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(ports)]
        try:
            for number, probe in enumerate(probes):
                probe.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first
