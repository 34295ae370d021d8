"""[api] of ivrd.toml: the read-only JSON interface (product B5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ivrd.errors import Problem
from ivrd.listen_address import ListenAddress, is_loopback
from ivrd.toml_file import TomlFile


class ApiTable(BaseModel):
    """[api]: where phone apps and web pages ask for bills; without it nobody can.

    With `cert_file` and `key_file` it speaks TLS. Without, it listens for this machine alone, as
    behind a proxy, unless `plain_http` says that the network is trusted. `clients` is kept by
    `ivrd api client`. `wrong_tokens_a_minute` is how many a remote address may try.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: ListenAddress = "127.0.0.1:9180"
    cert_file: Path | None = None
    key_file: Path | None = None
    plain_http: bool = False
    clients: Path | None = None
    wrong_tokens_a_minute: int = Field(10, ge=1, le=600)


def api_problems(api: ApiTable, threads: int, file: TomlFile) -> Iterator[Problem]:
    """Return what is wrong between the keys of [api]; `threads` are those of [billing]."""
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(api, key) and not getattr(api, other):
            yield file.problem(("api", key), f"stands without {other}", expected="both files",
                               rule="missing")  # fmt: skip
    tls = api.cert_file is not None or api.key_file is not None
    if tls and api.plain_http:
        yield file.problem(("api", "plain_http"), "stands beside cert_file",
                           expected="one of the two", rule="no-use")  # fmt: skip
    if not (tls or api.plain_http or is_loopback(api.listen)):
        yield file.problem(("api", "listen"), f"others reach {api.listen} without TLS",
                           expected="cert_file and key_file, 127.0.0.1 behind a proxy, or"
                           " plain_http = true", rule="tls")  # fmt: skip
    if threads < 2:
        yield file.problem(("billing", "threads"), "is 1, which the JSON interface would take",
                           expected="at least 2: one is kept for calls", rule="count")  # fmt: skip
