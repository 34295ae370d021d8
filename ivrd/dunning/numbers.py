"""Telephone numbers: brought into E.164, and held against the dial plan."""

from __future__ import annotations

from dataclasses import dataclass

from ivrd.errors import IvrdError


class NumberProblem(IvrdError):  # noqa: N818 - what is wrong with a number, never the number
    """A text that is no number that can be called; says what is wrong, never the number."""


@dataclass(frozen=True)
class NumberPlan:
    """The home country and area code, and what may not be dialled."""

    country_code: str = "86"
    area_code: str = ""
    blocked_prefixes: tuple[str, ...] = ()
    abroad: tuple[str, ...] = ()

    def e164(self, text: str) -> str:
        """Return a number in E.164. Raises `NumberProblem`."""
        raise NotImplementedError

    def blocked(self, e164: str) -> str | None:
        """Return why a number may not be dialled; None where it may."""
        raise NotImplementedError

    def dialled(self, e164: str) -> str:
        """Return what the trunk wants for a number in E.164."""
        raise NotImplementedError
