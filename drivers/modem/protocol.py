"""The byte protocol of a voice modem, without I/O: ITU-T V.253 on top of V.250.

A modem speaks in lines of text (result codes, caller id) and in codes of two bytes, ``<DLE>x``,
which may stand anywhere, also in a line; while it records, all other bytes are audio. `Decoder`
makes events of what a modem sends, `Encoder` makes the bytes that a host sends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import TypeAlias

from drivers.modem.caller_id import CallerIdError, parse_message
from ivrd.events import KEYS

DLE = 0x10
ETX = 0x03
FS = 0x1C
CAN = 0x18
SUB = 0x1A

LONGEST_LINE = 1024
"""Bytes of one line; what is longer is no line, and told as `Noise` in pieces."""


class Mode(Enum):
    """What bytes that are no codes mean."""

    TEXT = "text"
    """Lines of text: in command state, and while the modem plays (V.253 §4)."""
    AUDIO = "audio"
    """Samples: while the modem records (+VRX, +VTR)."""


class Word(StrEnum):
    """A final or intermediate result code, in words (ATV1; V.250 §5.7, V.253 §6.3.6)."""

    OK = "OK"
    ERROR = "ERROR"
    CONNECT = "CONNECT"
    """A voice stream begins; after +VTX or +VRX."""
    VCON = "VCON"
    """In voice command state on line: after a dial or an answer, and at the end of a stream."""
    NO_CARRIER = "NO CARRIER"
    NO_ANSWER = "NO ANSWER"
    NO_DIALTONE = "NO DIALTONE"
    BUSY = "BUSY"


class Code(StrEnum):
    """What a simple event report means (V.253 §7.1.1); the bytes are in `CODES`."""

    RINGBACK = "ringback"
    BUSY = "busy"
    FAST_BUSY = "fast busy"
    DIAL_TONE = "dial tone"
    SIT = "special information tones"
    ANSWER_TONE = "answer tone"
    DATA_ANSWER = "data answer"
    FAX = "fax"
    DATA_CALLING = "data calling tone"
    VOICE = "voice"
    SILENCE = "silence, with no voice before"
    QUIET = "silence after voice"
    LOCAL_ON_HOOK = "local phone on hook"
    LOCAL_OFF_HOOK = "local phone off hook"
    LOOP_BROKEN = "loop current interrupted"
    LOOP_REVERSED = "loop current reversed"
    UNDERRUN = "transmit buffer empty"
    OVERRUN = "receive buffer full"


CODES = {
    "r": Code.RINGBACK, "b": Code.BUSY, "K": Code.FAST_BUSY, "d": Code.DIAL_TONE,
    "i": Code.DIAL_TONE, "J": Code.SIT, "a": Code.ANSWER_TONE, "f": Code.DATA_ANSWER,
    "c": Code.FAX, "m": Code.FAX, "e": Code.DATA_CALLING, "V": Code.VOICE, "v": Code.VOICE,
    "s": Code.SILENCE, "q": Code.QUIET, "h": Code.LOCAL_ON_HOOK, "H": Code.LOCAL_OFF_HOOK,
    "l": Code.LOOP_BROKEN, "L": Code.LOOP_REVERSED, "u": Code.UNDERRUN, "o": Code.OVERRUN,
}  # fmt: skip
"""The byte after DLE of each simple event report."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result code; `rest` is what followed it in the line, as a rate after CONNECT."""

    word: Word
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Ring:
    """One ring, as the line RING or as ``<DLE>R``."""


@dataclass(frozen=True, slots=True)
class CallerId:
    """What the network told of the caller so far; each one of a call says all the one before did.

    Sent as soon as the number is known, again with the name where one follows it.
    """

    number: str = ""
    """As the network gave it; "" where it did not."""
    name: str = ""
    date: str = ""
    """MMDD, by the clock of the exchange."""
    time: str = ""
    """HHMM, as `date`."""
    absent: str = ""
    """Why there is no number: "P" withheld, "O" not available; "" where there is one."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of DTMF, told when it begins and once however long it is held (V.253 §7.5)."""

    key: str


@dataclass(frozen=True, slots=True)
class KeyReleased:
    """The end of a shielded key."""


@dataclass(frozen=True, slots=True)
class Report:
    """A simple event report; `byte` is what the modem sent for it."""

    code: Code
    byte: str


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A byte after DLE that has no meaning here."""

    byte: int


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples as they were recorded, unshielded.

    Where one ends and the next begins follows from how the bytes came in; nothing else does.
    """

    samples: bytes


@dataclass(frozen=True, slots=True)
class EndOfAudio:
    """``<DLE><ETX>``: the modem's stream has ended."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line that is no result code: an answer to a query, or a command echoed."""

    line: str


@dataclass(frozen=True, slots=True)
class Noise:
    """What cannot be understood, and why: other bytes than text, a checksum that is wrong."""

    data: bytes
    why: str


Heard: TypeAlias = (
    Result | Ring | CallerId | Key | KeyReleased | Report | UnknownCode | Audio | EndOfAudio
    | Text | Noise
)  # fmt: skip
"""All that comes out of a `Decoder`."""

_TEXT = frozenset(range(0x20, 0x7F)) | {0x09}
_FIELD = re.compile(r"(DATE|TIME|NMBR|NAME|MESG|DDN_NMBR|ERRM)\s*=\s*(.*)")
_ABSENT = {"P": "P", "PRIVATE": "P", "O": "O", "OUT_OF_AREA": "O", "OUT OF AREA": "O"}
_WORDS = sorted(Word, key=len, reverse=True)


class Decoder:
    """Makes events of the bytes that a modem sends, however they were cut on their way.

    Nothing that comes in raises. There is no time here: a key whose end was lost is let go by
    `release_key`, when no repeat has come for several times 70 ms.
    """

    def __init__(self) -> None:
        self.mode = Mode.TEXT
        self._next_mode = Mode.TEXT
        self._line = bytearray()
        self._after_dle = False
        self._complex = False
        self._skip_lf = False
        self._too_long = False
        self._held: str | None = None
        self._caller = CallerId()
        self._seen: set[str] = set()

    def record_next(self) -> None:
        """Take what follows the next CONNECT for samples; call it before +VRX or +VTR is sent."""
        self._next_mode = Mode.AUDIO

    def release_key(self) -> None:
        """Forget the key that is held: its end was lost on the way."""
        self._held = None

    @property
    def held(self) -> str | None:
        """The key whose end has not come yet; "" between the shield and the key itself."""
        return self._held

    def feed(self, data: bytes) -> list[Heard]:
        """Return what came with these bytes; what is not complete waits for the next."""
        heard: list[Heard] = []
        at, end = 0, len(data)
        while at < end:
            if self.mode is Mode.AUDIO and not self._after_dle:
                at = self._samples(data, at, heard)
            else:
                self._byte(data[at], heard)
                at += 1
        return heard

    def _samples(self, data: bytes, at: int, heard: list[Heard]) -> int:
        """Take samples up to the next DLE; return where to go on."""
        if self._skip_lf:
            self._skip_lf = False
            if data[at] == 0x0A:
                return at + 1
        found = data.find(DLE, at)
        stop = len(data) if found < 0 else found
        if stop > at:
            _add_samples(heard, data[at:stop])
        if found < 0:
            return stop
        self._after_dle = True
        return stop + 1

    def _byte(self, byte: int, heard: list[Heard]) -> None:
        if self._after_dle:
            self._after_dle = False
            self._code(byte, heard)
        elif byte == DLE:
            self._after_dle = True
        elif byte in {0x0D, 0x0A}:
            if byte == 0x0A and self._skip_lf:
                self._skip_lf = False
                return
            self._skip_lf = byte == 0x0D
            self._end_line(heard)
        else:
            self._skip_lf = False
            self._line.append(byte)
            if len(self._line) >= LONGEST_LINE:
                heard.append(Noise(bytes(self._line), "longer than any line"))
                self._line.clear()
                self._too_long = True

    # Codes --------------------------------------------------------------------------------

    def _code(self, byte: int, heard: list[Heard]) -> None:
        """Take the byte after DLE (V.253 §7.3)."""
        literals = {DLE: 1, SUB: 2}.get(byte)
        if literals:
            # In a line they mean nothing; some firmware triples the DLE before an end code.
            if self.mode is Mode.AUDIO:
                _add_samples(heard, bytes((DLE,)) * literals)
            return
        if byte == ETX:
            self.mode = self._next_mode = Mode.TEXT
            self._skip_lf = False
            heard.append(EndOfAudio())
            return
        char = chr(byte)
        if char in KEYS:
            self._key(char, heard)
        elif char == "/":
            self._release(heard)
            self._held = ""
        elif char == "~":
            self._release(heard)
        elif char == "R":
            self._seen.clear()
            heard.append(Ring())
        elif char in CODES:
            heard.append(Report(CODES[char], char))
        elif char == "X" and self.mode is Mode.TEXT:
            self._end_line(heard)  # a complex report: lines, up to <DLE>. (V.253 §7.1.2)
            self._complex = True
        elif char == "." and self._complex:
            self._end_line(heard)
            self._complex = False
        else:
            heard.append(UnknownCode(byte))

    def _key(self, key: str, heard: list[Heard]) -> None:
        if self._held == key:
            return  # repeated every 70 ms for as long as it is held
        if self._held is not None:
            self._release(heard)
            self._held = key
        heard.append(Key(key))

    def _release(self, heard: list[Heard]) -> None:
        if self._held:
            heard.append(KeyReleased())
        self._held = None

    # Lines --------------------------------------------------------------------------------

    def _end_line(self, heard: list[Heard]) -> None:
        raw = bytes(self._line)
        self._line.clear()
        if self._too_long:
            self._too_long = False
            if raw:
                heard.append(Noise(raw, "longer than any line"))
            return
        if not raw:
            return
        if not _TEXT.issuperset(raw):
            heard.append(Noise(raw, "not text"))
            return
        line = raw.decode("ascii").strip()
        if not line:
            return
        if line == "RING" or line.startswith("RING "):
            self._seen.clear()
            heard.append(Ring())
            return
        field = _FIELD.fullmatch(line)
        if field:
            self._caller_field(field[1], field[2].strip(), raw, heard)
            return
        heard.append(self._result(line) or Text(line))

    def _result(self, line: str) -> Result | None:
        for word in _WORDS:
            if line == word or (word is Word.CONNECT and line.startswith("CONNECT ")):
                if word is Word.CONNECT:
                    self.mode, self._next_mode = self._next_mode, Mode.TEXT
                elif word is Word.ERROR:
                    self._next_mode = Mode.TEXT
                return Result(word, line[len(word) :].strip())
        return Result(Word.NO_DIALTONE) if line == "NO DIAL TONE" else None

    def _caller_field(self, name: str, value: str, raw: bytes, heard: list[Heard]) -> None:
        """Take a line of the caller id block (V.253 §9, +VCID)."""
        if not self._seen or name in self._seen:
            self._seen.clear()
            self._caller = CallerId()
        self._seen.add(name)
        match name:
            case "DATE":
                self._caller = replace(self._caller, date=value)
            case "TIME":
                self._caller = replace(self._caller, time=value)
            case "NMBR":
                absent = _ABSENT.get(value.upper(), "")
                number = "" if absent else value
                self._caller = replace(self._caller, number=number, absent=absent)
                heard.append(self._caller)
            case "NAME":
                self._caller = replace(self._caller, name=value)
                heard.append(self._caller)
            case "MESG":
                self._message(value, raw, heard)
            case "ERRM":
                heard.append(Noise(raw, "caller id lost on the line"))

    def _message(self, value: str, raw: bytes, heard: list[Heard]) -> None:
        try:
            said = parse_message(bytes.fromhex(value))
        except (ValueError, CallerIdError) as error:
            heard.append(Noise(raw, f"caller id: {error}"))
            return
        self._caller = CallerId(said.number, said.name, said.date, said.time, said.absent)
        heard.append(self._caller)


def _add_samples(heard: list[Heard], samples: bytes) -> None:
    last = heard[-1] if heard else None
    if isinstance(last, Audio):
        heard[-1] = Audio(last.samples + samples)
    else:
        heard.append(Audio(samples))
