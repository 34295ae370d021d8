"""The modem card: up to 32 voice modems on serial ports, each of which is a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

from drivers.modem.channel import ModemChannel
from drivers.modem.options import PortOptions, read_options
from drivers.modem.port import Port, SerialPort
from drivers.modem.setup import Found, Setup
from drivers.modem.voices import Voices
from ivrd.card import VoiceCard
from ivrd.clock import Clock, Timer
from ivrd.commands import Prompt, Utterance
from ivrd.errors import CardError

RETRY_S = 0.5
"""How often a port that went away is tried again."""

LEAVE_S = 2.0
"""How long modems may take to hang up when the card closes; then their ports are closed."""

_log = structlog.get_logger("ivrd.modem")


class ModemCard(VoiceCard):
    """A card made of voice modems (ITU-T V.253).

    Options, see `drivers.modem.options`: `ports`, `profile`, `called`, `rings`, `gain`,
    `ringback_gone_s`, `silence_s`. Raises `CardError` for what is wrong with them.

    A port that goes away takes its own channel out of service, the others work on.
    """

    def __init__(self, clock: Clock, *, channels: object = None, **options: object) -> None:
        self.ports: tuple[PortOptions, ...] = read_options(channels, options)
        self.found: dict[str, Found] = {}
        """What each modem said of itself, by its device."""
        self._clock = clock
        self._voices = Voices()
        self._channels: tuple[ModemChannel, ...] = ()
        self._waiting: dict[ModemChannel, Timer] = {}
        self._told: dict[ModemChannel, str] = {}
        self._is_open = False

    @property
    def when_full(self) -> Utterance | None:
        """None: no caller comes to a card of which every line is taken; the exchange says busy.

        Raises `CardError` where it is set to anything else.
        """
        return None

    @when_full.setter
    def when_full(self, said: Utterance | None) -> None:
        if said is not None:
            raise CardError('when_full: "sentence"; expected "busy": each modem has a line of its '
                            "own, and it is the exchange that tells a caller that it is taken"
                            )  # fmt: skip

    def open_port(
        self, device: str, take: Callable[[bytes], None], lost: Callable[[str], None]
    ) -> Port:
        """Open a port. Raises `CardError` where it cannot be."""
        return SerialPort(device, take, lost)

    async def open(self) -> Sequence[ModemChannel]:
        """Open every port, and make every modem ready. Raises `CardError` with all that fails."""
        if self._channels:
            raise CardError("this card is open already; close it first")
        self._channels = tuple(
            ModemChannel(number, self._clock, options, self._voices, self._failed)
            for number, options in enumerate(self.ports, start=1)
        )
        loop = asyncio.get_running_loop()
        fates: list[asyncio.Future[str]] = [loop.create_future() for _ in self._channels]
        for channel, fate in zip(self._channels, fates, strict=True):
            self._start(channel, partial(_settle, fate))
        try:
            problems = [why for why in await asyncio.gather(*fates) if why]
        except asyncio.CancelledError:
            await self.close()
            raise
        if problems:
            await self.close()
            raise CardError("\n".join(problems))
        self._is_open = True
        for channel in self._channels:
            channel.come_back()
        return self._channels

    async def close(self) -> None:
        """Hang up all calls and let go of the ports; no event comes after it; safe to repeat."""
        channels, self._channels = self._channels, ()
        self._is_open = False
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        self._told.clear()
        await self._hang_up([c for c in channels if c.link.port and c.in_call])
        for channel in channels:
            channel.close()

    async def prepare(self, prompts: Collection[Prompt]) -> None:
        """Read every voice file. Raises `CardError` naming those that cannot be played."""
        codings = {port.profile.coding for port in self.ports}
        problems = await self._voices.load(prompts, codings)
        if problems:
            raise CardError("\n".join(str(problem) for problem in problems))

    # -- a port, from its opening to its loss ------------------------------------------------

    async def _hang_up(self, channels: Sequence[ModemChannel]) -> None:
        """Go on hook on channels, as far as their modems still answer."""
        all_done = asyncio.Event()
        left = set(channels)

        def done(channel: ModemChannel) -> None:
            left.discard(channel)
            if not left:
                all_done.set()

        for channel in channels:
            channel.leave(done)
        if left:
            timer = self._clock.call_later(LEAVE_S, all_done.set)
            await all_done.wait()
            timer.cancel()

    def _start(self, channel: ModemChannel, told: Callable[[str], None]) -> None:
        """Open a port and make its modem ready; `told` gets what is wrong, "" for nothing."""
        link, options = channel.link, channel.options

        pending = True

        def finish(why: str) -> None:
            nonlocal pending
            if pending:
                pending = False
                if why:
                    link.detach()
                told(why)

        def ready(found: Found) -> None:
            self.found[options.device] = found
            finish("")

        try:
            port = self.open_port(
                options.device, link.feed, lambda why: self._lost(channel, why, finish)
            )
        except CardError as error:
            finish(str(error))
            return
        link.attach(port)
        Setup(link, options, ready, finish).start()

    def _lost(self, channel: ModemChannel, why: str, finish: Callable[[str], None]) -> None:
        finish(why)
        self._failed(channel, why)

    def _failed(self, channel: ModemChannel, why: str) -> None:
        """Take a channel out of service until its port can be opened again."""
        if not self._is_open or channel in self._waiting:
            return
        _log.warning("modem_lost", port=channel.options.device, why=why)
        self._wait(channel)
        channel.go_away(why)

    def _wait(self, channel: ModemChannel) -> None:
        self._waiting[channel] = self._clock.call_later(RETRY_S, lambda: self._retry(channel))

    def _retry(self, channel: ModemChannel) -> None:
        self._start(channel, lambda why: self._retried(channel, why))

    def _retried(self, channel: ModemChannel, why: str) -> None:
        if not self._is_open:
            return
        if why:
            if self._told.get(channel) != why:  # once, however long it takes
                self._told[channel] = why
                _log.warning("modem_away", port=channel.options.device, why=why)
            self._wait(channel)
            return
        self._waiting.pop(channel, None)
        self._told.pop(channel, None)
        _log.info("modem_back", port=channel.options.device)
        channel.come_back()


def _settle(fate: asyncio.Future[str], why: str) -> None:
    if not fate.done():  # else nobody waits any more
        fate.set_result(why)
