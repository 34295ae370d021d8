"""Versions of the store: made, carried upward, refused; the steps make the tables of the code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import ivrd.store.migrations
from ivrd.errors import StoreError
from ivrd.store import migrate
from ivrd.store.connections import engine_from
from ivrd.store.engine import Store, open_store
from ivrd.store.migrate import HEAD, VERSION_TABLE, version_of
from ivrd.store.tables import metadata
from tests.store.filled import fill, rows_of

TOP = Path(__file__).resolve().parents[2]
NEXT = "9999"

STEP = f'''
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"


def upgrade():
    # SQLite makes a table anew for most changes; here for both
    how = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("targets", recreate=how) as table:
        table.add_column(sa.Column("floor", sa.Integer(), nullable=False, server_default="7"))
    with op.batch_alter_table("campaigns", recreate=how) as table:
        table.alter_column("kind", new_column_name="sort")
'''


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make of this ivrd a newer one, with a step more."""

    def become(step: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(Path(str(ivrd.store.migrations.__file__)).parent, folder)
        (folder / "versions" / "v9999_next.py").write_text(step)
        monkeypatch.setattr(migrate, "PLACE", str(folder))
        monkeypatch.setattr(migrate, "HEAD", NEXT)

    return become


def shape_of(tx: Connection) -> dict[str, Any]:
    """Return all that an inspector sees of our tables."""
    seen = inspect(tx)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in seen.get_columns(name)
            },
            "key": seen.get_pk_constraint(name),
            "foreign": sorted(seen.get_foreign_keys(name), key=str),
            "unique": sorted(seen.get_unique_constraints(name), key=str),
            "indexes": sorted(seen.get_indexes(name), key=str),
        }
        for name in metadata.tables
    }


def test_steps_make_the_same_tables_as_the_code(
    kind: str, new_url: Callable[[str], str], open_at: Callable[[str], Store]
) -> None:
    engine = engine_from(new_url(kind))
    with engine.begin() as tx:
        metadata.create_all(tx)
        meant = shape_of(tx)
        if kind == "postgresql":
            meant = _with_sequences(meant)
    engine.dispose()
    made = open_at(new_url(kind)).read(shape_of)
    assert (_with_sequences(made) if kind == "postgresql" else made) == meant


def _with_sequences(shape: dict[str, Any]) -> dict[str, Any]:
    """Keep that a column has a sequence, not how it is written."""
    for table in shape.values():
        table["columns"] = {
            name: (form, null, "nextval" if default and "nextval" in default else default)
            for name, (form, null, default) in table["columns"].items()
        }
    return shape


def test_alembic_finds_nothing_left_to_do(store: Store) -> None:
    def differences(tx: Connection) -> list[Any]:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))

    assert store.read(differences) == []


def test_new_store_has_the_version_of_the_code_and_it_is_the_last_step(any_store: Store) -> None:
    assert any_store.read(version_of) == HEAD == migrate.steps()[-1]


def test_filled_store_is_carried_upward_with_all_its_rows(
    url: str, open_at: Callable[[str], Store], newer: Callable[[str], None]
) -> None:
    old = open_at(url)
    old.transact(fill)
    before = old.read(rows_of)
    old.close()
    newer(STEP)
    store = open_at(url)

    def after(tx: Connection) -> tuple[dict[str, Any], Any, Any]:
        floor = tx.execute(text("SELECT floor FROM targets")).scalar_one()
        sort = tx.execute(text("SELECT sort FROM campaigns")).scalar_one()
        tx.execute(text("ALTER TABLE campaigns RENAME COLUMN sort TO kind"))
        return rows_of(tx), floor, sort

    assert store.transact(after) == (before, 7, "dunning")
    assert store.read(version_of) == NEXT


def test_step_that_fails_leaves_the_store_as_it_was(
    url: str, open_at: Callable[[str], Store], newer: Callable[[str], None]
) -> None:
    old = open_at(url)
    old.transact(fill)
    before, shape = old.read(rows_of), old.read(shape_of)
    newer(STEP + '    op.drop_table("notes")\n    op.execute("no statement")\n')
    with pytest.raises(StoreError, match=r"refused|syntax"):
        open_store(url)
    assert old.read(rows_of) == before
    assert old.read(shape_of) == shape
    assert old.read(version_of) == HEAD


def test_step_that_leaves_rows_without_what_they_refer_to_changes_nothing(
    new_url: Callable[[str], str], open_at: Callable[[str], Store], newer: Callable[[str], None]
) -> None:
    url = new_url("sqlite")
    old = open_at(url)
    old.transact(fill)
    before = old.read(rows_of)
    newer(STEP + '    op.get_bind().execute(sa.delete(sa.table("campaigns")))\n')
    with pytest.raises(StoreError, match="refer to nothing"):
        open_store(url)
    assert old.read(rows_of) == before


def test_store_of_a_newer_ivrd_is_refused_and_left_alone(
    url: str,
    open_at: Callable[[str], Store],
    newer: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_at(url).transact(fill)
    with monkeypatch.context():
        newer(STEP)
        open_at(url)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=rf"version {NEXT}, of a newer ivrd.*up to {HEAD}"):
        open_store(url)


def test_database_of_somebody_else_is_refused_and_left_alone(url: str) -> None:
    engine = engine_from(url)
    with engine.begin() as tx:
        tx.execute(text("CREATE TABLE notes (words TEXT)"))
    with pytest.raises(StoreError, match="a table notes that is not ivrd's"):
        open_store(url)
    with engine.connect() as tx:
        assert inspect(tx).get_table_names() == ["notes"]
    engine.dispose()


OPENER = """
import sys
from ivrd.store.engine import open_store
from ivrd.store.migrate import version_of

print("ready", flush=True)
sys.stdin.readline()
store = open_store(sys.argv[1])
print(store.read(version_of))
store.close()
"""


def test_processes_that_open_a_new_store_at_once_all_succeed(url: str) -> None:
    processes = [
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", OPENER, url],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert told == [HEAD] * 3
