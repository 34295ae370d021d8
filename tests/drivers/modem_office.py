"""Scripted calls over emulated modems: the card of an office, with the software card's far side.

An office of `ivrd.simulation` is given a `ModemsOfOffice` for its software card. Callers, debtors
and faults come to it as they come to that card; between it and the line are the modem driver, the
byte protocol, the emulated modem and its analogue line. Every stream is compared with what was
ordered, sample by sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from drivers.modem.channel import ModemChannel, State
from drivers.modem.profile import Profile
from ivrd import simulation
from ivrd.commands import Utterance
from ivrd.events import T_EOF, CommandId, Data, Event
from sim.clock import VirtualClock
from sim.faults import Fault, Faults
from sim.modem_bank import ModemBank, plug_into_memory
from sim.modem_ear import Vocabulary
from sim.modem_line import LineTiming, ModemLine
from sim.modem_wire import MemoryWire, Trouble
from sim.party import Leg, Party
from sim.phone import Answering
from tests.contract.test_modem import CardInMemory

TIMING = LineTiming(caller_id_s=0.0)
"""The caller's number comes with the first ring, so that calls are told when they come, as on the
software card; all else takes the time of a real line."""

SILENT = Trouble(lose=1.0)


class OfficeChannel(ModemChannel):
    """A channel of the driver with what the software card's has besides: far end and faults."""

    line: ModemLine
    die: Callable[[], None]
    revive: Callable[[], None]
    _faults: Faults | None = None
    _endless: dict[CommandId, Event | None]

    @property
    def leg(self) -> Leg | None:
        """The telephone of the call."""
        return self.line.leg

    @property
    def free(self) -> bool:
        """Whether channel and line are on hook."""
        return self.state is State.IDLE and self.line.free

    def inject(self, *rules: Fault, seed: int = 0) -> None:
        """Let these faults work from now on, in place of earlier ones."""
        self.clear_faults()
        self._faults = Faults(self._clock, rules, seed)
        self._faults.start(self.die, self.revive)

    def clear_faults(self) -> None:
        """Take all faults off, and let the modem answer again."""
        if self._faults:
            self._faults.end()
            self._faults = None
        self.revive()

    def play(self, id: CommandId, utterances: Sequence[Utterance]) -> None:  # noqa: A002
        """Play, and tell the far end what it should hear."""
        if self._faults and self._faults.endless():
            self._endless[id] = None
        self.line.announced.append(tuple(utterances))
        super().play(id, utterances)

    def stop(self, id: CommandId) -> None:  # noqa: A002 - the contract's word
        """Stop; the end of an endless play is told only now."""
        held = self._endless.pop(id, None)
        if held:
            self._pass_on(held)
        super().stop(id)

    def _send(self, name: str, ident: CommandId | None = None, data: Data | None = None) -> None:
        if self.state is State.CLOSED:
            return
        event = Event(name, ident, {} if data is None else data)
        if name == T_EOF and ident in self._endless:
            self._endless[ident] = event
        else:
            self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if self._faults:
            self._faults.pass_on(event, self.emit)
        else:
            self.emit(event)


class ModemsOfOffice:
    """The card of an office: as many emulated modems of a profile as it has lines."""

    def __init__(self, profile: Profile, clock: VirtualClock, channels: int) -> None:
        self.clock = clock
        self.wires: dict[int, MemoryWire] = {}
        self.bank = ModemBank(
            clock, profile, channels,
            vocabulary=Vocabulary((), profile.coding), line_timing=TIMING,
        )  # fmt: skip
        for modem in self.bank.modems:
            self.plug_in(modem.number)
        ports = [f"memory{modem.number}" for modem in self.bank.modems]
        self._card = CardInMemory(self, ports=ports, profile=profile.name)
        self.channels: tuple[OfficeChannel, ...] = ()

    @property
    def parties(self) -> dict[str, Answering]:
        """Who answers which number."""
        return self.bank.parties

    def open_now(self) -> Sequence[ModemChannel]:
        """Set the modems up; the virtual time passes that it takes."""
        with patch("drivers.modem.card.ModemChannel", OfficeChannel):
            opened = asyncio.run(self._card.open())
        self.channels = tuple(c for c in opened if isinstance(c, OfficeChannel))
        for channel in self.channels:
            self._furnish(channel)
        return opened

    def close_now(self) -> None:
        """Hang up, and let go of the ports."""
        asyncio.run(self._card.close())
        self.bank.close()

    def call(
        self, caller: str, called: str, party: Party, *,
        faults: Sequence[Fault] = (), seed: int = 0,
    ) -> Leg | None:  # fmt: skip
        """Let `party` call in on the lowest free line."""
        if faults:
            self.channels[0].inject(*faults, seed=seed)
        return self.bank.call(caller, called, party)

    def unplug(self, number: int) -> None:
        """Pull a modem out."""
        self.bank.modems[number - 1].unplug()

    def plug_in(self, number: int) -> None:
        """Plug it in again, as from the factory."""
        modem = self.bank.modems[number - 1]
        self.wires[number] = plug_into_memory(modem, self.clock, lambda _: None)

    @property
    def wrong_samples(self) -> int:
        """Samples that far ends heard and that were not those ordered."""
        return sum(modem.line.wrong_samples for modem in self.bank.modems)

    @property
    def underruns(self) -> int:
        """Times that a modem ran out of samples."""
        return sum(modem.underruns for modem in self.bank.modems)

    def _furnish(self, channel: OfficeChannel) -> None:
        number = channel.number
        channel.line = self.bank.modems[channel.number - 1].line
        channel._endless = {}  # noqa: SLF001 - set here, once it is made
        channel.die = lambda: _spoil(self.wires[number], SILENT)
        channel.revive = lambda: _spoil(self.wires[number], None)


def _spoil(wire: MemoryWire, trouble: Trouble | None) -> None:
    for way in (wire._out, wire._in):  # noqa: SLF001 - fixed when a wire is made, but here
        way.trouble = trouble


@contextmanager
def offices_with_modems(profile: Profile, made: list[ModemsOfOffice]) -> Iterator[None]:
    """Give every office that is opened meanwhile modems of `profile`; `made` gets them."""

    def card(clock: VirtualClock, *, channels: int) -> ModemsOfOffice:
        made.append(ModemsOfOffice(profile, clock, channels))
        return made[-1]

    with patch.object(simulation, "SoftwareCard", card):
        yield
