"""Campaigns in the store: made, started, paused and stopped, each in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from ivrd.errors import IvrdError, nearest
from ivrd.store.states import CampaignState
from ivrd.store.tables import campaigns, targets

if TYPE_CHECKING:
    from ivrd.dunning.campaign import Campaign


class CampaignRefused(IvrdError):  # noqa: N818 - what the store's state makes of an order
    """What was ordered cannot be done with a campaign as it stands; says what can."""


def campaign_row(tx: Connection, name: str) -> RowMapping:
    """Return a campaign's row. Raises `CampaignRefused` where there is none of that name."""
    row = tx.execute(select(campaigns).where(campaigns.c.name == name)).mappings().first()
    if row is not None:
        return row
    names = list(tx.execute(select(campaigns.c.name)).scalars())
    near = nearest(name, names)
    hint = f"; did you mean {near!r}?" if near else "; `ivrd campaign list` shows those there are"
    raise CampaignRefused(f"no campaign {name!r}{hint}")


def make(tx: Connection, campaign: Campaign, now: datetime) -> int:
    """Write a new campaign, without debtors yet; return its id.

    Raises `CampaignRefused` where the name is taken: names stand in reports for good.
    """
    taken = select(campaigns.c.state).where(campaigns.c.name == campaign.name)
    state = tx.execute(taken).scalar()
    if state is not None:
        raise CampaignRefused(
            f"there is a campaign {campaign.name!r} already ({state}); give this one another name"
        )
    listed = campaign.from_list
    made = tx.execute(
        insert(campaigns).values(
            name=campaign.name, kind=campaign.kind, state=CampaignState.NEW.value,
            settings=campaign.settings(), made_at=now,
            posted_at=listed.posted_at if listed else None,
        )
    )  # fmt: skip
    key = made.inserted_primary_key
    if key is None:
        raise AssertionError("a row without a key")
    return int(key[0])


_FROM = {
    CampaignState.RUNNING: (CampaignState.NEW, CampaignState.PAUSED),
    CampaignState.PAUSED: (CampaignState.RUNNING,),
    CampaignState.STOPPED: (CampaignState.NEW, CampaignState.RUNNING, CampaignState.PAUSED),
}
"""From which states an operator may bring a campaign into another."""


def bring(tx: Connection, name: str, to: CampaignState, now: datetime) -> None:
    """Start, pause or stop a campaign.

    Raises `CampaignRefused`: there is none of that name, its state does not allow it, or it would
    start with nobody to call.
    """
    row = campaign_row(tx, name)
    state = CampaignState(row["state"])
    if state is to:
        raise CampaignRefused(f"{name} is {to.value} already")
    if state not in _FROM[to]:
        over = state in {CampaignState.STOPPED, CampaignState.DONE}
        hint = "; make a new one from its file, under another name" if over else ""
        raise CampaignRefused(f"{name} is {state.value} and cannot become {to.value}{hint}")
    values: dict[str, Any] = {"state": to.value, "waits_for": None}
    if to is CampaignState.RUNNING:
        _has_debtors(tx, row)
        values["started_at"] = row["started_at"] or now
    if to is CampaignState.STOPPED:
        values["ended_at"] = now
    tx.execute(update(campaigns).where(campaigns.c.id == row["id"]).values(**values))


def _has_debtors(tx: Connection, row: RowMapping) -> None:
    if row["chosen_at"] is not None and has_debtors(tx, row["id"]):
        return
    name = row["name"]
    if row["settings"].get("choose") is None:
        what = f"import its list with `ivrd campaign import {name} FILE`"
    else:
        what = f"choose its debtors with `ivrd campaign choose {name}`"
    whole = "its debtors are not all in" if has_debtors(tx, row["id"]) else "it has nobody to call"
    raise CampaignRefused(f"{name} is not started: {whole}; {what}")


def has_debtors(tx: Connection, campaign: int) -> bool:
    """Return whether a campaign has any debtor."""
    query = select(targets.c.id).where(targets.c.campaign == campaign).limit(1)
    return tx.execute(query).first() is not None
