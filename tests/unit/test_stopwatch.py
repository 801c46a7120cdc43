"""A check of short times is made anew after a pause of this process, and only then."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.stopwatch import undisturbed

_STOP = "import os, signal, time; os.kill({0}, signal.SIGSTOP); time.sleep(0.3); os.kill({0}, signal.SIGCONT)"


async def test_a_failure_counts_at_once_without_a_pause() -> None:
    calls: list[int] = []

    async def check() -> None:
        calls.append(1)
        assert not calls

    with pytest.raises(AssertionError):
        await undisturbed(check, pause_s=3_600)
    assert len(calls) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
async def test_a_failure_after_a_pause_is_tried_again() -> None:
    calls: list[int] = []

    async def check() -> None:
        calls.append(1)
        if len(calls) == 1:
            subprocess.run([sys.executable, "-c", _STOP.format(os.getpid())], check=True)  # noqa: ASYNC221 - it stops us
            raise AssertionError

    await undisturbed(check, pause_s=0.1)
    assert len(calls) == 2


async def test_what_always_fails_fails() -> None:
    async def check() -> None:
        raise AssertionError

    with pytest.raises(AssertionError):
        await undisturbed(check, pause_s=0)
