"""The form of a campaign file: every key, with what it may be and its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

from ivrd.billing.values import fen
from ivrd.dunning.case import GateRules
from ivrd.dunning.holiday_calendar import HolidayCalendar
from ivrd.dunning.hours import WEEKDAYS, Windows, parse_span
from ivrd.dunning.retry import PromiseRules, RetryRules, Rules

if TYPE_CHECKING:
    from ivrd.prompts import Voices

_NUMBER = re.compile(r"\+?[0-9]{1,15}")
_RANGE = re.compile(r"(\+?[0-9]{1,15})\s*-\s*(\+?[0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class CampaignDefaults:
    """What ivrd.toml says for campaigns that do not say it themselves, and where they run."""

    zone: ZoneInfo
    caller_id: str
    flow: str = "dunning"
    languages: tuple[str, ...] = ("zh-CN",)
    profiles: tuple[str, ...] = ("cn-consumer-credit",)
    dials_per_s: float = 1.0
    flows: frozenset[str] = frozenset()
    """The flows there are; none means that the name is not checked. So for `lines`."""

    lines: tuple[int, ...] = ()
    rules: GateRules = field(default_factory=GateRules)
    """The gate's: the profiles that a campaign may name, and the outer limit."""

    calendar: HolidayCalendar | None = None
    """The holidays; without it they are not looked at here, only by the gate."""

    voices: Voices | None = None
    """The voice library that speaks; without it no prompt is looked for."""

    def keys(self) -> dict[str, Any]:
        """Return what stands for the keys that a campaign file leaves out."""
        return {
            "flow": self.flow,
            "caller_id": self.caller_id,
            "languages": list(self.languages),
            "profiles": list(self.profiles),
            "dials_per_s": self.dials_per_s,
        }


def _dialled(number: str) -> str:
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is no telephone number; write it as +8657188610001 or 6001")
    return number


def _yuan(value: Any) -> Any:
    """Take yuan as text or a number, in whole fen."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", value):
        raise ValueError(f'{value!r} is no amount; write yuan as in "1000.00", without a comma')
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return Decimal(fen(value, "yuan")) / 100
    return value


def _window(text: str) -> str:
    parse_span(text)
    return text


def _range(text: str) -> str:
    found = _RANGE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no range of numbers; write it as 88610000-88619999")
    low, high = found.groups()
    if len(low) != len(high) or low > high:
        raise ValueError(f"{text!r} does not go from a lower number to a higher of one length")
    return f"{low}-{high}"


def _instant(value: Any, info: ValidationInfo) -> Any:
    """Put the node's zone on an instant without one; a day alone is its first moment."""
    if isinstance(value, datetime):
        if value.tzinfo is None and info.context:
            return value.replace(tzinfo=info.context["zone"])
    elif isinstance(value, date) and info.context:
        return datetime.combine(value, time(), info.context["zone"])
    return value


def _end(value: Any, info: ValidationInfo) -> Any:
    """As `_instant`; a day alone belongs to the campaign until its last moment."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value += timedelta(days=1)
    return _instant(value, info)


Dialled: TypeAlias = Annotated[str, AfterValidator(_dialled)]
Yuan: TypeAlias = Annotated[Decimal, BeforeValidator(_yuan), Field(ge=0)]
NumberRange: TypeAlias = Annotated[str, AfterValidator(_range)]
Window: TypeAlias = Annotated[str, AfterValidator(_window)]
Instant: TypeAlias = Annotated[datetime, BeforeValidator(_instant)]
End: TypeAlias = Annotated[datetime, BeforeValidator(_end)]
Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
PromptId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Day: TypeAlias = date


class When(Rules):
    """[when]: the hours of each weekday, in the debtor's time zone; none is a day without calls.

    A window that ends before it begins goes over midnight.
    """

    weekdays: list[Window] = Field(default=["09:30-12:00", "15:00-20:00"])
    weekends: list[Window] = Field(default=["10:30-12:00", "15:00-20:00"])
    mon: list[Window] | None = None
    """In place of `weekdays` or `weekends` on this one day; so for each of the seven."""

    tue: list[Window] | None = None
    wed: list[Window] | None = None
    thu: list[Window] | None = None
    fri: list[Window] | None = None
    sat: list[Window] | None = None
    sun: list[Window] | None = None
    holidays: Literal["closed", "as-sunday", "open"] = "closed"
    """On a public holiday: no calls, the hours of a Sunday, or those of its weekday."""

    start: Instant | None = None
    """Not before; without it, when the operator starts the campaign."""

    end: End | None = None
    """Not from then on; a day alone is called to its last moment."""

    def by_day(self) -> dict[str, tuple[str, list[str]]]:
        """Return for each weekday the key that says its hours, and the hours as written."""
        found: dict[str, tuple[str, list[str]]] = {}
        for index, day in enumerate(WEEKDAYS):
            own = getattr(self, day)
            key = day if own is not None else "weekdays" if index < 5 else "weekends"
            found[day] = (key, getattr(self, key))
        return found

    def windows(self) -> Windows:
        """Return the hours of the whole week."""
        return Windows.of({day: hours for day, (_, hours) in self.by_day().items()})


class Message(Rules):
    """[message]: how the debtor is told."""

    times: int = Field(default=2, ge=1, le=9)
    """How often the message is played while nobody keys anything."""

    stale_after: date | None = None
    """The last day on which it may be spoken, where the debtor is."""

    confirm: Literal["key", "digits"] = "key"
    """How the person shows to be the holder, before anything private is spoken; ``digits`` asks
    for what [enquiry] of ivrd.toml says by proof and last_digits_of."""

    how_to_pay: PromptId = "how_to_pay"
    """The prompt, of the voice library, that says how to pay."""


class Notice(Rules):
    """[notice]: the message of a notice campaign."""

    prompt: PromptId
    """The message: a prompt of the voice library, in each language of the campaign."""

    date: Day | None = None
    """The day that the notice is about, spoken behind the message."""

    to_holder: bool = False
    """Whether it is told only to who confirms being the holder, as a debt is."""


class Choose(Rules):
    """[choose]: which accounts in arrears are called; every key narrows, none takes them all."""

    amount_at_least: Yuan = Decimal("0.01")
    """In yuan, summed over the account's rows."""

    overdue_at_least_days: int = Field(default=0, ge=0, le=3660)
    """Days since the earliest due date; an account without one then does not count as overdue."""

    numbers: list[NumberRange] = Field(default_factory=list)
    """Ranges of telephone numbers, as the billing data writes them or, with +, as E.164."""

    groups: list[Word] = Field(default_factory=list)
    products: list[Word] = Field(default_factory=list)

    @property
    def amount_at_least_fen(self) -> int:
        """The least amount, in fen."""
        return int(self.amount_at_least * 100)


class ListRules(Rules):
    """[list]: the debtors come from a file, by `ivrd campaign import`."""

    posted_at: Instant | None = None
    """Until when payments were posted when the list was made (product D3); else it is said when
    the list is imported."""

    file: Path | None = None
    """The list itself, taken from the campaign file's folder; else it is named at the import."""


class Campaign(Rules):
    """A whole campaign file."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    kind: Literal["dunning", "notice"] = "dunning"
    flow: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    caller_id: Dialled
    languages: list[str] = Field(min_length=1)
    profiles: list[str]
    """Policy profiles, by name; those that ivrd.toml loads besides are meant too."""

    lines: list[Annotated[int, Field(ge=1, le=9999)]] = Field(default_factory=list)
    """The lines it may use; none means every line given to dunning."""

    priority: int = Field(default=5, ge=1, le=9)
    """Of two campaigns with somebody to call, the higher goes first."""

    dials_per_s: float = Field(gt=0, le=50)
    max_age_h: float = Field(default=24, gt=0, le=24 * 31)
    """Data about arrears older than this dials nobody."""

    consent: bool = False
    """The debtors have agreed to calls by machine, where a profile wants that; an account that says
    no has not."""

    message: Message = Message()
    notice: Notice | None = None
    choose: Choose | None = None
    from_list: ListRules | None = Field(default=None, alias="list")
    when: When = When()
    retry: RetryRules = RetryRules()
    promise: PromiseRules = PromiseRules()

    @property
    def last_day(self) -> date | None:
        """The last day on which the message may be spoken; of a notice, the day it is about."""
        return self.message.stale_after or (self.notice.date if self.notice else None)

    def posted(self, at: datetime | None) -> Campaign:
        """Return the campaign with this as the time until which its list's payments are posted."""
        if self.from_list is None:
            return self
        listed = self.from_list.model_copy(update={"posted_at": at})
        return self.model_copy(update={"from_list": listed})

    def settings(self) -> dict[str, Any]:
        """Return the campaign as JSON keeps it; `campaign_from` reads it back."""
        return self.model_dump(mode="json", by_alias=True)


def campaign_from(settings: Mapping[str, Any]) -> Campaign:
    """Return the campaign whose `settings` these are. Raises pydantic's error for anything else."""
    return Campaign.model_validate(dict(settings))
