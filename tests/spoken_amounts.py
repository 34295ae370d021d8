"""What a call spoke, held against the billing database by plain SQL: nothing of ivrd's reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ivrd.commands import Play, Run, Say
from ivrd.trace import CallTrace

_COLUMNS = {
    "monthly_rent": "RENT_FEE",
    "local_calls": "LOCAL_FEE",
    "long_distance": "TOLL_AUTO_FEE",
    "operator_long_distance": "TOLL_MANUAL_FEE",
    "labour_materials": "WORK_FEE",
    "information": "INFO_FEE",
    "data": "DATA_FEE",
    "adjustments": "ADJUST_FEE",
}
_ACCOUNT_BY = {
    "find_by_phone": ("number", "ACC_NBR"),
    "find_by_agreement": ("number", "XIEYI_NBR"),
    "find_by_caller": ("caller", "ACC_NBR"),
}


def wrong_amounts(trace: CallTrace, database: sqlite3.Connection) -> Iterator[str]:
    """Yield whatever a call of an unmasked log spoke that is not in the database."""
    account, month = "", ""
    orders: dict[int, Run] = {}
    for step in trace.steps:
        order = orders.get(step.event.id or 0)
        found = step.event.data.get("account")
        if found is not None and order is not None:
            account = str(found)
            if not _is_account_of(database, account, order):
                yield f"line {step.line}: account {account} is not that of {order.args}"
        for _, _, command in step.orders:
            if isinstance(command, Run):
                orders[command.id] = command
            elif isinstance(command, Play):
                for say in command.sentences:
                    month = str(say.data.get("bill.month", month))
                    if not _holds(database, account, month, say):
                        yield f"line {step.line}: {say} is not of {account} in {month}"


def amounts_spoken(trace: CallTrace) -> int:
    """Return how many amounts a call ordered to be spoken."""
    return sum(
        say.sentence in {"bill_item", "bill_total", "call_detail", "detail_surcharge"}
        for step in trace.steps
        for _, _, command in step.orders
        if isinstance(command, Play)
        for say in command.sentences
    )


def _is_account_of(database: sqlite3.Connection, account: str, order: Run) -> bool:
    given, column = _ACCOUNT_BY[order.action]
    rows = database.execute(
        f"SELECT SERV_ID FROM TB_SERV WHERE {column} = ? AND STATE_CD IN ('F0A', 'F0C')",  # noqa: S608 - a name of ours
        (str(order.args[given]).removeprefix("+86"),),
    ).fetchall()
    return rows == [(int(account),)]


def _holds(database: sqlite3.Connection, account: str, month: str, say: Say) -> bool:
    """Whether the database holds what one sentence says of an account."""
    cycle = int(month.replace("-", "") or 0)
    match say.sentence:
        case "bill_item":
            column = _COLUMNS[str(say.data["name"])]
            return _bill(database, account, cycle, column) == say.data["amount"]
        case "bill_total":
            return _bill(database, account, cycle, "TOTAL_FEE") == say.data["bill.total"]
        case "call_detail" | "detail_surcharge":
            return _is_detail(database, account, cycle, say)
    return True


def _bill(database: sqlite3.Connection, account: str, cycle: int, column: str) -> int | None:
    row = database.execute(
        f"SELECT {column} FROM TB_ZHANGDAN WHERE SERV_ID = ? AND BILLING_CYCLE = ?",  # noqa: S608 - as above
        (int(account or 0), cycle),
    ).fetchone()
    return None if row is None else round(row[0] * 100)


def _is_detail(database: sqlite3.Connection, account: str, cycle: int, say: Say) -> bool:
    rows: list[tuple[Any, ...]] = database.execute(
        "SELECT CALLED_NBR, DURATION, TOLL_FEE, ADD_FEE FROM TB_TOLL_TICKET"
        " WHERE SERV_ID = ? AND BILLING_CYCLE = ? ORDER BY START_DATE, START_TIME, TICKET_ID",
        (int(account or 0), cycle),
    ).fetchall()
    if say.sentence == "detail_surcharge":
        return say.data["detail.surcharge"] in {round(row[3] * 100) for row in rows}
    number, seconds, charge, _ = rows[int(str(say.data["detail.position"])) - 1]
    spoken = (say.data["detail.other"], say.data["detail.seconds"], say.data["detail.charge"])
    return spoken == (number, seconds, round(charge * 100))
