"""What `ivrd doctor` says of an Asterisk: reached, set up, fit to play every voice file.

It connects under an application name of its own, so that a daemon that runs is not disturbed,
reads what ARI tells, and plays the end of every voice file to nobody. Nothing is changed there.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

import aiohttp

from drivers.asterisk.card import AsteriskCard
from drivers.asterisk.options import Options
from ivrd.clock import Clock
from ivrd.commands import Prompt
from ivrd.errors import CardError

Look: TypeAlias = "tuple[bool | None, str]"
"""One finding: True is well, None is advice, False has to be put right."""

LIMIT = aiohttp.ClientTimeout(total=10)

TOLD = 3
"""Voice files that are named when there are more that cannot be played."""

MODULES = {
    "app_stasis": "hands calls to ivrd",
    "res_stasis_answer": "answers them",
    "res_stasis_playback": "plays voice files",
    "res_ari_applications": "filters events",
    "res_ari_channels": "answers, dials and hangs up",
    "bridge_holding": "dials",
    "res_ari_playbacks": "stops a voice file when a key is pressed",
    "format_wav": "reads voice files",
    "chan_rtp": "lets ivrd check voice files",
    "func_callerid": "tells called persons who calls",
    "func_timeout": "TIMEOUT(absolute), the guard against calls that nobody owns",
}
"""The modules that every card needs, and what for."""

G711 = ("alaw", "ulaw")


def well(what: str) -> Look:
    """Return a finding that nothing has to be done about."""
    return True, what


def advice(what: str) -> Look:
    """Return a finding that may be meant so."""
    return None, what


def wrong(what: str) -> Look:
    """Return a finding that has to be put right."""
    return False, what


async def examine(
    clock: Clock, channels: int, options: Mapping[str, object], prompts: Collection[Prompt]
) -> Sequence[Look]:
    """Return what there is to say of the Asterisk that a card's options name."""
    try:
        own = AsteriskCard(clock, channels=channels, **options).options
        app = f"{own.app[:33]}-doctor"
        card = AsteriskCard(clock, channels=1, **{**options, "app": app})
        await card.open()
    except CardError as error:
        return [wrong(str(error))]
    try:
        ari = Ari(own)
        looks = [
            *await _version(ari), *await _modules(ari, own), *await _application(ari, own),
            *await _far_side(ari, own), *await _guard(ari, own),
        ]  # fmt: skip
        looks.append(await _voice_files(card, own, prompts))
    except CardError as error:
        return [wrong(str(error))]
    finally:
        await card.close()
    return looks


class Ari:
    """Asks; changes nothing."""

    def __init__(self, options: Options) -> None:
        self._base = f"{options.url}/ari/"
        login = base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}"}

    async def get(self, path: str) -> Any:
        """Return the answer, None where there is none of that name. Raises `CardError`."""
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=LIMIT) as session,
                session.get(self._base + path) as response,
            ):
                if response.status == 404:
                    return None
                response.raise_for_status()
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CardError(f"{self._base}{path}: {type(error).__name__}") from None

    async def variable(self, name: str) -> str:
        """Return a variable of [globals], "" where it is not set."""
        found = await self.get(f"asterisk/variable?variable={quote(name)}")
        return str(found["value"]) if found else ""


async def _version(ari: Ari) -> list[Look]:
    info = await ari.get("asterisk/info?only=system")
    version = info["system"]["version"] if info else "of no version"
    return [well(f"Asterisk {version} answers, and lets ivrd in")]


async def _modules(ari: Ari, options: Options) -> list[Look]:
    listed = await ari.get("asterisk/modules") or []
    running = {
        str(module["name"]).removesuffix(".so")
        for module in listed
        if module["status"] == "Running"
    }
    missing = [(name, why) for name, why in _needed(options).items() if name not in running]
    looks: list[Look] = [wrong(f"module {name} is not loaded ({why}): add load = {name}.so to"
                          " modules.conf") for name, why in missing]  # fmt: skip
    if not any(name.startswith("res_timing_") for name in running):
        looks.append(wrong("no timing module is loaded (it paces voice files): add"
                      " load = res_timing_timerfd.so to modules.conf"))  # fmt: skip
    if not {f"codec_{codec}" for codec in G711} & running:
        looks.append(wrong("neither codec_alaw nor codec_ulaw is loaded: voice files cannot"
                      " be sent as G.711"))  # fmt: skip
    return looks or [well("all modules that ivrd needs are loaded")]


def _needed(options: Options) -> dict[str, str]:
    needed = dict(MODULES)
    if (options.endpoint or "").startswith("PJSIP/"):
        needed |= {"chan_pjsip": "SIP", "res_rtp_asterisk": "the sound of calls"}
    if options.transfer_context:
        needed["bridge_simple"] = "joins a caller and a person"
    if options.machine_context:
        needed["app_amd"] = "tells answering machines"
    return needed


async def _application(ari: Ari, options: Options) -> list[Look]:
    taken = await ari.get(f"applications/{options.app}") is not None
    looks: list[Look] = [
        well(f"application {options.app!r} is connected: ivrd takes calls")
        if taken
        else well(f"application {options.app!r} is free: nobody takes calls until ivrd runs")
    ]
    named = await ari.variable("IVRD_APP")
    if named not in {"", options.app}:
        looks.append(advice(f"the dialplan hands calls to {named!r} (IVRD_APP in extensions.conf),"
                      f" this card is {options.app!r}"))  # fmt: skip
    return looks


async def _far_side(ari: Ari, options: Options) -> list[Look]:
    """Look at the trunk that is dialled through."""
    if options.endpoint is None:
        return [advice("the card does not dial: it has no option endpoint")]
    found = re.fullmatch(r"PJSIP/\{\w+\}@([\w-]+)", options.endpoint)
    if not found:
        return [advice(f"{options.endpoint} is not looked at: it names no PJSIP endpoint")]
    name = found[1]
    state = await ari.get(f"endpoints/PJSIP/{name}")
    if state is None:
        return [wrong(f"no endpoint {name!r}: add it to pjsip.conf, or name another in the"
                 " option endpoint")]  # fmt: skip
    looks: list[Look] = [
        well(f"endpoint {name} is online")
        if state["state"] == "online"
        else advice(f"endpoint {name} is {state['state']}: its contact does not answer (pjsip.conf:"
              " contact, qualify_frequency)")
    ]  # fmt: skip
    settings = await ari.get(f"asterisk/config/dynamic/res_pjsip/endpoint/{name}") or []
    given = {pair["attribute"]: pair["value"] for pair in settings}
    return [*looks, *_endpoint_settings(name, given)]


def _endpoint_settings(name: str, given: Mapping[str, str]) -> Iterator[Look]:
    """Say what is wrong with codecs and keys of an endpoint."""
    codecs = re.findall(r"\w+", given.get("allow", ""))
    if not set(codecs) & set(G711):
        told = ", ".join(codecs) or "none"
        yield wrong(f"endpoint {name} allows {told}, no G.711: set allow = !all,alaw,ulaw")
    elif codecs[0] not in G711:
        yield advice(f"endpoint {name} prefers {codecs[0]}: voice files are transcoded; put alaw"
                     " or ulaw first")  # fmt: skip
    else:
        yield well(f"endpoint {name} speaks {', '.join(codecs)}")
    keys = given.get("dtmf_mode", "")
    if keys in {"none", "inband"}:
        yield wrong(f"endpoint {name} has dtmf_mode = {keys}: ivrd hears no keys; set auto_info")


async def _guard(ari: Ari, options: Options) -> list[Look]:
    longest = await ari.variable("IVRD_LONGEST_S")
    looks: list[Look] = []
    if not longest:
        told = "TIMEOUT(absolute) is set before Stasis(), or a call that nobody owns stays up"
        looks.append(advice(f"no IVRD_LONGEST_S in the dialplan: see that {told}"))
    elif not longest.isdecimal() or int(longest) == 0:
        looks.append(wrong(f"IVRD_LONGEST_S is {longest!r}: set seconds, longer than your"
                      " longest call (extensions.conf)"))  # fmt: skip
    else:
        looks.append(well(f"no call that comes in lasts longer than {longest} s"))
    if options.endpoint is not None:
        looks.append(well(f"no call that is placed lasts longer than {options.longest_call_s} s"))
    return looks


async def _voice_files(card: AsteriskCard, options: Options, prompts: Collection[Prompt]) -> Look:
    there = options.prompts[1] if options.prompts else "the same folder as ivrd"
    try:
        async with asyncio.timeout(120):
            await card.prepare(prompts)
    except TimeoutError:
        return wrong("voice files: Asterisk did not play them all within two minutes")
    except CardError as error:
        lines = str(error).splitlines()
        more = f"\nand {len(lines) - TOLD} more" if len(lines) > TOLD else ""
        told = "\n".join(lines[:TOLD]) + more
        return wrong(f"{told}\n`ivrd prompts deploy DIR` copies them to where Asterisk may read")
    return well(f"plays all {len(prompts)} voice files, from {there}")
