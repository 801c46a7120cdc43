"""`python -m benchmarks [--short] [NAME ...]`, or `make bench ARGS=...`: measure, and write RESULTS.md."""

import argparse
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

import uvloop

from benchmarks import (
    fairness,
    fanout,
    gateway,
    node,
    pages,
    parallel,
    queries,
    readers,
    retrieval,
    startup,
    stop,
    takeover,
    tokens,
)
from benchmarks.bench import Bench
from benchmarks.environment import open_environment
from benchmarks.machine import cores, describe, pin
from benchmarks.report import Report, write

BENCHMARKS: Mapping[str, Callable[[Bench], Awaitable[Report]]] = {
    "fanout": fanout.run,
    "tokens": tokens.run,
    "queries": queries.run,
    "parallel": parallel.run,
    "stop": stop.run,
    "takeover": takeover.run,
    "fairness": fairness.run,
    "readers": readers.run,
    "startup": startup.run,
    "pages": pages.run,
    "gateway": gateway.run,
    "retrieval": retrieval.run,
}
PEERS = ("mercurius", "yoga")


async def main(names: Sequence[str], *, is_short: bool) -> int:
    """Run benchmarks one after the other; a short run writes nothing, and fails only if one cannot run."""
    absent = node.missing()
    if absent:
        sys.stderr.write(f"bench: without peers on node: {absent}\n")
    missed = 0
    async with open_environment(is_short=is_short) as env:
        bench = Bench(env, short=is_short, peers=() if absent else PEERS, peers_absent=absent)
        for name in names:
            began = time.monotonic()
            report = await BENCHMARKS[name](bench)
            section = report.markdown(_circumstances(name))
            missed += report.missed
            sys.stdout.write(f"{section}\n")
            if not is_short:
                write(name, section, list(BENCHMARKS))
            sys.stderr.write(f"bench: {name} took {time.monotonic() - began:.1f} s\n")
    if not is_short:
        sys.stderr.write(f"bench: {missed} targets missed\n")
    return 0


def _circumstances(name: str) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    return f'`make bench ARGS="{name}"`, {now}, load {load:.1f}: {describe()}.'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write RESULTS.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all without one")
    parser.add_argument("--short", action="store_true", help="only see that each runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    pin(os.getpid(), cores()[1])
    sys.exit(uvloop.run(main(arguments.names or list(BENCHMARKS), is_short=arguments.short)))
