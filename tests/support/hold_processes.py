"""A program that lets a child process compute without end, and prints its process id."""

import asyncio
import sys

from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.ports.processes import Task

MODULE = "tests.support.process_tasks"


async def main() -> None:
    async with ChildProcessPool(size=1) as pool:
        pid = await pool.run(Task(MODULE, "pid"), b"", owner=SYSTEM)
        sys.stdout.write(f"{pid.decode()}\n")
        sys.stdout.flush()
        await pool.run(Task(MODULE, "spin"), b"", owner=SYSTEM)


if __name__ == "__main__":
    asyncio.run(main())
