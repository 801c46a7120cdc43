"""How long a newcomer waits: `nexent-gql up` from nothing to `ready`, and the second time."""

import asyncio
import shutil
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.machine import everywhere
from benchmarks.report import Report, median, short
from nexent_gql.embedded import EngineSet
from tests.support.installation import Installation

MAX_FIRST_S, MAX_SECOND_S = 5.0, 3.0


async def run(bench: Bench) -> Report:
    """Start and stop installations on all cores, turn by turn with the bare engines."""
    report = Report("startup", "`nexent-gql up` to its line `ready`, environment installed, on all cores.")
    rounds = 1 if bench.short else 5
    times: dict[str, list[float]] = {"first": [], "second": [], "engines first": [], "engines second": []}
    with everywhere():
        for _ in range(rounds):
            await asyncio.to_thread(_round, times, 1 if bench.short else 2)
    first, second = median(times["first"]), median(times["second"])
    floors = median(times["engines first"]), median(times["engines second"])
    head = ("", "empty state folder: median (all) s", "second start: median (all) s")
    report.table(
        head,
        [
            ("`nexent-gql up`", _all(times["first"]), _all(times["second"])),
            ("floor: PostgreSQL and Valkey alone", _all(times["engines first"]), _all(times["engines second"])),
            ("ratio", short(first / floors[0]), short(second / max(floors[1], 1e-9))),
        ],
    )
    report.verdict(f"first start at most {MAX_FIRST_S:g} s", f"{short(first)} s", holds=first <= MAX_FIRST_S)
    report.verdict(f"second start at most {MAX_SECOND_S:g} s", f"{short(second)} s", holds=second <= MAX_SECOND_S)
    return report


def _round(times: dict[str, list[float]], starts: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="nexent-bench-"))
    try:
        for name in ("first", "second")[:starts]:
            installation = Installation(folder / "state")
            began = time.monotonic()
            installation.start()
            times[name].append(time.monotonic() - began)
            installation.stop(signal.SIGTERM)
        for name in ("engines first", "engines second")[:starts]:
            with EngineSet(folder / "engines") as engines:
                began = time.monotonic()
                engines.start()
                times[name].append(time.monotonic() - began)
    finally:
        shutil.rmtree(folder)


def _all(times_s: list[float]) -> str:
    return f"{short(median(times_s))} ({', '.join(map(short, sorted(times_s)))})"
