"""The bill that every call hears, as the peers look it up and say it."""

from __future__ import annotations

import sqlite3
import wave
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from ivrd.billing.sample import ITEMS, month_back
from ivrd.billing.sample_tables import write_sample
from ivrd.commands import SAMPLE_RATE
from ivrd.speech import GRAMMARS

TOP = Path(__file__).parents[2]
AUDIO = TOP / "voice_prompts" / "zh-CN" / "audio"

PHONE = "88610001"
GREETING = ("welcome", "enter_month")
LOOKUP = ("choose_lookup", "choose_own_number")
NUMBER = ("enter_phone",)
MENU = ("menu_repeat", "menu_month", "menu_number", "menu_end")

_COLUMNS = (
    "RENT_FEE", "LOCAL_FEE", "TOLL_AUTO_FEE", "TOLL_MANUAL_FEE", "WORK_FEE", "INFO_FEE",
    "DATA_FEE", "ADJUST_FEE",
)  # fmt: skip
_AMOUNTS_YUAN = (5, 3, 8, 4, 6, 1, 9, 3)
_QUERY = f"""
    SELECT {", ".join(_COLUMNS)}, TOTAL_FEE, PAY_FLAG FROM TB_ZHANGDAN
    JOIN TB_SERV ON TB_SERV.SERV_ID = TB_ZHANGDAN.SERV_ID
    JOIN TB_BILLING_RUN ON TB_BILLING_RUN.BILLING_CYCLE = TB_ZHANGDAN.BILLING_CYCLE
    WHERE ACC_NBR = ? AND TB_ZHANGDAN.BILLING_CYCLE = ?
      AND TB_SERV.STATE_CD IN ('F0A', 'F0C') AND TB_BILLING_RUN.STATE_CD = 'FIN'
"""  # noqa: S608 - names of columns, all of them ours


def last_month() -> str:
    """Return the month that is asked for, as it is keyed: 202610."""
    return month_back(date.today(), 1).replace("-", "")  # noqa: DTZ011 - as the daemon's day


def write_bills(file: Path) -> None:
    """Write the sample database, with a bill of eight items and no call details for `PHONE`."""
    write_sample(file, date.today())  # noqa: DTZ011 - as above
    amounts = ", ".join(
        f"{column} = {yuan}" for column, yuan in zip(_COLUMNS, _AMOUNTS_YUAN, strict=True)
    )
    where = "BILLING_CYCLE = ? AND SERV_ID = (SELECT SERV_ID FROM TB_SERV WHERE ACC_NBR = ?)"
    asked = (last_month(), PHONE)
    with sqlite3.connect(file) as bills:
        bills.execute(f"DELETE FROM TB_TOLL_TICKET WHERE {where}", asked)  # noqa: S608 - ours
        done = bills.execute(
            f"UPDATE TB_ZHANGDAN SET {amounts}, TOTAL_FEE = {sum(_AMOUNTS_YUAN)}, "  # noqa: S608
            f"PAY_FLAG = 'Y', PAY_LIMIT = NULL WHERE {where}",
            asked,
        )
        if done.rowcount != 1:
            raise RuntimeError(f"the sample database has no bill of {asked}")


class Bills:
    """The sample database, read."""

    def __init__(self, file: Path) -> None:
        self._bills = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def sentences(self, phone: str, month: str) -> list[list[str]]:
        """Return the bill as sentences of voice files; what was keyed may be no month."""
        row = self._bills.execute(_QUERY, (phone, month)).fetchone()
        if row is None:
            return [["number_not_known"]]
        *amounts, total, paid = row
        grammar = GRAMMARS["zh-CN"]
        said = [["your", *grammar.month(int(month[:4]), int(month[4:])), "trade_bill", "bill_is"]]
        said += [
            [f"item_{code}", *grammar.money(round(yuan * 100)), "pause"]
            for code, yuan in zip(ITEMS, amounts, strict=True)
            if yuan
        ]
        said.append(["total", *grammar.money(round(total * 100)), "pause"])
        return [*said, ["bill_paid" if paid == "Y" else "bill_unpaid"]]


def length_s(names: Sequence[str]) -> float:
    """Return how long these voice files take."""
    samples = 0
    for name in names:
        with wave.open(str(AUDIO / f"{name}.wav"), "rb") as file:
            samples += file.getnframes()
    return samples / SAMPLE_RATE
