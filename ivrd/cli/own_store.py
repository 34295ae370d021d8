"""ivrd's own store for commands: opened beside the daemon, every act of an operator audited."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from ivrd.cli.output import Refused
from ivrd.config import Config
from ivrd.dunning.campaigns import CampaignRefused
from ivrd.errors import ControlError
from ivrd.own_store import open_own_store
from ivrd.store import audit
from ivrd.store.engine import Store

T = TypeVar("T")


@contextmanager
def own_store(config: Config) -> Iterator[Store]:
    """Give the store of ivrd.toml, and close it after.

    Raises `StoreError`, and `Refused` for what the state of a campaign does not allow.
    """
    store = open_own_store(config)
    try:
        yield store
    except CampaignRefused as error:
        raise Refused(str(error)) from None
    finally:
        store.close()


def operator() -> str:
    """Return the user of the operating system who gives this command, whatever they say."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def act(
    store: Store,
    action: str,
    data: Mapping[str, Any],
    job: Callable[[Connection, datetime, str], T],
) -> T:
    """Run what an operator ordered, with its audit row, in one transaction.

    `job` is given the connection, the instant and who ordered it.
    """
    by = operator()
    return audit.act(store, by, action, data, lambda tx, now: job(tx, now, by))


def intend(store: Store, action: str, data: Mapping[str, Any]) -> None:
    """Put on record that something was ordered which takes more than one transaction."""
    audit.intend(store, operator(), action, data)


def nudge(config: Config) -> bool:
    """Let a daemon that runs look at the store at once; return whether one did.

    It would look by itself within seconds, so that nothing is lost where none answers.
    """
    if not config.socket.exists():
        return False
    from ivrd.cli.client import order  # noqa: PLC0415 - aiohttp, for a daemon alone

    with suppress(ControlError, Refused):
        order(config, "/dunning/wake")
        return True
    return False
