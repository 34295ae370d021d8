"""The columns of a list of debtors: their headers in Chinese and English, and how a cell is read.

A reader raises `BadCell` with what is wrong and what was expected, never what stands there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from openpyxl.utils.datetime import from_excel

from ivrd.billing.values import fen
from ivrd.dunning.list_files import Cell
from ivrd.dunning.numbers import NumberPlan, NumberProblem
from ivrd.errors import nearest

HEADERS: Mapping[str, tuple[str, ...]] = {
    "account": ("account", "account number", "account no", "account id", "账号", "帐号", "账户",
                "户号", "用户编号", "用户号", "合同号", "协议号"),
    "person": ("person", "customer", "customer id", "customer number", "客户", "客户号",
               "客户编号"),
    "number": ("number", "phone", "phone number", "telephone", "mobile", "电话", "电话号码", "号码",
               "手机", "手机号", "手机号码", "联系电话"),
    "others": ("other phone", "other phones", "other number", "other numbers", "phone 2", "phone 3",
               "alternate", "其他电话", "其它电话", "备用电话", "其他号码", "电话2", "电话3"),
    "amount": ("amount", "amount owed", "owed", "arrears", "金额", "欠费", "欠费金额", "欠款",
               "欠款金额"),
    "months": ("months", "months owed", "月数", "欠费月数"),
    "due": ("due", "due date", "pay by", "缴费期限", "缴费截止日", "截止日期", "到期日",
            "到期日期"),
    "product": ("product", "产品", "业务", "业务类型", "产品类型"),
    "group": ("group", "customer group", "客户群", "客户类型", "客户类别", "用户类别"),
    "lang": ("language", "lang", "语言", "语种"),
    "zone": ("zone", "time zone", "timezone", "时区"),
    "call_from": ("call from", "not before", "呼叫日期", "起呼日期", "最早呼叫日期"),
}  # fmt: skip
"""Each column by any of its headers; case, blanks, underscores and a unit in brackets are no
matter."""

NOT_READ = ("name", "address", "remark", "remarks", "note", "notes", "no", "serial", "reason",
            "姓名", "户名", "客户名称", "用户名称", "地址", "备注", "序号", "原因")  # fmt: skip
"""Columns that lists often have and that no call needs. The last in each language is the one that
the file of refused rows has, so that it can be imported again once it is mended."""

REASON = "reason"

LANGUAGES = {"中文": "zh-CN", "汉语": "zh-CN", "普通话": "zh-CN", "英语": "en-US", "英文": "en-US",
             "chinese": "zh-CN", "english": "en-US"}  # fmt: skip


class BadCell(Exception):  # noqa: N818 - the name is what it is
    """What is wrong with a cell, and what was expected there."""

    def __init__(self, what: str, expected: str | None = None, near: str | None = None) -> None:
        super().__init__(what)
        self.what, self.expected, self.near = what, expected, near


def header_key(header: str) -> str:
    """Return a header without what people write differently."""
    plain = unicodedata.normalize("NFKC", header).strip().lower()
    return re.sub(r"[\s_\-:.]+|\(.*?\)$", "", plain)


BY_HEADER: Mapping[str, str] = {
    header_key(header): column for column, headers in HEADERS.items() for header in headers
} | dict.fromkeys(map(header_key, NOT_READ), "")


def text_in(cell: Cell) -> str:
    """Return a cell as text; a whole number as its digits."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time | timedelta):
        raise BadCell("is a date or a time", "text; format the column as text")
    return "" if cell is None else unicodedata.normalize("NFKC", str(cell)).strip()


def key_in(cell: Cell) -> str:
    """Return an account or a person's number."""
    if isinstance(cell, int | float) and cell >= 10**15:
        raise BadCell("is a number of more than 15 digits: the spreadsheet has rounded it",
                      "text; format the column as text and enter it anew")  # fmt: skip
    text = text_in(cell)
    if not text:
        raise BadCell("is empty", "the account's number")
    if len(text) > 64:
        raise BadCell(f"has {len(text)} characters", "at most 64")
    return text


def number_in(cell: Cell, plan: NumberPlan) -> str:
    """Return a telephone number in E.164, one that may be dialled."""
    text = text_in(cell)
    if not text:
        raise BadCell("is empty", "a telephone number")
    try:
        number = plan.e164(text)
    except NumberProblem as exc:
        raise BadCell(str(exc), "a telephone number that can be dialled from here") from None
    barred = plan.blocked(number)
    if barred:
        raise BadCell("is " + barred, "a number that the dial plan allows")
    return number


def numbers_in(cell: Cell, plan: NumberPlan) -> list[str]:
    """Return the numbers of a cell that may hold several, or none."""
    if not isinstance(cell, str):
        return [] if cell is None else [number_in(cell, plan)]
    parts = re.split(r"[;,/、；，]+", unicodedata.normalize("NFKC", cell))
    return [number_in(part, plan) for part in parts if part.strip()]


def amount_in(cell: Cell) -> int:
    """Return yuan as fen."""
    expected = "yuan as in 1000.00"
    if isinstance(cell, bool):
        raise BadCell("is no amount", expected)
    value: object = cell
    if isinstance(cell, str):
        value = unicodedata.normalize("NFKC", cell).strip().removeprefix("¥").removesuffix("元")
        if "," in value:
            raise BadCell("has a comma", expected)
    if value is None or value == "":
        raise BadCell("is empty", expected)
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        raise BadCell("is no amount", expected)
    try:
        amount = fen(value, "yuan")
    except ValueError as exc:
        raise BadCell("is " + str(exc), expected) from None
    if not 0 < amount < 10**13:
        raise BadCell("is not above 0" if amount <= 0 else "is too large", expected)
    return amount


def count_in(cell: Cell) -> int:
    """Return a number of months."""
    text = text_in(cell)
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) < 1:
        raise BadCell("is no number of months", "a whole number from 1 on")
    return int(text)


_DATES = (r"(\d{4})-(\d{1,2})-(\d{1,2})", r"(\d{4})/(\d{1,2})/(\d{1,2})",
          r"(\d{4})\.(\d{1,2})\.(\d{1,2})", r"(\d{4})年(\d{1,2})月(\d{1,2})日",
          r"(\d{4})(\d{2})(\d{2})")  # fmt: skip
_SERIALS = range(20000, 80000)
"""Days since 1900, as a sheet keeps a date in a column that is not formatted as one."""


def day_in(cell: Cell) -> date:
    """Return a date: a cell formatted as one, a sheet's count of days, or one of five forms."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = re.sub(r"[T ]00:00(:00)?$", "", text_in(cell))
    if not isinstance(cell, str) and text.isdigit() and int(text) in _SERIALS:
        counted = from_excel(int(text))
        if isinstance(counted, datetime):
            return counted.date()
    for form in _DATES:
        found = re.fullmatch(form, text)
        if found:
            try:
                return date(*map(int, found.groups()))
            except ValueError:
                raise BadCell("is no day of the calendar", "a date as 2026-11-20") from None
    raise BadCell("is no date", "a date as 2026-11-20")


def word_in(cell: Cell) -> str:
    """Return a product or a customer group."""
    text = text_in(cell)
    if len(text) > 64:
        raise BadCell(f"has {len(text)} characters", "at most 64")
    return text


def language_in(languages: tuple[str, ...]) -> Callable[[Cell], str]:
    """Return what reads one of `languages`, by its tag or its name."""
    by_name = {tag.lower(): tag for tag in languages}
    by_name |= {name: tag for name, tag in LANGUAGES.items() if tag in languages}

    def read(cell: Cell) -> str:
        text = text_in(cell)
        tag = by_name.get(text.lower())
        if tag is None:
            near = nearest(text, languages)
            raise BadCell("is no language of the campaign", " or ".join(languages), near)
        return tag

    return read


def zone_in(cell: Cell) -> str:
    """Return a time zone by its name."""
    text = text_in(cell)
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        near = nearest(text, available_timezones())
        raise BadCell("is no time zone", "one as Asia/Shanghai", near) from None
    return text
