"""Telephones whose SIP is SIPp's and whose voice is ours; they do in a call what a test says."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import time
from pathlib import Path

from tests.contract.card_bench import FarEnd
from tests.real.private_asterisk import TRUNK_HOST, PrivateAsterisk
from tests.real.rtp import Packet, RtpEnd
from tests.real.sipp_scenarios import called, caller

_numbers = itertools.count(1)
_PORTS = Path("/proc/net/udp")


class Telephone(FarEnd):
    """One telephone in one call."""

    def __init__(self, line: Line, call_id: str, voice: RtpEnd, host: str) -> None:
        self.call_id = call_id
        self.voice = voice
        self.by_info = False
        """Whether keys go by SIP INFO; else by RFC 4733."""
        self._line = line
        self._host = host
        self._heard_before = len(voice.packets)

    @property
    def words(self) -> list[str]:
        """What has become of the call, in order."""
        return [word for word, call_id, *_ in self._line.log() if call_id == self.call_id]

    @property
    def ringing(self) -> bool:
        return "ringing" in self.words

    @property
    def answered(self) -> bool:
        return "answered" in self.words

    @property
    def refused(self) -> int | None:
        """The SIP status that refused the call."""
        return next((int(w.split("-")[1]) for w in self.words if w.startswith("refused")), None)

    @property
    def over(self) -> bool:
        return "over" in self.words

    @property
    def busy(self) -> bool:
        return self.refused in {486, 600}

    @property
    def heard_s(self) -> float:
        return sum(len(packet.payload) for packet in self.packets) / 8000

    @property
    def packets(self) -> list[Packet]:
        """The speech of this call."""
        return self.voice.packets[self._heard_before :]

    async def keys(self, keys: str, on_s: float = 0.05, off_s: float = 0.05) -> None:
        if not self.by_info:
            await self.voice.keys(keys, on_s, off_s)
            return
        for key in keys:
            self._tell("key", f"\r\nX-Key: {key}")
            await asyncio.sleep(on_s + off_s)

    async def hang_up(self) -> None:
        self._tell("hangup")

    async def until(self, word: str, within_s: float = 5.0) -> None:
        """Wait until this has become of the call."""
        until_s = time.monotonic() + within_s
        while not any(found.startswith(word) for found in self.words):
            if time.monotonic() > until_s:
                raise AssertionError(f"not {word} within {within_s} s; {self.words or 'nothing'}")
            await asyncio.sleep(0.01)

    async def until_quiet(self, quiet_s: float = 0.3, within_s: float = 60.0) -> None:
        """Wait until something was heard from here on, and then nothing for `quiet_s`."""
        began_s, before = time.time(), len(self.voice.packets)
        while len(self.voice.packets) == before or self.voice.quiet_s(time.time()) < quiet_s:
            if time.time() - began_s > within_s or self.over:
                raise AssertionError(f"no speech and then quiet within {within_s} s")
            await asyncio.sleep(0.01)

    def _tell(self, what: str, more: str = "") -> None:
        text = (
            f"MESSAGE sip:phone@{self._host} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-{next(_numbers)}\r\n"
            f"From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:phone@{self._host}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: 1 MESSAGE\r\nX-Do: {what}{more}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(text.encode(), (self._host, self._line.port))


class Line:
    """One SIPp, and the log of its calls."""

    def __init__(self, folder: Path, host: str, port: int, scenario: str, *more: str) -> None:
        folder.mkdir(exist_ok=True, parents=True)
        name = f"phone-{next(_numbers)}-{os.getpid()}"
        self.port = port
        self._log = folder / f"{name}.log"
        self.errors = folder / f"{name}.errors"
        self.messages = folder / f"{name}.messages"
        file = folder / f"{name}.xml"
        file.write_text(scenario)
        command = [
            "sipp", "-sf", str(file), "-i", host, "-p", str(port), "-nostdin",
            "-trace_logs", "-log_file", str(self._log), "-trace_err", "-error_file",
            str(self.errors), "-trace_msg", "-message_file", str(self.messages),
            "-recv_timeout", "300000", "-default_behaviors", "all,-bye", *more,
        ]  # fmt: skip
        with (folder / f"{name}.out").open("wb") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def log(self) -> list[list[str]]:
        """Return what was logged, each line as words."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return [line.split() for line in text.splitlines() if line.strip()]

    async def listens(self) -> None:
        """Wait until the port is taken."""
        until_s = time.monotonic() + 5
        entry = f":{self.port:04X} "
        while entry not in _PORTS.read_text():  # noqa: ASYNC240 - the kernel's own table
            assert time.monotonic() < until_s, "SIPp does not listen"
            assert self.process.poll() is None, f"SIPp ended: {self.errors.read_text()}"
            await asyncio.sleep(0.01)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Exchange:
    """All telephones of one test, at the far end of the trunk."""

    def __init__(self, asterisk: PrivateAsterisk, folder: Path, host: str = TRUNK_HOST) -> None:
        self.asterisk = asterisk
        self._folder = folder
        self._host = host
        self._lines: list[Line] = []
        self._callers: list[Telephone] = []
        self._voices: dict[int, RtpEnd] = {}
        self._called: Line | None = None

    async def call(self, caller_number: str, called_number: str, codecs: str = "0 8") -> Telephone:
        """Let a new telephone call through the trunk."""
        voice = self._voice()
        call_id = f"call-{next(_numbers)}-{os.getpid()}"
        line = Line(
            self._folder, self._host, _free_port(self._host), caller(f"{codecs} 101"),
            "-m", "1", "-s", called_number, "-cid_str", call_id, "-key", "ani", caller_number,
            "-key", "media", str(voice.port), f"127.0.0.1:{self.asterisk.sip_port}",
        )  # fmt: skip
        self._lines.append(line)
        await line.listens()
        self._callers.append(Telephone(line, call_id, voice, self._host))
        return self._callers[-1]

    async def number(self, behaviour: str) -> str:
        """Return a number for dialling through the trunk; `sipp_scenarios.called` has the list."""
        if self._called is None:
            port = self.asterisk.trunk_port
            self._called = Line(self._folder, self._host, port, called())
            self._lines.append(self._called)
            await self._called.listens()
        return f"{behaviour}{self._voice().port}"

    def dialled(self) -> list[Telephone]:
        """Return the telephones that were called, in order."""
        if self._called is None:
            return []
        found = [words for words in self._called.log() if words[0] == "called"]
        voices = [self._voices[int(number[4:])] for _, _, number, *_ in found]
        return [
            Telephone(self._called, words[1], voice, self._host)
            for words, voice in zip(found, voices, strict=True)
        ]

    async def close(self) -> None:
        """Hang up everywhere, and let go of all ports."""
        left = [phone for phone in (*self._callers, *self.dialled()) if not phone.over]
        for phone in left:
            await phone.hang_up()
        until_s = time.monotonic() + 1
        while (  # noqa: ASYNC110 - SIPp tells by its log
            not all(phone.over for phone in left) and time.monotonic() < until_s
        ):
            await asyncio.sleep(0.02)
        for line in self._lines:
            line.close()
        for voice in self._voices.values():
            voice.close()

    def _voice(self) -> RtpEnd:
        voice = RtpEnd(self._host)
        self._voices[voice.port] = voice
        return voice


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
