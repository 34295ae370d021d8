"""The AT commands of an emulated modem: how a line is taken apart, and what a setting may be."""

from __future__ import annotations

import re

from drivers.modem.profile import Profile

_BASIC = re.compile(r"S[0-9]+(?:=[0-9]*|\?)?|&?[A-Z\\%*][0-9]*")
_NUMBERS = re.compile(r"[0-9]+(,[0-9]+)*")

_MOST = {
    "+VGT": (255,), "+VGR": (255,), "+VSD": (255, 255), "+VRA": (255,), "+VRN": (255,),
    "+VCID": (2,), "+IFC": (3, 3), "+IPR": (921600,), "+VIT": (255,), "+VDR": (255, 255),
    "+VNH": (255,), "+VDT": (1, 255),
}  # fmt: skip
"""How large each parameter of a setting may be."""


class Refused(Exception):  # noqa: N818 - never leaves the emulator
    """A command that the modem answers with ERROR."""


def split_line(line: str) -> list[str]:
    """Return the commands of a line after its AT, in capitals; one that is none stays whole."""
    commands: list[str] = []
    rest = line.upper().replace(" ", "")
    while rest:
        if rest[0] in "+#":
            command, _, rest = rest.partition(";")
        elif rest[0] == "D":
            command, rest = rest, ""
        else:
            found = _BASIC.match(rest)
            end = found.end() if found else len(rest)
            command, rest = rest[:end], rest[end:].removeprefix(";")
        commands.append(command)
    return commands


class Settings:
    """What has been set, from the factory's values on."""

    def __init__(self, profile: Profile) -> None:
        self.echo = True
        self.verbose = True
        self.quiet = False
        self.voice = False
        """+FCLASS=8."""
        self.values: dict[str, tuple[int, ...]] = {
            "+VGT": (128,), "+VGR": (128,), "+VSD": (128, 50), "+VRA": (50,), "+VRN": (10,),
            "+VCID": (0,), "+IFC": (2, 2), "+IPR": (0,),
        }  # fmt: skip
        self.registers = {0: 0, 7: 60}
        self._profile = profile
        self._vsm = profile.vsm

    @property
    def s7_s(self) -> float:
        """How long a dial waits in all (S7)."""
        return float(self.registers[7])

    @property
    def ringback_goes_s(self) -> float:
        """How long ringback must be gone for the call to be answered (+VRA, in 0.1 s)."""
        return self.values["+VRA"][0] / 10

    @property
    def no_ringback_s(self) -> float:
        """How long no ringback may come before the call is taken for answered (+VRN, in s)."""
        return float(self.values["+VRN"][0])

    @property
    def caller_id(self) -> int:
        """0 none, 1 formatted, 2 raw (+VCID)."""
        return self.values["+VCID"][0]

    def apply(self, command: str) -> list[str]:
        """Carry out a setting or a query; return the lines it says. Raises `Refused`."""
        if command.startswith("+"):
            return self._extended(command)
        if command.startswith("S"):
            return self._register(command)
        found = re.fullmatch(r"(&?.)([0-9]*)", command)
        if not found:
            raise Refused
        name, number = found[1], found[2]
        on = number == "1"
        match name:
            case "E":
                self.echo = on
            case "V":
                self.verbose = on
            case "Q":
                self.quiet = on
            case "I":
                return [self._profile.title if number in {"", "0"} else self._profile.firmware]
            case "L" | "M" | "X" | "W" | "N" | "&C" | "&D" | "&K" | "&S" | "&W" | "":
                pass
            case _:
                raise Refused
        return []

    def _extended(self, command: str) -> list[str]:
        profile = self._profile
        asked = {"+GMI": profile.title.split()[0], "+GMM": profile.model or profile.title,
                 "+GMR": profile.firmware, "+GCAP": "+FCLASS,+V"}  # fmt: skip
        if command.removesuffix("?") in asked:
            return [asked[command.removesuffix("?")]]
        name, given, value = command.partition("=")
        if not given:
            if not name.endswith("?"):
                raise Refused
            return [self._value(name.removesuffix("?"))]
        if name == "+FCLASS":
            return self._class(value)
        if not self.voice and name.startswith("+V") and name not in {"+VCID", "+VDR"}:
            raise Refused
        if name == "+VSM":
            return self._method(value)
        if name == "+VTS":
            if not value:
                raise Refused
            return []
        self._set(name, value)
        return []

    def _value(self, name: str) -> str:
        if name == "+FCLASS":
            return "8" if self.voice else "0"
        if name == "+VSM":
            return self._vsm
        if name not in self.values:
            raise Refused
        return ",".join(map(str, self.values[name]))

    def _class(self, value: str) -> list[str]:
        if value == "?":
            return ["0,1,1.0,8"]
        if value not in {"0", "8"}:
            raise Refused
        self.voice = value == "8"
        return []

    def _method(self, value: str) -> list[str]:
        profile = self._profile
        if value == "?":
            named = "UNSIGNED PCM" if profile.vsm.count(",") > 1 else "8-BIT LINEAR"
            form = "8,0,8000,0,0" if profile.vsm.count(",") > 1 else "(7200,8000,11025)"
            return [f'{profile.method},"{named}",{form}']
        if value not in {profile.vsm, f"{profile.method},8000"}:
            raise Refused
        self._vsm = value
        return []

    def _set(self, name: str, value: str) -> None:
        most = _MOST.get(name)
        if most is None or not _NUMBERS.fullmatch(value):
            raise Refused
        numbers = tuple(map(int, value.split(",")))
        if len(numbers) > len(most) or any(n > top for n, top in zip(numbers, most, strict=False)):
            raise Refused
        self.values[name] = numbers

    def _register(self, command: str) -> list[str]:
        number, _, value = command[1:].partition("=")
        if number.endswith("?"):
            return [f"{self.registers.get(int(number[:-1]), 0):03}"]
        if not (number.isdigit() and value.isdigit() and int(value) <= 255):
            raise Refused
        self.registers[int(number)] = int(value)
        return []
