"""An import that fails at any point, or is killed, leaves yesterday's data in use."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ivrd.billing.entities import Bill
from ivrd.billing.imports.embedded import embedded_mapping as embedded
from ivrd.billing.imports.embedded import read_about, unfit
from ivrd.billing.imports.new_file import DiskFull
from ivrd.billing.imports.run import (
    ImportBusy,
    ImportOrder,
    ImportRefused,
    import_lock,
    new_name,
)
from ivrd.billing.mapping import BillingMapping, load_mapping
from ivrd.billing.sample_tables import profile_for, write_sample
from ivrd.errors import BillingDown, BillingError, MappingError
from tests.billing.conftest import LAST, TODAY
from tests.billing.import_places import embedded_reader, import_url, order

NARROW = load_mapping(profile_for("narrow"))
TOP = Path(__file__).resolve().parents[2]

CHILD = """
import os, resource, signal, sys
from pathlib import Path
from tests.billing.import_places import import_url, order
from ivrd.billing.mapping import load_mapping

folder, source, mapping, point, size = sys.argv[1:]
if int(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))

def told(what, done, total):
    if what == point and (done or not total):
        os.kill(os.getpid(), signal.SIGKILL)

try:
    import_url(source, load_mapping(Path(mapping)), order(Path(folder)), told=told)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
if point == "swapped":
    os.kill(os.getpid(), signal.SIGKILL)
"""

POINTS = ("accounts", "adding up", "index bill", "checking", "swapping")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source.db"
    write_sample(file, TODAY, accounts=40, months=3, layout="narrow")
    return file


@pytest.fixture
def yesterday(tmp_path: Path, source: Path) -> ImportOrder:
    """Import the source, then let everybody's phone number change in it."""
    what = order(tmp_path)
    import_url(f"sqlite:///{source}", NARROW, what)
    with closing(sqlite3.connect(source)) as owner, owner:
        owner.execute("UPDATE serv SET acc_nbr = '9' || acc_nbr")
    return what


def phone_of(file: Path) -> str | None:
    with embedded_reader(file, NARROW) as reader:
        account = reader.account("100001")
        assert account
        assert isinstance(reader.bill("100001", LAST), Bill)
        return account.phone


def child(folder: Path, source: Path, point: str = "", size: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", CHILD, folder, f"sqlite:///{source}", profile_for("narrow"),
         point, str(size)],
        cwd=TOP, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_an_import_killed_at_any_point_leaves_the_old_data_and_the_next_one_succeeds(
    tmp_path: Path, source: Path, yesterday: ImportOrder, point: str
) -> None:
    with child(tmp_path, source, point) as killed:
        assert killed.wait() == -signal.SIGKILL
    assert phone_of(yesterday.file) == "88610001"
    assert new_name(yesterday.file).exists()
    assert import_url(f"sqlite:///{source}", NARROW, yesterday).swapped
    assert phone_of(yesterday.file) == "988610001"
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"source.db", "billing.db", "billing.db.lock"}


def test_an_import_killed_after_the_swap_leaves_the_new_data(
    tmp_path: Path, source: Path, yesterday: ImportOrder
) -> None:
    with child(tmp_path, source, "swapped") as killed:
        assert killed.wait() == -signal.SIGKILL
    assert phone_of(yesterday.file) == "988610001"


@pytest.mark.parametrize("share", [0.02, 0.9])
def test_a_full_disk_is_told_and_the_old_data_stays(
    tmp_path: Path, source: Path, yesterday: ImportOrder, share: float
) -> None:
    size = int(share * yesterday.file.stat().st_size)
    with child(tmp_path, source, size=size) as full:
        _, said = full.communicate()
    assert full.returncode == 1
    assert said.startswith(DiskFull.__name__)
    assert "is full or fails" in said
    assert phone_of(yesterday.file) == "88610001"
    assert {one.name for one in tmp_path.iterdir()} == {
        "source.db", "billing.db", "billing.db.lock",
    }  # fmt: skip


def test_a_reader_goes_on_with_the_file_it_began_with(
    source: Path, yesterday: ImportOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_reader(yesterday.file, NARROW) as before:
        import_url(f"sqlite:///{source}", NARROW, yesterday)
        # connections to other files are made anew after a minute
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 3600)
        for _ in range(8):  # more than it has connections
            assert before.find_by_phone("88610001")
            assert before.find_by_phone("988610001") is None
        with embedded_reader(yesterday.file, NARROW) as after:
            assert after.find_by_phone("988610001")


def test_one_import_runs_at_a_time(source: Path, yesterday: ImportOrder) -> None:
    with import_lock(yesterday.file), pytest.raises(ImportBusy, match="under way"):
        import_url(f"sqlite:///{source}", NARROW, yesterday)


def test_a_dry_run_says_what_would_come_and_changes_nothing(
    tmp_path: Path, source: Path, yesterday: ImportOrder
) -> None:
    before = yesterday.file.stat()
    report = import_url(f"sqlite:///{source}", NARROW, yesterday, dry_run=True)
    assert not report.swapped
    assert report.about.rows["accounts"] > 30
    assert yesterday.file.stat() == before
    assert not new_name(yesterday.file).exists()
    empty = order(tmp_path / "none")
    import_url(f"sqlite:///{source}", NARROW, empty, dry_run=True)
    assert not empty.file.exists()


def test_without_an_account_the_old_data_stays(source: Path, yesterday: ImportOrder) -> None:
    with closing(sqlite3.connect(source)) as owner, owner:
        owner.execute("UPDATE serv SET state = '2HX'")
    with pytest.raises(ImportRefused, match="not one account"):
        import_url(f"sqlite:///{source}", NARROW, yesterday)
    assert phone_of(yesterday.file) == "88610001"


def test_too_many_refused_rows_leave_the_old_data(source: Path, yesterday: ImportOrder) -> None:
    with closing(sqlite3.connect(source)) as owner, owner:
        owner.execute("UPDATE acct_item SET charge = 'much' WHERE acct_item_id % 50 = 0")
    with pytest.raises(ImportRefused, match=r"rows of bills are refused, more than 1\.00%") as no:
        import_url(f"sqlite:///{source}", NARROW, yesterday)
    refused = no.value.report.about.refused["bills"]
    assert refused > 0.01 * no.value.report.read["bills"]
    assert phone_of(yesterday.file) == "88610001"
    patient = ImportOrder(yesterday.file, "", most_refused=0.1)
    assert import_url(f"sqlite:///{source}", NARROW, patient).refused == refused


def test_a_source_that_lacks_a_column_is_told_with_its_nearest_name(
    source: Path, yesterday: ImportOrder
) -> None:
    with closing(sqlite3.connect(source)) as owner, owner:
        owner.execute("ALTER TABLE acct_bill RENAME COLUMN bill_charge TO bill_charges")
    with pytest.raises(MappingError, match="bill_charges"):
        import_url(f"sqlite:///{source}", NARROW, yesterday)
    assert phone_of(yesterday.file) == "88610001"


def test_a_source_that_cannot_be_reached_is_told(tmp_path: Path, yesterday: ImportOrder) -> None:
    with pytest.raises(BillingDown):
        import_url(f"sqlite:///{tmp_path / 'gone.db'}", NARROW, yesterday)
    assert phone_of(yesterday.file) == "88610001"


def test_what_ends_the_import_before_the_swap_leaves_the_old_data(
    source: Path, yesterday: ImportOrder
) -> None:
    def no_record(_: object) -> None:
        raise BillingError("the audit cannot be written")

    with pytest.raises(BillingError, match="audit"):
        import_url(f"sqlite:///{source}", NARROW, yesterday, before_swap=no_record)
    assert phone_of(yesterday.file) == "88610001"


@pytest.fixture
def wide() -> BillingMapping:
    return load_mapping(profile_for("wide"))


def test_a_file_says_whether_it_serves_a_mapping(
    yesterday: ImportOrder, wide: BillingMapping, tmp_path: Path
) -> None:
    about = read_about(yesterday.file)
    assert about
    assert about.source == "a source"
    assert about.rows["accounts"] > 30
    assert about.months[-1] == LAST
    assert unfit(yesterday.file, embedded(NARROW)) is None
    assert "another mapping" in str(unfit(yesterday.file, embedded(wide)))
    assert "no billing data" in str(unfit(tmp_path / "none.db", embedded(wide)))
    yesterday.file.write_bytes(b"no database at all")
    assert "no billing file" in str(unfit(yesterday.file, embedded(wide)))
