"""What `ivrd doctor` says of a card of modems: each port reached, its model, what is missing.

It opens every port as the card does and lets go of it again; nobody is called. A daemon that
runs holds its ports: they are told as in use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from drivers.modem.card import ModemCard
from drivers.modem.options import PortOptions
from drivers.modem.setup import Found
from ivrd.clock import Clock
from ivrd.commands import Prompt
from ivrd.errors import CardError

Look: TypeAlias = "tuple[bool | None, str]"
"""One finding: True is well, None is advice, False has to be put right."""


async def examine(
    clock: Clock, channels: int, options: Mapping[str, object], prompts: Collection[Prompt]
) -> Sequence[Look]:
    """Return what there is to say of the modems that a card's options name."""
    try:
        card = ModemCard(clock, channels=channels, **options)
    except CardError as error:
        return [(False, str(error))]
    return await look_at(card, prompts)


async def look_at(card: ModemCard, prompts: Collection[Prompt]) -> Sequence[Look]:
    """Return what there is to say of a card that is not open."""
    looks: list[Look] = []
    try:
        await card.open()
    except CardError as error:
        looks += [(False, line) for line in str(error).splitlines()]
    finally:
        await card.close()
    for port in card.ports:
        if port.device in card.found:
            looks += _modem(port, card.found[port.device])
    if prompts:
        looks.append(await _voice_files(card, prompts))
    return looks


def _modem(port: PortOptions, found: Found) -> list[Look]:
    profile = port.profile
    firmware = f", firmware {found.firmware}" if found.firmware else ""
    can = f"ready to speak and to dial (profile {profile.name})"
    looks: list[Look] = [(True, f"{port.device}: {found.model or 'a modem'}{firmware}, {can}")]
    if not profile.tells_loop and not port.settings.silence_s:
        why = "finds a hang-up by busy tone alone; where the exchange sends none, set silence_s"
        looks.append((None, f"{port.device}: this model {why}"))
    if not port.called:
        why = "set called, if flows or reports go by the number that was dialled"
        looks.append((None, f"{port.device}: no number of its line; {why}"))
    return looks


async def _voice_files(card: ModemCard, prompts: Collection[Prompt]) -> Look:
    try:
        await card.prepare(prompts)
    except CardError as error:
        return False, str(error)
    return True, f"{len(prompts)} voice files can be played"
