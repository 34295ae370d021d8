"""Writes the sample telecom operator into a SQLite file, in one of three schemas."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal, TypeAlias

from ivrd.billing.sample import (
    ITEMS,
    KNOWN,
    MonthBill,
    Subscriber,
    drawn_bills,
    drawn_subscribers,
    known_bills,
    month_back,
)
from ivrd.billing.sample_monthly import Monthly
from ivrd.billing.sample_schema import SchemaTables

Layout: TypeAlias = Literal["wide", "narrow", "monthly"]

PROFILES = Path(__file__).resolve().parent / "profiles"

LAYOUTS_AND_PROFILES: dict[Layout, Path] = {
    "wide": PROFILES / "telecom.toml",
    "narrow": PROFILES / "telecom-narrow.toml",
    "monthly": PROFILES / "telecom-monthly.toml",
}


def profile_for(layout: Layout) -> Path:
    """Return the mapping file that fits the sample database of this layout."""
    return LAYOUTS_AND_PROFILES[layout]


def write_sample(
    file: Path,
    today: date,
    *,
    seed: int = 7,
    accounts: int = 1000,
    months: int = 12,
    layout: Layout = "wide",
    last_month_ready: bool = True,
) -> None:
    """Write a sample database with `months` bills up to the month before `today`.

    The known subscribers are among the `accounts`. Without `last_month_ready` the bill run of
    the last month is not done. Raises FileExistsError where `file` is there already, ValueError
    for too few accounts or months.
    """
    tables: SchemaTables = LAYOUTS_AND_SCHEMAS[layout](today, last_month_ready)
    write_tables(file, tables, lambda: _everybody(today, seed, accounts, months), accounts, months)


def write_tables(
    file: Path,
    tables: SchemaTables,
    everybody: Callable[[], Iterable[tuple[Subscriber, list[MonthBill]]]],
    accounts: int,
    months: int,
) -> None:
    """Write `accounts` subscribers with `months` of bills into one schema, as `write_sample`."""
    if accounts < len(KNOWN) or accounts > 50_000:
        raise ValueError(f"a sample has {len(KNOWN)} to 50000 accounts, not {accounts}")
    if not 1 <= months <= 120:
        raise ValueError(f"a sample has 1 to 120 months, not {months}")
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    for subscriber, bills in everybody():
        tables.add(subscriber, bills)
    tables.add_runs([month_back(tables.today, back) for back in range(months, 0, -1)])
    _write(file, tables)


def _everybody(
    today: date, seed: int, accounts: int, months: int
) -> Iterator[tuple[Subscriber, list[MonthBill]]]:
    for known in KNOWN:
        yield known.subscriber, list(known_bills(known, today, months))
    rng = random.Random(seed)  # noqa: S311 - sample data, not secrets
    for subscriber in drawn_subscribers(rng, accounts - len(KNOWN)):
        yield subscriber, list(drawn_bills(rng, today, months))


def _write(file: Path, tables: SchemaTables) -> None:
    """Insert all rows, then index them; a failure leaves no half-made file."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.executescript(
            "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            + tables.CREATE
        )
        connection.execute("BEGIN")
        for name, rows in tables.rows.items():
            if rows:
                places = ",".join("?" * len(rows[0]))
                connection.executemany(f'INSERT INTO "{name}" VALUES ({places})', rows)  # noqa: S608 - our own names
        connection.execute("COMMIT")
        connection.executescript(tables.INDEX)
    except BaseException:
        connection.close()
        file.unlink(missing_ok=True)
        raise
    connection.close()


class _Wide(SchemaTables):
    """A column per item, amounts in yuan, months and dates as YYYYMM and YYYYMMDD."""

    CREATE = """
        CREATE TABLE TB_SERV (SERV_ID INTEGER PRIMARY KEY, ACC_NBR VARCHAR(20) NOT NULL,
            CONTACT_NBR VARCHAR(20), XIEYI_NBR VARCHAR(20), CUST_NAME VARCHAR(60),
            CERT_NBR VARCHAR(20), SERV_PWD VARCHAR(8), LANG_CD VARCHAR(8), PROD_CD VARCHAR(8),
            CUST_GRP VARCHAR(8), STATE_CD CHAR(3) NOT NULL);
        CREATE TABLE TB_ZHANGDAN (SERV_ID INTEGER NOT NULL, BILLING_CYCLE INTEGER NOT NULL,
            RENT_FEE NUMERIC(12,2), LOCAL_FEE NUMERIC(12,2), TOLL_AUTO_FEE NUMERIC(12,2),
            TOLL_MANUAL_FEE NUMERIC(12,2), WORK_FEE NUMERIC(12,2), INFO_FEE NUMERIC(12,2),
            DATA_FEE NUMERIC(12,2), ADJUST_FEE NUMERIC(12,2), TOTAL_FEE NUMERIC(12,2),
            PAY_FLAG CHAR(1), PAY_LIMIT CHAR(8));
        CREATE TABLE TB_BILLING_RUN (BILLING_CYCLE INTEGER PRIMARY KEY, STATE_CD CHAR(3) NOT NULL);
        CREATE TABLE TB_TOLL_TICKET (TICKET_ID INTEGER PRIMARY KEY, SERV_ID INTEGER NOT NULL,
            BILLING_CYCLE INTEGER NOT NULL, TOLL_TYPE CHAR(1), CALLED_AREA VARCHAR(8),
            CALLED_NBR VARCHAR(20), START_DATE CHAR(8), START_TIME CHAR(6), DURATION INTEGER,
            TOLL_FEE NUMERIC(12,2), ADD_FEE NUMERIC(12,2));
        CREATE TABLE TB_OWE (SERV_ID INTEGER NOT NULL, BILLING_CYCLE INTEGER NOT NULL,
            OWE_FEE NUMERIC(12,2) NOT NULL, PAY_LIMIT CHAR(8), PROD_CD VARCHAR(8),
            CUST_GRP VARCHAR(8));
    """
    INDEX = """
        CREATE INDEX IX_SERV_NBR ON TB_SERV (ACC_NBR);
        CREATE INDEX IX_SERV_XIEYI ON TB_SERV (XIEYI_NBR);
        CREATE UNIQUE INDEX IX_ZHANGDAN ON TB_ZHANGDAN (SERV_ID, BILLING_CYCLE);
        CREATE INDEX IX_TICKET ON TB_TOLL_TICKET (SERV_ID, BILLING_CYCLE, START_DATE, START_TIME);
        CREATE INDEX IX_OWE ON TB_OWE (SERV_ID);
    """

    def add(self, who: Subscriber, bills: list[MonthBill]) -> None:
        state = "F0X" if who.removed else "F0C" if who.suspended else "F0A"
        self.insert(
            "TB_SERV", who.id, who.phone, who.contact, who.agreement, f"样本用户{who.id}",
            who.identity, who.password, who.language, who.product, who.group, state,
        )  # fmt: skip
        tickets = self.rows.setdefault("TB_TOLL_TICKET", [])
        for bill in bills:
            cycle = int(bill.month.replace("-", ""))
            due = bill.due and f"{bill.due:%Y%m%d}"
            paid = {True: "Y", False: "N", None: None}[bill.paid]
            yuan = [fen / 100 for fen in (*bill.amounts_fen, sum(bill.amounts_fen))]
            self.insert("TB_ZHANGDAN", who.id, cycle, *yuan, paid, due)
            tickets += [
                (
                    None, who.id, cycle, "M" if call.by_operator else "A", call.area, call.number,
                    f"{call.started:%Y%m%d}", f"{call.started:%H%M%S}", call.seconds,
                    call.charge_fen / 100, call.surcharge_fen / 100,
                )
                for call in bill.calls
            ]  # fmt: skip
        for bill, fen in self.overdue(bills):
            cycle = int(bill.month.replace("-", ""))
            due = bill.due and f"{bill.due:%Y%m%d}"
            self.insert("TB_OWE", who.id, cycle, fen / 100, due, who.product, who.group)

    def add_runs(self, months: list[str]) -> None:
        for month in months:
            state = "RUN" if month == self.not_ready else "FIN"
            self.insert("TB_BILLING_RUN", int(month.replace("-", "")), state)


_NARROW_CODES = (1001, 1101, 1201, 1202, 1301, 1401, 1501, 1901)


class _Narrow(SchemaTables):
    """A row per item that is not 0, amounts in fen, dates as ISO 8601 writes them."""

    CREATE = """
        CREATE TABLE serv (serv_id TEXT PRIMARY KEY, acc_nbr TEXT NOT NULL, contact_nbr TEXT,
            agreement_nbr TEXT, cust_name TEXT, cert_nbr TEXT, query_pwd TEXT, language_cd TEXT,
            state TEXT NOT NULL);
        CREATE TABLE acct_bill (serv_id TEXT NOT NULL, billing_cycle_id TEXT NOT NULL,
            bill_charge INTEGER NOT NULL, payment_flag INTEGER, limit_date DATE);
        CREATE TABLE acct_item (acct_item_id INTEGER PRIMARY KEY, serv_id TEXT NOT NULL,
            billing_cycle_id TEXT NOT NULL, acct_item_type_id INTEGER NOT NULL,
            charge INTEGER NOT NULL, state TEXT NOT NULL);
        CREATE TABLE toll_ticket (ticket_id INTEGER PRIMARY KEY, serv_id TEXT NOT NULL,
            billing_cycle_id TEXT NOT NULL, called_area TEXT, called_nbr TEXT, start_at TEXT,
            duration_s INTEGER, charge INTEGER, add_charge INTEGER);
        CREATE TABLE owe_account (serv_id TEXT NOT NULL, owe_charge INTEGER NOT NULL,
            owe_months INTEGER NOT NULL, first_limit_date DATE, prod_id TEXT, cust_group TEXT);
    """
    INDEX = """
        CREATE INDEX ix_serv_nbr ON serv (acc_nbr);
        CREATE INDEX ix_serv_agreement ON serv (agreement_nbr);
        CREATE UNIQUE INDEX ix_bill ON acct_bill (serv_id, billing_cycle_id);
        CREATE INDEX ix_item ON acct_item (serv_id, billing_cycle_id);
        CREATE INDEX ix_cycle ON acct_item (billing_cycle_id);
        CREATE INDEX ix_ticket ON toll_ticket (serv_id, billing_cycle_id, start_at);
        CREATE INDEX ix_owe ON owe_account (serv_id);
    """

    def add(self, who: Subscriber, bills: list[MonthBill]) -> None:
        state = "2HX" if who.removed else "2HE" if who.suspended else "2HA"
        key = str(who.id)
        self.insert(
            "serv", key, who.phone, who.contact, who.agreement, f"样本用户{who.id}", who.identity,
            who.password, who.language, state,
        )  # fmt: skip
        tickets = self.rows.setdefault("toll_ticket", [])
        for bill in bills:
            if bill.month == self.not_ready:
                continue
            due = bill.due and bill.due.isoformat()
            paid = None if bill.paid is None else int(bill.paid)
            self.insert("acct_bill", key, bill.month, sum(bill.amounts_fen), paid, due)
            self._add_items(key, bill)
            tickets += [
                (
                    None, key, bill.month, call.area, call.number,
                    call.started.isoformat(" "), call.seconds, call.charge_fen, call.surcharge_fen,
                )
                for call in bill.calls
            ]  # fmt: skip
        late = self.overdue(bills)
        if late:
            owed, first = sum(fen for _, fen in late), late[0][0].due
            due = first and first.isoformat()
            self.insert("owe_account", key, owed, len(late), due, who.product, who.group)

    def _add_items(self, key: str, bill: MonthBill) -> None:
        state = "5JB" if bill.paid is False else "5JS"
        for item, code, fen in zip(ITEMS, _NARROW_CODES, bill.amounts_fen, strict=True):
            parts = [(code, fen)]
            if item == "monthly_rent" and fen > 600:
                parts = [(code, fen - 600), (1002, 600)]
            if item == "adjustments" and fen < 0:
                # a refund has a code of its own; the charge that was taken back does not count
                parts = [(1902, fen)]
                self.insert("acct_item", None, key, bill.month, 1901, -fen, "5JC")
            for part_code, part in parts:
                if part:
                    self.insert("acct_item", None, key, bill.month, part_code, part, state)

    def add_runs(self, months: list[str]) -> None:
        """Add nothing: in this schema a month is ready when it has bills."""


LAYOUTS_AND_SCHEMAS: dict[Layout, type[SchemaTables]] = {
    "wide": _Wide,
    "narrow": _Narrow,
    "monthly": Monthly,
}
