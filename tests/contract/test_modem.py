"""The modem card fulfils the contract on every profile, over the emulator on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from drivers.modem.card import ModemCard
from drivers.modem.channel import ModemChannel
from drivers.modem.port import Port
from drivers.modem.profile import Profile, load_profile, profile_names
from ivrd.card import VoiceCard
from ivrd.commands import SAMPLE_RATE
from ivrd.errors import CardError
from sim.clock import VirtualClock
from sim.modem_bank import ModemBank, plug_into_memory
from sim.modem_ear import Vocabulary
from sim.modem_line import LineTiming, ModemLine
from sim.modem_wire import MemoryWire, Trouble
from sim.phone import BUSY, UNALLOCATED, Rings
from tests.contract.card_bench import Bench, FarEnd, Number, tone
from tests.contract.card_contract import CardContract
from tests.contract.test_software_card import Telephone

LONGEST_S = 3.0
"""Of this the far end knows all voice files of the suite again: each is the beginning of it."""

A_KEY_S = 0.16
"""A key and the pause after it."""

T = TypeVar("T")


class Wires(Protocol):
    """What a card in memory is plugged into: a wire for each port, by its number."""

    clock: VirtualClock
    wires: dict[int, MemoryWire]


class MemoryPort:
    """The host's end of a wire in memory."""

    def __init__(self, bench: Wires, number: int, take: Callable[[bytes], None],
                 lost: Callable[[str], None]) -> None:  # fmt: skip
        self._lost: Callable[[str], None] | None = lost
        self._take: Callable[[bytes], None] | None = take
        self.wire: MemoryWire = bench.wires[number]
        self.wire.host = self._received
        self.wire.gone = self._gone

    def write(self, data: bytes) -> None:
        if not self.wire.closed:
            self.wire.write(data)

    def close(self) -> None:
        self._take = self._lost = None

    def _received(self, data: bytes) -> None:
        if self._take:
            self._take(data)

    def _gone(self) -> None:
        if self._lost:
            self._lost("unplugged")


class CardInMemory(ModemCard):
    """The card, with ports in memory; opening and closing let the virtual time pass they take."""

    def __init__(self, bench: Wires, **options: object) -> None:
        super().__init__(bench.clock, **options)
        self._bench = bench
        self._passing = False

    def open_port(
        self, device: str, take: Callable[[bytes], None], lost: Callable[[str], None]
    ) -> Port:
        number = int(device.removeprefix("memory"))
        if self._bench.wires[number].closed:
            raise CardError(f"{device}: not there")
        return MemoryPort(self._bench, number, take, lost)

    async def open(self) -> Sequence[ModemChannel]:
        return await self._while_time_passes(super().open())

    async def close(self) -> None:
        await self._while_time_passes(super().close())

    async def _while_time_passes(self, work: Coroutine[Any, Any, T]) -> T:
        if self._passing:  # `open` closes what it could not open
            return await work
        self._passing = True
        try:
            return await self._run_clock(asyncio.ensure_future(work))
        finally:
            self._passing = False

    async def _run_clock(self, task: asyncio.Future[T]) -> T:
        while True:
            for _ in range(20):  # what has come is told through some callbacks of the loop
                await asyncio.sleep(0)
            if task.done():
                return await task
            assert self._bench.clock.step(), "nothing would ever happen any more"


class Subscriber(Telephone):
    """A telephone whose keys take their time on the line: it hangs up after the last one."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._keyed_s = 0.0
        self.carried: int | None = None
        """Samples that the line brought, whatever they were; None: only the right ones count."""

    @property
    def heard_s(self) -> float:
        return super().heard_s if self.carried is None else self.carried / SAMPLE_RATE

    async def keys(self, keys: str) -> None:
        await super().keys(keys)
        self._keyed_s = max(self._keyed_s, self._clock.monotonic()) + len(keys) * A_KEY_S

    async def hang_up(self) -> None:
        self._clock.run_until(max(self._keyed_s, self._clock.monotonic()))
        await super().hang_up()


class ModemBench(Bench):
    """Two emulated modems of one profile; the exchange shows a hang-up quickly, as good ones do."""

    slack_s = 0.3
    ring_period_s = 5.0

    def __init__(
        self, folder: Path, profile: Profile,
        to_host: Trouble | None = None, to_modem: Trouble | None = None,
    ) -> None:  # fmt: skip
        self.clock = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
        self.profile = profile
        self.rung: list[Subscriber] = []
        self.wires: dict[int, MemoryWire] = {}
        self._troubles = (to_host, to_modem)
        self.bank = ModemBank(
            self.clock, profile, self.channels,
            vocabulary=Vocabulary(tone(folder, LONGEST_S).prompts, profile.coding),
            line_timing=LineTiming(loop_s=0.1, tone_s=0.1),
        )  # fmt: skip
        self.bank.parties |= {
            "101": Rings(self._telephone, rings=1),
            "102": Rings(self._telephone, rings=10_000),
            "103": BUSY,
            "104": UNALLOCATED,
        }
        self._plug_in()

    def make_card(self) -> VoiceCard:
        return CardInMemory(
            self, ports=["memory1", "memory2"], profile=self.profile.name, called="170"
        )

    def make_wrong_card(self) -> VoiceCard:
        return CardInMemory(self, ports=["memory1", "memory2"], channels=3)

    def now_s(self) -> float:
        return self.clock.monotonic()

    async def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.clock.run_while(lambda: not condition(), within_s)

    async def call(self, card: VoiceCard, caller: str, called: str) -> FarEnd:  # noqa: ARG002
        telephone = Subscriber(self.clock)
        self.bank.call(caller, called, telephone)
        return telephone

    async def number(self, card: VoiceCard, behaviour: Number) -> str | None:  # noqa: ARG002
        return {Number.ANSWERS: "101", Number.RINGS: "102", Number.BUSY: "103"}.get(
            behaviour, "104"
        )

    async def unplug(self, card: VoiceCard) -> bool:  # noqa: ARG002 - the suite's signature
        self.bank.close()
        return True

    async def plug_in(self, card: VoiceCard) -> None:  # noqa: ARG002 - the suite's signature
        self._plug_in()

    def spoil(self, number: int, trouble: Trouble | None) -> None:
        """Let a port have this trouble from now on, both ways."""
        wire = self.bank.modems[number - 1].wire
        assert isinstance(wire, MemoryWire)
        for way in (wire._out, wire._in):  # noqa: SLF001 - fixed when a wire is made, but here
            way.trouble = trouble

    def take_any_sound(self) -> None:
        """Count what far ends hear though it be spoilt: on a wire that loses bytes it is."""
        for modem in self.bank.modems:
            modem.line.hears = partial(  # type: ignore[method-assign] # the ear is told still
                _count, modem.line, modem.line.hears
            )

    def dialled(self) -> FarEnd:
        return self.rung[-1]

    def _plug_in(self) -> None:
        to_host, to_modem = self._troubles
        for modem in self.bank.modems:
            self.wires[modem.number] = plug_into_memory(
                modem, self.clock, lambda _: None, to_host=to_host, to_modem=to_modem
            )

    def _telephone(self) -> Subscriber:
        self.rung.append(Subscriber(self.clock))
        return self.rung[-1]


def _count(line: ModemLine, hears: Callable[[bytes], None], samples: bytes) -> None:
    party = line.leg.party if line.leg else None
    if isinstance(party, Subscriber):
        party.carried = (party.carried or 0) + len(samples)
    hears(samples)


class ModemContract(CardContract):
    """The suite on every profile, but for what no analogue line can do."""

    to_host: Trouble | None = None
    to_modem: Trouble | None = None
    profile: Profile

    @pytest.fixture(params=profile_names(), autouse=True)
    def choose_profile(self, request: pytest.FixtureRequest) -> None:
        """Choose the model, before the bench is made."""
        self.profile = load_profile(request.param)

    def make_bench(self, tmp_path: Path) -> ModemBench:
        return ModemBench(tmp_path, self.profile, self.to_host, self.to_modem)

    async def test_on_hook_while_ringing_refuses_the_call_as_busy(self, bench: Bench) -> None:
        """A modem cannot refuse: it takes the call and hangs up, and the caller hears that."""
        wire = self.wires[0]
        far = await bench.call(self.card, "88610001", "170")
        assert await bench.until(lambda: bool(wire.named("T_RING")), 5.0)
        await self.go_on_hook(bench, wire)
        assert await bench.until(lambda: far.over, 5.0)
        assert not wire.named("T_RINGOFF", "T_OFFH")


class TestClean(ModemContract):
    """A wire that is faster than matters."""


class TestByteByByte(ModemContract):
    """What the modem sends comes a byte at a time, and so does what is sent to it."""

    to_host = to_modem = Trouble(piece=1)


class TestDelayed(ModemContract):
    """Every byte is 20 ms late, both ways."""

    to_host = to_modem = Trouble(delay_s=0.02)


class TestLossy(ModemContract):
    """One byte in 2000 is lost and one in 5000 is another one, both ways."""

    to_host = Trouble(lose=0.0005, garble=0.0002, piece=1, seed=7)
    to_modem = Trouble(lose=0.0005, garble=0.0002, piece=1, seed=8)

    def make_bench(self, tmp_path: Path) -> ModemBench:
        bench = super().make_bench(tmp_path)
        bench.take_any_sound()
        return bench
