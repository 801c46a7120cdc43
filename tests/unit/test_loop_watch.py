"""The watchdog of the event loop: what blocks it is told, what only makes it wait for a core is not."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nexent_gql.telemetry import loop
from nexent_gql.telemetry.loop import watched_loop
from tests.support.stopwatch import undisturbed


async def blocks(seconds: float, *, limit_ms: float = 200) -> list[dict[str, object]]:
    """Return what is told of a call that holds the loop for so long."""
    with capture_logs() as logs:
        async with watched_loop(limit_ms):
            await asyncio.sleep(0.1)
            time.sleep(seconds)  # noqa: ASYNC251 - the very mistake
            await asyncio.sleep(0.1)
    return [dict(event) for event in logs if event["event"] == "loop.blocked"]


async def test_a_blocking_call_is_told_with_its_length() -> None:
    async def check() -> None:
        events = await blocks(0.4)
        assert [event["log_level"] for event in events] == ["warning"]
        assert isinstance(events[0]["ms"], int)
        assert 300 < events[0]["ms"] < 2_000

    await undisturbed(check, pause_s=0.05)


async def test_a_short_one_is_not() -> None:
    assert await blocks(0.05, limit_ms=5_000) == []


async def test_time_that_the_host_kept_is_not_blocking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = tmp_path / "stat"
    monkeypatch.setattr(loop, "_CORES", str(counted))

    async def check() -> None:
        counted.write_text("cpu 1 1 1 1 1 1 1 7 0 0\ncpu0 1 1 1 1 1 1 1 7 0 0\nintr 1\n")
        with capture_logs() as logs:
            async with watched_loop(200):
                await asyncio.sleep(0.1)
                time.sleep(0.4)  # noqa: ASYNC251 - what a host does looks like this
                counted.write_text("cpu 1 1 1 1 1 1 1 47 0 0\ncpu0 1 1 1 1 1 1 1 47 0 0\nintr 1\n")
                await asyncio.sleep(0.1)
        assert logs == []

    await undisturbed(check, pause_s=0.05)
    assert await blocks(0.4)  # and the next one is the loop's own again


async def test_waiting_for_a_core_is_not_blocking() -> None:
    burners = [await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done") for _ in range(6)]
    cores = os.sched_getaffinity(0)
    for burner in burners:
        os.sched_setaffinity(burner.pid, {min(cores)})
    try:
        os.sched_setaffinity(0, {min(cores)})
        with capture_logs() as logs:
            async with watched_loop(60):
                for _ in range(20):
                    _compute(0.01)
                    await asyncio.sleep(0.02)
    finally:
        os.sched_setaffinity(0, cores)
        for burner in burners:
            burner.kill()
            await burner.wait()
    assert [event for event in logs if event["event"] == "loop.blocked"] == []


def _compute(cpu_s: float) -> None:
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass
