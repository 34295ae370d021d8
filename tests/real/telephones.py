"""Telephones whose SIP is SIPp's and whose voice is ours; they do in a call what a test says."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ivrd.commands import SAMPLE_RATE
from tests.contract.card_bench import FarEnd
from tests.real.private_asterisk import TRUNK_HOST, PrivateAsterisk
from tests.real.rtp import Packet, Pcm, RtpEnd
from tests.real.sipp_scenarios import MOBILE, called, caller

_numbers = itertools.count(1)
_PORTS = Path("/proc/net/udp")


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Let time pass until `condition` holds; return whether it does."""
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        # Real time is what is tested here: nothing else lets it pass.
        await asyncio.sleep(0.005)
    return True


class Telephone(FarEnd):
    """One telephone in one call."""

    def __init__(
        self, exchange: Exchange, line: Line, call_id: str, voice: RtpEnd, *, was_called: bool
    ) -> None:
        self.call_id = call_id
        self.voice = voice
        self.by_info = False
        """Whether keys go by SIP INFO; else by RFC 4733."""
        self._line = line
        self._host = exchange.host
        self._was_called = was_called
        self._asterisk = exchange.asterisk
        self._boot = exchange.asterisk.boots

    @property
    def words(self) -> list[str]:
        """What has become of the call, in order."""
        return [word for word, call_id, *_ in self._line.log() if call_id == self.call_id]

    @property
    def _far_port(self) -> int:
        """Where Asterisk has its end of the speech."""
        for word, call_id, *more in self._line.log():
            if call_id == self.call_id and word in {"called", "answered"} and more:
                return int(more[0])
        raise AssertionError(f"no call yet: {self.words}")

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
    def caller(self) -> str:
        """Whom a telephone that was called shows as the caller."""
        line = next(more for word, id_, *more in self._line.log() if id_ == self.call_id)
        found = re.search(r"sip:([^@]*)@", " ".join(line))
        assert found, f"no caller in {line}"
        return found[1]

    @property
    def statuses(self) -> list[int]:
        """All SIP answers of the call."""
        return self._line.statuses

    @property
    def over(self) -> bool:
        # an Asterisk that was killed says no BYE; whoever is on the telephone hears that it is dead
        return (
            "over" in self.words or self._asterisk.boots != self._boot or not self._asterisk.running
        )

    @property
    def busy(self) -> bool:
        return self.refused in {486, 600}

    @property
    def heard_s(self) -> float:
        return sum(len(packet.payload) for packet in self.packets) / SAMPLE_RATE

    @property
    def packets(self) -> list[Packet]:
        """The speech of this call."""
        if not self._was_called:
            return self.voice.packets
        return [packet for packet in self.voice.packets if packet.port == self._far_port]

    async def keys(self, keys: str, on_s: float = 0.05, off_s: float = 0.05) -> None:
        if not self.answered or self.over:
            return  # pressed into a dead telephone
        if not self.by_info:
            await self.voice.keys(keys, ("127.0.0.1", self._far_port), on_s, off_s)
            return
        for key in keys:
            self._tell("key", f"\r\nX-Key: {key}")
            await asyncio.sleep(on_s + off_s)

    async def speak(self, pcm: Pcm) -> None:
        """Say something into the call."""
        await self.voice.speak(pcm, ("127.0.0.1", self._far_port))

    async def hang_up(self) -> None:
        self._tell("hangup")

    async def until(self, word: str, within_s: float = 5.0) -> None:
        """Wait until this has become of the call; "": whatever comes first."""
        if not await until(lambda: any(w.startswith(word) for w in self.words), within_s):
            raise AssertionError(f"not {word} within {within_s} s; {self.words or 'nothing'}")

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
        whole = text[: text.rfind("\n") + 1]
        return [line.split() for line in whole.splitlines() if line.strip()]

    async def listens(self) -> None:
        """Wait until the port is taken."""
        until_s = time.monotonic() + 5
        entry = f":{self.port:04X} "
        while entry not in _PORTS.read_text():  # noqa: ASYNC240 - the kernel's own table
            assert time.monotonic() < until_s, "SIPp does not listen"
            assert self.process.poll() is None, f"SIPp ended: {self.errors.read_text()}"
            await asyncio.sleep(0.01)

    @property
    def statuses(self) -> list[int]:
        """All SIP answers that it got or gave, by their message trace."""
        return [int(status) for status in re.findall(r"(?m)^SIP/2.0 (\d+)", self._traced())]

    def _traced(self) -> str:
        return self.messages.read_text(errors="replace") if self.messages.exists() else ""

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Exchange:
    """All telephones of one test, at the far end of the trunk."""

    def __init__(self, asterisk: PrivateAsterisk, folder: Path, host: str = TRUNK_HOST) -> None:
        self.asterisk = asterisk
        self._folder = folder
        self.host = host
        self._lines: list[Line] = []
        self._callers: list[Telephone] = []
        self._dialled: dict[str, Telephone] = {}
        self._voices: dict[int, RtpEnd] = {}
        self._called: Line | None = None

    async def call(
        self, caller_number: str, called_number: str, codecs: str = "0 8", *, taken: bool = True
    ) -> Telephone:
        """Let a new telephone call through the trunk; `taken`: wait until Asterisk has the call."""
        voice = self._voice()
        call_id = f"call-{next(_numbers)}-{os.getpid()}"
        line = Line(
            self._folder, self.host, _free_port(self.host), caller(f"{codecs} 101"),
            "-r", "100", "-m", "1", "-s", called_number, "-cid_str", call_id,
            "-key", "ani", caller_number, "-key", "voice", str(voice.port),
            f"127.0.0.1:{self.asterisk.sip_port}",
        )  # fmt: skip
        self._lines.append(line)
        await line.listens()
        phone = Telephone(self, line, call_id, voice, was_called=False)
        self._callers.append(phone)
        if taken:
            # so that calls come in the order in which they were made
            await phone.until("")
        return phone

    async def number(self, behaviour: str) -> str:
        """Return a number for dialling through the trunk; `sipp_scenarios.called` has the list."""
        if self._called is None:
            port = self.asterisk.trunk_port
            self._called = Line(self._folder, self.host, port, called())
            self._lines.append(self._called)
            await self._called.listens()
        return f"{behaviour}{self._voice().port}"

    async def mobile(self, behaviour: str) -> str:
        """Return such a number in E.164, as a mobile number that every dial plan takes."""
        return f"+{MOBILE}{await self.number(behaviour)}"

    def dialled_as(self, number: str) -> list[Telephone]:
        """Return the telephones that were called by a number, one for each call, in order."""
        port = int(number[-5:])
        return [phone for phone in self.dialled() if phone.voice.port == port]

    def dialled(self) -> list[Telephone]:
        """Return the telephones that were called, in order."""
        if self._called is None:
            return []
        for word, call_id, *more in self._called.log():
            if word == "called" and call_id not in self._dialled:
                voice = self._voice_of(more[1])
                if voice is None:
                    continue
                phone = Telephone(self, self._called, call_id, voice, was_called=True)
                self._dialled[call_id] = phone
        return list(self._dialled.values())

    async def close(self) -> None:
        """Hang up everywhere, and let go of all ports."""
        try:
            left = [phone for phone in (*self._callers, *self.dialled()) if not phone.over]
            for phone in left:
                await phone.hang_up()
            await until(lambda: all(phone.over for phone in left), 1)
        finally:
            for line in self._lines:
                line.close()
            for voice in self._voices.values():
                voice.close()

    def _voice_of(self, number: str) -> RtpEnd | None:
        """Return the voice whose port is in a number; a number of nobody's has none."""
        return self._voices.get(int(number[-5:])) if number.isdecimal() else None

    def _voice(self) -> RtpEnd:
        voice = RtpEnd(self.host)
        self._voices[voice.port] = voice
        return voice


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
