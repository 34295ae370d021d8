"""The words in which ivrd keeps how things stand: campaigns, targets, attempts, debtors."""

from __future__ import annotations

from enum import StrEnum


class CampaignState(StrEnum):
    """Where a campaign is in its life."""

    NEW = "new"
    """Made, and not started."""
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Ended by an operator before it was done."""
    DONE = "done"
    """Nobody is left to call."""


class TargetState(StrEnum):
    """Where one debtor of a campaign is."""

    WAITING = "waiting"
    """To be called, at `next_at` at the earliest."""
    CALLING = "calling"
    """An attempt is open."""
    PROMISED = "promised"
    """Left alone until `next_at`, the day before the promised one."""
    NOTIFIED = "notified"
    """A confirmed person heard amount and due date."""
    SETTLED = "settled"
    """Paid since."""
    EXCLUDED = "excluded"
    """Not to be called any more; `why` says the reason."""
    EXHAUSTED = "exhausted"
    """All tries that the campaign allows are used up."""


OPEN_TARGETS = (TargetState.WAITING, TargetState.CALLING, TargetState.PROMISED)
"""The states of a target that keep its campaign from being done."""


class Outcome(StrEnum):
    """What came of an attempt (product D4). Every closed attempt has exactly one."""

    TOLD = "told"
    """A confirmed person heard amount and due date in full."""
    TOLD_IN_PART = "told_in_part"
    """A confirmed person hung up before the end of the message."""
    NOT_CONFIRMED = "not_confirmed"
    """Somebody answered, and nobody confirmed being the holder."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNALLOCATED = "unallocated"
    """The number is not in use, is malformed or has changed."""
    OUT_OF_SERVICE = "out_of_service"
    """Switched off, out of reach, or out of service."""
    REJECTED = "rejected"
    NETWORK = "network"
    """The network or the trunk failed before anything rang: congestion, out of order."""
    LINE_FAULT = "line_fault"
    """A fault of our own line or card."""
    MACHINE = "machine"
    """An answering machine, fax or modem answered."""
    TRANSFERRED = "transferred"
    SETTLED = "settled"
    """Paid since: found right before anything private was spoken."""
    CANCELLED = "cancelled"
    """Given up before it was dialled: a caller came in first, the operator stopped it, we ended."""
    UNKNOWN = "unknown"
    """A crash in between: it may have rung, and counts as if it had."""


COSTS_NOTHING = frozenset({Outcome.NETWORK, Outcome.LINE_FAULT, Outcome.CANCELLED})
"""Outcomes that no frequency rule counts: the debtor's telephone did not ring for them."""

EFFECTIVE = frozenset({Outcome.TOLD, Outcome.TOLD_IN_PART, Outcome.TRANSFERRED, Outcome.SETTLED})
"""Outcomes of an effective contact: the person was spoken to."""


class DebtorClass(StrEnum):
    """How a debtor stands to paying (product D7)."""

    WILL_PAY = "will_pay"
    """Will pay soon 近期交纳."""
    UNDECIDED = "undecided"
    """Nothing definite 暂未明确."""
    UNREACHABLE = "unreachable"
    """Cannot be reached 无法联系."""
    AWAY = "away"
    """Away 异地."""
    REFUSES = "refuses"
    """Refuses 特殊拒交."""


class PromiseState(StrEnum):
    """What became of a promise to pay."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"
    """Replaced by a later promise, or taken back by an operator."""


class Task(StrEnum):
    """What a call cannot do: the kinds of entry of the worklist (催缴记录表)."""

    FIND_NUMBER = "find_number"
    LETTER = "letter"
    VISIT = "visit"
    SUPERVISOR = "supervisor"
    CHECK_PAYMENT = "check_payment"
    """The debtor says that they have paid."""
    DISPUTE = "dispute"
    CALL_BACK = "call_back"
