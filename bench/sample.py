"""What the measurements share: the sample set-up, and callers who keep lines busy."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from ivrd.billing.sample_tables import write_sample
from ivrd.config import Config, load_config
from sim.subscriber import Habits

DAY = datetime(2026, 11, 20, 0, 0)  # noqa: DTZ001 - the zone is added from the configuration

REGULAR = Habits(kind="regular", gap_s=0.2, think_s=0.6, interrupts=0.8, wrong=0.05, more=0.15)
"""A caller who knows the way: about half a minute a call, one bill."""

EVENLY = (1,) * 24
"""Calls that arrive at the same rate all day."""

_CONFIG = """
[node]
languages = ["zh-CN", "en-US"]
[enquiry]
disclosure = "open"
[billing]
mapping = "telecom"
url = "sqlite:///sample.db"
[[card]]
name = "soft"
driver = "software"
channels = 32
"""


def sample_config(
    folder: Path, more: str = "", *, accounts: int = 1000, today: date | None = None
) -> Config:
    """Make the sample database and settings in `folder`, `more` of them at their end."""
    path = folder / "ivrd.toml"
    path.write_text(_CONFIG + more, encoding="utf-8")
    write_sample(folder / "sample.db", today or (DAY + timedelta(days=1)).date(), accounts=accounts)
    return load_config(path)


def day_start(config: Config) -> datetime:
    """Return midnight of the day that is simulated."""
    return DAY.replace(tzinfo=config.zone)
