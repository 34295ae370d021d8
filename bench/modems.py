"""32 modems that play at once: underruns, the driver's share of a core, keys answered in time.

The modems are emulated in a process of their own, eight of each profile, on ptys. Every line is
called and plays without end; now and then its caller presses a key, and the play is replaced, as
a barge-in does. When a key is pressed and what is heard then is timed by the emulator's clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.tables import percentile, table
from drivers.modem.card import ModemCard
from drivers.modem.profile import load_profile, profile_names
from ivrd.card import Channel
from ivrd.clock import LoopClock
from ivrd.commands import SAMPLE_RATE, Prompt, Utterance
from ivrd.events import Event
from ivrd.prompts import Voices
from ivrd.resources import FLOWS, PROMPTS
from sim.modem import Modem
from sim.modem_bank import ModemBank, PtyPort
from sim.modem_line import LineTiming
from sim.party import Party

MODEMS = 32
RUN_S = 60.0
KEY_EVERY_S = 5.0
"""On the mean, on each line."""
WRITE_S, WRITE_BYTES = 0.04, 320
"""What a stream needs at least: so many bytes so often."""
PEER_S = 10.0


# The emulator's process -----------------------------------------------------------------------


class Measured:
    """One emulated modem, and what is heard on its line after each key."""

    def __init__(self, modem: Modem, clock: LoopClock) -> None:
        self.modem = modem
        self.silent_s: list[float] = []
        """From the beginning of a key to the end of the play that it cut."""
        self.answered_s: list[float] = []
        """From the beginning of a key to the first 20 ms of what was played for it."""
        self._clock = clock
        self._key_s: float | None = None
        self._cut = False
        line, hears, ends = modem.line, modem.line.hears, modem.line.stream_ends

        def heard(samples: bytes) -> None:
            self._hears()
            hears(samples)

        def ended() -> None:
            self._ends()
            ends()

        line.hears = heard  # type: ignore[method-assign] # timed, and done as ever
        line.stream_ends = ended  # type: ignore[method-assign] # likewise

    def key(self) -> None:
        """Press a key, unless the last one has not been answered."""
        leg = self.modem.line.leg
        if leg and leg.answered_s is not None and self._key_s is None:
            self._key_s, self._cut = self._clock.monotonic(), False
            leg.key("1")

    def _hears(self) -> None:
        if self._key_s is not None and self._cut:
            self.answered_s.append(self._clock.monotonic() - self._key_s)
            self._key_s = None

    def _ends(self) -> None:
        if self._key_s is not None and not self._cut:
            self._cut = True
            self.silent_s.append(self._clock.monotonic() - self._key_s)


async def _emulate(seed: int) -> None:
    """Emulate until the input ends; print the devices first, what was measured last."""
    clock, rng = LoopClock(), random.Random(seed)
    names = profile_names()
    banks = [
        ModemBank(clock, load_profile(name), MODEMS // len(names),
                  line_timing=LineTiming(caller_id_s=0.2))
        for name in names
    ]  # fmt: skip
    ports = [PtyPort(modem, clock) for bank in banks for modem in bank.modems]
    measured = [Measured(port.modem, clock) for port in ports]
    for port in ports:
        port.plug_in()
    profiles = [port.modem.profile.name for port in ports]
    print(json.dumps({"devices": [port.device for port in ports], "profiles": profiles}))
    sys.stdout.flush()

    def call() -> None:
        for port in ports:
            if port.modem.line.free and port.modem.settings.voice:
                port.modem.line.ring("88610001", "170", Party())
        clock.call_later(1.0, call)

    def press(one: Measured) -> None:
        one.key()
        clock.call_later(rng.uniform(0.4, 1.6) * KEY_EVERY_S, partial(press, one))

    call()
    for one in measured:
        clock.call_later(rng.uniform(3.0, 3.0 + KEY_EVERY_S), partial(press, one))
    began_s = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps({
        "cpu_s": time.process_time() - began_s,
        "lines": [
            {"profile": one.modem.profile.name, "underruns": one.modem.underruns,
             "silent_s": one.silent_s, "answered_s": one.answered_s}
            for one in measured
        ],
    }))  # fmt: skip
    for port in ports:
        port.unplug()


# The driver's process -------------------------------------------------------------------------


class Talking:
    """One channel that answers, plays without end, and plays anew at a key."""

    def __init__(self, channel: Channel, speech: Sequence[Utterance], rng: random.Random) -> None:
        self.keys = 0
        self.heard_s = 0.0
        self.lost: list[str] = []
        self._channel = channel
        self._speech = speech
        self._rng = rng
        self._id = 0
        channel.connect(self._take)

    def _take(self, event: Event) -> None:
        match event.name:
            case "T_RING":
                self._id += 1
                self._channel.off_hook(self._id)
            case "T_OFFH":
                self._play()
            case "T_DIGIT":
                self.keys += 1
                self._channel.stop(self._id)
                self._play()
            case "T_EOF":
                self.heard_s += float(event.data["heard_s"])  # type: ignore[arg-type] # seconds
                if event.id == self._id:
                    self._play()
            case "T_LC":
                self.lost.append(str(event.data["cause"]))

    def _play(self) -> None:
        self._id += 1
        self._channel.play(self._id, self._rng.sample(self._speech, 4))


def measure(folder: Path, run_s: float = RUN_S) -> str:
    """Keep all modems playing for a minute."""
    del folder
    emulator = subprocess.Popen(
        [sys.executable, "-m", "bench.modems", "emulate"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    output = emulator.stdout
    ports = json.loads(output.readline() if output else "")
    talking, share = asyncio.run(_drive(ports["devices"], ports["profiles"], run_s))
    told, _ = emulator.communicate()
    emulated = json.loads(told)
    underruns = sum(line["underruns"] for line in emulated["lines"])
    heard_s = sum(one.heard_s for one in talking)
    lost = sum(len(one.lost) for one in talking)
    title = (
        f"{MODEMS} modems for {run_s:,.0f} s: {heard_s:,.0f} s played, {underruns} underruns, "
        f"{lost} modems lost"
    )
    rows = [
        [name, *_figures(emulated["lines"], name, "answered_s"),
         *_figures(emulated["lines"], name, "silent_s")[1:]]
        for name in [*profile_names(), "all"]
    ]  # fmt: skip
    heads = ["profile", "keys", "key to first audio p50 ms", "p99 ms", "max ms",
             "key to silence p50 ms", "p99 ms", "max ms"]  # fmt: skip
    peer = _bare_writes()
    cores = [
        ["bare writes of 8 kB/s to each pty (peer)", peer, 1.0],
        ["the driver", share, share / peer],
        ["the emulator, in its own process", emulated["cpu_s"] / run_s, ""],
    ]
    return (
        table(title, heads, rows)
        + "\n"
        + table(f"Share of a core, {MODEMS} modems", ["what", "share", "ratio"], cores)
    )


def _figures(lines: Sequence[dict[str, object]], profile: str, what: str) -> list[object]:
    values: list[float] = []
    for line in lines:
        if profile in {"all", line["profile"]}:
            values += line[what]  # type: ignore[arg-type] # seconds
    if not values:
        return [0, "", "", ""]
    return [len(values), percentile(values, 0.5) * 1e3, percentile(values, 0.99) * 1e3,
            max(values) * 1e3]  # fmt: skip


async def _drive(
    devices: Sequence[str], profiles: Sequence[str], run_s: float
) -> tuple[list[Talking], float]:
    clock, rng = LoopClock(), random.Random(7)
    card = ModemCard(clock, ports=list(devices), profile=list(profiles), called="170")
    prompts = _speech()
    channels = await card.open()
    await card.prepare([prompt for said in prompts for prompt in said.prompts])
    talking = [Talking(channel, prompts, rng) for channel in channels]
    await asyncio.sleep(3.0)  # all have answered
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await asyncio.sleep(run_s)
    share = (time.process_time() - cpu_s) / (time.perf_counter() - wall_s)
    await card.close()
    return talking, share


def _speech() -> list[Utterance]:
    """Return the voice files of Mandarin that last a second at least, a sentence each."""
    voices = Voices(PROMPTS, ["zh-CN"], FLOWS / "sentences.toml")
    said: list[Prompt] = [p for p in voices.prompts() if p.samples >= SAMPLE_RATE]
    return [Utterance(prompt.id, "zh-CN", (prompt,)) for prompt in said]


def _bare_writes() -> float:
    """Return the share of a core that it takes to write that much to as many ptys."""
    pairs = [os.openpty() for _ in range(MODEMS)]
    for _, slave in pairs:
        tty.setraw(slave)
    masters = ",".join(str(master) for master, _ in pairs)
    reader = subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, "-m", "bench.modems", "drain", masters],
        pass_fds=[master for master, _ in pairs], stdin=subprocess.PIPE,
    )  # fmt: skip
    share = asyncio.run(_write_all([slave for _, slave in pairs]))
    reader.communicate()
    for pair in pairs:
        for fd in pair:
            os.close(fd)
    return share


async def _write_all(fds: Sequence[int]) -> float:
    loop, samples = asyncio.get_running_loop(), bytes(range(128, 168)) * (WRITE_BYTES // 40)

    def write(fd: int, due_s: float) -> None:
        os.write(fd, samples)
        loop.call_at(due_s + WRITE_S, write, fd, due_s + WRITE_S)

    for number, fd in enumerate(fds):
        write(fd, loop.time() + WRITE_S * number / len(fds))
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await asyncio.sleep(PEER_S)
    return (time.process_time() - cpu_s) / (time.perf_counter() - wall_s)


async def _drain(fds: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    for fd in fds:
        loop.add_reader(fd, os.read, fd, 4096)
    await asyncio.to_thread(sys.stdin.read)


_PARTS: dict[str, Callable[[str], object]] = {
    "emulate": lambda _: asyncio.run(_emulate(7)),
    "drain": lambda fds: asyncio.run(_drain([int(fd) for fd in fds.split(",")])),
    "run": lambda seconds: print(measure(Path(), float(seconds or RUN_S))),
}

if __name__ == "__main__":
    _PARTS[sys.argv[1] if sys.argv[1:] else "run"]("".join(sys.argv[2:]))
