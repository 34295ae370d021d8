"""The actions of the flows that ship, declared and never run: no database is behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from ivrd.dunning.actions import ReminderSettings, dunning_actions
from ivrd.enquiry import EnquirySettings, enquiry_actions
from ivrd.flow.actions import Registry


def shipped_actions() -> Registry:
    """Return all actions that fsm_specs/ names."""
    nobody: Any = cast("Any", None)
    settings = ReminderSettings(home=ZoneInfo("Asia/Shanghai"), e164=str)
    enquiry = enquiry_actions(
        nobody, lambda: datetime(2026, 11, 1, tzinfo=UTC), EnquirySettings("open")
    )
    return {**enquiry, **dunning_actions(nobody, settings, None)}
