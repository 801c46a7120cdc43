"""The memory of a process that hashes passwords goes back to the system."""

import subprocess
import sys

import pytest

HASHES = """
import sys
from concurrent.futures import ThreadPoolExecutor
from argon2 import PasswordHasher
from nexent_gql.process import tune_allocator
if sys.argv[1] == "tuned":
    tune_allocator()
hasher, kept = PasswordHasher(time_cost=1, memory_cost=19 * 1024, parallelism=1), []
with ThreadPoolExecutor(4) as threads:
    for _ in range(8):
        hashes = [threads.submit(hasher.hash, "password") for _ in range(4)]
        kept += [bytes(2_000) for _ in range(50)]
        for each in hashes:
            each.result()
with open("/proc/self/statm") as file:
    print(int(file.read().split()[1]) * 4096 // 1_000_000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_tuned_allocator_keeps_no_large_blocks() -> None:
    plain_mb, tuned_mb = (
        int(subprocess.run([sys.executable, "-c", HASHES, name], capture_output=True, text=True, check=True).stdout)
        for name in ("plain", "tuned")
    )
    assert tuned_mb < plain_mb - 30
