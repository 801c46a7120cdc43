"""A program that runs an endless snippet and prints the worker's process id; or ends at once, with `--end`."""

import asyncio
import sys
from datetime import UTC, datetime

from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.kernel.json import Json, JsonObject


async def main() -> None:
    async with (
        MontySandbox() as sandbox,
        sandbox.session(owner=SYSTEM, now=datetime(2026, 1, 1, tzinfo=UTC), seed="s") as session,
    ):

        async def tell(args: tuple[Json, ...], _named: JsonObject) -> Json:
            sys.stdout.write(f"{args[0]}\n")
            sys.stdout.flush()
            return None

        await session.execute("tell('running')", {"tell": tell})
        if "--end" not in sys.argv:
            await session.execute("while True: pass", {})


if __name__ == "__main__":
    asyncio.run(main())
