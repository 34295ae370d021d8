"""Schemas of billing databases that no profile knows, each made by another habit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CHAR,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    create_engine,
    insert,
)

Rows = dict[Table, list[dict[str, Any]]]


@dataclass(frozen=True)
class Odd:
    """A schema, and what is true of one account in it."""

    make: Callable[[MetaData], Rows]
    phone: str
    month: str
    items: Mapping[str, int]
    total_fen: int
    paid: bool | None
    due: date | None
    owes_fen: int
    needs_comments: bool = False
    """Whether its names say nothing, so that SQLite, which has no comments, cannot help."""


def write(odd: Odd, url: str) -> None:
    """Make the schema and its rows in a database."""
    tables = MetaData()
    rows = odd.make(tables)
    owner = create_engine(url)
    tables.create_all(owner)
    with owner.begin() as connection:
        for table, listed in rows.items():
            if listed:
                connection.execute(insert(table), listed)
    owner.dispose()


def _yuan(fen: int) -> Decimal:
    return Decimal(fen).scaleb(-2)


MONTHS = ("2026-06", "2026-07", "2026-08", "2026-09")


def initials(tables: MetaData) -> Rows:
    """Make initials of pinyin; a table each month, items in fen, sums in yuan, days as numbers."""
    users = Table(
        "YHZL", tables, Column("YHBH", Integer, primary_key=True), Column("YHMC", String(40)),
        Column("DHHM", String(12)), Column("LXDH", String(20)), Column("HTH", String(20)),
        Column("ZJHM", String(18)), Column("CXMM", String(8)), Column("YHZT", CHAR(1)),
        Index("IX_DHHM", "DHHM"),
    )  # fmt: skip
    rows: Rows = {users: []}
    bills = {
        month: Table(
            f"ZD{month.replace('-', '')}", tables, Column("ZDBH", Integer, primary_key=True),
            Column("YHBH", Integer), Column("YZF", Integer), Column("SHF", Integer),
            Column("CTF", Integer), Column("YHJE", Integer), Column("YSJE", Numeric(10, 2)),
            Column("SSJE", Numeric(10, 2)), Column("JFBZ", CHAR(1)), Column("JZRQ", Integer),
            Index(f"IX_YH{month[-2:]}", "YHBH"),
        )
        for month in MONTHS
    }  # fmt: skip
    rows |= {table: [] for table in bills.values()}
    for n in range(1, 41):
        rows[users].append(
            {"YHBH": 20000 + n, "YHMC": f"户{n}", "DHHM": f"8771{n:04}", "LXDH": f"1390000{n:04}",
             "HTH": f"HT{n:06}".replace("HT", "57"), "ZJHM": "", "CXMM": f"{n:06}",
             "YHZT": "1"}
        )  # fmt: skip
        for back, (month, table) in enumerate(reversed(bills.items())):
            rent, local, toll = 2500, 130 * n + 7 * back, 0 if n % 3 else 450 + n
            off = 300 if n % 5 == 0 else 0
            total = rent + local + toll - off
            paid = back > 0 or n % 2 == 0
            rows[table].append(
                {"ZDBH": n, "YHBH": 20000 + n, "YZF": rent, "SHF": local, "CTF": toll,
                 "YHJE": off, "YSJE": _yuan(total), "SSJE": _yuan(total if paid else 0),
                 "JFBZ": "1" if paid else "0",
                 "JZRQ": int(f"{month[:4]}{int(month[5:]) + 1:02}20")}
            )  # fmt: skip
    return rows


def classes(tables: MetaData) -> Rows:
    """Make a vendor's classes in mixed case: a bill has lines, an account has a person."""
    person = Table(
        "Person", tables, Column("Id", Integer, primary_key=True), Column("FullName", String(40)),
        Column("MobileNumber", String(20)), Column("IdCardNo", String(18)),
        Column("PreferredLanguage", String(5)),
    )  # fmt: skip
    account = Table(
        "BillingAccount", tables, Column("AccountNumber", String(12), primary_key=True),
        Column("PersonId", Integer, ForeignKey("Person.Id")), Column("AccountStatus", String(10)),
        Column("ServiceClass", String(10)),
    )  # fmt: skip
    kind = Table("ChargeType", tables, Column("TypeId", Integer, primary_key=True),
                 Column("Description", String(40)))  # fmt: skip
    invoice = Table(
        "Invoice", tables, Column("InvoiceId", Integer, primary_key=True),
        Column("AccountNumber", String(12), ForeignKey("BillingAccount.AccountNumber")),
        Column("BillingPeriod", Date), Column("AmountDue", Numeric(10, 2)),
        Column("AmountPaid", Numeric(10, 2)), Column("DueDate", Date),
        Column("PaymentStatus", String(10)), Column("CreatedAt", DateTime),
        Index("IX_Invoice", "AccountNumber", "BillingPeriod"),
    )  # fmt: skip
    line = Table(
        "InvoiceLine", tables, Column("LineId", Integer, primary_key=True),
        Column("InvoiceId", Integer, ForeignKey("Invoice.InvoiceId")),
        Column("TypeId", Integer, ForeignKey("ChargeType.TypeId")), Column("AmountCents", Integer),
        Column("LineStatus", String(10)), Index("IX_Line", "InvoiceId"),
    )  # fmt: skip
    rows: Rows = {person: [], account: [], kind: [], invoice: [], line: []}
    for id_, told in ((1, "Monthly rental"), (2, "Local calls"), (3, "Long distance calls"),
                      (4, "Internet data")):  # fmt: skip
        rows[kind].append({"TypeId": id_, "Description": told})
    made = made_line = 0
    for n in range(1, 31):
        rows[person].append({"Id": n, "FullName": f"P{n}", "MobileNumber": f"1370000{n:04}",
                             "IdCardNo": "",
                             "PreferredLanguage": "zh" if n % 7 else "en"})  # fmt: skip
        key = f"5{n:07}"
        rows[account].append({"AccountNumber": key, "PersonId": n, "AccountStatus": "Active",
                              "ServiceClass": "Gold" if n % 4 else "Basic"})  # fmt: skip
        for back, month in enumerate(reversed(MONTHS)):
            made += 1
            parts = {1: 3000, 2: 101 * n, 4: 5000 + back}
            paid = back > 0 or n % 2 == 0
            total = _yuan(sum(parts.values()))
            start = date.fromisoformat(f"{month}-01")
            rows[invoice].append(
                {"InvoiceId": made, "AccountNumber": key, "BillingPeriod": start,
                 "AmountDue": total, "AmountPaid": total if paid else Decimal(0),
                 "DueDate": start + timedelta(days=44),
                 "PaymentStatus": "Paid" if paid else "Unpaid",
                 "CreatedAt": datetime.fromisoformat(f"{month}-28T03:04:05")}
            )  # fmt: skip
            for type_, amount in parts.items():
                made_line += 1
                rows[line].append({"LineId": made_line, "InvoiceId": made, "TypeId": type_,
                                   "AmountCents": amount, "LineStatus": "OK"})  # fmt: skip
            if n % 6 == 0:  # a line that was taken back
                made_line += 1
                rows[line].append({"LineId": made_line, "InvoiceId": made, "TypeId": 3,
                                   "AmountCents": 777, "LineStatus": "VOID"})  # fmt: skip
    return rows


def numbered(tables: MetaData) -> Rows:
    """Make names that say nothing, comments that say all, as a vendor's generator makes them."""
    users = Table(
        "T0101", tables, Column("F01", String(10), primary_key=True, comment="用户编号"),
        Column("F02", String(40), comment="户名"), Column("F03", String(20), comment="手机号码"),
        Column("F04", String(2), comment="用户状态 01在用 02停机 09销户"),
        Column("F05", String(8), comment="查询密码"), comment="用户资料",
    )  # fmt: skip
    bills = Table(
        "T0201", tables, Column("F01", Integer, primary_key=True, comment="流水号"),
        Column("F02", String(10), comment="用户编号"), Column("F03", String(7), comment="账期"),
        Column("F04", Integer, comment="月租费(分)"), Column("F05", Integer, comment="市话费(分)"),
        Column("F06", Integer, comment="数据费(分)"),
        Column("F07", Integer, comment="费用合计(分)"),
        Column("F08", SmallInteger, comment="缴费标志：0-未缴，1-已缴"),
        Column("F09", String(10), comment="缴费期限"), Index("IX_T0201", "F02", "F03"),
        comment="月账单",
    )  # fmt: skip
    other = Table("T0301", tables, Column("F01", Integer, primary_key=True, comment="编号"),
                  Column("F02", String(40), comment="操作员"), comment="操作日志")  # fmt: skip
    rows: Rows = {users: [], bills: [], other: [{"F01": 1, "F02": "op"}]}
    made = 0
    for n in range(1, 31):
        rows[users].append({"F01": f"U{n:05}", "F02": f"户{n}", "F03": f"1360000{n:04}",
                            "F04": "09" if n == 30 else "01", "F05": ""})  # fmt: skip
        for back, month in enumerate(reversed(MONTHS)):
            made += 1
            rent, local, data = 1800, 33 * n, 1000 * (n % 4)
            due = f"{month[:4]}/{int(month[5:]) + 1:02}/15"
            rows[bills].append(
                {"F01": made, "F02": f"U{n:05}", "F03": month, "F04": rent, "F05": local,
                 "F06": data, "F07": rent + local + data, "F08": int(back > 0 or n % 2 == 0),
                 "F09": due}
            )  # fmt: skip
    return rows


ODD = {
    "initials": Odd(
        initials, "87710005", "2026-09",
        {"monthly_rent": 2500, "local_calls": 650, "long_distance": 0, "adjustments": -300},
        2850, False, date(2026, 10, 20), 2850,
    ),
    "classes": Odd(
        classes, "13700000006", "2026-09",
        {"monthly_rent": 3000, "local_calls": 606, "long_distance": 0, "data": 5000},
        8606, True, date(2026, 10, 15), 0,
    ),
    "numbered": Odd(
        numbered, "13600000007", "2026-09",
        {"monthly_rent": 1800, "local_calls": 231, "data": 3000}, 5031, False, date(2026, 10, 15),
        5031, needs_comments=True,
    ),
}  # fmt: skip
