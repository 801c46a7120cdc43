"""A fake provider in a process of its own, for tests whose servers are processes too."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import httpx2

from nexent_gql.kernel.json import Json, JsonObject, dumps, loads
from tests.support.fake_provider_steps import Script, Step

ROOT = Path(__file__).resolve().parents[2]


class RemoteFakeProvider:
    """Registers scripts with a provider elsewhere, and asks it what it saw."""

    def __init__(self, base_url: str, client: httpx2.AsyncClient) -> None:
        self.base_url = base_url
        self._control = f"{base_url.removesuffix('/v1')}/control"
        self._client = client

    async def script(
        self,
        name: str,
        *turns: Sequence[Step],
        user_contains: str | None = None,
        system_contains: str | None = None,
        turn_by: Literal["last_user", "history"] = "last_user",
    ) -> None:
        """Register a script, as `FakeProvider.script`."""
        script = Script(name, [[*turn] for turn in turns], user_contains, system_contains, turn_by)
        answer = await self._client.post(f"{self._control}/scripts", content=dumps(asdict(script)))
        answer.raise_for_status()

    async def requests(self) -> list[JsonObject]:
        """Return all chat completion requests so far, oldest first, with the fields of `Record`."""
        return await self._get("requests")

    async def connections(self) -> list[JsonObject]:
        """Return all connections so far: `opened_at`, `closed_at`, `closed_by_client`."""
        return await self._get("connections")

    async def clear(self) -> None:
        """Forget all scripts and requests."""
        for what in ("scripts", "requests"):
            (await self._client.delete(f"{self._control}/{what}")).raise_for_status()

    async def wait_for(self, requests: int = 1, timeout_s: float = 20) -> JsonObject:
        """Wait until so many requests have come and return the last of them."""
        async with asyncio.timeout(timeout_s):
            while True:
                recorded_requests = await self.requests()
                if len(recorded_requests) >= requests:
                    return recorded_requests[requests - 1]
                await asyncio.sleep(0.02)

    async def _get(self, what: str) -> list[JsonObject]:
        answer = await self._client.get(f"{self._control}/{what}")
        values: Json = loads(answer.raise_for_status().content)
        assert isinstance(values, list)
        return [value for value in values if isinstance(value, dict)]


@asynccontextmanager
async def fake_provider_process(*, key: str | None = None, port: int = 0) -> AsyncGenerator[RemoteFakeProvider]:
    """Start a provider process and stop it at the end."""
    keys = () if key is None else ("--key", key)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.fake_provider", "--port", str(port), *keys),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("ready: "), f"the fake provider did not start: {line!r}"
        async with httpx2.AsyncClient(trust_env=False) as client:
            yield RemoteFakeProvider(line.removeprefix("ready: ").strip(), client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
