"""What a report is made of: columns with headings in both languages, and rows that stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from enum import Enum
from typing import Any, Literal, NamedTuple, TypeAlias

from ivrd.linelog import masked

Lang: TypeAlias = Literal["en", "zh"]
Row: TypeAlias = tuple[Any, ...]
Words: TypeAlias = Mapping[str, tuple[str, str]]
"""What a coded value is called, in English and in Chinese."""


class Said(NamedTuple):
    """A text of ivrd's own in a row of sums, in each language; JSON has its number, or null."""

    en: str
    zh: str
    number: int | None = None


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    WORD = "word"
    """A coded value, such as an outcome."""
    WORDS = "words"
    """A list of texts."""
    NUMBER = "number"
    MONEY = "money"
    """Integer fen."""
    PERCENT = "percent"
    SECONDS = "seconds"
    DAY = "day"
    INSTANT = "instant"
    YES_NO = "yes_no"


class Private(Enum):
    """Why a column may name a person."""

    NUMBER = "number"
    ACCOUNT = "account"
    TEXT = "text"
    """What people wrote or said: nothing of it is shown when it is masked."""


EVERYTHING = frozenset(Private)
NUMBERS = frozenset({Private.NUMBER})
PERSONS = frozenset({Private.NUMBER, Private.ACCOUNT})


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `name` is its key in JSON, `from_width` the narrowest terminal that shows it."""

    name: str
    en: str
    zh: str
    kind: Kind = Kind.TEXT
    private: Private | None = None
    words: Words = field(default_factory=dict)
    from_width: int = 0

    def heading(self, lang: Lang) -> str:
        """Return the heading."""
        return self.zh if lang == "zh" else self.en


WIDE = 110
"""Terminals from this width on show the columns that can be done without."""
SHEETS_ONLY = 10_000
"""A column that no terminal shows."""


@dataclass(frozen=True, slots=True)
class Report:
    """A table that is read once: `rows` stream from the store while its connection is open.

    Instants are shown in `zone`. `remarks` say, in each language, what the figures cannot tell.
    `totals` are rows of sums, read after the others.
    """

    name: str
    title: tuple[str, str]
    columns: tuple[Column, ...]
    rows: Iterable[Row]
    zone: tzinfo
    remarks: tuple[tuple[str, str], ...] = ()
    totals: Iterable[Row] = ()

    def titled(self, lang: Lang) -> str:
        """Return the title."""
        return self.title[lang == "zh"]

    def masking(self, private: frozenset[Private]) -> Report:
        """Return the report with what is private in these ways masked."""
        hidden = [i for i, column in enumerate(self.columns) if column.private in private]
        return replace(self, rows=_masked(self.rows, self.columns, hidden)) if hidden else self

    def for_width(self, columns: int) -> Report:
        """Return the report with the columns that a terminal this wide has room for."""
        return self._with(lambda column: column.from_width <= columns)

    def without(self, *names: str) -> Report:
        """Return the report without some columns."""
        return self._with(lambda column: column.name not in names)

    def _with(self, wanted: Callable[[Column], bool]) -> Report:
        kept = [i for i, column in enumerate(self.columns) if wanted(column)]
        if len(kept) == len(self.columns):
            return self
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=(tuple(row[i] for i in kept) for row in self.rows),
            totals=(tuple(row[i] for i in kept) for row in self.totals),
        )


def _masked(rows: Iterable[Row], columns: tuple[Column, ...], hidden: list[int]) -> Iterator[Row]:
    for row in rows:
        values = list(row)
        for at in hidden:
            values[at] = mask_value(values[at], columns[at].private)
        yield tuple(values)


def mask_value(value: Any, private: Private | None) -> Any:
    """Return a value as those see it who need not know it: a number's last four digits."""
    if private is None or value is None:
        return value
    return masked(value, keep=0 if private is Private.TEXT else 4)


def word(value: str, words: Words, lang: Lang) -> str:
    """Return what a coded value is called; one without a name is shown as it is."""
    named = words.get(value)
    return named[lang == "zh"] if named else value.replace("_", " ")


OUTCOMES: Words = {
    "told": ("told in full", "已完整告知"),
    "told_in_part": ("told in part", "中途挂断"),
    "not_confirmed": ("not confirmed", "接听未确认本人"),
    "busy": ("busy", "忙"),
    "no_answer": ("no answer", "无人接听"),
    "unallocated": ("unallocated", "空号"),
    "out_of_service": ("out of service", "关机或停机"),
    "rejected": ("rejected", "拒接"),
    "network": ("network failure", "网络故障"),
    "line_fault": ("line fault", "本端线路故障"),
    "machine": ("machine", "答录机或传真"),
    "transferred": ("transferred", "转人工"),
    "settled": ("settled before", "呼叫前已缴清"),
    "cancelled": ("cancelled", "已取消"),
    "unknown": ("unknown", "结果不明"),
}

TARGET_STATES: Words = {
    "waiting": ("waiting", "待呼叫"),
    "calling": ("calling", "呼叫中"),
    "promised": ("promised", "已承诺"),
    "notified": ("notified", "已通知"),
    "settled": ("settled", "已缴清"),
    "excluded": ("excluded", "已排除"),
    "exhausted": ("exhausted", "次数用尽"),
}

CAMPAIGN_STATES: Words = {
    "new": ("new", "未开始"),
    "running": ("running", "进行中"),
    "paused": ("paused", "已暂停"),
    "stopped": ("stopped", "已停止"),
    "done": ("done", "已完成"),
}

PROMISE_STATES: Words = {
    "open": ("open", "待履行"),
    "kept": ("kept", "已履行"),
    "broken": ("broken", "未履行"),
    "withdrawn": ("withdrawn", "已撤回"),
}

CLASSES: Words = {
    "will_pay": ("will pay soon", "近期交纳"),
    "undecided": ("undecided", "暂未明确"),
    "unreachable": ("unreachable", "无法联系"),
    "away": ("away", "异地"),
    "refuses": ("refuses", "特殊拒交"),
}

TASKS: Words = {
    "find_number": ("find a number", "查找号码"),
    "letter": ("letter", "寄送信函"),
    "visit": ("visit", "上门"),
    "supervisor": ("supervisor", "主管处理"),
    "check_payment": ("check payment", "核实缴费"),
    "dispute": ("dispute", "异议处理"),
    "call_back": ("call back", "回电"),
}

WHY_LISTED: Words = {
    "asked": ("asked not to be called", "用户要求"),
    "wrong_number": ("wrong number", "号码有误"),
    "list": ("from a list", "名单导入"),
    "operator": ("by an operator", "操作员添加"),
}
