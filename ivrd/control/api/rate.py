"""Token buckets: how often somebody may ask, and when they may again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

_RATE = re.compile(r"([1-9][0-9]{0,4})/(s|m|h)")
_PERIODS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and as many again in each period of so many seconds."""

    count: int
    period_s: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rate that ``10/s``, ``600/m`` or ``5000/h`` names. Raises `ValueError`."""
        found = _RATE.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no rate; write it as 10/s, 600/m or 5000/h")
        return cls(int(found[1]), _PERIODS_S[found[2]])


class Bucket:
    """Holds `rate.count` at most, and gets one more each ``period_s / count`` seconds."""

    __slots__ = ("_at_s", "_held", "rate")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self.rate = rate
        self._held = float(rate.count)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take one out, and return 0; where none is in, the seconds until one will be."""
        wait_s = self.wait_s(now_s)
        if not wait_s:
            self._held -= 1
        return wait_s

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until one is in, 0 where one is."""
        self._fill(now_s)
        return max(1 - self._held, 0.0) * self.rate.period_s / self.rate.count

    def full(self, now_s: float) -> bool:
        """Return whether it is as one that nobody has used."""
        self._fill(now_s)
        return self._held >= self.rate.count

    def _fill(self, now_s: float) -> None:
        gained = max(now_s - self._at_s, 0.0) * self.rate.count / self.rate.period_s
        self._held = min(float(self.rate.count), self._held + gained)
        self._at_s = max(now_s, self._at_s)


class Limiter:
    """A bucket for each name; those that are full again are forgotten."""

    _MANY = 10_000

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, rate: Rate) -> float:
        """Count one of `name`, and return 0; where it may not now, the seconds until it may."""
        return self._bucket(name, rate).take(self._monotonic())

    def wait_s(self, name: str, rate: Rate) -> float:
        """Return the seconds until `name` may, 0 where it may now; nothing is counted."""
        return self._bucket(name, rate).wait_s(self._monotonic())

    def _bucket(self, name: str, rate: Rate) -> Bucket:
        now_s = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= self._MANY:
                self._tidy(now_s)
            bucket = self._buckets[name] = Bucket(rate, now_s)
        return bucket

    def _tidy(self, now_s: float) -> None:
        self._buckets = {n: b for n, b in self._buckets.items() if not b.full(now_s)}
        if len(self._buckets) >= self._MANY:
            # the longest known go and start anew: many, for looking through all takes its time
            for name in list(self._buckets)[: self._MANY // 10]:
                del self._buckets[name]
