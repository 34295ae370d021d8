"""Files that change under a daemon that runs: the clients, and a certificate that is renewed."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from ivrd.api_settings import ApiTable
from ivrd.config import Config
from ivrd.control.api.clients import Clients, clients_file, load_clients
from ivrd.errors import ConfigError, Problem

LOOK_S = 1.0
"""How often files are looked at, at most."""

_log = structlog.get_logger("ivrd.api")


class Watched:
    """Calls `renew` when one of its files has changed. What is wrong then is logged, once.

    What `renew` made before stays in use until the files are right again.
    """

    def __init__(self, files: Sequence[Path], renew: Callable[[], None]) -> None:
        self._files = files
        self._renew = renew
        self._stamps = self._now()

    def look(self) -> None:
        """Look whether a file has changed."""
        stamps = self._now()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._renew()
        except ConfigError as error:
            for problem in error.problems:
                _log.error("api_file_refused", what=str(problem))
        else:
            _log.info("api_file_read", files=[file.name for file in self._files])

    def _now(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_mode


class Live:
    """The clients and the TLS of the JSON interface, as their files have them by now.

    Raises `ConfigError` where a file cannot be used at the start. `tls` is for a listener: each
    handshake has the files looked at, and gets the certificate that could be used last.
    """

    def __init__(self, config: Config, table: ApiTable, monotonic: Callable[[], float]) -> None:
        self._file = clients_file(config)
        self._monotonic = monotonic
        self._looked_s = monotonic()
        # watched first: what changes while it is read is read again
        self._watched = [Watched([self._file], self._read)]
        self.clients: Clients = load_clients(self._file)
        self.tls: ssl.SSLContext | None = None
        cert, key = config.file_of(table.cert_file), config.file_of(table.key_file)
        if cert is not None and key is not None:
            files = cert, key
            self._watched.append(Watched(files, lambda: self._renew(*files)))
            self._latest = self.tls = _loaded(cert, key)
            self.tls.sni_callback = self._choose

    def look(self) -> None:
        """Look whether a file has changed, if that is not done already."""
        now_s = self._monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            for watched in self._watched:
                watched.look()

    def _read(self) -> None:
        self.clients = load_clients(self._file)

    def _renew(self, cert: Path, key: Path) -> None:
        # a context of its own: one that got a certificate without its key serves nobody any more
        self._latest = _loaded(cert, key)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        """Give a connection its certificate: called in each handshake, whatever name is asked."""
        self.look()
        connection.context = self._latest


def _loaded(cert: Path, key: Path) -> ssl.SSLContext:
    """Return what speaks TLS by a certificate. Raises `ConfigError` where it cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            what = f"{key} has mode {mode:04o}: others than its owner may use it"
            expected = f"mode 0600 (chmod 600 {key})"
            raise ConfigError([Problem(what, key="api.key_file", expected=expected, rule="secret")])
        # without it OpenSSL would ask for a passphrase at the terminal
        context.load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        what = f"{cert} with {key} cannot be used: {why}"
        expected = "a certificate and its key in PEM, the key without a passphrase"
        raise ConfigError(
            [Problem(what, key="api.cert_file", expected=expected, rule="secret")]
        ) from None
    return context
