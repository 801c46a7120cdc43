"""A plain GraphQL client: HTTP by httpx2, subscriptions by graphql-transport-ws over `websockets`."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

Data = dict[str, Any]
_CLOSE_S = 1.0
"""The library hears no close behind frames that nobody took, and would wait 10 s for it."""

RUN_EVENTS = """
subscription ($run: ID!, $after: String) {
  runEvents(runId: $run, after: $after) {
    __typename seq cursor at agentPath
    ... on AttemptStarted { attempt text }
    ... on TextDelta { text step }
    ... on ReasoningDelta { text }
    ... on ToolCallStarted { callId name arguments }
    ... on ToolOutput { callId name output isError }
    ... on StepFinished { step errorMessage }
    ... on RunFinished { status error { code message retryable } }
    ... on StreamGap { fromSeq toSeq }
  }
}
"""
SEND = """
mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    __typename
    ... on SendMessagePayload {
      cursor run { id status } conversation { id } userMessage { id } assistantMessage { id status }
    }
    ... on Error { message code }
    ... on ValidationError { path }
    ... on RunBusyError { runId }
    ... on ClientIdReusedError { runId }
  }
}
"""
RUN = """
query ($id: ID!) {
  run(id: $id) {
    id status attempt error { code message retryable }
    message { id text status }
    usage { inputTokens outputTokens }
  }
}
"""


class GraphQLError(Exception):
    """An answer with `errors`."""

    def __init__(self, errors: list[Data]) -> None:
        super().__init__(json.dumps(errors)[:2_000])
        self.errors = errors
        self.code = cast("str | None", errors[0].get("extensions", {}).get("code"))


@dataclass
class Client:
    """Talks to one server as one user."""

    url: str
    token: str | None = None
    timeout_s: float = 30

    def __post_init__(self) -> None:
        self._http = httpx2.AsyncClient(timeout=self.timeout_s, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def execute(self, query: str, **variables: object) -> Data:
        """Return `data`; raises GraphQLError."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self._http.post(self.url, json={"query": query, "variables": variables}, headers=headers)
        body = cast("Data", answer.json())
        if body.get("errors"):
            raise GraphQLError(body["errors"])
        return cast("Data", body["data"])

    async def one(self, query: str, **variables: object) -> Data:
        """Return the only root field of `data`."""
        (value,) = (await self.execute(query, **variables)).values()
        return cast("Data", value)

    async def send(self, text: str, **fields: object) -> Data:
        """Send a message; returns the member of the union that came."""
        return await self.one(SEND, input={"text": text, **fields})

    async def run(self, run_id: str) -> Data:
        """Return a run."""
        return await self.one(RUN, id=run_id)

    @asynccontextmanager
    async def socket(self) -> AsyncGenerator[ClientConnection]:
        """Open an acknowledged graphql-transport-ws socket."""
        url = self.url.replace("http://", "ws://")
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(
            url, subprotocols=protocols, max_size=None, proxy=None, close_timeout=_CLOSE_S
        ) as connection:
            payload = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
            acknowledged = json.loads(await connection.recv())
            assert acknowledged["type"] == "connection_ack", acknowledged
            yield connection

    async def subscribe(self, query: str, **variables: object) -> AsyncGenerator[Data]:
        """Yield `data` of each event until the server says complete."""
        async with self.socket() as connection:
            request = {"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}}
            await connection.send(json.dumps(request))
            async for frame in connection:
                message = json.loads(frame)
                match message["type"]:
                    case "next":
                        if message["payload"].get("errors"):
                            raise GraphQLError(message["payload"]["errors"])
                        yield message["payload"]["data"]
                    case "error":
                        raise GraphQLError(message["payload"])
                    case "complete":
                        return
                    case "ping":
                        await connection.send('{"type":"pong"}')
                    case _:
                        raise AssertionError(message)

    async def events(self, run_id: str, after: str | None = None) -> AsyncGenerator[Data]:
        """Yield a run's events."""
        stream = self.subscribe(RUN_EVENTS, run=run_id, after=after)
        try:
            async for data in stream:
                yield data["runEvents"]
        finally:
            await stream.aclose()

    async def whole(self, run_id: str, after: str | None = None) -> list[Data]:
        """Return a run's events until its end."""
        return [event async for event in self.events(run_id, after)]


def text_of(events: list[Data]) -> str:
    """Return the answer as a client shows it."""
    text = ""
    for event in events:
        if event["__typename"] == "AttemptStarted":
            text = event["text"]
        elif event["__typename"] == "TextDelta":
            text += event["text"]
    return text


def assert_complete(events: list[Data], *, first: int = 1) -> None:
    """Each event once and in order, up to the end of the run."""
    expected = first
    for event in events:
        if event["__typename"] == "StreamGap":
            assert event["fromSeq"] == expected
        else:
            assert event["seq"] == expected
        expected = event["seq"] + 1
    assert events[-1]["__typename"] == "RunFinished"
