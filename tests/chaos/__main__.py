"""`python -m tests.chaos --seed 7 --runs 400`: break things by seed, and judge what was promised."""

import argparse
import sys

from tests.chaos.campaign import campaign
from tests.chaos.verdict import lines
from tests.support.trial import run_trial


def main() -> int:
    """Run one campaign; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    return run_trial(lambda say: campaign(arguments.seed, arguments.runs, say), lines)


if __name__ == "__main__":
    sys.exit(main())
