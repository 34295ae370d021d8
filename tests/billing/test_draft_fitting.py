"""A draft whose parts do not fit each other is made to load; what was left out is told."""

from __future__ import annotations

from pathlib import Path

from ivrd.billing.draft.findings import Draft
from ivrd.billing.draft.fitting import fit
from ivrd.billing.draft.write import toml_of
from ivrd.billing.mapping import load_mapping


def drafted(**more: object) -> Draft:
    """Return a small whole draft, with more keys; "__" stands for a dot."""
    draft = Draft()
    values: dict[str, object] = {
        "name": "n", "zone": "Asia/Shanghai", "unit": "fen", "account.table": "A",
        "account.id": "ID", "account.phone": "TEL", "bill.layout": "wide", "bill.table": "B",
        "bill.account": "ID", "bill.month": "M", "bill.ready.by": "any-bill",
        "bill.items.data": 'odd "name"\\',
    }  # fmt: skip
    for key, value in {
        **values,
        **{key.replace("__", "."): value for key, value in more.items()},
    }.items():
        draft.say(key, value, "guess", "of a test")
    return draft


def loads(draft: Draft, folder: Path) -> bool:
    file = folder / "m.toml"
    file.write_text(toml_of(draft), encoding="utf-8")
    return bool(load_mapping(file))


def test_a_draft_that_fits_is_left_as_it_is(tmp_path: Path) -> None:
    draft = drafted()
    fit(draft)
    assert draft.notes == []
    assert loads(draft, tmp_path)


def test_arrears_that_cannot_be_computed_are_left_out(tmp_path: Path) -> None:
    draft = drafted(arrears__by="unpaid-bills")
    fit(draft)
    assert not draft.has("arrears.by")
    assert [note.split()[0] for note in draft.notes] == ["arrears"]
    assert loads(draft, tmp_path)


def test_a_flag_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    draft = drafted(bill__paid={"column": "P", "yes": [1]}, account__language={"from": "x"})
    fit(draft)
    assert not draft.has("bill.paid")
    assert not draft.has("account.language")
    assert loads(draft, tmp_path)


def test_what_is_needed_stays_for_a_person_to_decide() -> None:
    draft = drafted(bill__month={"year": "Y"})
    fit(draft)
    assert draft.has("bill.month")
