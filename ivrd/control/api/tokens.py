"""Tokens of the JSON interface: a prefix that leak scanners find, chance, and a checksum.

``ivrd_`` + 40 characters of chance (238 bits) + 6 of CRC-32 over all before them, each in base 62.
What is kept is the SHA-256 of a token: nobody guesses 238 bits, so a slow hash would gain nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "ivrd_"
"""What every token begins with."""

_BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHANCE, _CHECK = 40, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_CHANCE + _CHECK}}}")


def new_token() -> str:
    """Return a token that nobody has yet."""
    body = PREFIX + "".join(secrets.choice(_BASE_62) for _ in range(_CHANCE))
    return body + _checksum(body)


def is_token(text: str) -> bool:
    """Return whether `text` can be a token: its form and its checksum are right.

    One character changed, or two neighbours changed over, are always noticed.
    """
    if not _FORM.fullmatch(text):
        return False
    return _checksum(text[:-_CHECK]) == text[-_CHECK:]


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, 62)
        digits = _BASE_62[digit] + digits
    return digits
