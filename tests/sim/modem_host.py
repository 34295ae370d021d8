"""A host of emulated modems, for tests: one on virtual time, one that opens the pty by pyserial."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import serial

from drivers.modem.encoder import Encoder
from drivers.modem.profile import Profile, load_profile
from drivers.modem.protocol import Decoder, Heard, Result, Word
from ivrd.commands import Utterance
from sim.clock import VirtualClock
from sim.modem import ModemTiming
from sim.modem_bank import ModemBank, plug_into_memory
from sim.modem_ear import Vocabulary
from sim.modem_line import HangUpSign, LineTiming
from sim.modem_wire import Trouble
from tests.sim.echo_line import START, Voice

SENTENCES = {"welcome": 1.0, "enter_month": 2.0, "goodbye": 0.5}


def vocabulary_of(voice: Voice, profile: Profile) -> tuple[Vocabulary, dict[str, Utterance]]:
    """Make a voice file for each sentence, and what knows them again."""
    spoken = {name: voice(name, length_s) for name, length_s in SENTENCES.items()}
    prompts = {name: said.prompts[0] for name, said in spoken.items()}
    begins = {prompt: name for name, prompt in prompts.items()}
    return Vocabulary(prompts.values(), profile.coding, begins=begins), spoken


class Host:
    """One modem on virtual time, made ready; `heard` is all that it said, and when."""

    def __init__(
        self,
        folder: Path,
        profile: str = "usr5637",
        *,
        sign: HangUpSign | None = None,
        to_host: Trouble | None = None,
        to_modem: Trouble | None = None,
        line_timing: LineTiming | None = None,
    ) -> None:
        self.clock = VirtualClock(START)
        self.profile = load_profile(profile)
        self.encoder = Encoder(self.profile)
        self.decoder = Decoder()
        self.vocabulary, self.spoken = vocabulary_of(Voice(folder), self.profile)
        self.bank = ModemBank(
            self.clock, self.profile, 1, vocabulary=self.vocabulary, sign=sign,
            line_timing=line_timing,
        )  # fmt: skip
        self.modem = self.bank.modems[0]
        self.heard: list[tuple[float, Heard]] = []
        self.gone = False
        self.wire = plug_into_memory(
            self.modem, self.clock, self._take, gone=self._gone, to_host=to_host, to_modem=to_modem
        )

    def ready(self) -> None:
        """Make the modem ready as its profile says; each line must be answered by OK."""
        for line in (*self.profile.init, self.profile.set_vsm):
            assert self.ask(line)[-1] == Result(Word.OK), line

    def ask(self, line: str, within_s: float = 0.5) -> list[Heard]:
        """Send a command; return what came up to its result, without what it echoed."""
        start = len(self.heard)
        self.wire.write(self.encoder.command(line))
        self.clock.run_while(
            lambda: not any(isinstance(event, Result) for _, event in self.heard[start:]), within_s
        )
        return [event for _, event in self.heard[start:]]

    def samples(self, *names: str) -> bytes:
        """Return sentences as the modem wants them."""
        coded = b"".join(
            self.vocabulary.coded(prompt)
            for name in names
            for prompt in self.spoken[name].prompts
        )  # fmt: skip
        return self.encoder.samples(coded)

    def events(self) -> list[Heard]:
        """Return what came since the last time."""
        events = [event for _, event in self.heard]
        self.heard.clear()
        return events

    def when(self, event: Heard) -> float:
        """Return when this came first."""
        return next(at_s for at_s, told in self.heard if told == event)

    def _take(self, data: bytes) -> None:
        now_s = self.clock.monotonic()
        self.heard += [(now_s, event) for event in self.decoder.feed(data)]

    def _gone(self) -> None:
        self.gone = True


class SerialHost:
    """A host on the real clock: pyserial on the device of an emulated modem."""

    def __init__(self, device: str, profile: Profile) -> None:
        self.encoder = Encoder(profile)
        self.decoder = Decoder()
        self.heard: list[Heard] = []
        self.lost = False
        self.port = serial.Serial(device, 115200, timeout=0, write_timeout=0)
        self._came = asyncio.Event()

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self.port.fileno(), self._readable)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if not self.lost:
            asyncio.get_running_loop().remove_reader(self.port.fileno())
        self.port.close()

    async def ask(self, line: str) -> list[Heard]:
        """Send a command; return what came up to its result."""
        start = len(self.heard)
        self.port.write(self.encoder.command(line))
        await self.until(lambda: any(isinstance(event, Result) for event in self.heard[start:]))
        return self.heard[start:]

    async def until(self, ready: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for what the modem sends to make it so. Raises `TimeoutError`."""
        until_s = time.monotonic() + within_s
        while not ready():
            self._came.clear()
            await asyncio.wait_for(self._came.wait(), until_s - time.monotonic())

    def _readable(self) -> None:
        try:
            data = self.port.read(4096)
        except serial.SerialException:
            data = b""
        if not data:
            self.lost = True
            asyncio.get_running_loop().remove_reader(self.port.fileno())
        self.heard += self.decoder.feed(data)
        self._came.set()


QUICK = ModemTiming(reply_s=0.002, hook_s=0.005, digit_s=0.005)
QUICK_LINE = LineTiming(
    ring_period_s=0.4, ring_s=0.1, caller_id_s=0.1, dial_tone_s=0.02, setup_s=0.05, loop_s=0.05,
    tone_s=0.05, repeat_s=0.5, announcement_s=0.1,
)  # fmt: skip
"""An exchange that is much quicker than any, for tests on the real clock."""
