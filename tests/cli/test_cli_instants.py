"""Instants as people write them on a command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import click
import pytest

from ivrd.cli.instants import instant

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 13, 6, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("13:06", "2026-11-22T13:06"),
        ("9:05", "2026-11-22T09:05"),
        ("15:02", "2026-11-21T15:02"),
        ("yesterday", "2026-11-21T00:00"),
        ("2026-11-20T15:00", "2026-11-20T15:00"),
        ("12h", "2026-11-22T01:06:30"),
    ],
)
def test_moments_that_have_been(text: str, meant: str) -> None:
    assert instant(text, NOW, ZONE) == datetime.fromisoformat(meant).replace(tzinfo=ZONE)


def test_what_names_no_time_is_told_what_does() -> None:
    with pytest.raises(click.BadParameter, match="15:02"):
        instant("25:00", NOW, ZONE)
