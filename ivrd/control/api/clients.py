"""Who may use the JSON interface: a file of mode 0600 with the digest of each client's token."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from ivrd.config import Config
from ivrd.control.api.rate import Rate
from ivrd.control.api.tokens import digest, is_token
from ivrd.errors import ConfigError, Problem

May: TypeAlias = Literal["bills", "details", "arrears"]
"""What a client may ask: bills with their items, the calls behind them, what is owed."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
"""How a client may be called: it stands in logs and metrics."""

ACCOUNT_ID = re.compile(r"[!-~]{1,64}")
"""An account's id in the billing data, as far as clients may name it."""

DEFAULT_RATE = "10/s"


def _rate(text: str) -> str:
    Rate.parse(text)
    return text


class Client(BaseModel):
    """One client, and what its token is bound to.

    `accounts` says which accounts it may ask for: those that the asker proves, any (the client
    knows its people itself), or those whose ids are listed. From `expires` on it may nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    token_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    may: Annotated[list[May], Field(min_length=1)]
    accounts: (
        Literal["proven", "any"]
        | Annotated[
            list[Annotated[str, StringConstraints(pattern=rf"^{ACCOUNT_ID.pattern}$")]],
            Field(min_length=1),
        ]
    ) = "proven"
    rate: Annotated[str, AfterValidator(_rate)] = DEFAULT_RATE
    expires: Annotated[AwareDatetime, Field(strict=False)] | None = None
    added: Annotated[AwareDatetime, Field(strict=False)]

    def over(self, now: datetime) -> bool:
        """Return whether its token has expired."""
        return self.expires is not None and now >= self.expires

    def sees(self, account_id: str) -> bool:
        """Return whether it may ask for an account, a proof aside."""
        return isinstance(self.accounts, str) or account_id in self.accounts


Clients: TypeAlias = dict[str, Client]

_File = TypeAdapter(dict[Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")], Client])


def clients_file(config: Config) -> Path:
    """Return the file of [api], or the one in the data folder. Raises `ConfigError` without."""
    if config.api is None:
        what = "has no table [api]: nobody can ask"
        raise ConfigError([Problem(what, file=config.path, expected="[api]", rule="missing")])
    return config.file_of(config.api.clients) or config.data / "api-clients.json"


def load_clients(file: Path) -> Clients:
    """Return all clients, none where there is no file. Raises `ConfigError`."""
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            data = opened.read() if mode & 0o077 == 0 else b""
    except FileNotFoundError:
        return {}
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise ConfigError([Problem(what, file=file, rule="no-file")]) from None
    if mode & 0o077:
        what = f"has mode {mode:04o}: others than its owner may use it"
        expected = f"mode 0600 (chmod 600 {file})"
        raise ConfigError([Problem(what, file=file, expected=expected, rule="secret")])
    try:
        return _File.validate_json(data)
    except ValidationError as error:
        raise ConfigError(
            [
                Problem(
                    one["msg"],
                    file=file,
                    key=".".join(map(str, one["loc"])) or None,
                    rule=one["type"],
                )
                for one in error.errors(include_url=False, include_input=False)
            ]
        ) from None


def client_of(clients: Mapping[str, Client], token: str) -> str | None:
    """Return the name of the client that a token is of, None where it is nobody's.

    All digests are compared, each in constant time.
    """
    if not is_token(token):
        return None
    wanted, found = digest(token), None
    for name, client in clients.items():
        if hmac.compare_digest(client.token_sha256, wanted):
            found = name
    return found


@contextmanager
def changing(file: Path) -> Iterator[tuple[Clients, Callable[[Clients], None]]]:
    """Give the clients and what writes them anew; one at a time changes the file.

    Raises `ConfigError` where the file is not right, `OSError` where it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield load_clients(file), lambda clients: _write(file, clients)


def _write(file: Path, clients: Clients) -> None:
    """Put a new file in the place of the old one: readers see either, whole."""
    told = _File.dump_python(clients, mode="json", exclude_none=True)
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    # a temporary file is made with mode 0600
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
