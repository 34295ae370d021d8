"""The options of a modem card: what stands in ivrd.toml, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.modem.profile import GENERIC, Profile, load_profile
from ivrd.card import MAX_CHANNELS
from ivrd.errors import CardError, nearest

NAMES = ("called", "channels", "gain", "ports", "profile", "ringback_gone_s", "rings", "silence_s")

_NUMBER = re.compile(r"\+?[0-9*#]*")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every port of a card."""

    rings: int
    """With which ring a call is told; the caller's number comes between the first two."""
    gain: int | None
    """+VGT, 0 to 255, 128 is the maker's own level; None: as the modem has it."""
    ringback_gone_s: float
    """How long ringback must be gone for a dial to be answered (+VRA)."""
    silence_s: float
    """How long nobody may say or key anything while nothing is played, until the far end counts
    as gone; for lines that show a hang-up by nothing else. 0: never."""


@dataclass(frozen=True, slots=True)
class PortOptions:
    """One port, and so one channel."""

    device: str
    """Its device file, best a name that stays: ``/dev/serial/by-id/…``."""
    profile: Profile
    called: str
    """The number of its line, as T_RING tells it: no modem is told which number was dialled."""
    settings: Settings


def read_options(channels: object, given: Mapping[str, object]) -> tuple[PortOptions, ...]:
    """Check options as they stand in ivrd.toml; return the ports.

    Raises `CardError` with all that is wrong: the option, what it is, what was expected.
    """
    reader = _Reader(given)
    ports = reader.ports(channels)
    profiles = reader.profiles(len(ports))
    called = reader.each("called", "", len(ports), "a telephone number", _NUMBER)
    settings = Settings(
        rings=int(reader.number("rings", 1, 1, 10, whole=True)),
        gain=int(reader.number("gain", 128, 0, 255, whole=True)) if "gain" in given else None,
        ringback_gone_s=reader.number("ringback_gone_s", 5.0, 1.0, 25.5),
        silence_s=reader.number("silence_s", 0.0, 0.0, 600.0),
    )
    if reader.problems:
        raise CardError("\n".join(reader.problems))
    return tuple(
        PortOptions(device, profile, number, settings)
        for device, profile, number in zip(ports, profiles, called, strict=True)
    )


class _Reader:
    def __init__(self, given: Mapping[str, object]) -> None:
        self.given = given
        self.problems: list[str] = []
        for name in given:
            if name not in NAMES:
                near = nearest(name, NAMES)
                hint = f"; did you mean {near!r}?" if near else ""
                expected = f"one of {', '.join(NAMES)}{hint}"
                self.problems.append(f"{name}: no such option; expected {expected}")

    def wrong(self, name: str, value: object, expected: str) -> None:
        self.problems.append(f"{name}: {value!r}; expected {expected}")

    def ports(self, channels: object) -> list[str]:
        value = self.given.get("ports")
        if not (isinstance(value, list) and value and all(isinstance(p, str) and p for p in value)):
            self.wrong("ports", value, 'a list of device files, as in ["/dev/ttyACM0"]')
            return []
        if len(set(value)) < len(value):
            self.wrong("ports", value, "each device file once")
        if len(value) > MAX_CHANNELS:
            self.wrong("ports", f"{len(value)} ports", f"{MAX_CHANNELS} at most")
        if channels is not None and channels != len(value):
            self.wrong("channels", channels, f"{len(value)}, one for each of ports")
        return value

    def profiles(self, ports: int) -> list[Profile]:
        names = self.each("profile", GENERIC, ports, "the name of a profile")
        known: dict[str, Profile] = {}
        for name in names:
            if name not in known:
                try:
                    known[name] = load_profile(name)
                except CardError as error:
                    self.problems.append(str(error))
                    return []
        return [known[name] for name in names]

    def each(
        self, name: str, default: str, ports: int, what: str, form: re.Pattern[str] | None = None
    ) -> list[str]:
        """Return one text for each port, of one that holds for all or of a list."""
        value = self.given.get(name, default)
        texts = [value] * ports if isinstance(value, str) else value
        if (
            isinstance(texts, list)
            and len(texts) == ports
            and all(isinstance(t, str) and (form is None or form.fullmatch(t)) for t in texts)
        ):
            return texts
        self.wrong(name, value, f"{what}, or a list of them, one for each of ports")
        return [default] * ports

    def number(
        self, name: str, default: float, least: float, most: float, *, whole: bool = False
    ) -> float:
        value = self.given.get(name, default)
        kinds = (int,) if whole else (int, float)
        if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        kind = "a whole number" if whole else "seconds"
        self.wrong(name, value, f"{kind}, {least:g} to {most:g}")
        return default
