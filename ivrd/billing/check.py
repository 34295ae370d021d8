"""A mapping held against the live schema, before a caller does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ivrd.billing.arrears import owed_of
from ivrd.billing.database import Run
from ivrd.billing.driver_errors import translated
from ivrd.billing.entities import Account, Arrears, Bill
from ivrd.billing.month_tables import months_among
from ivrd.billing.privileges import may_write
from ivrd.billing.reader import BillingReader
from ivrd.billing.readers import month_reader, text_reader
from ivrd.billing.schema import Schema
from ivrd.billing.schema_check import TableCheck
from ivrd.billing.statements import Source
from ivrd.billing.tables import BillingMapping, Key, NarrowBill, Table, UnpaidBills
from ivrd.billing.values import text_of
from ivrd.errors import BillingError, Problem


@dataclass(slots=True)
class Check:
    """What a check found: with `problems` the mapping cannot be used, `warnings` are advice.

    `sample` is a bill that was read through the mapping, None where there was none to read;
    `account` is whose it is, `arrears` what they owe.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    sample: Bill | None = None
    account: Account | None = None
    arrears: tuple[Arrears, ...] = ()


def check_billing(mapping: BillingMapping, engine: Engine) -> Check:
    """Hold every table and column of `mapping` against the database, and read one bill."""
    check = Check()
    try:
        schema = Schema(engine, mapping.db_schema)
        for key, part in mapping.tables():
            _check_table(mapping, schema, key, part, check)
        _check_computed(mapping, schema, check)
        if not check.problems:
            _check_account(mapping, schema, check)
            _read_sample(mapping, schema, check)
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
    mapping: BillingMapping, schema: Schema, key: Key, part: Table, check: Check
) -> None:
    id_misfits = any(p.rule == "type" and p.key == "account.id" for p in check.problems)
    found = TableCheck(mapping, schema, key, part, id_misfits=id_misfits)
    check.problems += found.problems
    check.warnings += found.warnings


def _check_computed(mapping: BillingMapping, schema: Schema, check: Check) -> None:
    """Check what computed arrears name themselves; the bills' own columns are checked there."""
    if not isinstance(mapping.arrears, UnpaidBills) or check.problems:
        return
    owed = owed_of(mapping)
    if owed is not None:
        found = TableCheck(mapping, schema, ("arrears",), owed.part, id_misfits=False)
        check.problems += found.problems


def _check_account(mapping: BillingMapping, schema: Schema, check: Check) -> None:
    """Warn where the account could write: read-only connections guard against slips alone."""
    names = [name for _, part in mapping.tables() for name in _tables_of(part, schema)]
    could = may_write(schema.engine, dict.fromkeys(names), mapping.db_schema)
    if could:
        check.warnings.append(
            Problem(
                f"the database account may write: {_some(could)}",
                expected="an account that may only SELECT",
                rule="may-write",
            )
        )


def _tables_of(part: Table, schema: Schema) -> list[str]:
    """Return the tables that a part reads, the newest where there is one each month."""
    named = [part.table, *(join.table for join in part.join.values())]
    return [name if name in schema.names else _newest(name, schema)[1] for name in named]


def _newest(name: str, schema: Schema) -> tuple[str, str]:
    """Return the newest month of a name that has tables by month, and its table."""
    return list(months_among(name, schema.names).items())[-1]


_SAMPLES = 100
"""Rows to look through for what the mapping does not know."""


def _read_sample(mapping: BillingMapping, schema: Schema, check: Check) -> None:
    """Read one account's bill as a caller would, and see whether it adds up."""
    reader = BillingReader(mapping, schema.engine)
    months = _sample_months(mapping, schema)
    if isinstance(mapping.bill, NarrowBill):
        _check_codes(mapping, mapping.bill, reader, months[0], check)
    if check.problems:
        return
    for of_table in months:
        _try_bills(mapping, reader, of_table, check)
        if check.sample is not None:
            return
    check.warnings.append(mapping.problem(("bill",), "no bill was found to try", rule="no-sample"))


def _try_bills(
    mapping: BillingMapping, reader: BillingReader, month_of_table: str | None, check: Check
) -> None:
    """Read bills, of one table where there is one each month, until one has something to pay."""
    for account_id, month in reader.database.ask(lambda run: _bills(mapping, run, month_of_table)):
        bill = reader.bill(account_id, month)
        account = reader.account(account_id)
        if not isinstance(bill, Bill) or account is None:
            continue
        check.sample, check.account = bill, account
        check.arrears = reader.arrears(account_id)
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


_TABLES = 3
"""Tables by month that are tried: of the latest the bill run may not be done."""


def _sample_months(mapping: BillingMapping, schema: Schema) -> Sequence[str | None]:
    """Return the latest months that have a table of bills; None where one table has all."""
    bill = mapping.bill
    named = [bill.table, *(join.table for join in bill.join.values())]
    tables = [months_among(name, schema.names) for name in named if name not in schema.names]
    if not tables:
        return [None]
    today = datetime.now(ZoneInfo(mapping.zone))
    whole = set.intersection(*(set(months) for months in tables))
    past = sorted((month for month in whole if month <= f"{today:%Y-%m}"), reverse=True)
    return past[:_TABLES] or [None]


def _bills(mapping: BillingMapping, run: Run, month_of_table: str | None) -> list[tuple[str, str]]:
    """Return accounts and months of some bills."""
    bill = mapping.bill
    if bill.monthly and month_of_table is None:
        return []
    source = Source(mapping, bill, month=month_of_table)
    if bill.month is None or month_of_table:
        rows = run(source.select([bill.account], limit=_SAMPLES), {})
        accounts = dict.fromkeys(text_of(row[0]) for row in rows)
        return [(account, month_of_table or "") for account in accounts if account]
    month_of = month_reader(bill.month)
    rows = run(source.select([bill.account, bill.month], limit=_SAMPLES), {})
    found = dict.fromkeys((text_of(row[0]), row[1]) for row in rows)
    try:
        return [(account, month_of(value) or "") for account, value in found if account]
    except ValueError as exc:
        raise BillingError(f"bill.month: {exc}") from None


def _check_codes(
    mapping: BillingMapping, bill: NarrowBill, reader: BillingReader, month: str | None,
    check: Check,
) -> None:  # fmt: skip
    """Name the item codes of the database that no item of the mapping has."""
    if bill.rest or (bill.monthly and month is None):
        return
    source = Source(mapping, bill, month=month)
    query = source.select([bill.code], limit=10 * _SAMPLES).distinct()
    read = text_reader(bill.code)
    found = {read(row[0]) for row in reader.database.ask(lambda run: run(query, {}))}
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


def _some(names: Iterable[str]) -> str:
    """Return the first few names: a schema may have thousands."""
    shown = list(names)
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")
