"""When the rings of a modem are told, whatever the cadence of the exchange."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drivers.modem.incoming import Incoming
from sim.clock import VirtualClock


class Line:
    """Rings at given seconds, and what was told of them."""

    def __init__(self, rings: int = 1) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
        self.told: list[tuple[float, str]] = []
        self.off: list[tuple[float, bool]] = []
        self.incoming = Incoming(self.clock, rings, self._told, self._off)
        self.incoming.begin()

    def rings(self, *at_s: float) -> None:
        for each in at_s:
            self.clock.call_later(each, self.incoming.ring)

    def caller_id(self, at_s: float, number: str) -> None:
        self.clock.call_later(at_s, lambda: self.incoming.caller_id(number))

    def _told(self, caller: str) -> None:
        self.told.append((round(self.clock.monotonic(), 3), caller))

    def _off(self, told: bool) -> None:
        self.off.append((round(self.clock.monotonic(), 3), told))


@pytest.mark.parametrize("period_s", [3.0, 5.0, 6.0])
def test_every_ring_is_told_as_long_after_the_modems_own_as_the_first(period_s: float) -> None:
    line = Line()
    line.rings(0, period_s, 2 * period_s)
    line.caller_id(2.0, "88610001")
    line.clock.run_for(2 * period_s + 3)
    assert line.told == [(n * period_s + 2.0, "88610001") for n in range(3)]
    assert not line.off


def test_a_line_without_caller_id_tells_its_first_ring_with_the_second() -> None:
    line = Line()
    line.rings(0, 5, 10)
    line.clock.run_for(11)
    assert line.told == [(5.0, ""), (10.0, "")]


def test_two_bursts_are_one_ring() -> None:
    line = Line()
    line.rings(0, 0.6, 3.0, 3.6)
    line.clock.run_for(4)
    assert line.told == [(3.0, "")]


def test_the_caller_has_given_up_when_no_ring_comes_in_the_longest_pause() -> None:
    line = Line()
    line.rings(0, 5)
    line.caller_id(2.0, "88610001")
    line.clock.run_for(20)
    assert line.told == [(2.0, "88610001"), (7.0, "88610001")]
    assert line.off == [(11.5, True)]


def test_a_call_that_was_never_told_ends_as_such() -> None:
    line = Line(rings=3)
    line.rings(0, 5)
    line.clock.run_for(20)
    assert (line.told, line.off) == ([], [(11.5, False)])


def test_nothing_is_told_after_the_answer() -> None:
    line = Line()
    line.rings(0, 5)
    line.caller_id(2.0, "88610001")
    line.clock.call_later(5.5, line.incoming.stop)
    line.clock.run_for(20)
    assert (line.told, line.off) == ([(2.0, "88610001")], [])
