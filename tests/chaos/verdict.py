"""Says what a campaign found, in words."""

from collections import Counter
from collections.abc import Generator

from tests.chaos.campaign import Outcome
from tests.chaos.faults import Kind

MAX_LINES = 20


def lines(outcome: Outcome) -> Generator[str]:
    """Yield the verdict, and how to repeat the campaign."""
    history = outcome.history
    attempts = [final.attempt for final in history.finals.values()]
    endings = Counter(final.ending for final in history.finals.values())
    faults = Counter(fault.kind for fault in history.faults)
    yield f"seed {outcome.seed}: {len(history.claims)} claims in {outcome.took_s:.0f} s"
    yield f"  faults: {len(history.faults)} ({_counted(faults)})"
    if never := [kind for kind in Kind if kind not in faults]:
        yield f"  faults that did not come: {', '.join(never)}"
    yield f"  endings: {_counted(endings)}"
    yield f"  attempts: {sum(attempts)}, most for one run {max(attempts, default=0)}"
    connections = sum(reading.connections for reading in history.readings)
    events = sum(len(reading.events) for reading in history.readings)
    yield f"  readers: {len(history.readings)}, {connections} connections, {events} events"
    yield f"  provider calls: {len(history.calls)}; requests refused: {_counted(_refused(outcome)) or 'none'}"
    for full in history.saturations:
        took = f"{full.runs} runs took {full.until_s - full.at_s:.0f} s"
        start_s = full.newcomer_start_s
        wait = "never started" if start_s is None else f"started after {start_s - full.newcomer_at_s:.2f} s"
        yield f"  all slots full: {took}; a newcomer {wait}, before {full.overtaken} runs that were sent earlier"
    for unserved in history.unserved:
        yield f"  nobody served {unserved.queue} for {unserved.until_s - unserved.at_s:.0f} s"
    restarts = [document.restarts for document in history.documents]
    chunks = sum(document.chunks for document in history.documents)
    yield f"  documents: {len(restarts)} with {chunks} chunks; jobs that were begun again: {sum(restarts)}"
    for violation in outcome.violations[:MAX_LINES]:
        yield f"  BROKEN {violation.check}: {violation.what}"
    if len(outcome.violations) > MAX_LINES:
        yield f"  and {len(outcome.violations) - MAX_LINES} more"
    if outcome.violations:
        yield f"verdict: {len(outcome.violations)} promises broken; claims, history and logs are in {outcome.folder}"
        yield f"repeat with: make chaos SEED={outcome.seed} RUNS={len(history.claims)}"
    else:
        yield "verdict: every promise was kept"


def _refused(outcome: Outcome) -> Counter[str]:
    return Counter(f"{refusal.request.split()[0]} {refusal.code}" for refusal in outcome.history.refusals)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))
