"""The dialler's desk: all that it asks store and billing data for, in one place."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection

from ivrd.billing.entities import Arrears
from ivrd.dunning.campaign import Campaign
from ivrd.dunning.claim import Claim, Claims, Owed, Slot
from ivrd.dunning.closing import AttemptResult, attempt_of, close_attempt
from ivrd.dunning.due import Nobody
from ivrd.dunning.gate import Gate
from ivrd.dunning.reminders import Reminder
from ivrd.dunning.running import Campaigns
from ivrd.dunning.upkeep import Chooser, Chosen, Done, Upkeep
from ivrd.events import Data
from ivrd.store.engine import Store


def new_attempt(now: datetime) -> str:
    """Return an id for an attempt: when it was made, and a part that no other has."""
    return f"{now.astimezone(UTC):%Y%m%d%H%M%S}-{secrets.token_hex(5)}"


class DunningDesk:
    """Claims, closes and sees to attempts; every method may block.

    `clock` is this node's own; `mute` says why a campaign cannot be spoken, "" where it can.
    """

    def __init__(  # noqa: PLR0913 - what a node's dunning is made of, each by its name
        self,
        store: Store,
        gate: Gate,
        campaigns: Campaigns,
        arrears: Callable[[str], tuple[Arrears, ...]],
        facts: Callable[[Reminder], Data],
        choose: Chooser | None,
        node: str,
        *,
        ids: Callable[[datetime], str] = new_attempt,
        clock: Callable[[], datetime] | None = None,
        mute: Callable[[Campaign], str] = lambda _: "",
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._claims = Claims(
            store, gate, campaigns, Owed(arrears), facts, ids,
            clock=clock or store.now, mute=mute,
        )  # fmt: skip
        self._open: set[str] = set()
        """Attempts of this process whose outcome is not written yet."""
        self._upkeep = Upkeep(store, campaigns, arrears, node, choose)

    def claim(self, slot: Slot) -> Claim | Nobody:
        """Return somebody to call. Raises `StoreError`."""
        found = self._claims.claim(slot)
        if isinstance(found, Claim):
            self._open.add(found.permit.attempt)
        return found

    def close(self, attempt: str, result: AttemptResult) -> None:
        """Write what came of an attempt. Raises `StoreError`; may be repeated."""
        self._store.transact(lambda tx: self._close(tx, attempt, result))
        self._open.discard(attempt)

    def _close(self, tx: Connection, attempt: str, result: AttemptResult) -> bool:
        row = attempt_of(tx, attempt)
        if row is None:
            return False
        running = self._campaigns.by_id(tx, row.campaign)
        return close_attempt(tx, attempt, result, self._store.now(), running)

    def recover(self) -> int:
        """Close what a crash left open; return how many attempts. Raises `StoreError`."""
        return self._upkeep.recover()

    def choose_again(self) -> Chosen | None:
        """Choose the debtors of one campaign anew, where that is due.

        Raises `StoreError` or `BillingError`.
        """
        return self._upkeep.choose_again()

    def upkeep(self) -> Done:
        """See to what is due beside the calls. Raises `StoreError`."""
        return self._upkeep.turn(self._open)
