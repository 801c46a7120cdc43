"""The least that reads an answer: httpx2, lines, JSON.

Prints `ready`, then for each request on standard input (`{"url": ..., "model": ...}`, a line each) how many tokens came
and what CPU time that took.
"""

import asyncio
import sys
import time
from typing import cast

import httpx2
import uvloop

from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.process import tune_collector


async def main() -> None:
    """Serve standard input until it ends."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = loads_object(line.encode())
            cpu_s = time.process_time()
            tokens = await read(client, str(request["url"]), str(request["model"]))
            answer = {"tokens": tokens, "cpu_s": time.process_time() - cpu_s}
            sys.stdout.write(f"{dumps(answer).decode()}\n")
            sys.stdout.flush()


async def read(client: httpx2.AsyncClient, url: str, model: str) -> int:
    """Stream one answer; return how many pieces of text it had."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Go."}]}
    pieces: list[str] = []
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = cast("list[JsonObject]", loads_object(line[6:].encode())["choices"])
                if choices and (text := cast("JsonObject", choices[0]["delta"]).get("content")):
                    pieces.append(cast("str", text))
    return len(pieces)


if __name__ == "__main__":
    tune_collector()
    uvloop.run(main())
