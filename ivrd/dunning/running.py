"""Campaigns as the store has them, their settings parsed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Row, bindparam, select

from ivrd.dunning.campaign import Campaign, campaign_from
from ivrd.dunning.hours import Windows
from ivrd.dunning.pacing import Opening
from ivrd.store import tables
from ivrd.store.states import CampaignState

Openings: TypeAlias = Callable[[Campaign, Windows, ZoneInfo], Opening]
"""Gives when a campaign may call debtors of a time zone, all that the gate holds by hours in it."""

UNREADABLE = "its settings cannot be read by this version of ivrd"

_log = structlog.get_logger("ivrd.dunning")

_c = tables.campaigns.c
_running = select(tables.campaigns).where(_c.state == CampaignState.RUNNING.value)
_by_id = select(tables.campaigns).where(_c.id == bindparam("campaign"))


@dataclass(frozen=True)
class Running:
    """One campaign, with what its settings come to."""

    id: int
    campaign: Campaign
    windows: Windows
    posted_at: datetime | None
    home: ZoneInfo
    openings: Openings

    def zone_of(self, name: str | None) -> ZoneInfo:
        """Return a debtor's time zone."""
        return ZoneInfo(name) if name else self.home

    def opening(self, zone: ZoneInfo) -> Opening:
        """Return when the campaign may call debtors of a zone."""
        return self.openings(self.campaign, self.windows, zone)


class Campaigns:
    """Reads campaigns; what was parsed is kept while the settings stay the same."""

    def __init__(self, home: ZoneInfo, openings: Openings) -> None:
        self.home = home
        self._openings = openings
        self._known: dict[int, tuple[Mapping[str, Any], Running]] = {}
        self.unreadable: set[int] = set()
        """Campaigns that should run, and whose settings cannot be read."""

    def running(self, tx: Connection) -> Sequence[Running]:
        """Return the campaigns that run, the one to serve first at the front."""
        found = self._readable(tx.execute(_running).all())
        return sorted((one for one, _ in found), key=lambda one: (-one.campaign.priority, one.id))

    def chosen(self, tx: Connection) -> Sequence[tuple[Running, datetime]]:
        """Return the campaigns that run on debtors chosen from the billing data, and when."""
        rows = [row for row in tx.execute(_running) if row.chosen_at is not None]
        found = [(one, row.chosen_at) for one, row in self._readable(rows)]
        return [pair for pair in found if pair[0].campaign.choose is not None]

    def _readable(self, rows: Sequence[Row[Any]]) -> list[tuple[Running, Row[Any]]]:
        """Return those that can be read: one that cannot keeps no other from running."""
        found: list[tuple[Running, Row[Any]]] = []
        for row in rows:
            try:
                found.append((self._of(row), row))
            except ValueError as error:
                if row.id not in self.unreadable:
                    _log.error("campaign_unreadable", campaign=row.name, kind=type(error).__name__)
                self.unreadable.add(row.id)
            else:
                self.unreadable.discard(row.id)
        return found

    def by_id(self, tx: Connection, campaign: int) -> Running:
        """Return a campaign, whatever its state."""
        return self._of(tx.execute(_by_id, {"campaign": campaign}).one())

    def _of(self, row: Row[Any]) -> Running:
        known = self._known.get(row.id)
        if known is not None and known[0] == row.settings and known[1].posted_at == row.posted_at:
            return known[1]
        campaign = campaign_from(row.settings)
        windows = campaign.when.windows()
        running = Running(row.id, campaign, windows, row.posted_at, self.home, self._openings)
        self._known[row.id] = (row.settings, running)
        return running
