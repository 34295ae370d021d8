"""Public holidays and make-up workdays, for the years that are confirmed and no others."""

from __future__ import annotations

from datetime import date

from ivrd.errors import IvrdError


class CalendarUnknown(IvrdError):  # noqa: N818 - the name is the answer
    """The holidays of a year are not confirmed; `begins` is the first day that is not known."""

    def __init__(self, country: str, begins: date) -> None:
        self.country = country
        self.begins = begins
        super().__init__(
            f"the holidays of {begins.year} ({country}) are not confirmed: from"
            f" {begins.isoformat()} on nobody is called until that year is in the calendar"
        )


class HolidayCalendar:
    """The holidays of one country."""
