"""A draft that loads: what the mapping as a whole does not allow is left out, and told."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from ivrd.billing.draft.findings import Draft, Key
from ivrd.billing.mapping_checks import problems_in
from ivrd.billing.tables import BillingMapping

_LAYOUTS = frozenset({"wide", "narrow", "table", "unpaid-bills", "run", "any-bill"})
"""Words that stand in the place of an error for a choice, and in no key."""

_NEEDED = frozenset({
    ("account", "table"), ("account", "id"), ("account", "join"), ("bill", "layout"),
    ("bill", "table"), ("bill", "account"), ("bill", "month"), ("bill", "items"), ("bill", "code"),
    ("bill", "amount"), ("bill", "join"), ("bill", "head"), ("bill", "ready"),
})  # fmt: skip


def fit(draft: Draft) -> None:
    """Leave out what is not allowed beside the rest; what is needed stays, to be decided on."""
    while wrong := list(_wrong(draft)):
        part = next((part for key in wrong if (part := _optional(key)) is not None), None)
        if part is None or not any(found.key[: len(part)] == part for found in draft.findings):
            return
        draft.drop(*part)
        draft.notes.append(f"{'.'.join(part)} was left out: the rest does not allow what was found")


def _wrong(draft: Draft) -> Iterator[Key]:
    """Yield the keys that the mapping refuses."""
    try:
        mapping = BillingMapping.model_validate(draft.data())
    except ValidationError as error:
        for one in error.errors():
            yield tuple(str(part) for part in one["loc"] if part not in _LAYOUTS)
        return
    for problem in problems_in(mapping):
        yield tuple((problem.key or "").split("."))


def _optional(key: Key) -> Key | None:
    """Return the part to leave out for a key, None where a mapping cannot be without it."""
    if key[:1] in {("details",), ("arrears",)}:
        return key[:1]
    if key[:2] == ("bill", "head") and key[2:3] in {("paid",), ("due",), ("total",)}:
        return key[:3]
    return key[:2] if len(key) > 1 and key[:2] not in _NEEDED else None
