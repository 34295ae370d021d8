"""The audit trail: whatever is done to its rows afterwards shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, update

from ivrd.errors import StoreError
from ivrd.store import audit
from ivrd.store.audit import Head
from ivrd.store.engine import Store, open_store
from ivrd.store.tables import audit as rows
from tests.store.conftest import NOW


def write(tx: Connection, count: int = 6) -> None:
    for n in range(count):
        at = NOW + timedelta(seconds=n)
        audit.record(tx, at, f"user {n % 2}", "campaign.start", {"lines": [n], "名": "欠费"})


def test_trail_that_nobody_touched_is_whole(any_store: Store) -> None:
    assert any_store.read(audit.verify) == []
    any_store.transact(write)
    exported = any_store.read(audit.head)
    any_store.transact(write)
    assert any_store.read(lambda tx: audit.verify(tx, exported)) == []
    assert any_store.read(audit.head).id == 12
    assert [one.id for one in any_store.read(lambda tx: audit.latest(tx, 3))] == [12, 11, 10]


@pytest.mark.parametrize(
    "edit",
    [
        {"by": "somebody else"},
        {"action": "campaign.stop"},
        {"data": {"lines": [3]}},
        {"at": NOW},
        {"hash": "0" * 64},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_edited_row_shows(store: Store, edit: dict[str, object]) -> None:
    store.transact(write)
    store.transact(lambda tx: tx.execute(update(rows).where(rows.c.id == 3).values(edit)).rowcount)
    assert store.read(audit.verify)[0].id == 3


def test_deleted_rows_show_each_gap_once(store: Store) -> None:
    store.transact(write)
    store.transact(lambda tx: tx.execute(delete(rows).where(rows.c.id.in_([1, 3, 4]))).rowcount)
    assert [str(one) for one in store.read(audit.verify)] == [
        "audit row 1: is missing",
        "audit row 3: and those up to 4 are missing",
    ]


def test_rows_in_another_order_show(store: Store) -> None:
    def swap(tx: Connection) -> None:
        for old, new in ((2, 0), (3, 2), (0, 3)):
            tx.execute(update(rows).where(rows.c.id == old).values(id=new))

    store.transact(write)
    store.transact(swap)
    assert {2, 3} <= {one.id for one in store.read(audit.verify)}


def test_rows_cut_off_at_the_end_show_against_an_exported_head(store: Store) -> None:
    store.transact(write)
    exported = Head.parse(str(store.read(audit.head)))
    store.transact(lambda tx: tx.execute(delete(rows).where(rows.c.id > 4)).rowcount)
    assert store.read(audit.verify) == []
    (found,) = store.read(lambda tx: audit.verify(tx, exported))
    assert str(found) == "audit row 5: and those up to 6 are missing at the end"


def test_whole_trail_made_anew_shows_against_an_exported_head(store: Store) -> None:
    store.transact(write)
    exported = store.read(audit.head)

    def anew(tx: Connection) -> None:
        tx.execute(delete(rows))
        for n in range(8):
            audit.record(tx, NOW, "wang", "other", {"n": n})

    store.transact(anew)
    assert store.read(audit.verify) == []
    (found,) = store.read(lambda tx: audit.verify(tx, exported))
    assert "exported" in found.what


def test_many_writers_make_one_chain(any_store: Store) -> None:
    def work() -> None:
        for _ in range(5):
            any_store.transact(lambda tx: write(tx, 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any_store.read(audit.head).id == 20
    assert any_store.read(audit.verify) == []


def test_data_that_is_not_json_is_refused_and_nothing_is_written(memory: Store) -> None:
    for wrong in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError, StoreError)):
            memory.transact(lambda tx, data=wrong: audit.record(tx, NOW, "w", "a", data))  # type: ignore[misc]
    assert memory.read(audit.head) == Head(0, "0" * 64)


@pytest.mark.parametrize("text", ["", "5", "5:abc", "x:" + "0" * 64, "5:" + "g" * 64])
def test_text_that_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="audit head"):
        Head.parse(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc名", max_size=3), inner)
    ),
    max_leaves=6,
)
ROW = st.tuples(
    st.text("ab王", max_size=4),
    st.text("c.d", max_size=4),
    st.dictionaries(st.text("xyz", max_size=2), JSON, max_size=3),
)
DAMAGE = st.sampled_from(["edit", "delete", "swap", "insert", "cut"])


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    """Return one store for all examples, emptied by each."""
    store = open_store("sqlite://", now=lambda: NOW)
    yield store
    store.close()


@settings(deadline=None)
@given(trail=st.lists(ROW, min_size=2, max_size=7), damage=DAMAGE, place=st.integers(0, 6))
def test_any_trail_is_whole_until_any_damage(
    shared: Store, trail: list[tuple[str, str, dict[str, object]]], damage: str, place: int
) -> None:
    def job(tx: Connection) -> None:
        tx.execute(delete(rows))
        for by, action, said in trail:
            audit.record(tx, NOW, by, action, said)
        exported = audit.head(tx)
        assert audit.verify(tx, exported) == []
        harm(tx, damage, place % len(trail) + 1, len(trail))
        assert audit.verify(tx, exported)

    shared.transact(job)


def harm(tx: Connection, damage: str, place: int, last: int) -> None:
    """Do one thing to the trail that an honest writer never does."""
    here = rows.c.id == place
    if damage == "edit":
        tx.execute(update(rows).where(here).values(action=rows.c.action + "!"))
    elif damage == "delete":
        tx.execute(delete(rows).where(here))
    elif damage == "cut":
        tx.execute(delete(rows).where(rows.c.id >= place))
    elif damage == "swap":
        other = place % last + 1
        for old, new in ((place, -1), (other, place), (-1, other)):
            tx.execute(update(rows).where(rows.c.id == old).values(id=new))
    else:
        row = dict(tx.execute(select(rows).where(here)).mappings().one())
        tx.execute(delete(rows).where(rows.c.id >= place))
        tx.execute(insert(rows).values({**row, "by": row["by"] + "x"}))
