"""Times short streamed calls with LiteLLM's SDK; runs with a Python that has it: BASE_URL COUNT."""

import asyncio
import json
import os
import statistics
import sys
import time
from importlib import import_module
from typing import Any


async def main(base_url: str, count: int) -> None:
    """Print the tenth percentile as JSON."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no prices from the network
    sdk: Any = import_module("litellm")  # not a dependency of this project
    messages = [{"role": "user", "content": "Hi"}]
    took_ms: list[float] = []
    for _ in range(count + 3):
        began = time.perf_counter()
        answer = await sdk.acompletion(
            model="openai/short", api_base=base_url, api_key="none", messages=messages, stream=True, num_retries=0
        )
        async for _chunk in answer:
            pass
        took_ms.append((time.perf_counter() - began) * 1_000)
    sys.stdout.write("\n" + json.dumps({"p10_ms": statistics.quantiles(took_ms[3:], n=10)[0]}))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
