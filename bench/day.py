"""A day of 32 lines and 45,000 calls through the daemon's own `Line`, traces written."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from bench.sample import EVENLY, REGULAR, day_start, sample_config
from bench.tables import table
from ivrd.simulation import Office, run_day

CALLS = 45_000


def measure(folder: Path) -> str:
    """Simulate the day hour by hour, and watch time and memory."""
    config = sample_config(folder)
    office = Office(config, day_start(config), lines=32, logs=folder / "log")
    memory: list[float] = []
    start_s, cpu_s = time.perf_counter(), time.process_time()
    report = run_day(
        office, hours=24, calls_a_day=CALLS, seed=7, habits=REGULAR, by_hour=EVENLY,
        each_hour=lambda: memory.append(_memory_mb()),
    )  # fmt: skip
    wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    office.close()
    written = sum(file.stat().st_size for file in (folder / "log").glob("*.log"))
    growth = (memory[-1] - memory[1]) / (len(memory) - 2)
    rows: list[list[object]] = [
        ["calls carried / turned away", f"{report.calls:,} / {report.turned_away:,}"],
        ["told their bill", f"{report.outcomes.get('told', 0):,}"],
        ["mean call, s", report.talk_s / report.calls],
        ["wall time, s", wall_s],
        ["processor time, s", cpu_s],
        ["times faster than the day itself (peer: real time)", 86_400 / wall_s],
        ["processor time a call, ms", 1000 * cpu_s / report.calls],
        ["trace written, MB", written / 1e6],
        ["memory at the end, MB", memory[-1]],
        ["growth an hour after the second, MB", growth],
        ["faults, watchdog, errors", sum(report.counters[n] for n in ("card_faults", "watchdog",
                                                                     "errors"))],
    ]  # fmt: skip
    return table("A day of 32 lines in virtual time", ["what", "figure"], rows)


def _memory_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6
