"""What bus and metrics cost the calls on 32 busy lines: runs in turn, each in a process of its own.

A call's latency is counted from the moment an event was due (a key's timer, a play's end) to the
last order upon it: what holds up the loop counts, wherever it comes from.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.broker import program
from bench.bus_run import BUS, KILLED, KILLS, METRICS, PLAIN, RUN_S, RUNS, SCRAPE_S, Run, one_run
from bench.tables import percentile, table

ROUNDS = 5


def measure(folder: Path, rounds: int = ROUNDS) -> str:
    """Keep 32 lines busy in each way, one after the other, again and again in another order."""
    if program() is None:
        return "### State on the bus\n\nmosquitto is not installed (apt-get install mosquitto)\n"
    runs: dict[str, list[Run]] = {what: [] for what in RUNS}
    context = get_context("spawn")
    for turn in range(rounds):
        for place in range(len(RUNS)):
            what = RUNS[(place + turn) % len(RUNS)]
            own = folder / f"{what.replace(' ', '-')}-{turn}"
            own.mkdir()
            with ProcessPoolExecutor(1, mp_context=context) as process:
                runs[what].append(process.submit(one_run, own, what).result())
    return f"{_latencies(runs, rounds)}\n{_costs(runs, rounds)}\n{_states(runs)}"


def _latencies(runs: dict[str, list[Run]], rounds: int) -> str:
    heads = ["with", "events", "p50 ms", "p99 ms", "p99 ms of each round", "p99 ratio",
             "work p50 ms", "work p99 ms", "wrong"]  # fmt: skip
    plain = [percentile(run.delays, 0.99) for run in runs[PLAIN]]
    rows: list[Sequence[object]] = []
    for what, those in runs.items():
        delays, work = _joined(those, lambda run: run.delays), _joined(those, lambda run: run.work)
        each = [percentile(run.delays, 0.99) for run in those]
        rows.append(
            [what, len(delays), percentile(delays, 0.5) * 1e3, percentile(delays, 0.99) * 1e3,
             " ".join(f"{one * 1e3:.2f}" for one in each),
             f"{statistics.median(each) / statistics.median(plain):.2f}",
             percentile(work, 0.5) * 1e3, percentile(work, 0.99) * 1e3,
             sum(run.wrong for run in those) if what == KILLED else ""]
        )  # fmt: skip
    title = (
        f"A call's latency, 32 busy lines, {rounds} rounds of {RUN_S} s (the broker killed {KILLS}"
        " times a round; ratio: of the medians over rounds; work: without the wait for the loop;"
        " wrong: retained states that are not the daemon's at the end)"
    )
    return table(title, heads, rows)


def _costs(runs: dict[str, list[Run]], rounds: int) -> str:
    heads = ["with", "the daemon's CPU %", "more, points", "its helper's CPU %", "memory MB",
             "the helper's MB"]  # fmt: skip
    plain = statistics.median(run.cpu for run in runs[PLAIN])
    rows: list[Sequence[object]] = []
    for what, those in runs.items():
        cpu = statistics.median(run.cpu for run in those)
        rows.append(
            [what, 100 * cpu, 100 * (cpu - plain),
             100 * statistics.median(run.helper_cpu for run in those),
             statistics.median(run.memory_mb for run in those),
             statistics.median(run.helper_mb for run in those)]
        )  # fmt: skip
    title = (
        f"What it costs: percent of one core, medians of {rounds}; metrics asked for every"
        f" {SCRAPE_S} s"
    )
    return table(title, heads, rows)


def _states(runs: dict[str, list[Run]]) -> str:
    rows: list[Sequence[object]] = []
    for what in (BUS, METRICS):
        late = _joined(runs[what], lambda run: run.late)
        rows.append([what, len(late), *(percentile(late, share) * 1e3 for share in (0.5, 0.99))])
    title = "From a line's change to its state at a subscriber in another process"
    return table(title, ["with", "states", "p50 ms", "p99 ms"], rows)


def _joined(runs: Iterable[Run], of: Callable[[Run], list[float]]) -> list[float]:
    return [value for run in runs for value in of(run)]
