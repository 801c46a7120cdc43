"""Times short streamed calls with the openai SDK; runs with a Python that has it: BASE_URL COUNT."""

import asyncio
import json
import statistics
import sys
import time
from importlib import import_module
from typing import Any


async def main(base_url: str, count: int) -> None:
    """Print the tenth percentile as JSON."""
    sdk: Any = import_module("openai")  # not a dependency of this project
    client: Any = sdk.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    took_ms: list[float] = []
    for _ in range(count + 3):
        began = time.perf_counter()
        messages = [{"role": "user", "content": "Hi"}]
        async for _chunk in await client.chat.completions.create(model="short", messages=messages, stream=True):
            pass
        took_ms.append((time.perf_counter() - began) * 1_000)
    sys.stdout.write(json.dumps({"p10_ms": statistics.quantiles(took_ms[3:], n=10)[0]}))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
