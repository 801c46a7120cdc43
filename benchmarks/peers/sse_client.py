"""The least that reads an answer: httpx2, lines, JSON.

Prints `ready`, then for each request on standard input (`{"url": ..., "model": ..., "streams": n}`, a line each) reads
so many streams at once, and prints how many tokens came, what CPU time and wall time that took, and how late the tokens
of a provider were that puts the time of sending into each (`@<Unix seconds> `).
"""

import asyncio
import sys
import time
from typing import cast

import httpx2
import uvloop

from benchmarks.report import quantile
from benchmarks.stamps import lags_of
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.process import tune_collector


async def main() -> None:
    """Serve standard input until it ends."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = loads_object(line.encode())
            cpu_s, began_at = time.process_time(), time.monotonic()
            url, model, lags_ms = str(request["url"]), str(request["model"]), list[float]()
            streams = cast("int", request["streams"])
            tokens = await asyncio.gather(*(read(client, url, model, lags_ms) for _ in range(streams)))
            answer = {
                "tokens": sum(tokens),
                "cpu_s": time.process_time() - cpu_s,
                "wall_s": time.monotonic() - began_at,
                "lag_p50_ms": quantile(lags_ms, 0.5),
                "lag_p95_ms": quantile(lags_ms, 0.95),
            }
            sys.stdout.write(f"{dumps(answer).decode()}\n")
            sys.stdout.flush()


async def read(client: httpx2.AsyncClient, url: str, model: str, lags_ms: list[float]) -> int:
    """Stream one answer; return how many pieces of text it had."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Go."}]}
    pieces: list[str] = []
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = cast("list[JsonObject]", loads_object(line[6:].encode())["choices"])
                if choices and (text := cast("JsonObject", choices[0]["delta"]).get("content")):
                    pieces.append(cast("str", text))
                    lags_ms += lags_of(cast("str", text))
    return len(pieces)


if __name__ == "__main__":
    tune_collector()
    uvloop.run(main())
