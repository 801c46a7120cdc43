"""`python -m tests.soak --minutes 10`: steady load, and whether anything grows that should not."""

import argparse
import sys

from tests.soak.soak import soak
from tests.soak.verdict import lines
from tests.support.trial import run_trial


def main() -> int:
    """Soak once; the exit status is 1 when something grew or stayed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    return run_trial(lambda say: soak(arguments.minutes * 60, say), lines)


if __name__ == "__main__":
    sys.exit(main())
