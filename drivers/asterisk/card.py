"""The Asterisk card: up to 32 channels, each of which takes a call of one Stasis application."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Collection, Sequence

import structlog

from drivers.asterisk import rest
from drivers.asterisk.announcement import Announcement
from drivers.asterisk.ari import AriClient, AriEvent
from drivers.asterisk.channel import AsteriskChannel
from drivers.asterisk.exchange import Exchange
from drivers.asterisk.files import BESIDE_CALLS, problems_of_files
from drivers.asterisk.options import Options, read_options
from drivers.asterisk.plays import instant_s
from ivrd.card import VoiceCard
from ivrd.clock import Clock
from ivrd.commands import Prompt
from ivrd.errors import CardError, Problem

ORPHAN_S = 1.0
"""How long after connecting a call that is listed as ours may lack its StasisStart."""

CHECK_AGAIN_S = 10.0
"""How often a card looks whether voice files that were missing are there."""

_NUMBER = re.compile(r"\+?[0-9*#]+")
_log = structlog.get_logger("ivrd.asterisk")
_in_use: set[tuple[str, str]] = set()


class AsteriskCard(VoiceCard):
    """A card whose calls come and go through an Asterisk (20 or newer).

    Options, see `drivers.asterisk.options.Options`: `channels`, `url`, `user`, `password_env` or
    `password_file`, `app`, `endpoint`, `prompts_here` and `prompts_there`, `transfer_context`,
    `machine_context`, `longest_call_s`. Raises `CardError` for what is wrong with them.

    Several cards may share an Asterisk; each then has an `app` of its own.
    """

    def __init__(self, clock: Clock, *, channels: object = 8, **options: object) -> None:
        self.options: Options = read_options(channels, options)
        self.turned_away = 0
        """Callers for whom no channel was free."""
        self._clock = clock
        self._client: AriClient | None = None
        self._exchange: Exchange | None = None
        self._channels: tuple[AsteriskChannel, ...] = ()
        self._lost: set[str] = set()
        self._leaving: Exchange | None = None
        """Set while the card closes: who calls then is hung up."""
        self._prompts: Collection[Prompt] = ()
        self._preparing: set[asyncio.Task[list[Problem]]] = set()
        self._check: asyncio.Task[None] | None = None
        self._unfit = ""
        """Why no call can be taken although Asterisk is there."""

    async def open(self) -> Sequence[AsteriskChannel]:
        """Connect, hang up what an earlier life left behind, and take calls."""
        options, mark = self.options, (self.options.url, self.options.app)
        if self._client is not None:
            raise CardError("this card is open already; close it first")
        if mark in _in_use:
            raise CardError(f"app: {options.app!r} is another card's at {options.url}; expected "
                            "a name of its own for each card")  # fmt: skip
        client = AriClient(options, self._clock, self)
        self._exchange = Exchange(client, options, self._clock, secrets.token_hex(4))
        self._channels = tuple(
            AsteriskChannel(number, self._exchange) for number in range(1, options.channels + 1)
        )
        _in_use.add(mark)
        self._client = client
        try:
            await client.open()
        except CardError:
            self._client, self._channels = None, ()
            _in_use.discard(mark)
            raise
        return self._channels

    async def close(self) -> None:
        """Hang up all calls and let go of Asterisk; no event comes after this."""
        client, exchange = self._client, self._exchange
        channels, self._channels = self._channels, ()
        self._client = self._exchange = None
        if client is None or exchange is None:
            return
        self._leaving = exchange
        await self._end_check()
        for preparing in self._preparing:
            preparing.cancel()
        await asyncio.gather(*self._preparing, return_exceptions=True)
        self._prompts, self._unfit = (), ""
        calls = exchange.calls()
        for channel in channels:
            channel.close()
        await asyncio.gather(*(client.ask(rest.hang_up(call)) for call in calls))
        await client.ask(rest.list_channels())  # so that all that went before is done
        self._leaving = None
        await client.close()
        exchange.release_all()
        _in_use.discard((self.options.url, self.options.app))

    async def prepare(self, prompts: Collection[Prompt]) -> None:
        """Play the end of every voice file to nobody, where Asterisk runs.

        The same is done beside the calls whenever Asterisk comes back: it may be another one.
        """
        if self._exchange is None:
            raise CardError("this card is not open")
        problems = await self._problems(self._exchange, prompts)
        if problems:
            raise CardError("\n".join(str(problem) for problem in problems))
        await self._end_check()
        self._prompts = tuple(prompts)
        self._be_fit()

    # -- what Asterisk tells -------------------------------------------------------------------

    def up(self, channels: list[AriEvent]) -> None:
        """Put every channel in service, and hang up what nobody knows any more."""
        exchange = self._exchange
        if exchange is None:
            return
        lost, self._lost = self._lost, set()
        ours = {found["id"] for found in channels if self._is_ours(found)}
        for call in lost & {found["id"] for found in channels}:
            self._hang_up_orphan(call)
        self._clock.call_later(ORPHAN_S, lambda: self._end_orphans(exchange, ours - lost))
        if not self._unfit:
            for channel in self._channels:
                channel.come_back()
        if self._prompts:
            self._check = asyncio.create_task(self._check_again(exchange, self._prompts))

    def down(self, cause: str) -> None:
        """Tell every line that the card is gone."""
        if self._exchange is None:
            return
        if self._check:
            self._check.cancel()
        self._lost |= self._exchange.calls()
        for channel in self._channels:
            channel.go_away(cause)
        self._exchange.release_all()

    def event(self, event: AriEvent) -> None:
        """Give an event to whom its call belongs; a call of nobody's comes in."""
        exchange, kind = self._exchange, event["type"]
        if exchange is None:
            if self._leaving and kind == "StasisStart":
                self._leaving.send(rest.hang_up(event["channel"]["id"]))
            return
        playback = event.get("playback")
        call: str = (
            playback["target_uri"].removeprefix("channel:")
            if playback
            else (event.get("channel") or event.get("peer") or {}).get("id", "")
        )
        if kind == "Dial" and event.get("forwarded"):
            # the far end named another number and Asterisk calls it: there is no permit for that
            self._hang_up_orphan(event["forwarded"]["id"])
        exchange.now_s = instant_s(event["timestamp"])
        party = exchange.party(call)
        if party is not None:
            party.on_event(kind, event)
        elif kind == "StasisStart":
            self._comes_in(exchange, call, event)

    # -- voice files ---------------------------------------------------------------------------

    async def _problems(self, exchange: Exchange, prompts: Collection[Prompt]) -> Sequence[Problem]:
        """Check files in a task that `close` can end."""
        work = asyncio.create_task(problems_of_files(exchange, prompts))
        self._preparing.add(work)
        try:
            return await work
        except asyncio.CancelledError:
            if exchange is self._exchange:
                raise
            raise CardError("the card was closed while voice files were being checked") from None
        finally:
            self._preparing.discard(work)

    async def _check_again(self, exchange: Exchange, prompts: Collection[Prompt]) -> None:
        """Check the files of an Asterisk that came back, until they are as they should be."""
        while True:
            try:
                problems = await problems_of_files(exchange, prompts, BESIDE_CALLS)
                why = _in_short(problems)
            except CardError as error:
                why = str(error)
            if not why:
                self._be_fit()
                return
            self._be_unfit(exchange, why)
            await self._pause(CHECK_AGAIN_S)

    def _be_unfit(self, exchange: Exchange, why: str) -> None:
        """Take the card out of service: half a bill would be worse than none."""
        if not self._unfit:
            _log.error("card_out_of_service", app=self.options.app, why=why)
        self._unfit = why
        calls = exchange.calls()
        for channel in self._channels:
            channel.go_away(why)
        for call in calls - exchange.calls():
            exchange.send(rest.hang_up(call))

    def _be_fit(self) -> None:
        if self._unfit:
            _log.info("card_in_service_again", app=self.options.app)
            self._unfit = ""
            for channel in self._channels:
                channel.come_back()

    async def _end_check(self) -> None:
        check, self._check = self._check, None
        if check:
            check.cancel()
            await asyncio.gather(check, return_exceptions=True)

    async def _pause(self, pause_s: float) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(pause_s, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    # -- calls ---------------------------------------------------------------------------------

    def _comes_in(self, exchange: Exchange, call: str, event: AriEvent) -> None:
        found, args = event["channel"], event.get("args") or []
        if call.startswith(exchange.prefix) or args == [rest.PLACED]:
            # a call we gave up, answered in the same moment; or what Asterisk made of it by itself
            self._hang_up_orphan(call)
            return
        caller = found.get("caller", {}).get("number", "")
        called = args[0] if args else found.get("dialplan", {}).get("exten", "")
        for channel in self._channels:
            if channel.free:
                channel.ring(call, _number(caller), _number(called))
                return
        self.turned_away += 1
        if self._unfit:
            exchange.send(rest.hang_up(call, "congestion"))  # 503: another route may serve them
        elif self.when_full is None:
            exchange.send(rest.hang_up(call, "busy"))
        else:
            Announcement(exchange, call, self.when_full).start()

    def _is_ours(self, found: AriEvent) -> bool:
        """Return whether a listed call is in our application, or on its way into it."""
        exchange = self._exchange
        dialplan = found.get("dialplan", {})
        in_app = (
            dialplan.get("app_name") == "Stasis"
            and str(dialplan.get("app_data", "")).split(",")[0] == self.options.app
        )
        dialled = exchange is not None and str(found["id"]).startswith(exchange.prefix)
        return in_app or (dialled and dialplan.get("app_name") == "AppDial2")

    def _end_orphans(self, exchange: Exchange, calls: set[str]) -> None:
        for call in calls - exchange.calls():
            if exchange is self._exchange:
                self._hang_up_orphan(call)

    def _hang_up_orphan(self, call: str) -> None:
        _log.warning("call_of_nobody_hung_up", app=self.options.app, call=call)
        if self._exchange is not None:
            self._exchange.send(rest.hang_up(call))


def _number(text: str) -> str:
    """Return a telephone number as the network gave it, "" where it is withheld or none."""
    return text if _NUMBER.fullmatch(text) else ""


def _in_short(problems: Sequence[Problem]) -> str:
    """Return in one line what is wrong with voice files, "" where nothing is."""
    if not problems:
        return ""
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"voice files: {problems[0]}{more}"
