"""Caller id as the exchange sends it between the first ring and the second.

The message is a row of bytes: type, length, parameters, checksum (ETSI EN 300 659-3; Telcordia
GR-30-CORE, with GR-31 for one number and GR-1188 for number and name). A modem that does not
format it (+VCID=2) passes it on in hexadecimal.
"""

from __future__ import annotations

from dataclasses import dataclass

SINGLE = 0x04
"""Type of a message with one fixed set of data: date, time, number (SDMF)."""
MULTIPLE = 0x80
"""Type of a message made of parameters: call setup (MDMF)."""

_DATE_AND_TIME, _NUMBER, _NO_NUMBER, _NAME, _NO_NAME = 0x01, 0x02, 0x04, 0x07, 0x08
_REASONS = {"O": "O", "P": "P"}


class CallerIdError(Exception):
    """A message that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says; "" for what it does not."""

    date: str = ""
    """MMDD."""
    time: str = ""
    """HHMM."""
    number: str = ""
    name: str = ""
    absent: str = ""
    """Why there is no number: "P" withheld, "O" not available."""


def parse_message(message: bytes) -> Message:
    """Read a message with its checksum, SDMF or MDMF.

    Bytes after the checksum are passed over: some modems append the mark signal. Raises
    `CallerIdError`.
    """
    if len(message) < 3:
        raise CallerIdError(f"{len(message)} bytes; expected type, length and checksum at least")
    kind, length = message[0], message[1]
    if len(message) < length + 3:
        raise CallerIdError(f"cut short: {len(message)} bytes of {length + 3}")
    whole = message[: length + 3]
    if sum(whole) % 256:
        raise CallerIdError(f"wrong checksum {whole[-1]:02X}")
    body = whole[2:-1]
    if kind == SINGLE:
        return _single(body)
    if kind == MULTIPLE:
        return _multiple(body)
    raise CallerIdError(f"type {kind:02X}; expected 04 or 80")


def build_message(message: Message) -> bytes:
    """Return an MDMF message with its checksum: what an exchange sends, for far ends of tests.

    Raises `ValueError` for a text that is not ASCII, or too long.
    """
    parameters: list[tuple[int, str]] = []
    if message.date or message.time:
        parameters.append((_DATE_AND_TIME, message.date + message.time))
    if message.number:
        parameters.append((_NUMBER, message.number))
    elif message.absent:
        parameters.append((_NO_NUMBER, message.absent))
    if message.name:
        parameters.append((_NAME, message.name))
    body = b"".join(bytes((kind, len(text))) + text.encode("ascii") for kind, text in parameters)
    if len(body) > 255:
        raise ValueError(f"{len(body)} bytes of parameters; expected 255 at most")
    whole = bytes((MULTIPLE, len(body))) + body
    return whole + bytes((-sum(whole) % 256,))


def _single(body: bytes) -> Message:
    text = _text(body)
    if len(text) < 8:
        raise CallerIdError("no date and time")
    date, time, number = text[:4], text[4:8], text[8:]
    absent = _REASONS.get(number, "")
    return Message(date, time, "" if absent else number, "", absent)


def _multiple(body: bytes) -> Message:
    found: dict[int, str] = {}
    at = 0
    while at < len(body):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise CallerIdError(f"parameter {body[at]:02X} is longer than the message")
        length = body[at + 1]
        found.setdefault(body[at], _text(body[at + 2 : at + 2 + length]))
        at += 2 + length
    when = found.get(_DATE_AND_TIME, "")
    absent = _REASONS.get(found.get(_NO_NUMBER, ""), "")
    name = found.get(_NAME, "").strip()
    return Message(when[:4], when[4:8], found.get(_NUMBER, "").strip(), name, absent)


def _text(data: bytes) -> str:
    # some exchanges set the eighth bit as parity; it carries nothing
    return bytes(byte & 0x7F for byte in data).decode("ascii")
