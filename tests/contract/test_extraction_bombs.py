"""Files that expand when they are read: the reader's process stays within its limits, and says so."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexent_gql.ports.extraction import ExtractionLimits
from tests.support.bombs import BOMBS

ALLOWED_BYTES, ALLOWED_S = 768 * 1024 * 1024, 20
CPU_S = 4
"""Less than the default, for a shorter test."""
OVERRUN_S = 3
"""A limit is rounded up to whole seconds, and starting and ending the process count too."""


def write(folder: Path) -> None:
    for what, bomb in BOMBS.items():
        path = folder / what / bomb.name
        path.parent.mkdir(parents=True)
        path.write_bytes(bomb.content())


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
async def test_bombs_stay_within_memory_and_processor_time(tmp_path: Path) -> None:
    await asyncio.to_thread(write, tmp_path)
    limits = ExtractionLimits(cpu_s=CPU_S, wall_s=300)
    program = [sys.executable, "-m", "tests.support.read_bombs", str(tmp_path), limits.model_dump_json()]
    process = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    *lines, last = (json.loads(line) for line in output.splitlines() if line.startswith(b'{"name"') or b"peak" in line)
    results: dict[str, dict[str, Any]] = {line["name"]: line for line in lines}
    assert {what: results[what]["code"] in bomb.codes for what, bomb in BOMBS.items()} == dict.fromkeys(BOMBS, True), (
        lines
    )
    assert [line for line in lines if line["code"] and not line["message"].endswith(".")] == []
    assert [line for line in lines if line["cpu_s"] > CPU_S + OVERRUN_S] == []
    assert results["blocks in blocks"]["message"].strip() == "x"
    assert last["peak_bytes"] <= ALLOWED_BYTES


def test_the_default_limits_are_those_that_are_promised() -> None:
    limits = ExtractionLimits()
    assert limits.memory_bytes <= ALLOWED_BYTES
    assert limits.cpu_s + OVERRUN_S < ALLOWED_S
    assert limits.wall_s <= ALLOWED_S
