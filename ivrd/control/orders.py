"""What can be ordered by the bus and on the control socket: the same acts, checked, on record.

Every order that changes anything leaves a row in the audit trail, in the transaction of the act
where the act is the store's own, else before it is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from ivrd.control.aside import Aside
from ivrd.control.views import lines_view, status_view
from ivrd.daemon import Daemon
from ivrd.dunning import campaigns
from ivrd.errors import ControlError
from ivrd.store import audit
from ivrd.store.states import CampaignState
from ivrd.store.switches import KILL, set_switch


class Order(BaseModel):
    """What every order may say: who gives it, and where the reply goes without MQTT 5."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: str = Field("", max_length=100)
    reply_to: str | None = Field(None, min_length=1, max_length=1000)
    correlation: str | None = Field(None, max_length=1000)


class OfLines(Order):
    """An order for lines."""

    lines: list[int] = Field(min_length=1, max_length=1000)


class StopLines(OfLines):
    """`now` ends the calls there too, with a sentence."""

    now: bool = False


class StartDunning(OfLines):
    """At an instant with its offset, or now."""

    at: AwareDatetime | None = None


class OfCampaign(Order):
    """An order for a campaign, by its name."""

    campaign: str = Field(min_length=1, max_length=200)


class StopCampaign(OfCampaign):
    """A campaign that is stopped cannot be started again: it has to be meant."""

    yes: Literal[True]


class Switch(Order):
    """`why` is for those who will ask."""

    why: str | None = Field(None, max_length=1000)


class SwitchOff(Switch):
    """Campaigns that run dial at once: it has to be meant."""

    yes: Literal[True]


@dataclass(frozen=True, slots=True)
class Giver:
    """Whom an order is given to, and by whom."""

    daemon: Daemon
    aside: Aside
    by: str

    async def intend(self, action: str, data: Mapping[str, Any]) -> None:
        """Put on record that something was ordered. Raises `StoreError`."""
        store = self.daemon.parts.store
        await self.aside.run(partial(audit.intend, store, self.by, action, data))

    async def act(
        self,
        action: str,
        data: Mapping[str, Any],
        job: Callable[[Connection, datetime], object],
    ) -> None:
        """Change the store, with the row of the audit trail in the same transaction."""
        store = self.daemon.parts.store
        await self.aside.run(partial(audit.act, store, self.by, action, data, job))
        if self.daemon.outbound is not None:
            self.daemon.outbound.dialler.wake()

    def known(self, lines: list[int]) -> None:
        """Refuse lines that are not there, before anything is put on record."""
        unknown = sorted(set(lines) - set(self.daemon.lines))
        if unknown:
            there = ", ".join(str(number) for number in self.daemon.lines) or "none"
            raise ControlError(f"no line {unknown[0]}; there are {there}")


Do: TypeAlias = Callable[[Giver, Any], Awaitable[Any]]


async def _status(giver: Giver, _: Order) -> Any:
    return status_view(giver.daemon)


async def _lines(giver: Giver, _: Order) -> Any:
    return lines_view(giver.daemon)


async def reload(giver: Giver) -> dict[str, Any]:
    """Let flows and voice files be read again, on record. Raises `IvrdError`: why not."""
    await giver.intend("reload", {})
    return await giver.daemon.reload()


async def start_enquiry(giver: Giver, lines: list[int]) -> dict[str, Any]:
    """Let lines answer callers, on record. Raises `IvrdError`: why not."""
    giver.known(lines)
    await giver.intend("enquiry.start", {"lines": lines})
    return {"lines": giver.daemon.set_enquiry(lines, stopped=False)}


async def stop_enquiry(giver: Giver, lines: list[int], *, now: bool) -> dict[str, Any]:
    """Let lines answer no more, on record; `now` ends calls too. Raises `IvrdError`: why not."""
    giver.known(lines)
    await giver.intend("enquiry.stop", {"lines": lines, "now": now})
    return {"lines": giver.daemon.set_enquiry(lines, stopped=True, now=now)}


async def _reload(giver: Giver, _: Order) -> Any:
    return await reload(giver)


async def _start_enquiry(giver: Giver, order: OfLines) -> Any:
    return await start_enquiry(giver, order.lines)


async def _stop_enquiry(giver: Giver, order: StopLines) -> Any:
    return await stop_enquiry(giver, order.lines, now=order.now)


async def _start_dunning(giver: Giver, order: StartDunning) -> Any:
    at = order.at
    return {"lines": giver.daemon.set_dunning(order.lines, "start", giver.by, at=at, now=False)}


async def _end_dunning(do: str, giver: Giver, order: StopLines) -> Any:
    lines = giver.daemon.set_dunning(order.lines, do, giver.by, at=None, now=order.now)
    return {"lines": lines}


async def _bring(do: str, to: CampaignState, giver: Giver, order: OfCampaign) -> Any:
    name = order.campaign
    await giver.act(
        f"campaign.{do}", {"campaign": name}, lambda tx, now: campaigns.bring(tx, name, to, now)
    )
    return {"campaign": name, "state": to.value}


async def _switch(giver: Giver, order: Switch, *, on: bool) -> Any:
    await giver.act(
        f"kill-switch.{'on' if on else 'off'}", {"why": order.why},
        lambda tx, now: set_switch(tx, now, KILL, on, giver.by, order.why),
    )  # fmt: skip
    return {"on": on}


ORDERS: Mapping[str, tuple[type[Order], Do]] = {
    "status": (Order, _status),
    "lines": (Order, _lines),
    "reload": (Order, _reload),
    "enquiry.start": (OfLines, _start_enquiry),
    "enquiry.stop": (StopLines, _stop_enquiry),
    "dunning.start": (StartDunning, _start_dunning),
    "dunning.stop": (StopLines, partial(_end_dunning, "stop")),
    "dunning.pause": (StopLines, partial(_end_dunning, "pause")),
    "campaign.start": (OfCampaign, partial(_bring, "start", CampaignState.RUNNING)),
    "campaign.pause": (OfCampaign, partial(_bring, "pause", CampaignState.PAUSED)),
    "campaign.stop": (StopCampaign, partial(_bring, "stop", CampaignState.STOPPED)),
    "kill-switch.on": (Switch, partial(_switch, on=True)),
    "kill-switch.off": (SwitchOff, partial(_switch, on=False)),
}
"""Every order by its name: what it says, and what is done."""
