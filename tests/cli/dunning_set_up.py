"""A sample set-up that calls debtors, and campaign files for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from ivrd.config import load_config
from ivrd.own_store import open_own_store
from ivrd.store.audit import latest, verify
from tests.cli.cli_terminal import Invoke

T = TypeVar("T")

DEBTOR, DEBTOR_NUMBER = "100005", "+861088610005"
"""An account of every sample that owes since months, and its number."""


def with_dunning(config: Path) -> Path:
    """Let a set-up call debtors, where it does not yet."""
    text = config.read_text(encoding="utf-8")
    if "[dunning]" not in text:
        config.write_text(f'{text}\n[dunning]\ncaller_id = "170"\n', encoding="utf-8")
    return config


def campaign_file(config: Path, name: str = "arrears", more: str = "[choose]\n") -> Path:
    """Write a campaign file."""
    file = config.parent / f"{name}.toml"
    file.write_text(f'name = "{name}"\n{more}', encoding="utf-8")
    return file


def list_file(config: Path, *rows: str, name: str = "list.csv") -> Path:
    """Write a list of debtors."""
    file = config.parent / name
    file.write_text("\n".join(("户号,电话,欠费金额", *rows)) + "\n", encoding="utf-8")
    return file


def in_store(config: Path, job: Callable[[Connection], T]) -> T:
    """Do something in the store of a set-up."""
    store = open_own_store(load_config(config))
    try:
        return store.transact(job)
    finally:
        store.close()


def audited(config: Path) -> list[str]:
    """Return the actions of the audit trail, oldest first; it has to be whole."""

    def actions(tx: Connection) -> list[str]:
        assert verify(tx) == []
        return [f"{row.action} {row.by}" for row in reversed(latest(tx))]

    return in_store(config, actions)


def told(invoke: Invoke, config: Path, *args: str) -> Any:
    """Run a command with ``--json``; return what it printed."""
    result = invoke(config, *args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
