"""ivrd's own billing file: its mapping, its tables, and what it tells of itself.

The mapping is `embedded.toml` cut to what the operator's mapping has; the tables are made from it.
A value that could not be read stands there as `UNREADABLE`: whoever asks for it gets the error
that a live database would have given, never a bill that lacks something.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ivrd.billing.columns import KeyColumn
from ivrd.billing.tables import ArrearsTable, BillingMapping, NarrowBill, Table, UnpaidBills
from ivrd.errors import BillingDown, Problem

UNREADABLE = "unreadable"
"""Stands for a value that does not fit: no amount, no date and no time is so written."""

LEFT = "left_to_pay"
"""The column of what is left to pay, where the operator's database tells by it what is paid."""

INTEGERS = frozenset({LEFT, "consent", "paid", "total", "months", "amount", "charge", "surcharge",
                      "seconds", "position"})  # fmt: skip

_MADE = Path(__file__).with_name("embedded.toml")


def embedded_mapping(source: BillingMapping) -> BillingMapping:
    """Return the mapping that reads ivrd's own file, filled through `source`."""
    made = tomllib.loads(_MADE.read_text(encoding="utf-8"))
    made["zone"] = source.zone
    _account(made["account"], source)
    bill, head = made["bill"], source.bill
    bill["items"] = {code: f"item_{code}" for code in source.bill.items}
    whole = head.head if isinstance(head, NarrowBill) else head
    for name in ("total", "paid", "due"):
        if whole is None or getattr(whole, name) is None:
            del bill[name]
    if whole is not None and whole.paid and whole.paid.money:
        bill["paid"] = {"left": LEFT}
    if source.details is None:
        del made["details"]
    else:
        made["details"]["of"] = list(source.details.of)
        if source.details.surcharge is None:
            del made["details"]["surcharge"]
    _arrears(made, source)
    return BillingMapping.model_validate(made)


def _account(made: dict[str, Any], source: BillingMapping) -> None:
    for name in list(made):
        said = getattr(source.account, name)
        if said is None:
            del made[name]
        elif isinstance(said, KeyColumn):
            made[name] = {"column": made[name], "type": said.whole_type}
    made["other_phones"] = [f"phone_{n + 2}" for n in range(len(source.account.other_phones))]


def _arrears(made: dict[str, Any], source: BillingMapping) -> None:
    said = source.arrears
    if said is None:
        del made["arrears"]
        return
    if isinstance(said, UnpaidBills):
        texts = {n: c for n, c in (("product", "product"), ("group", "customer_group"))
                 if getattr(said, n) is not None}  # fmt: skip
        made["arrears"] = {"by": "unpaid-bills", "past_due": said.past_due, **texts}
        return
    for name in ("months", "month", "due", "product", "group"):
        if getattr(said, name) is None:
            del made["arrears"][name]


def tables_of(mapping: BillingMapping) -> dict[str, dict[str, str]]:
    """Return the tables of ivrd's own file, their columns, and what each holds."""
    key = {"text": "TEXT", "integer": "INTEGER"}
    account = mapping.account
    keys = {said.column: key[said.type] for said in (account.id, account.phone, account.agreement)
            if said and said.column}  # fmt: skip
    made: dict[str, dict[str, str]] = {}
    for _, table in mapping.tables():
        columns = {name: _kind(name) for name in _columns_of(table)}
        if "account" in columns:
            columns["account"] = key[account.id.whole_type]
        made[table.table] = columns
    made["account"] |= keys
    if isinstance(mapping.arrears, UnpaidBills):
        made["bill"] |= {said.column: "TEXT" for said in
                         (mapping.arrears.product, mapping.arrears.group)
                         if said and said.column}  # fmt: skip
    if "detail" in made:
        made["detail"] = {"position": "INTEGER PRIMARY KEY"} | {
            name: kind for name, kind in made["detail"].items() if name != "position"
        }
    return made


def _columns_of(table: Table) -> Iterator[str]:
    for _, term in table.terms():
        if term.column is not None:
            yield term.column


def _kind(column: str) -> str:
    return "INTEGER" if column in INTEGERS or column.startswith("item_") else "TEXT"


def indexes_of(mapping: BillingMapping) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the indexes that lookups need: name, table, columns."""
    made: dict[str, tuple[str, tuple[str, ...]]] = {"ix_account_id": ("account", ("id",))}
    for name in ("phone", "agreement"):
        if getattr(mapping.account, name) is not None:
            made[f"ix_account_{name}"] = ("account", (name,))
    made["ix_bill"] = ("bill", ("account", "month"))
    if mapping.details:
        made["ix_detail"] = ("detail", ("account", "month", "position"))
    if isinstance(mapping.arrears, ArrearsTable):
        made["ix_arrears"] = ("arrears", ("account",))
    return made


def shape_of(mapping: BillingMapping) -> str:
    """Return a word that differs where the file of one mapping does not serve another."""
    text = json.dumps([tables_of(mapping), mapping.zone, list(mapping.bill.items),
                       mapping.details.of if mapping.details else []])  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class About:
    """What ivrd's own file tells of itself: the rows of each part, taken over and refused.

    `as_of` is when reading its source began; `seen` tells one file from the next.
    """

    as_of: datetime
    source: str
    shape: str
    rows: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    months: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return it as the file keeps it."""
        return json.dumps({
            "as_of": self.as_of.isoformat(), "source": self.source, "shape": self.shape,
            "rows": dict(self.rows), "refused": dict(self.refused), "months": self.months,
        })  # fmt: skip


def read_about(file: Path) -> About | None:
    """Return what a file tells of itself, None where there is none.

    Raises `BillingDown` where it cannot be read, or is no file of ivrd's.
    """
    try:
        with file.open("rb"):
            pass
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BillingDown(f"{file} cannot be read: {error.strerror or error}") from None
    try:
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as opened:
            (text,) = opened.execute("SELECT told FROM about").fetchone()
        said = json.loads(text)
        said["as_of"] = datetime.fromisoformat(said["as_of"])
        return About(**{**said, "months": tuple(said["months"])})
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise BillingDown(f"{file} is no billing file of ivrd's ({type(error).__name__})") from None


def seen(file: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from the next in its place; None where there is none."""
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size


def unfit(file: Path, mapping: BillingMapping) -> Problem | None:
    """Return why ivrd's own file does not serve the `mapping` that reads it, None where it does."""
    try:
        about = read_about(file)
    except BillingDown as error:
        return Problem(str(error), expected="one that `ivrd import` wrote", rule="down")
    if about is None:
        return Problem("no billing data was imported yet", file=file, expected="`ivrd import`",
                       rule="down")  # fmt: skip
    if about.shape != shape_of(mapping):
        return Problem("the billing data was imported by another mapping", file=file,
                       expected="`ivrd import`, by this one", rule="down")  # fmt: skip
    return None
