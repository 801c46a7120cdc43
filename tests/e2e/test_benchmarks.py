"""Benchmarks run; what they measure is for `make bench` on a quiet machine."""

import subprocess
import sys

import pytest

from benchmarks import node
from benchmarks.__main__ import BENCHMARKS
from tests.support.node import ROOT, require_packages

LONGEST_S = 240


@pytest.mark.timeout(LONGEST_S + 10)
def test_every_benchmark_runs() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert [line for line in process.stdout.splitlines() if line.startswith("## ")] == [
        f"## {name}" for name in BENCHMARKS
    ]


def test_peers_are_installed() -> None:
    require_packages(node.PEERS)
    assert node.missing() is None
