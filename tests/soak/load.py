"""What users do all day: they ask, read along, leave and come back, stop, list, upload and sign in and out."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from random import Random

import httpx2

from tests.support.graphql_client import RUN_EVENTS, Client, Data, assert_complete

STOP = """
mutation ($input: StopRunInput!) { stopRun(input: $input) { __typename ... on Error { message code } } }
"""
PAGE = """
query Page {
  conversations(first: 20) {
    edges { node { id title agent { name } messages(last: 1) { edges { node { text status } } } } }
  }
}
"""
EXPORT = "query Export($id: ID!) { agent(id: $id) { definition } }"
IMPORT = """
mutation Import($input: ImportAgentInput!) {
  importAgent(input: $input) { ... on ImportAgentPayload { agent { id } } ... on Error { message code } }
}
"""
DELETE = """
mutation Delete($input: DeleteAgentInput!) { deleteAgent(input: $input) { __typename ... on Error { message code } } }
"""
SIGN_UP = """
mutation ($input: SignUpInput!) { signUp(input: $input) { __typename ... on Error { message code } } }
"""
SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignInPayload { accessToken refreshToken } ... on Error { message code } }
}
"""
REFRESH = """
mutation ($input: RefreshSessionInput!) {
  refreshSession(input: $input) { ... on RefreshSessionPayload { accessToken } ... on Error { message code } }
}
"""
SIGN_OUT = """
mutation { signOut(input: {}) { __typename ... on Error { message code } } }
"""
PASSWORD = "correct horse battery"


@dataclass
class Load:
    """Everybody who uses the installation, `askers` of them by conversations.

    `done` counts what they did, `troubles` tells what went wrong.
    """

    client: Client
    agent_id: str
    askers: int
    over: asyncio.Event
    done: Counter[str] = field(default_factory=Counter[str])
    troubles: list[str] = field(default_factory=list[str])

    async def run(self) -> None:
        """Go on until `over` is set; whoever has begun something ends it."""
        await self.client.one(SIGN_UP, input={**_PERSON, "displayName": "Ada", "tenantName": "Soak"})
        definition = (await self.client.one(EXPORT, id=self.agent_id))["definition"]

        async def upload() -> None:
            await self._upload(definition)

        works: Sequence[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._page, 0.25),
            (upload, 2.0),
            (self._sign_in, 1.0),
        ]
        async with asyncio.TaskGroup() as group:
            for number in range(self.askers):
                group.create_task(self._ask_on(number))
            for work, every_s in works:
                group.create_task(self._repeat(work, every_s))

    async def _repeat(self, work: Callable[[], Awaitable[None]], every_s: float) -> None:
        while not self.over.is_set():
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - a trouble of the soak is part of its verdict
                self.troubles.append(f"{work.__name__}: {error!r}")
            await _pause(self.over, every_s)

    async def _ask_on(self, number: int) -> None:
        random = Random(number)  # noqa: S311 - to be repeated, not to be secret
        turns = count()

        async def ask() -> None:
            await self._ask(random, stop=next(turns) % 6 == 5)

        await self._repeat(ask, 0.1)

    async def _ask(self, random: Random, *, stop: bool) -> None:
        """Ask in a new conversation, and read over sockets and streams in turns, leaving now and then."""
        payload = await self.client.send("Tell me more.", agentId=self.agent_id)
        run_id, events_of_run = str(payload["run"]["id"]), list[Data]()
        while not events_of_run or events_of_run[-1]["__typename"] != "RunFinished":
            after = events_of_run[-1]["cursor"] if events_of_run else None
            patience, read = random.choice([3, 6, 1_000]), random.choice([self.client.events, self._streamed])
            async with aclosing(read(run_id, after)) as events:
                async for event in events:
                    events_of_run.append(event)
                    patience -= 1
                    if stop and len(events_of_run) == 4:
                        await self.client.one(STOP, input={"runId": run_id})
                        self.done["stops"] += 1
                    if not patience:
                        break
            self.done["connections"] += 1
        assert_complete(events_of_run)
        self.done["runs"] += 1
        self.done["events"] += len(events_of_run)

    async def _streamed(self, run_id: str, after: str | None) -> AsyncGenerator[Data]:
        """Yield a run's events as an event source gets them, which resumes by the id of the last event."""
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.client.token}"}
        headers |= {"Last-Event-ID": after} if after else {}
        body = {"query": RUN_EVENTS, "variables": {"run": run_id}}
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=30) as http,
            http.stream("POST", self.client.url, json=body, headers=headers) as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))["data"]["runEvents"]

    async def _page(self) -> None:
        await self.client.execute(PAGE)
        self.done["pages"] += 1

    async def _upload(self, definition: Data) -> None:
        """Make an agent of a file, and delete it again."""
        fields = {
            "operations": json.dumps({"query": IMPORT, "variables": {"input": {"file": None, "name": "uploaded"}}}),
            "map": '{"0": ["variables.input.file"]}',
        }
        headers = {"Authorization": f"Bearer {self.client.token}", "GraphQL-Require-Preflight": "1"}
        files = {"0": ("agent.json", json.dumps(definition).encode())}
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            answer = await http.post(self.client.url, data=fields, files=files, headers=headers)
        agent = answer.json()["data"]["importAgent"]["agent"]
        await self.client.one(DELETE, input={"id": agent["id"]})
        self.done["uploads"] += 1

    async def _sign_in(self) -> None:
        """Sign in and go on with the session; every other one is signed out, the rest are left to expire."""
        signed_in = await self.client.one(SIGN_IN, input=_PERSON)
        refreshed = await self.client.one(REFRESH, input={"refreshToken": signed_in["refreshToken"]})
        async with Client(self.client.url, refreshed["accessToken"]) as person:
            await person.execute("{ viewer { role } }")
            if self.done["sign-ins"] % 2:
                await person.one(SIGN_OUT)
        self.done["sign-ins"] += 1


_PERSON = {"email": "ada@soak.example", "password": PASSWORD}


async def _pause(over: asyncio.Event, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await over.wait()
    except TimeoutError:
        return
