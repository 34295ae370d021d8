"""The options of an Asterisk card: what stands in ivrd.toml, checked."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ivrd.card import MAX_CHANNELS
from ivrd.errors import CardError, nearest

NAMES = (
    "app", "channels", "endpoint", "longest_call_s", "machine_context", "password_env",
    "password_file", "prompts_here", "prompts_there", "transfer_context", "url", "user",
)  # fmt: skip

_ENDPOINT = re.compile(r"\w+/[^{}&,]*\{(number|digits)\}[^{}&,]*")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Options:
    """How an Asterisk is reached, and what it offers."""

    channels: int
    url: str
    """Where its HTTP server is: ``http://127.0.0.1:8088``."""
    user: str
    password: str
    app: str
    """The Stasis application; each card has its own."""
    endpoint: str | None
    """What is dialled, with ``{number}`` in it (or ``{digits}``, without the +):
    ``PJSIP/{digits}@trunk``. None: this card does not dial."""
    prompts: tuple[Path, PurePosixPath] | None
    """The folder of the voice files, here and where Asterisk runs; None: the same path."""
    transfer_context: str | None
    """The dialplan context whose extension s joins a caller to the channel ${IVRD_PEER}."""
    machine_context: str | None
    """The dialplan context whose extension s runs AMD() and comes back with the verdict."""
    longest_call_s: int
    """After how many seconds Asterisk itself ends a call that was placed."""


def read_options(channels: object, given: Mapping[str, object]) -> Options:
    """Check options as they stand in ivrd.toml.

    Raises `CardError` with all that is wrong: the option, what it is, what was expected.
    """
    reader = _Reader(given)
    options = Options(
        channels=reader.channels(channels),
        url=reader.url(),
        user=reader.text("user", "ivrd"),
        password=reader.password(),
        app=reader.word("app", "ivrd") or "ivrd",
        endpoint=reader.endpoint(),
        prompts=reader.prompts(),
        transfer_context=reader.word("transfer_context", None),
        machine_context=reader.word("machine_context", None),
        longest_call_s=reader.longest_call_s(),
    )
    if reader.problems:
        raise CardError("\n".join(reader.problems))
    return options


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

    def text(self, name: str, default: str) -> str:
        value = self.given.get(name, default)
        if isinstance(value, str) and value.strip():
            return value
        self.wrong(name, value, "a text that is not empty")
        return default

    def word(self, name: str, default: str | None) -> str | None:
        value = self.given.get(name, default)
        if value is None or (isinstance(value, str) and _WORD.fullmatch(value)):
            return value
        self.wrong(name, value, "letters, digits, _ and -, at most 40")
        return default

    def channels(self, value: object) -> int:
        if _is_int(value) and isinstance(value, int) and 1 <= value <= MAX_CHANNELS:
            return value
        self.wrong("channels", value, f"a whole number, 1 to {MAX_CHANNELS}")
        return 1

    def longest_call_s(self) -> int:
        value = self.given.get("longest_call_s", 1800)
        if _is_int(value) and isinstance(value, int) and 10 <= value <= 86_400:
            return value
        self.wrong("longest_call_s", value, "whole seconds, 10 to 86400")
        return 1800

    def url(self) -> str:
        value = self.text("url", "http://127.0.0.1:8088").rstrip("/")
        try:
            parts = urlsplit(value)
            sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            self.wrong("url", value, "http://HOST:PORT of Asterisk's HTTP server (http.conf)")
        elif parts.username or parts.password:
            self.problems.append("url: no user or password may stand in it; expected them in "
                                 "user and password_env or password_file")  # fmt: skip
        return value

    def endpoint(self) -> str | None:
        value = self.given.get("endpoint")
        if value is None:
            return None
        if isinstance(value, str) and _ENDPOINT.fullmatch(value):
            return value
        self.wrong("endpoint", value, "what Asterisk dials, with one {number} or {digits} in it, "
                   "as in PJSIP/{digits}@trunk")  # fmt: skip
        return None

    def prompts(self) -> tuple[Path, PurePosixPath] | None:
        here, there = self.given.get("prompts_here"), self.given.get("prompts_there")
        if here is None and there is None:
            return None
        for name, value in (("prompts_here", here), ("prompts_there", there)):
            if not isinstance(value, str) or not PurePosixPath(value).is_absolute():
                self.wrong(name, value, "an absolute path, and both of prompts_here, prompts_there")
        return Path(str(here)), PurePosixPath(str(there))

    def password(self) -> str:
        env, file = self.given.get("password_env"), self.given.get("password_file")
        if (env is None) == (file is None):
            self.problems.append("password_env, password_file: expected one of the two, the name "
                                 "of an environment variable or a file of mode 0600")  # fmt: skip
            return ""
        if env is not None:
            return self._checked("password_env", env, lambda name: os.environ[name])
        return self._checked("password_file", file, _password_in)

    def _checked(self, option: str, value: object, read: Callable[[str], str]) -> str:
        if not isinstance(value, str):
            self.wrong(option, value, "a text")
            return ""
        try:
            password = read(value)
        except KeyError:
            self.wrong(option, value, "an environment variable that is set")
        except ValueError as error:
            self.wrong(option, value, str(error))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.problems.append(f"{option}: {value!r} cannot be read: {reason}")
        else:
            if password:
                return password
            self.wrong(option, value, "a password that is not empty")
        return ""


def _password_in(name: str) -> str:
    path = Path(name)
    if not path.is_absolute():
        raise ValueError("an absolute path")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ValueError(f"a file that only its owner may read, mode 0600, not {mode:04o}")
    return path.read_text(encoding="utf-8").strip()


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
