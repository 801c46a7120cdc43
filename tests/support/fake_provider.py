"""A model provider that is a real HTTP server and answers by script.

In a test: `async with fake_provider() as provider`, then `provider.script("model-name", [Text("Hello")])` and
`provider.base_url`. For other processes: `python -m tests.support.fake_provider --port 0`, which prints
`ready: <base url>`; scripts are then registered as JSON by `POST /control/scripts` (see `Script`; `DELETE` forgets
them), and `GET /control/requests` and `/control/connections` tell what happened.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Literal

from pydantic import ValidationError

from nexent_gql.kernel.json import JsonObject, loads_object
from tests.support.fake_provider_http import Connection, HttpRequest
from tests.support.fake_provider_play import Player
from tests.support.fake_provider_rules import complaint
from tests.support.fake_provider_state import Record, State, steps_of, turn_of
from tests.support.fake_provider_steps import (
    SCRIPT,
    Drop,
    ErrorFrame,
    Finish,
    Headers,
    Raw,
    Reasoning,
    Refuse,
    Script,
    Stall,
    Status,
    Step,
    Text,
    Tool,
    Usage,
)
from tests.support.fake_vectors import FakeVectors

__all__ = [
    "Drop",
    "ErrorFrame",
    "FakeProvider",
    "Finish",
    "Headers",
    "Raw",
    "Reasoning",
    "Record",
    "Refuse",
    "Script",
    "Stall",
    "Status",
    "Step",
    "Text",
    "Tool",
    "Usage",
    "fake_provider",
]


class FakeProvider:
    """A running provider; `key` is the bearer key it demands, None lets everybody in."""

    def __init__(self, base_url: str, key: str | None) -> None:
        self.base_url = base_url
        self.key = key
        self.state = State()
        self.context_lengths: dict[str, int] = {}
        self.vectors = FakeVectors()
        self._used = Counter[str]()
        self._arrived = asyncio.Event()

    @property
    def requests(self) -> list[Record]:
        """All chat completion requests so far, oldest first."""
        return [record for record in self.state.records if record.path == "/v1/chat/completions"]

    def requests_to(self, path: str) -> list[Record]:
        """Return all requests to a path such as "/embeddings" so far, oldest first."""
        return [record for record in self.state.records if record.path == f"/v1{path}"]

    @property
    def connections(self) -> list[Connection]:
        """All connections so far; `closed_at` is None while one is open."""
        return self.state.connections

    def script(
        self,
        name: str,
        *turns: Sequence[Step],
        user_contains: str | None = None,
        system_contains: str | None = None,
        turn_by: Literal["last_user", "history"] = "last_user",
    ) -> None:
        """Answer the model `name` (or what contains the given words) by these turns."""
        self.state.register(Script(name, [[*turn] for turn in turns], user_contains, system_contains, turn_by))

    async def wait_for(self, requests: int = 1, timeout_s: float = 10) -> Record:
        """Wait until so many requests have come and return the last of them."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < requests:
                self._arrived.clear()
                await self._arrived.wait()
        return self.requests[requests - 1]

    async def handle(self, request: HttpRequest, connection: Connection) -> None:
        """Answer one request."""
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                await self._record(request, connection)
            case "POST", path if path.startswith("/openai/") and path.endswith("/chat/completions"):
                await self._record(request, connection)  # as Azure has it
            case "POST", "/v1/embeddings" | "/v1/rerank":
                await self._record(request, connection)
            case "GET", "/v1/models":
                await self._models(request, connection)
            case method, path if path.startswith("/control/"):
                await self._control(method, path, request, connection)
            case _:
                await connection.json(404, {"detail": "Not Found"})

    async def _lets_in(self, request: HttpRequest, connection: Connection) -> bool:
        authorization = request.headers.get("authorization", "")
        if self.key is None or authorization == f"Bearer {self.key}" or request.headers.get("api-key") == self.key:
            return True
        error = {"message": f"Incorrect API key provided: {authorization}", "code": "invalid_api_key"}
        await connection.json(401, {"error": error})
        return False

    async def _models(self, request: HttpRequest, connection: Connection) -> None:
        if await self._lets_in(request, connection):
            names: list[JsonObject] = []
            for script in self.state.scripts:
                length = self.context_lengths.get(script.name)
                entry: JsonObject = {"id": script.name, "object": "model"}
                names.append(entry if length is None else entry | {"context_length": length})
            await connection.json(200, {"object": "list", "data": [*names]})

    async def _record(self, request: HttpRequest, connection: Connection) -> None:
        opened_at = time.time()
        try:
            body = loads_object(request.body)
        except ValueError:
            await connection.json(400, {"error": {"message": "the body is no JSON object"}})
            return
        record = self.state.record(request, body, opened_at)
        self._arrived.set()
        try:
            await self._complete(request, record, connection)
        finally:
            record.first_byte_at = connection.first_byte_at
            record.finished_at = time.time()
            if connection.closed_by_client:
                record.client_closed_at = connection.closed_at

    async def _complete(self, request: HttpRequest, record: Record, connection: Connection) -> None:
        if not await self._lets_in(request, connection):
            return
        if record.path in {"/v1/embeddings", "/v1/rerank"}:
            await self.vectors.answer(record.path, record.body, connection)
            return
        wrong = complaint(record.body)
        if wrong is not None:
            await connection.json(400, {"error": {"message": wrong, "type": "invalid_request_error"}})
            return
        await self._play(record, connection)

    async def _play(self, record: Record, connection: Connection) -> None:
        script = self.state.choose(record.body)
        record.script, record.turn = script.name, turn_of(script, record.body)
        steps = steps_of(script, record.turn)
        if steps is None:
            message = f"script {script.name!r} has {len(script.turns)} turns, number {record.turn} was asked for"
            await connection.json(400, {"error": {"message": message}})
            return
        player = Player(connection, record.body, f"{script.name}/{record.turn}", self._used)
        try:
            await player.play(steps)
        finally:
            record.reported_tokens = player.reported_tokens

    async def _control(self, method: str, path: str, request: HttpRequest, connection: Connection) -> None:
        match method, path:
            case "POST", "/control/scripts":
                await self._register(request.body, connection)
            case "DELETE", "/control/scripts":
                self.state.scripts.clear()
                self._used.clear()
                await connection.json(200, {})
            case "DELETE", "/control/requests":
                self.state.records.clear()
                await connection.json(200, {})
            case "GET", "/control/requests":
                await connection.json(200, [asdict(record) for record in self.requests])
            case "GET", "/control/connections":
                await connection.json(200, [_summary(each) for each in self.connections])
            case _:
                await connection.json(404, {"detail": "no such control"})

    async def _register(self, body: bytes, connection: Connection) -> None:
        try:
            self.state.register(SCRIPT.validate_json(body))
        except ValidationError as error:
            await connection.json(422, {"detail": str(error)})
        else:
            await connection.json(200, {})


def _summary(connection: Connection) -> JsonObject:
    return {
        "opened_at": connection.opened_at,
        "closed_at": connection.closed_at,
        "closed_by_client": connection.closed_at is not None and connection.closed_by_client,
    }


@asynccontextmanager
async def fake_provider(
    *, key: str | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[FakeProvider]:
    """Run a provider on the current event loop; port 0 takes a free one."""
    provider = FakeProvider("", key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider.handle, provider.connections), host, port)
    bound: int = server.sockets[0].getsockname()[1]
    provider.base_url = f"http://{host}:{bound}/v1"
    try:
        yield provider
    finally:
        server.close()
        await asyncio.gather(*(each.stopped() for each in provider.connections))
        await server.wait_closed()


async def serve(host: str, port: int, key: str | None) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with fake_provider(key=key, host=host, port=port) as provider:
        sys.stdout.write(f"ready: {provider.base_url}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A scripted model provider for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=None, help="the bearer key to demand")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.key))


if __name__ == "__main__":
    main()
