"""What all tests share: the sample billing database, and a watch for what a test leaves behind."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ivrd.billing.sample_tables import write_sample
from ivrd.flow.spec import Flow
from tests.call_families import FILES
from tests.call_files import CallFile
from tests.call_office import SOON_S, TODAY, Databases, Made, came_to, make_call, open_office

# what the drivers' suite asserts is told in full, wherever it is imported first
pytest.register_assert_rewrite("tests.contract.card_bench", "tests.contract.card_contract")

# what is found by examples depends on no wall clock: a busy machine would fail it
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

# a shell starts what runs in the background deaf to Ctrl-C, and so would be all that tests start
signal.signal(signal.SIGINT, signal.default_int_handler)

TABLES = ("TB_SERV", "TB_ZHANGDAN", "TB_BILLING_RUN", "TB_TOLL_TICKET", "TB_OWE")


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
    no_run, slow, wrong, gone, settled, locked = (
        folder / f"{name}.db" for name in ("no_run", "slow", "wrong", "gone", "settled", "locked")
    )
    write_sample(no_run, TODAY, accounts=60, last_month_ready=False)
    for copy in (slow, wrong, gone, settled, locked):
        shutil.copy(sample_db, copy)
    _make_slow(slow)
    _make_wrong(wrong)
    _change(gone, "UPDATE TB_SERV SET STATE_CD = 'F0X'")
    _change(settled, "DELETE FROM TB_OWE")
    holder = sqlite3.connect(locked, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    missing = folder / "missing.db"
    yield Databases(sample_db, no_run, slow, wrong, gone, settled, locked, missing)
    holder.close()


class Calls:
    """Scripted calls, each made once, whoever asks for it."""

    def __init__(self, databases: Databases, logs: Path) -> None:
        self._databases = databases
        self._logs = logs
        self._made: dict[Path, Made] = {}

    def made(self, call: CallFile) -> Made:
        """Return how the call went."""
        if call.path not in self._made:
            call_s = 0.0
            if call.too_long_in and call.base:
                call_s = came_to(self.made(call.base), call.too_long_in) + SOON_S
            logs = self._logs / str(len(self._made))
            self._made[call.path] = make_call(call, self._databases, logs, call_s=call_s)
        return self._made[call.path]


@pytest.fixture(scope="session")
def enquiry_flow(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """Return the enquiry flow, checked."""
    logs = tmp_path_factory.mktemp("flow")
    office = open_office(FILES["rich_bill_by_phone_number"], databases, logs)
    office.close()
    return office.parts.machine.flow


@pytest.fixture(scope="session")
def calls(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Return the maker of scripted calls."""
    return Calls(databases, tmp_path_factory.mktemp("calls"))


def _make_slow(file: Path) -> None:
    """Make every table a view whose rows never come."""
    never = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    for table in TABLES:
        _change(
            file,
            f"ALTER TABLE {table} RENAME TO {table}_ROWS",
            f"CREATE VIEW {table} AS SELECT * FROM {table}_ROWS WHERE ({never}) > 0",  # noqa: S608 - names of our own
        )


def _make_wrong(file: Path) -> None:
    """Double every account, and write words where amounts belong."""
    _change(
        file,
        "CREATE TABLE DOUBLED AS SELECT * FROM TB_SERV",
        "INSERT INTO DOUBLED SELECT * FROM TB_SERV",
        "DROP TABLE TB_SERV",
        "ALTER TABLE DOUBLED RENAME TO TB_SERV",
        "UPDATE TB_ZHANGDAN SET TOTAL_FEE = 'much'",
        "UPDATE TB_TOLL_TICKET SET TOLL_FEE = 'much'",
        "UPDATE TB_OWE SET OWE_FEE = 'much'",
    )


def _change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


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
            file = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue
        # SQLite keeps a closed file open while the same process holds a lock on it
        if not file.endswith("locked.db"):
            found.add(f"{number} {file}")
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the machine of tests/test_enquiry_machine.py run longer than the suite has time for."""
    parser.addoption("--machine-examples", type=int, default=60, help="sequences to try")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - the hook's signature
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make each skip a failure where IVRD_NO_SKIP is set: CI has installed what tests need."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,  # noqa: ARG001 - the hook's signature
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same where a whole file is skipped, which no test of its tells."""
    report = yield
    if report.skipped:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("IVRD_NO_SKIP"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"IVRD_NO_SKIP is set, yet: {why}"
