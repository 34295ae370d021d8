"""A writer that is killed in the middle: nothing that was acknowledged is missing, nothing half."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from ivrd.store import audit
from ivrd.store.engine import Store
from ivrd.store.tables import notes, promises

TOP = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from datetime import UTC, date, datetime
from ivrd.store import audit
from ivrd.store.engine import open_store
from ivrd.store.notes import add_note
from ivrd.store.promises import keep_promise

store = open_store(sys.argv[1])

def job(tx):
    now = datetime.now(UTC)
    add_note(tx, account, now, "writer", "x")
    keep_promise(tx, account, None, None, 100, now, date(2026, 11, 20))
    audit.record(tx, now, "writer", "promise", {"account": account})

n = 0
while True:
    account = str(n)
    store.transact(job)
    print(n, flush=True)
    n += 1
"""


@pytest.mark.parametrize("seed", range(4))
def test_acknowledged_commits_survive_a_kill_and_no_job_is_half_there(
    url: str, open_at: Callable[[str], Store], seed: int
) -> None:
    acknowledged = killed_after(url, random.Random(seed).randrange(1, 80))

    def accounts(tx: Connection) -> list[set[str]]:
        trail = audit.latest(tx, 10_000)
        return [
            set(tx.execute(select(notes.c.account)).scalars()),
            set(tx.execute(select(promises.c.account)).scalars()),
            {row.data["account"] for row in trail},
        ]

    store = open_at(url)
    with_note, with_promise, in_trail = store.read(accounts)
    assert with_note == with_promise == in_trail
    assert acknowledged <= with_note
    assert store.read(audit.verify) == []


def killed_after(url: str, commits: int) -> set[str]:
    """Kill a writer after so many commits; return what it acknowledged until then."""
    writer = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", WRITER, url], cwd=TOP, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer.stdout:
        seen = [writer.stdout.readline().strip() for _ in range(commits)]
        writer.send_signal(signal.SIGKILL)
        seen += writer.stdout.read().split()
    assert writer.wait() == -signal.SIGKILL
    return {line for line in seen if line}
