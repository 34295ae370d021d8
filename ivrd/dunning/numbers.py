"""Telephone numbers: brought into E.164, and held against the dial plan.

`phonenumbers` knows the numbering plans. What it cannot know is where ivrd stands: it reads the
bare local number 88610001 as 10001 in area 886, so a home area code comes first here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Literal

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    shortnumberinfo,
)

from ivrd.errors import IvrdError

_FILLING = re.compile(r"[\s\u00a0.·/()（）\-‐-―－_]+")
_EXTENSION = re.compile(r"[0-9]\s*(转|轉|分机|分機|ext\.?|x|#|,|;|p|w).*", re.IGNORECASE)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164 §6: at most 15 digits, country code first; shorter ones are nobody's line."""

_LOCAL_MAX = 8
_CN_SUBSCRIBER_MIN = 7
_CN_SERVICES = ("1", "95", "96")
"""What the numbers of services begin with in every area of China, behind an area code too."""


class NumberProblem(IvrdError):  # noqa: N818 - what is wrong with a number, never the number
    """A text that is no number that can be called; says what is wrong, never the number."""


class NumberKind(StrEnum):
    """What a number reaches, as far as its numbering plan tells."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    """The plan does not tell them apart (North America)."""
    OTHER = "other"


_KINDS = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
}

_BARRED = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a service number (shared cost, such as 400)",
    PhoneNumberType.TOLL_FREE: "a service number (toll free, such as 800)",
    PhoneNumberType.UAN: "a company's service number",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.VOICEMAIL: "a voice mail service",
}


@dataclass(frozen=True)
class NumberPlan:
    """Where ivrd stands, and what may not be dialled from there.

    `area_code` with or without its trunk prefix. `blocked_prefixes` are of E.164 (``+86170``) or
    of the number as dialled at home (``170``, ``0898``); `abroad` are prefixes of E.164 that are
    allowed although they are abroad. `region` (ISO 3166) matters where countries share a code.
    Raises `ValueError` for a country code that does not exist.
    """

    country_code: str = "86"
    area_code: str = ""
    blocked_prefixes: tuple[str, ...] = ()
    abroad: tuple[str, ...] = ()
    region: str = ""

    def __post_init__(self) -> None:
        regions = phonenumbers.region_codes_for_country_code(int(self.country_code))
        if not regions or (self.region and self.region not in regions):
            raise ValueError(f"+{self.country_code} {self.region} is no country code")

    @cached_property
    def home(self) -> str:
        """The home country, as ISO 3166."""
        return self.region or phonenumbers.region_code_for_country_code(int(self.country_code))

    @cached_property
    def trunk_prefix(self) -> str:
        """What goes before an area code at home: 0 in most countries."""
        return phonenumbers.ndd_prefix_for_region(self.home, strip_non_digits=True) or ""

    @cached_property
    def area(self) -> str:
        """The home area code without its trunk prefix."""
        return self.area_code.removeprefix(self.trunk_prefix)

    def e164(self, text: str) -> str:
        """Return a number in E.164: ``+`` and digits.

        Takes spaces, hyphens, brackets, full-width digits, ``+86``, ``0086``, the trunk prefix,
        and a bare local number where there is a home area code. Raises `NumberProblem`.
        """
        plain = unicodedata.normalize("NFKC", text).strip()
        if not plain:
            raise NumberProblem("no number is given")
        if _EXTENSION.search(plain):
            raise NumberProblem("it has an extension, and only a whole line can be dialled")
        plain = _FILLING.sub("", plain)
        digits = plain.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            raise NumberProblem("it has characters that belong to no number")
        if not plain.startswith("+") and self._is_service(digits):
            raise NumberProblem("it is a service or emergency number")
        parsed = self._local(plain) or self._parsed(plain)
        if parsed is None or not phonenumbers.is_valid_number(parsed):
            raise NumberProblem(self._why_not(plain))
        return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)

    def blocked(self, e164: str) -> str | None:
        """Return why a number may not be dialled, as in "is …"; None where it may."""
        return _blocked(self, e164)

    def _blocked(self, e164: str) -> str | None:
        parsed = _number(e164)
        if parsed is None:
            return "not a number in E.164"
        national = phonenumbers.national_significant_number(parsed)
        if str(parsed.country_code) == self.country_code and self._is_service(national):
            return "a service or emergency number"
        if any(_begins(e164, national, self.trunk_prefix, one) for one in self.blocked_prefixes):
            return "within a prefix that ivrd.toml blocks"
        if not phonenumbers.is_valid_number(parsed):
            return "not a number of its country's plan"
        if phonenumbers.region_code_for_number(parsed) != self.home and not any(
            e164.startswith(one) for one in self.abroad
        ):
            return "abroad, and ivrd.toml does not allow it"
        return self._barred_kind(parsed, national)

    def kind(self, e164: str) -> NumberKind:
        """Return what a number reaches."""
        parsed = _number(e164)
        if parsed is None:
            return NumberKind.OTHER
        return _KINDS.get(phonenumbers.number_type(parsed), NumberKind.OTHER)

    def dialled(self, e164: str, form: Literal["e164", "national", "local"] = "e164") -> str:
        """Return what the trunk wants for a number in E.164.

        ``national``: as dialled within the country, with the trunk prefix before an area code;
        ``local``: as that, the home area code left out. Abroad with 00 or what the country has.
        Raises `NumberProblem` for what is not E.164.
        """
        parsed = _number(e164)
        if parsed is None:
            raise NumberProblem("it is not in E.164")
        if form == "e164":
            return e164
        if str(parsed.country_code) != self.country_code:
            text = phonenumbers.format_out_of_country_calling_number(parsed, self.home)
            return _only_digits(text)
        national = phonenumbers.national_significant_number(parsed)
        fixed = self.kind(e164) is NumberKind.FIXED
        if form == "local" and self.area and fixed and national.startswith(self.area):
            return national.removeprefix(self.area)
        text = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
        return _only_digits(text)

    def _local(self, plain: str) -> PhoneNumber | None:
        """Read a bare local number, by the home area code; None where it is none."""
        bare = not plain.startswith("+") and len(plain) <= _LOCAL_MAX
        if not (self.area and bare) or (self.trunk_prefix and plain.startswith(self.trunk_prefix)):
            return None
        parsed = _number(f"+{self.country_code}{self.area}{plain}")
        if parsed is None or not phonenumbers.is_valid_number(parsed):
            return None
        fixed = phonenumbers.number_type(parsed) in _KINDS
        return (
            parsed if fixed and self._barred_kind(parsed, f"{self.area}{plain}") is None else None
        )

    def _parsed(self, plain: str) -> PhoneNumber | None:
        try:
            parsed = phonenumbers.parse(plain, self.home)
        except NumberParseException:
            return None
        national = phonenumbers.national_significant_number(parsed)
        if parsed.country_code == int(self.country_code) and self._cn_service(parsed, national):
            return None
        return parsed

    def _why_not(self, plain: str) -> str:
        if not plain.startswith("+") and len(plain) <= _LOCAL_MAX and not self.area:
            return "it is a local number, and no home area code is configured (node.area_code)"
        return "it is no number of its country's plan"

    def _is_service(self, national: str) -> bool:
        """Return whether these digits are a short number: emergency, operator's or company's."""
        short = PhoneNumber(country_code=int(self.country_code), national_number=int(national))
        if national.startswith("0"):  # no short number; as a number it would lose the zero
            return False
        return shortnumberinfo.is_valid_short_number(
            short
        ) or shortnumberinfo.connects_to_emergency_number(national, self.home)

    def _barred_kind(self, parsed: PhoneNumber, national: str) -> str | None:
        found = phonenumbers.number_type(parsed)
        if found in _BARRED:
            return _BARRED[found]
        if found not in _KINDS:
            return "neither a fixed line nor a mobile"
        if self._cn_service(parsed, national):
            return "a service or emergency number behind an area code"
        return None

    @staticmethod
    def _cn_service(parsed: PhoneNumber, national: str) -> bool:
        """Return whether it is a service number of China behind an area code (010-95588)."""
        if parsed.country_code != 86:
            return False
        area = phonenumbers.length_of_geographical_area_code(parsed)
        subscriber = national[area:]
        return area > 0 and (
            len(subscriber) < _CN_SUBSCRIBER_MIN or subscriber.startswith(_CN_SERVICES)
        )


@lru_cache(maxsize=2**17)
def _blocked(plan: NumberPlan, e164: str) -> str | None:
    """Remember what was found out: the same numbers come again and again."""
    return plan._blocked(e164)  # noqa: SLF001 - its other half


@lru_cache(maxsize=65536)
def _number(e164: str) -> PhoneNumber | None:
    """Return a number parsed; None where it is not in E.164."""
    if not _E164.fullmatch(e164):
        return None
    try:
        return phonenumbers.parse(e164, None)
    except NumberParseException:
        return None


def _begins(e164: str, national: str, trunk_prefix: str, prefix: str) -> bool:
    if prefix.startswith("+"):
        return e164.startswith(prefix)
    return national.startswith(prefix) or (trunk_prefix + national).startswith(prefix)


def _only_digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())
