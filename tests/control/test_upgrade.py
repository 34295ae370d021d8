"""Today's ivrd on what an earlier one left: settings and store of commit 294c56a, version 0001.

`old_0001/store.sql` was made by that commit's own commands: a campaign that runs, six debtors, a
number that is not called, a kill switch put on and off; and an attempt that a crash left open.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ivrd.store.audit import latest, verify
from ivrd.store.engine import open_store
from ivrd.store.migrate import HEAD, version_of
from tests.cli.cli_terminal import Invoke, started
from tests.cli.conftest import invoke, sample  # noqa: F401 - fixtures of these tests too

OLD = Path(__file__).parent / "old_0001"
KEPT = {
    "targets": ("id", "account", "numbers", "amount_fen", "due"),
    "do_not_call": ("number", "why", "added_at"),
    "audit": ("id", "by", "action", "hash"),
}
"""What of the old rows nothing may change."""


@pytest.fixture
def old(sample: Path) -> Iterator[Path]:  # noqa: F811 - the fixture
    """Give the ivrd.toml of an earlier ivrd, beside its store and billing data."""
    with tempfile.TemporaryDirectory(prefix="ivrd-") as folder:
        data = Path(folder) / "var"
        shutil.copytree(sample.parent / "var", data)
        for left in data.glob("store.db*"):
            left.unlink()
        with closing(sqlite3.connect(data / "store.db")) as made:
            made.executescript((OLD / "store.sql").read_text("utf-8"))
        yield Path(shutil.copy(OLD / "ivrd.toml", folder))


def rows(config: Path, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(config.parent / "var" / "store.db")) as store:
        query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"  # noqa: S608 - our own words
        return store.execute(query).fetchall()


def run_once(config: Path, invoke: Invoke) -> None:  # noqa: F811 - the fixture
    """Start the daemon, see that it serves, and stop it."""
    process = started("run", config=config)
    try:
        assert process.stdout is not None
        assert any("Ctrl-C stops" in line for line in process.stdout)
        told = invoke(config, "status")
        assert told.exit_code == 0, told.output
    finally:
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said


def test_daemon_takes_over_what_an_earlier_one_left_and_a_backup_leads_back(
    old: Path,
    invoke: Invoke,  # noqa: F811 - the fixture
) -> None:
    before = {table: rows(old, table, columns) for table, columns in KEPT.items()}
    copy = old.parent / "before.db"
    assert invoke(old, "backup", str(copy)).exit_code == 0
    run_once(old, invoke)
    for table, columns in KEPT.items():
        assert rows(old, table, columns)[: len(before[table])] == before[table]
    assert rows(old, "attempts", ("id", "outcome")) == [("a1", "unknown")]
    assert rows(old, "reservations", ("key",)) == []
    assert "arrears" in invoke(old, "campaign", "list").output
    with closing(open_store(f"sqlite:///{old.parent / 'var' / 'store.db'}")) as store:
        assert store.read(version_of) == HEAD
        assert store.read(verify) == []
        assert store.read(latest)[-1].action == "campaign.new"

    done = invoke(old, "restore", str(copy), "--replace", "--yes")
    assert done.exit_code == 0, done.output
    assert rows(old, "attempts", ("id", "outcome")) == [("a1", None)]
    assert "kill switch is on" in done.output
    run_once(old, invoke)
    assert rows(old, "attempts", ("id", "outcome")) == [("a1", "unknown")]
