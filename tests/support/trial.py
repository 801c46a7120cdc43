"""The command line of a long trial: how it goes, and what came of it."""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

Say = Callable[[str], None]


class Judged(Protocol):
    """What came of a trial, whose state and logs are in `folder`."""

    @property
    def folder(self) -> Path: ...
    @property
    def succeeded(self) -> bool: ...


J = TypeVar("J", bound=Judged)


def run_trial(trial: Callable[[Say], Coroutine[None, None, J]], lines: Callable[[J], Iterable[str]]) -> int:
    """Run a trial, write its verdict, and return the exit status; a folder that nobody needs is removed."""
    began_s = time.monotonic()

    def say(text: str) -> None:
        _write(f"{time.monotonic() - began_s:7.1f} s  {text}")

    outcome = asyncio.run(trial(say))
    _write("\n".join(lines(outcome)))
    if outcome.succeeded:
        shutil.rmtree(outcome.folder)
    return 0 if outcome.succeeded else 1


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
