"""Carries out the actions that calls order: in worker threads, or inline on virtual time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from ivrd.billing.outages import Outages
from ivrd.billing.pool import LookupPool
from ivrd.clock import Clock
from ivrd.enquiry import U_DOWN, U_SLOW
from ivrd.errors import BillingSlow, arose_at
from ivrd.events import U_FAIL, Data
from ivrd.flow.actions import Action, Answer, Registry

_log = structlog.get_logger("ivrd.actions")


def carry_out(action: Action, args: Data) -> Answer:
    """Do an action; a fault of its own becomes U_FAIL and is logged without its data."""
    try:
        answer = action.do(args)
    except Exception as error:
        _log.error(
            "action_failed", action=action.name, kind=type(error).__name__, at=arose_at(error)
        )
        return Answer(U_FAIL)
    if answer.event not in action.events:
        _log.error("undeclared_answer", action=action.name, answer=answer.event)
        return Answer(U_FAIL)
    return answer


class PooledActions:
    """Blocking actions in the lookups' own threads, quick ones at the loop's next turn."""

    def __init__(
        self, registry: Registry, pool: LookupPool, clock: Clock, outages: Outages
    ) -> None:
        self._registry = registry
        self._pool = pool
        self._clock = clock
        self._outages = outages
        self.on_done: Callable[[Action, Answer, float], None] | None = None
        """Told of each lookup, its answer, and how many seconds it took."""

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Start an action; `answer` is called once, later, in the loop's thread."""
        action = self._registry[name]
        if action.blocking:
            if self.on_done is not None:
                answer = partial(self._told, action, answer, self._clock.monotonic())
            done = partial(self._finish, action, answer)
            self._pool.submit(partial(carry_out, action, args), done)
        else:
            self._clock.call_later(0.0, lambda: answer(carry_out(action, args)))

    def _finish(
        self, action: Action, answer: Callable[[Answer], None], result: Answer | Exception
    ) -> None:
        if isinstance(result, BillingSlow):
            # the pool answers for a lookup that is late, or for which it has no room
            self._outages.late(action.name, result)
            result = Answer(U_SLOW)
        elif not isinstance(result, Answer):
            result = Answer(U_FAIL)
        elif result.event not in {U_SLOW, U_DOWN}:
            self._outages.in_time(action.name)
        answer(result)

    def _told(
        self, action: Action, answer: Callable[[Answer], None], began_s: float, result: Answer
    ) -> None:
        if self.on_done is not None:
            self.on_done(action, result, self._clock.monotonic() - began_s)
        answer(result)


class InlineActions:
    """Actions done at once and answered after `delay_s` of the clock's time: for simulations."""

    def __init__(self, registry: Registry, clock: Clock, delay_s: float = 0.002) -> None:
        self._registry = registry
        self._clock = clock
        self.delay_s = delay_s

    def start(self, name: str, args: Data, answer: Callable[[Answer], None]) -> None:
        """Do an action; `answer` is called once, later."""
        result = carry_out(self._registry[name], args)
        self._clock.call_later(self.delay_s, lambda: answer(result))
