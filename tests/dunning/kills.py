"""Kills a dunning node at random moments, starts it again, and holds what is left to account."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ivrd.store import tables
from ivrd.store.engine import Store, open_store
from ivrd.store.states import COSTS_NOTHING, OPEN_TARGETS
from tests.dunning.dunning_office import SHANGHAI

OPEN_MIN = ((9 * 60 + 30, 12 * 60), (15 * 60, 20 * 60))
"""The campaign's hours on a weekday, in minutes."""

WEEKEND_MIN = ((10 * 60 + 30, 12 * 60), (15 * 60, 20 * 60))
MOST_A_DAY = 3
WORDS = frozenset({"DIAL", "PROMISE", "STOP", "TIME", "DONE"})
"""What a node says of its far ends."""

RUN_S = 300.0
"""How long a node may run that is not killed."""


@dataclass
class Told:
    """What was witnessed over all lives of the node."""

    dials: list[tuple[datetime, str]] = field(default_factory=list)
    promises: list[str] = field(default_factory=list)
    stops: list[tuple[datetime, str]] = field(default_factory=list)
    kills: int = 0
    done: bool = False

    def take(self, line: str, folder: Path) -> None:
        """Take one line of a node's output."""
        if line.split(" ", maxsplit=1)[0] not in WORDS or not line.endswith("\n"):
            return  # what the node logs of itself, or a word that its end cut short
        word, at, *number = line.split()
        instant = datetime.fromisoformat(at)
        (folder / "clock").write_text(at)
        if word == "DIAL":
            self.dials.append((instant, number[0]))
        elif word == "PROMISE":
            self.promises.append(number[0])
        elif word == "STOP":
            self.stops.append((instant, number[0]))
        self.done = self.done or word == "DONE"


def kill_often(folder: Path, kills: int, seed: int) -> Told:
    """Run a node in `folder`, kill it `kills` times at random moments, and let it end."""
    chance = random.Random(seed)
    told = Told()
    while not told.done:
        life = _live(folder, seed, told, chance.expovariate(1 / 12) if told.kills < kills else None)
        if life != -signal.SIGKILL and not told.done:
            raise AssertionError(f"the node ended by itself: {life}")
    return told


def _live(folder: Path, seed: int, told: Told, words: float | None) -> int:
    """Let a node live until it is done, or has said so many words and a moment more."""
    command = [sys.executable, "-m", "tests.dunning.killed_node", str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:  # noqa: S603 - our own
        assert node.stdout is not None
        limit = threading.Timer(RUN_S, node.kill)
        limit.start()
        try:
            for count, line in enumerate(node.stdout):
                told.take(line, folder)
                if words is not None and count >= words:
                    # a part of the way to the next word: anywhere in what happens between two
                    threading.Event().wait((words % 1) * 0.01)
                    node.kill()
                    told.kills += 1
                    words = None
        finally:
            limit.cancel()
            node.kill()
    return node.returncode


def account_for(folder: Path, told: Told) -> list[str]:
    """Return everything that is not as it must be after all the kills."""
    with closing(open_store(f"sqlite:///{folder / 'store.db'}")) as store:
        attempts = _rows(store, tables.attempts)
        targets = _rows(store, tables.targets)
        promises = _rows(store, tables.promises)
        listed = {row["number"] for row in _rows(store, tables.do_not_call)}
        left = _rows(store, tables.reservations)
    wrong = [f"attempt {row['id']} has no outcome" for row in attempts if row["outcome"] is None]
    wrong += [f"reservation {row['key']} is left" for row in left]
    wrong += [f"target {row['id']} is {row['state']}" for row in targets
              if row["state"] in OPEN_TARGETS]  # fmt: skip
    wrong += _dials_without_attempt(told, attempts)
    wrong += _dials_against_the_rules(told)
    wrong += _too_often(attempts)
    promised = Counter(row["attempt"] for row in promises)
    kept = {row["number"] for row in attempts if row["id"] in promised}
    wrong += [f"a promise of {number} is lost" for number in told.promises if number not in kept]
    wrong += [f"{number} is not on the list" for _, number in told.stops if number not in listed]
    return wrong


def _dials_without_attempt(told: Told, attempts: list[dict[str, Any]]) -> list[str]:
    """Return the dials that no attempt stands for, each attempt standing for one."""
    began: dict[str, list[datetime]] = {}
    for row in attempts:
        began.setdefault(row["number"], []).append(row["began_at"])
    wrong = []
    for at, number in told.dials:
        close = [one for one in began.get(number, []) if abs(at - one) <= timedelta(seconds=10)]
        if close:
            began[number].remove(close[0])
        else:
            wrong.append(f"{number} was dialled at {at} without an attempt")
    return wrong


def _too_often(attempts: list[dict[str, Any]]) -> list[str]:
    """Return the numbers called more often in a day than they may be; own faults cost nothing."""
    a_day = Counter(
        (row["number"], row["began_at"].astimezone(SHANGHAI).date())
        for row in attempts
        if row["outcome"] not in COSTS_NOTHING
    )
    return [
        f"{number} was called {count} times on {day}"
        for (number, day), count in a_day.items()
        if count > MOST_A_DAY
    ]


def _dials_against_the_rules(told: Told) -> list[str]:
    wrong = []
    for at, number in told.dials:
        local = at.astimezone(SHANGHAI)
        minute = local.hour * 60 + local.minute
        hours = WEEKEND_MIN if local.weekday() >= 5 else OPEN_MIN
        if not any(start <= minute < end for start, end in hours):
            wrong.append(f"{number} was dialled at {local}")
        if any(stopped < at and number == other for stopped, other in told.stops):
            wrong.append(f"{number} was dialled after it had asked for no more calls")
    return wrong


def _rows(store: Store, table: Any) -> list[dict[str, Any]]:
    return store.read(lambda tx: [dict(row) for row in tx.execute(select(table)).mappings()])
