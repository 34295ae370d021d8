"""Emulated modems side by side: the same people call them, and answer them, as the software card.

`call` and `parties` are those of `sim.card.SoftwareCard`, so that crowds, debtors and scripted
callers take either.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drivers.modem.profile import Profile
from ivrd.clock import Clock
from sim.modem import Modem, ModemTiming
from sim.modem_ear import Vocabulary
from sim.modem_line import HangUpSign, LineTiming, directory_of
from sim.modem_wire import MemoryWire, PtyWire, Trouble
from sim.party import Ending, Leg, Party
from sim.phone import UNALLOCATED, Answering


class ModemBank:
    """Modems of one profile, numbered from 1, none of them plugged in yet.

    `parties` says what happens when a number is dialled, `others` what does with any other. With
    a `vocabulary`, the far end understands the voice files that are played to it.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        ports: int,
        *,
        vocabulary: Vocabulary | None = None,
        sign: HangUpSign | None = None,
        timing: ModemTiming | None = None,
        line_timing: LineTiming | None = None,
    ) -> None:
        self.parties: dict[str, Answering] = {}
        self.others: Answering = UNALLOCATED
        self.turned_away = 0
        self._clock = clock
        directory = directory_of(self.parties, lambda: self.others)
        self.modems = tuple(
            Modem(
                number, clock, profile, directory,
                sign=sign, timing=timing or ModemTiming(), line_timing=line_timing,
            )
            for number in range(1, ports + 1)
        )  # fmt: skip
        for modem in self.modems:
            modem.line.vocabulary = vocabulary

    def call(self, caller: str, called: str, party: Party) -> Leg | None:
        """Let `party` call in on the lowest free line that has a modem.

        `caller` is "" for a number that is withheld. Where no line is free, the party is told
        busy and None is returned.
        """
        for modem in self.modems:
            if modem.wire and modem.line.free:
                return modem.line.ring(caller, called, party)
        self.turned_away += 1
        party.ended(Ending.BUSY)
        return None

    def close(self) -> None:
        """Unplug every modem."""
        for modem in self.modems:
            modem.unplug()


def plug_into_memory(
    modem: Modem,
    clock: Clock,
    host: Callable[[bytes], None],
    *,
    gone: Callable[[], None] = lambda: None,
    to_host: Trouble | None = None,
    to_modem: Trouble | None = None,
) -> MemoryWire:
    """Plug a modem in, and return its wire: `write` is the host's side."""
    wire = MemoryWire(clock, host, gone=gone, to_host=to_host, to_modem=to_modem)
    modem.plug_in(wire)
    return wire


class PtyPort:
    """The place where a modem is plugged in: its device, and a name for it that stays.

    `link` is a symbolic link to the device. A modem that is plugged in again gets another
    device, as with USB; the link goes away with it, and comes back.
    """

    def __init__(self, modem: Modem, clock: Clock, link: Path | None = None) -> None:
        self.modem = modem
        self.link = link
        self.device = ""
        self._clock = clock

    @property
    def name(self) -> str:
        """What a host opens."""
        return str(self.link) if self.link else self.device

    def plug_in(
        self, *, to_host: Trouble | None = None, to_modem: Trouble | None = None
    ) -> PtyWire:
        """Plug the modem in. Raises `OSError` where there is no pty, or no place for the link."""
        wire = PtyWire(self._clock, to_host=to_host, to_modem=to_modem)
        self.device = wire.device
        try:
            self._drop_link()
            if self.link:
                self.link.symlink_to(wire.device)
        except OSError:
            wire.close()
            raise
        self.modem.plug_in(wire)
        return wire

    def unplug(self) -> None:
        """Pull the modem out; safe to repeat."""
        self._drop_link()
        self.device = ""
        self.modem.unplug()

    def _drop_link(self) -> None:
        if self.link and self.link.is_symlink():  # never a file of somebody's own
            self.link.unlink()
