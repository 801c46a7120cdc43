"""What every benchmark is given."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.environment import BenchEnvironment


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of `make bench`.

    Attributes:
        short: Only see that everything runs; the figures mean nothing.
        peers: Names of the peers on node that can run.
        peers_absent: Why there are none; None when there are.
    """

    env: BenchEnvironment
    short: bool
    peers: Sequence[str]
    peers_absent: str | None
