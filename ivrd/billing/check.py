"""A mapping held against the live schema, before a caller does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, Inspector, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import Date, DateTime, Integer, Numeric, String, Time, TypeEngine

from ivrd.billing.bills import month_reader
from ivrd.billing.database import Run, translated
from ivrd.billing.entities import Bill
from ivrd.billing.mapping import (
    BillingMapping,
    Column,
    DetailTable,
    KeyColumn,
    MonthColumn,
    NarrowBill,
    Table,
)
from ivrd.billing.reader import BillingReader
from ivrd.billing.statements import Source
from ivrd.billing.values import text_of
from ivrd.errors import BillingError, Problem, nearest


@dataclass(slots=True)
class Check:
    """What a check found: with `problems` the mapping cannot be used, `warnings` are advice.

    `sample` is a bill that was read through the mapping, None where there was none to read.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    sample: Bill | None = None


def check_billing(mapping: BillingMapping, engine: Engine) -> Check:
    """Hold every table and column of `mapping` against the database, and read one bill."""
    check = Check()
    try:
        inspector = inspect(engine)
        for key, part in mapping.tables():
            _check_table(mapping, inspector, key, part, check)
        if not check.problems:
            _read_sample(mapping, engine, check)
    except (SQLAlchemyError, OSError) as exc:
        where = engine.url.render_as_string(hide_password=True)
        if engine.dialect.name == "sqlite":
            where = str(engine.url.database).removeprefix("file:")
        check.problems.append(
            Problem(str(translated(exc)), expected=f"one that answers at {where}", rule="down")
        )
    except BillingError as exc:
        check.problems.append(
            mapping.problem((), f"a bill could not be read: {exc}", rule="sample")
        )
    return check


def _check_table(
    mapping: BillingMapping, inspector: Inspector, key: tuple[str, ...], part: Table, check: Check
) -> None:
    schema = mapping.db_schema
    tables = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    if part.table not in tables:
        check.problems.append(
            mapping.problem(
                (*key, "table"),
                f"the database has no table {part.table!r}",
                expected=_some(tables),
                nearest=_nearest(part.table, tables),
                rule="no-table",
            )
        )
        return
    types = {c["name"]: c["type"] for c in inspector.get_columns(part.table, schema)}
    columns = list(_columns(key, part))
    for place, name, column in columns:
        if name not in types:
            check.problems.append(
                mapping.problem(
                    place,
                    f"{part.table} has no column {name!r}",
                    expected=_some(types),
                    nearest=_nearest(name, types),
                    rule="no-column",
                )
            )
        elif column and not (column.role == "account" and _id_misfits(check)):
            expected = _misfit(mapping, column, types[name])
            if expected:
                check.problems.append(
                    mapping.problem(
                        place,
                        f"{part.table}.{name} is {types[name]}",
                        expected=expected,
                        rule="type",
                    )
                )
    if all(name in types for _, name, _ in columns):
        _check_index(mapping, inspector, key, part, check)


def _columns(
    key: tuple[str, ...], part: Table
) -> Iterator[tuple[tuple[str, ...], str, Column | None]]:
    """Return every column a table's mapping names: its place, its name, what it must hold."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Column):
            yield (*key, name), value.column, value
        elif isinstance(value, list):
            for index, one in enumerate(value):
                if isinstance(one, Column):
                    yield (*key, name, str(index)), one.column, one
        elif name == "items" and isinstance(value, dict):
            for item, amount in value.items():
                if isinstance(amount, Column):
                    yield (*key, name, item), amount.column, amount
    for name in part.where:
        yield (*key, "where", name), name, None
    if isinstance(part, DetailTable):
        for name in part.order:
            yield (*key, "order"), name, None


def _misfit(mapping: BillingMapping, column: Column, found: TypeEngine[Any]) -> str | None:
    """Return what was expected of a column that cannot hold what the mapping says, else None."""
    text, whole = isinstance(found, String), isinstance(found, Integer)
    if isinstance(column, KeyColumn | MonthColumn) or column.role == "account":
        said = (
            column.type if isinstance(column, KeyColumn | MonthColumn) else mapping.account.id.type
        )
        fits = {
            "text": text,
            "integer": whole or isinstance(found, Numeric),
            "date": isinstance(found, Date),
        }
        if fits[said]:
            return None
        right = [kind for kind, can in fits.items() if can]
        return f'{said}; say type = "{right[0]}"' if right else said
    needs: dict[str, tuple[tuple[type[Any], ...], str]] = {
        "amount": ((Integer, Numeric, String), "a number"),
        "number": ((Integer, Numeric, String), "a number"),
        "date": ((Date, DateTime, String, Integer), "a date, or text or a number in the format"),
        "time": ((Time, String, Integer), "a time, or text or a number in the format"),
        "instant": ((DateTime, String, Integer), "date and time, or text in the format"),
    }
    able, words = needs.get(column.role, ((TypeEngine,), ""))
    return None if isinstance(found, able) else words


def _check_index(
    mapping: BillingMapping, inspector: Inspector, key: tuple[str, ...], part: Table, check: Check
) -> None:
    """Warn where a column that lookups start from begins no index: every call would read it all."""
    if part.table in inspector.get_view_names(mapping.db_schema):
        return
    indexes = inspector.get_indexes(part.table, mapping.db_schema)
    first = {index["column_names"][0] for index in indexes if index["column_names"]}
    first |= set(
        inspector.get_pk_constraint(part.table, mapping.db_schema)["constrained_columns"][:1]
    )
    first |= {
        u["column_names"][0]
        for u in inspector.get_unique_constraints(part.table, mapping.db_schema)
    }
    for name in ("id", "phone", "agreement", "account"):
        column = getattr(part, name, None)
        if isinstance(column, Column) and column.column not in first:
            check.warnings.append(
                mapping.problem(
                    (*key, name),
                    f"{part.table}.{column.column} has no index: lookups will be slow",
                    expected="an index that begins with it",
                    rule="no-index",
                )
            )


def _id_misfits(check: Check) -> bool:
    """Return whether the account id was found wrong: what points at it then is no news."""
    return any(problem.rule == "type" and problem.key == "account.id" for problem in check.problems)


_SAMPLES = 100
"""Rows to look through for what the mapping does not know."""


def _read_sample(mapping: BillingMapping, engine: Engine, check: Check) -> None:
    """Read one account's bill as a caller would, and see whether it adds up."""
    reader = BillingReader(mapping, engine)
    if isinstance(mapping.bill, NarrowBill):
        _check_codes(mapping, mapping.bill, reader, check)
    if check.problems:
        return
    for account_id, month in reader.database.ask(lambda run: _bills(mapping, run)):
        bill = reader.bill(account_id, month)
        if not isinstance(bill, Bill):
            continue
        check.sample = bill
        items = sum(item.amount_fen for item in bill.items)
        if items != bill.total_fen:
            check.warnings.append(
                mapping.problem(
                    ("bill", "total"),
                    f"of {month} is {bill.total_fen} fen, its items make {items}",
                    expected="items that add up to the total; is one missing?",
                    rule="total",
                )
            )
        if bill.total_fen:
            break
    if check.sample is None:
        check.warnings.append(
            mapping.problem(("bill",), "no bill was found to try", rule="no-sample")
        )


def _bills(mapping: BillingMapping, run: Run) -> list[tuple[str, str]]:
    """Return accounts and months of some bills."""
    bill = mapping.bill
    month_of = month_reader(bill.month)
    query = Source(mapping, bill).select([bill.account.column, bill.month.column], limit=_SAMPLES)
    found = dict.fromkeys((text_of(row[0]), row[1]) for row in run(query, {}))
    try:
        return [(account, month_of(value) or "") for account, value in found if account]
    except ValueError as exc:
        raise BillingError(f"bill.month: {exc}") from None


def _check_codes(
    mapping: BillingMapping, bill: NarrowBill, reader: BillingReader, check: Check
) -> None:
    """Name the item codes of the database that no item of the mapping has."""
    if bill.rest:
        return
    source = Source(mapping, bill)
    query = source.select([bill.code.column], limit=10 * _SAMPLES).distinct()
    found = {text_of(row[0]) for row in reader.database.ask(lambda run: run(query, {}))}
    known = {code for codes in bill.items.values() for code in codes}
    unknown = sorted(code for code in found - known if code)
    if unknown:
        check.problems.append(
            mapping.problem(
                ("bill", "items"),
                f"the database has codes that no item has: {_some(unknown)}",
                expected="each under an item, or bill.rest",
                rule="unknown-code",
            )
        )


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the nearest name; one that differs in case alone is the commonest slip."""
    cased = {other.lower(): other for other in names}
    found = nearest(name.lower(), cased)
    return cased[found] if found else None


def _some(names: Any) -> str:
    """Return the first few names: a schema may have thousands."""
    shown = list(names)
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "") or "none at all"
