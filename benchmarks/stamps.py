"""Tokens of the fake provider that tell when they were sent: `number@<Unix seconds> `."""

import re
import time

_STAMP = re.compile(r"@(\d+\.\d+) ")


def lags_of(text: str) -> list[float]:
    """Return for each token in a text how many milliseconds ago it was sent."""
    now = time.time()
    return [(now - float(stamp)) * 1e3 for stamp in _STAMP.findall(text)]
