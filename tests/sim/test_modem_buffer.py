"""The buffer of an emulated modem whose machine is busy, and of one whose host is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ivrd.clock import Timer
from sim.clock import VirtualClock
from sim.modem_buffer import PlayBuffer

SIZE = 2048


class LateClock(VirtualClock):
    """A clock whose timers are late by `late_s`."""

    late_s = 0.0

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return super().call_later(delay_s + self.late_s, callback)


class Played:
    """A buffer, and what came out of it."""

    def __init__(self) -> None:
        self.clock = LateClock(datetime(2026, 11, 2, tzinfo=UTC))
        self.heard = bytearray()
        self.underruns = self.ends = 0
        self.buffer = PlayBuffer(
            self.clock, SIZE, heard=self._hears, underrun=self._dry, ended=self._over,
            hold=lambda _: None,
        )  # fmt: skip

    def _hears(self, samples: bytes) -> None:
        self.heard += samples

    def _dry(self) -> None:
        self.underruns += 1

    def _over(self) -> None:
        self.ends += 1


def test_an_emulator_that_stood_still_blames_no_host_for_an_underrun() -> None:
    played = Played()
    played.clock.late_s = 1.0
    played.buffer.take(b"\x11" * 1600)
    played.clock.late_s = 0.0
    played.clock.run_for(1.03)
    played.buffer.take(b"\x22" * 1600)  # it waited at the port
    for _ in range(20):  # and the host goes on as fast as it should
        played.clock.run_for(0.04)
        played.buffer.take(b"\x33" * 320)
    played.buffer.take(b"\x10\x03")
    played.clock.run_for(1.0)
    assert bytes(played.heard) == b"\x11" * 1600 + b"\x22" * 1600 + b"\x33" * 6400
    assert (played.underruns, played.ends) == (0, 1)


def test_a_host_that_sends_too_late_has_an_underrun() -> None:
    played = Played()
    played.buffer.take(b"\x11" * 1600)
    played.clock.run_for(0.5)
    assert played.underruns == 1
    played.buffer.take(b"\x22" * 160 + b"\x10\x03")
    played.clock.run_for(0.5)
    assert len(played.heard) == 1760
    assert (played.underruns, played.ends) == (1, 1)
