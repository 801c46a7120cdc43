"""Which faults may have touched a run: what came while it was worked on, or just before or behind."""

from collections.abc import Sequence

from tests.chaos.faults import QUEUE_FAULTS, Kind
from tests.chaos.history import Final, History, Injected

BEFORE_S, BEHIND_S = 1.0, 3.0
"""What a fault does may be seen so much later, and clocks of a run and of its faults are not read at once."""
PROVIDER_BREAKS = frozenset({Kind.PROVIDER_DROPPED, Kind.PROVIDER_RESET})
"""Faults after which an answer may be broken off, and its call repeated."""
PROVIDER_DELAYS = frozenset({Kind.PROVIDER_HELD, Kind.PROVIDER_SLOW})
"""Faults during which the end of an answer that its provider cuts off may be lost in the proxy."""
LOSES_EVENTS = frozenset({Kind.REDIS_WIPED, Kind.REDIS_KILLED})
"""Faults after which a later attempt may not know what its readers have seen."""
CUTS_OFF = frozenset({Kind.LINK_DROPPED, Kind.LINK_HELD, Kind.LINK_RESET, Kind.LINK_SLOW})
"""What keeps a worker's events from the log, if it is the link to Redis."""
ENDS_EARLY = frozenset({Kind.WORKER_KILLED, Kind.WORKER_PAUSED, Kind.WORKER_STOPPED})
"""Faults by which an attempt may end before its first event."""
MAKES_ZOMBIES = frozenset({Kind.WORKER_PAUSED, Kind.LINK_HELD, Kind.LINK_DROPPED, Kind.PROVIDER_HELD})
"""Faults during which an earlier attempt, or its request, may be under way still."""

KILLS_CODE = frozenset({Kind.CHILDREN_KILLED})
"""Faults after which a code agent may have to write a snippet again."""
RECOVERY_S = 8.0
"""Seconds after a fault until its effects are over: a lease runs out, a process starts."""


def within(history: History, from_s: float, until_s: float) -> Sequence[Injected]:
    """Return the faults, those of queues aside, that came in a period or had effects in it."""
    others = [fault for fault in history.faults if fault.kind not in QUEUE_FAULTS]
    return [fault for fault in others if fault.at_s < until_s and fault.until_s + RECOVERY_S > from_s]


def during(history: History, final: Final, kinds: frozenset[Kind]) -> Sequence[Injected]:
    """Return the faults of some kinds that may have touched a run."""
    return [
        fault
        for fault in history.faults
        if fault.kind in kinds and fault.at_s < final.ended_s + BEFORE_S and fault.until_s > final.began_s - BEHIND_S
    ]


def may_break(history: History, final: Final) -> int:
    """Return how many faults of the provider the run met: for each, one call may have failed."""
    return len(during(history, final, PROVIDER_BREAKS))


def may_lose(history: History, final: Final, from_seq: int) -> bool:
    """Tell whether events from a position on may be lost to a run.

    Redis lost them, or its worker was cut off from it; or an attempt ended between saying that it began and its
    first event, and the next cannot know that there was none.
    """
    cut_off = [fault for fault in during(history, final, CUTS_OFF) if fault.target.endswith("to redis")]
    unheard = from_seq == 1 and during(history, final, ENDS_EARLY)
    return bool(during(history, final, LOSES_EVENTS) or cut_off or unheard)
