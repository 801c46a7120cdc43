"""`python -m tests.soak --minutes 10`: steady load, and whether anything grows that should not."""

import argparse
import asyncio
import shutil
import sys
import time

from tests.soak.soak import soak
from tests.soak.verdict import lines


def main() -> int:
    """Soak once; the exit status is 1 when something grew or stayed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    began_s = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began_s:7.1f} s  {text}\n")
        sys.stdout.flush()

    outcome = asyncio.run(soak(given.minutes * 60, say))
    sys.stdout.write("\n".join(lines(outcome)) + "\n")
    if not outcome.faults:
        shutil.rmtree(outcome.folder)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
