"""`python -m tests.chaos --seed 7 --runs 400`: break things by seed, and judge what was promised."""

import argparse
import asyncio
import shutil
import sys
import time

from tests.chaos.campaign import campaign
from tests.chaos.verdict import lines


def main() -> int:
    """Run one campaign; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    began_s = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began_s:7.1f} s  {text}\n")
        sys.stdout.flush()

    outcome = asyncio.run(campaign(given.seed, given.runs, say))
    sys.stdout.write("\n".join(lines(outcome)) + "\n")
    if not outcome.violations:
        shutil.rmtree(outcome.folder)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
