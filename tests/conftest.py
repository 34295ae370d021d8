"""What all tests share: the sample billing database, and a watch for what a test leaves behind."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from call_office import TODAY, Databases
from ivrd.billing.sample_tables import write_sample

TABLES = ("TB_SERV", "TB_ZHANGDAN", "TB_BILLING_RUN", "TB_TOLL_TICKET")


@pytest.fixture(scope="session")
def sample_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample operator's bills: 60 accounts, 12 months up to October 2026."""
    file = tmp_path_factory.mktemp("billing") / "sample.db"
    write_sample(file, TODAY, accounts=60)
    return file


@pytest.fixture(scope="session")
def databases(sample_db: Path) -> Iterator[Databases]:
    """Return the sample database, and the same in bad states."""
    folder = sample_db.parent
    no_run, slow, wrong, locked = (
        folder / f"{name}.db" for name in ("no_run", "slow", "wrong", "locked")
    )
    write_sample(no_run, TODAY, accounts=60, last_month_ready=False)
    for copy in (slow, wrong, locked):
        shutil.copy(sample_db, copy)
    _make_slow(slow)
    _make_wrong(wrong)
    holder = sqlite3.connect(locked, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield Databases(sample_db, no_run, slow, wrong, locked, folder / "missing.db")
    holder.close()


def _make_slow(file: Path) -> None:
    """Make every table a view whose rows never come."""
    never = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with sqlite3.connect(file) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_ROWS")
            connection.execute(
                f"CREATE VIEW {table} AS SELECT * FROM {table}_ROWS WHERE ({never}) > 0"  # noqa: S608 - names of our own
            )
    connection.close()


def _make_wrong(file: Path) -> None:
    """Double every account, and write words where amounts belong."""
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE DOUBLED AS SELECT * FROM TB_SERV")
        connection.execute("INSERT INTO DOUBLED SELECT * FROM TB_SERV")
        connection.execute("DROP TABLE TB_SERV")
        connection.execute("ALTER TABLE DOUBLED RENAME TO TB_SERV")
        connection.execute("UPDATE TB_ZHANGDAN SET TOTAL_FEE = 'much'")
        connection.execute("UPDATE TB_TOLL_TICKET SET TOLL_FEE = 'much'")
    connection.close()


@pytest.fixture
def no_leftovers() -> Iterator[None]:
    """Fail the test that leaves a thread, a task, a socket or an open file behind."""
    gc.collect()
    threads, files = set(threading.enumerate()), _open_files()
    yield
    gc.collect()
    left = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert not left, f"threads left: {left}"
    more = _open_files() - files
    assert not more, f"open files or sockets left: {sorted(more)}"
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task(loop)]
    assert not tasks, f"tasks left: {tasks}"


def _open_files() -> set[str]:
    """Return the open descriptors with what each is."""
    found = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - descriptors, not a folder
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue
    return found
