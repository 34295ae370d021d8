"""Permits for tests of what stands below the gate: cards, lines and the software exchange."""

from __future__ import annotations

from datetime import UTC, datetime

from ivrd.card import DialPermit

LONG = datetime(2100, 1, 1, tzinfo=UTC)
"""Long after any clock of a test."""


def a_permit(
    number: str,
    caller_id: str = "01012345678",
    attempt: str = "attempt",
    until: datetime = LONG,
) -> DialPermit:
    """Return a permit as the gate would give it; in ivrd itself only the gate makes one."""
    return DialPermit(number, caller_id, attempt, until)
