"""Clients as they should be: they send again under the same client id, and go on reading behind their cursor."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from random import Random

import httpx2
from websockets.exceptions import WebSocketException

from tests.chaos.claims import Claim
from tests.chaos.history import Accepted, History, Reading, Refusal, Trouble
from tests.support.graphql_client import RUN_EVENTS, Client, Data, GraphQLError

STOP = """
mutation ($input: StopRunInput!) { stopRun(input: $input) { __typename ... on Error { code message } } }
"""
PAUSE_S = 0.2
TROUBLES = (httpx2.HTTPError, OSError, TimeoutError, WebSocketException, EOFError, AssertionError, json.JSONDecodeError)


class ClientGroup:
    """Everybody who talks to the servers, `at_once` conversations at a time; what they see goes to the history.

    `agents` are the ids of agents by the name that `Claim.agent` has.
    """

    def __init__(
        self, clients: Sequence[Client], agents: Mapping[str, str], history: History, seed: int, at_once: int
    ) -> None:
        self._places = asyncio.Semaphore(at_once)
        self.at_once = at_once
        self._clients = clients
        self._agents = agents
        self._history = history
        self._random = Random(f"clients of {seed}")  # noqa: S311 - to be repeated, not to be secret

    async def converse(self, claims: Sequence[Claim]) -> None:
        """Send the claims of one conversation one behind the other, and read all answers."""
        conversation: str | None = None
        async with self._places, asyncio.TaskGroup() as readers:
            for claim in claims:
                exchange = await self._send(claim, conversation)
                conversation = str(exchange["conversation"]["id"])
                run_id = str(exchange["run"]["id"])
                readers.create_task(self._read(claim, run_id, "steady"))
                if self._random.random() < 0.4:
                    readers.create_task(self._read(claim, run_id, "restless"))

    async def start(self, text: str, client_id: str) -> Data:
        """Send the first message of a conversation until it is accepted."""
        return await self._send_once(client_id, text, {"agentId": self._agents["text"], "clientId": client_id})

    async def ask(self, request: str, query: str, **variables: object) -> Data:
        """Ask until an answer comes; what the API refuses is kept."""
        while True:
            try:
                return await self._random.choice(self._clients).one(query, **variables)
            except GraphQLError as error:
                self._history.refusals.append(Refusal(request, str(error.code)))
            except TROUBLES as trouble:
                self._note(request, trouble)
            await asyncio.sleep(PAUSE_S)

    def _note(self, request: str, trouble: BaseException) -> None:
        """Keep what ended without an answer."""
        self._history.troubles.append(Trouble(request, repr(trouble), time.time()))

    async def _send(self, claim: Claim, conversation: str | None) -> Data:
        """Send until it is accepted; now and then twice at once, as an impatient user does."""
        place = {"conversationId": conversation} if conversation else {"agentId": self._agents[claim.agent]}
        fields = {**place, "clientId": claim.client_id, "onBusy": "QUEUE"}
        times = 2 if self._random.random() < 0.2 else 1
        answers = await asyncio.gather(
            *(self._send_once(claim.client_id, claim.question, fields) for _ in range(times))
        )
        return answers[0]

    async def _send_once(self, client_id: str, text: str, fields: dict[str, str]) -> Data:
        while True:
            try:
                answer = await self._random.choice(self._clients).send(text, **fields)
            except GraphQLError as error:
                self._history.refusals.append(Refusal(f"sendMessage of {client_id}", str(error.code)))
            except TROUBLES as trouble:
                self._note(f"sendMessage of {client_id}", trouble)
            else:
                if answer["__typename"] == "SendMessagePayload":
                    self._history.accepted.append(Accepted(client_id, answer["run"]["id"], time.time()))
                    return answer
                self._history.refusals.append(Refusal(f"sendMessage of {client_id}", answer["code"]))
            await asyncio.sleep(PAUSE_S)

    async def _read(self, claim: Claim, run_id: str, reader: str) -> None:
        """Read until the end, over as many connections as it takes."""
        reading = Reading(claim.client_id, reader)
        self._history.readings.append(reading)
        while not reading.completed:
            patience = self._random.randint(1, 12) if reader == "restless" else None
            try:
                await self._connect(claim, run_id, reading, patience)
            except GraphQLError as error:
                self._history.refusals.append(Refusal(f"runEvents of {claim.client_id}", str(error.code)))
                await asyncio.sleep(PAUSE_S)
            except TROUBLES as trouble:
                self._note(f"runEvents of {claim.client_id}", trouble)
                await asyncio.sleep(PAUSE_S)

    async def _connect(self, claim: Claim, run_id: str, reading: Reading, patience: int | None) -> None:
        """Read over one connection, on which at most `patience` events are awaited."""
        reading.connections += 1
        after = reading.events[-1]["cursor"] if reading.events else None
        stop_at = claim.stop_after if reading.reader == "steady" else None
        client = self._random.choice(self._clients)
        reading.doing = f"subscribes behind {after} at {client.url}, {time.time():.1f}"
        async with aclosing(subscribe(client, run_id, after)) as stream:
            count = 0
            async for event in stream:
                count += 1
                reading.events.append(event)
                if len(reading.events) == stop_at:
                    await self.ask(f"stopRun of {claim.client_id}", STOP, input={"runId": run_id})
                reading.doing = f"reads at {client.url}, {time.time():.1f}"
                if count == patience:
                    reading.doing = f"leaves {client.url}, {time.time():.1f}"
                    return
        reading.completed = True


async def subscribe(client: Client, run_id: str, after: str | None) -> AsyncGenerator[Data]:
    """Yield a run's events until the server says `complete`.

    Raises:
        GraphQLError: The server refused.
        WebSocketException: The connection ended without a `complete`.
    """
    async with client.socket() as connection:
        payload = {"query": RUN_EVENTS, "variables": {"run": run_id, "after": after}}
        await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        while True:
            message = json.loads(await connection.recv())
            match message["type"]:
                case "next" if not message["payload"].get("errors"):
                    yield message["payload"]["data"]["runEvents"]
                case "complete":
                    return
                case "next":
                    raise GraphQLError(message["payload"]["errors"])
                case "error":
                    raise GraphQLError(message["payload"])
                case _:
                    await connection.send('{"type":"pong"}')
