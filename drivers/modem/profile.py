"""What differs from model to model: a profile each, as data in `profiles/*.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.modem.protocol import DLE, ETX, Word
from drivers.modem.samples import Coding
from ivrd.errors import CardError, ConfigError, nearest
from ivrd.toml_file import TomlFile
from ivrd.toml_model import problems_of

FOLDER = Path(__file__).resolve().parent / "profiles"

GENERIC = "generic-v253"

_Command = Annotated[str, Field(pattern=r"^AT[\x20-\x7e]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Identity(_Table):
    model: str
    firmware: str = ""
    least_firmware: str = ""


class _Voice(_Table):
    method: int = Field(ge=0, le=255)
    coding: Coding
    more: str = Field(default="", pattern=r"^(,[0-9]+)*$")
    buffer_bytes: int = Field(default=2048, ge=256, le=65536)
    ends_with: Word = Word.OK


class _Quirks(_Table):
    tripled_dle: bool = False
    hears_own_answer: bool = False
    tells_loop: bool = True
    shields: bool = True
    ring_code: bool = False


class _File(_Table):
    title: str
    init: tuple[_Command, ...] = Field(min_length=1)
    dial_prefix: str = Field(default="", pattern=r"^[0-9,W]*$")
    identity: _Identity
    voice: _Voice
    quirks: _Quirks = _Quirks()


@dataclass(frozen=True, slots=True)
class Profile:
    """One model of modem."""

    name: str
    title: str
    """What people call it."""
    model: str
    """What it answers to AT+GMM, or a part of it; "" where any will do."""
    firmware: str
    """What the emulator answers to AT+GMR."""
    least_firmware: str
    """The oldest firmware that is known to work; "" where none is known not to."""
    init: tuple[str, ...]
    """Command lines that make it ready, in order; each is answered by OK."""
    method: int
    """The compression method of +VSM (V.253 §9)."""
    vsm: str
    """The whole parameter of +VSM, as ``1,8000,0,0``."""
    coding: Coding
    buffer_bytes: int
    """How many bytes the modem holds while it plays, about; one byte is 125 µs."""
    ends_with: Word
    """The result code at the end of a voice stream, OK or VCON."""
    dial_prefix: str
    """What is dialled before each number, for a line behind a private exchange: ``0,``."""
    tripled_dle: bool
    """``<DLE><ETX>`` to this modem must be sent as three DLE and ETX."""
    hears_own_answer: bool
    """It tells `Code.LOCAL_OFF_HOOK` when it goes off hook itself: to be passed over."""
    tells_loop: bool
    """It tells `Code.LOOP_BROKEN`; others show a hang-up by busy tone or silence alone."""
    shields: bool
    """A held key stands between ``<DLE>/`` and ``<DLE>~``, repeated every 70 ms."""
    ring_code: bool
    """In voice mode it tells a ring as ``<DLE>R``, not as RING."""

    @property
    def end_of_play(self) -> bytes:
        """The end of a voice stream to the modem (V.253 §8.3)."""
        return bytes((DLE,) * (3 if self.tripled_dle else 1)) + bytes((ETX,))

    @property
    def set_vsm(self) -> str:
        """The command that chooses the coding."""
        return f"AT+VSM={self.vsm}"


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str) -> Profile:
    """Read a profile by its name, or by the path of a file of one's own.

    Raises `CardError` where there is none or it is wrong.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if path.parent == FOLDER and not path.is_file():
        near = nearest(name, profile_names())
        hint = f"; did you mean {near!r}?" if near else ""
        raise CardError(f"profile: {name!r}; expected one of {', '.join(profile_names())}{hint}")
    try:
        return _read(path)
    except ConfigError as error:
        raise CardError(f"profile:\n{error}") from None


def profile_for(model: str) -> str:
    """Return the name of the profile that is made for what a modem answered to AT+GMM, or ""."""
    for name in profile_names():
        made_for = load_profile(name).model
        if made_for and made_for.lower() in model.lower():
            return name
    return ""


def _read(path: Path) -> Profile:
    file = TomlFile(path, ConfigError)
    try:
        read = _File.model_validate(file.data)
    except ValidationError as error:
        raise ConfigError(problems_of(error, _File, file)) from None
    voice, quirks, identity = read.voice, read.quirks, read.identity
    return Profile(
        name=path.stem,
        title=read.title,
        model=identity.model,
        firmware=identity.firmware,
        least_firmware=identity.least_firmware,
        init=read.init,
        method=voice.method,
        vsm=f"{voice.method},8000{voice.more}",
        coding=voice.coding,
        buffer_bytes=voice.buffer_bytes,
        ends_with=voice.ends_with,
        dial_prefix=read.dial_prefix,
        tripled_dle=quirks.tripled_dle,
        hears_own_answer=quirks.hears_own_answer,
        tells_loop=quirks.tells_loop,
        shields=quirks.shields,
        ring_code=quirks.ring_code,
    )
