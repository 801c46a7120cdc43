"""Plays the conversation of one case as a client would, by GraphQL."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from graphql import GraphQLObjectType, is_leaf_type

from nexent_gql.kernel.principal import Principal
from nexent_gql.services import Services
from tests.support.direct_graphql import DirectGraphQL, schema
from tests.support.graphql_client import Client, Data
from tests.support.provider_cases.outcome import Outcome
from tests.support.provider_cases.provider import CaseProvider

KEY = "sk-test-1234567890abcd"
TITLE_S = 20.0
Entry = str | Data | None


def fields_of(type_name: str) -> str:
    """Return all plain fields of a type, also those that came later than this file."""
    object_type = cast("GraphQLObjectType", schema().core.type_map[type_name])
    return " ".join(
        name for name, each in object_type.fields.items() if is_leaf_type(getattr(each.type, "of_type", each.type))
    )


@dataclass
class Scenario:
    """The server's parts, and its address for sockets."""

    services: Services
    url: str


class Player:
    """One case: a tenant of its own, a model at the case's provider, and an agent."""

    def __init__(self, scenario: Scenario, actor: Principal, provider: CaseProvider, case: Data) -> None:
        self._stage = scenario
        self._actor = actor
        self._provider = provider
        self._case = case
        self._graphql = DirectGraphQL(scenario.services)
        self._conversation_id: str | None = None
        self._agent_id = ""
        self._model_id = ""
        self._last: Data = {}
        self._has_run = False
        self.outcome = Outcome()

    async def play(self) -> Outcome:
        """Play all entries of the conversation, and return what came of them."""
        await self._set_up()
        entries: list[Entry] = self._case["conversation"]
        began = time.monotonic()
        for number, entry in enumerate(entries):
            self._provider.turn = number if isinstance(entry, str) else self._provider.turn
            following = entries[number + 1] if number + 1 < len(entries) else None
            await self._enter(entry, following)
        self.outcome.seconds = time.monotonic() - began
        if any(name.startswith("title") for name in self._case["expect"]):
            await self._await_title()
        self.outcome.requests = self._provider.chats()
        self.outcome.title_requests = [request for request in self._provider.requests if request.is_title]
        self.outcome.unforeseen = self._provider.unforeseen
        return self.outcome

    async def _enter(self, entry: Entry, following: Entry) -> None:
        match entry:
            case str():
                await self._send(entry, following)
            case {"regenerate": True}:
                self._provider.turn += 1
                message_id = self._last["assistantMessage"]["id"]
                await self._follow(await self._ask("regenerateMessage", messageId=message_id))
            case {"check_model": True}:
                payload = await self._mutate("checkModel", f"check {{ {fields_of('ModelCheck')} }}", id=self._model_id)
                self.outcome.check = payload["check"]
            case {"create_conversation": title}:
                await self._mutate("createConversation", "conversation { id }", agentId=self._agent_id, title=title)
            case {"search": words}:
                query = "query ($search: String) { conversations(search: $search) { edges { node { id } } } }"
                answer = await self._graphql(self._actor, query, search=words)
                self.outcome.is_searchable = bool(answer.nodes)
            case {"socket_message": message}:
                await self._send_by_socket(message["char"] * message["times"])
            case _:  # an action on the entry ahead of it, which has seen to it
                return

    async def _set_up(self) -> None:
        case, name = self._case, self._case["id"]
        options = case.get("model", {})
        payload = await self._mutate(
            "registerModel",
            "model { id }",
            name=name,
            dialect=options.get("dialect", "OPENAI"),
            providerModel="m",
            baseUrl=self._provider.base_url + options.get("base_url_suffix", ""),
            apiKey=options.get("api_key", KEY),
        )
        self._model_id = payload["model"]["id"]
        agent = case["agent"]
        payload = await self._mutate(
            "createAgent",
            "agent { id }",
            name=name,
            kind=agent["kind"],
            toolNames=agent["tools"],
            maxSteps=agent["max_steps"],
            modelId=self._model_id,
        )
        self._agent_id = payload["agent"]["id"]

    async def _send(self, text: str, following: Entry) -> None:
        payload = await self._ask("sendMessage", text=text, **self._place())
        match following:
            case {"stop_after_s": delay_s}:
                await self._follow(payload, self._stop(payload, delay_s))
            case {"delete_after_s": delay_s}:
                await self._follow(payload, self._delete(payload, delay_s))
            case {"interrupt_after_s": delay_s, "with": words}:
                await asyncio.sleep(delay_s)
                self._provider.turn += 1
                await self._follow(await self._ask("sendMessage", text=words, onBusy="INTERRUPT", **self._place()))
            case _:
                await self._follow(payload)

    def _place(self) -> Data:
        if self._conversation_id:
            return {"conversationId": self._conversation_id}
        return {"agentId": self._agent_id}

    async def _ask(self, name: str, **fields: object) -> Data:
        selection = "cursor run { id } conversation { id } assistantMessage { id }"
        self._last = await self._mutate(name, selection, **fields)
        self._conversation_id = self._last["conversation"]["id"]
        self._has_run = True
        return self._last

    async def _reach_provider(self, delay_s: float) -> None:
        """Wait as long as the case says, and until the provider was asked: on a busy machine that may take longer."""
        for _ in range(1_000):
            if self._provider.chats():
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(delay_s)

    async def _stop(self, payload: Data, delay_s: float) -> None:
        await self._reach_provider(delay_s)
        began = time.monotonic()
        await self._mutate("stopRun", "run { id }", runId=payload["run"]["id"])
        await self._note_close(began)

    async def _delete(self, payload: Data, delay_s: float) -> None:
        await self._reach_provider(delay_s)
        began = time.monotonic()
        await self._mutate("deleteConversation", "deletedId", conversationId=payload["conversation"]["id"])
        await self._note_close(began)

    async def _note_close(self, began: float) -> None:
        for _ in range(300):
            chats = self._provider.chats()
            if chats and chats[-1].closed_at is not None:
                self.outcome.closed_after_s = chats[-1].closed_at - began
                return
            await asyncio.sleep(0.01)

    async def _follow(self, payload: Data, *actions: Coroutine[None, None, None]) -> None:
        """Read the run's events to their end, while the actions take place."""
        run_id = payload["run"]["id"]
        tasks = [asyncio.create_task(action) for action in actions]
        self.outcome.events = await self._events(run_id, payload["cursor"])
        await asyncio.gather(*tasks)
        query = f"""query ($id: ID!) {{ run(id: $id) {{ status error {{ {fields_of("RunFailure")} }}
            message {{ id text status }} usage {{ inputTokens outputTokens }} }} }}"""
        self.outcome.run = (await self._graphql(self._actor, query, id=run_id)).one

    async def _events(self, run_id: str, cursor: str) -> list[Data]:
        document = f"""subscription ($run: ID!, $after: String) {{ runEvents(runId: $run, after: $after) {{ __typename
            ... on AttemptStarted {{ text }} ... on TextDelta {{ text }} ... on ReasoningDelta {{ text }}
            ... on CodeDelta {{ text }} ... on ToolCallStarted {{ name arguments }} ... on ToolOutput {{ output }}
            ... on StepFinished {{ errorMessage }}
            ... on RunFinished {{ status error {{ {fields_of("RunFailure")} }} }} }} }}"""
        async with aclosing(self._graphql.subscribe(self._actor, document, run=run_id, after=cursor)) as answers:
            return [answer.one async for answer in answers]

    async def _await_title(self) -> None:
        query = "query ($id: ID!) { conversation(id: $id) { title titleSource } }"
        deadline = time.monotonic() + TITLE_S
        while True:
            conversation = (await self._graphql(self._actor, query, id=self._conversation_id)).one
            if conversation["titleSource"] != "NONE" or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        self.outcome.title, self.outcome.title_source = conversation["title"], conversation["titleSource"]

    async def _send_by_socket(self, text: str) -> None:
        token = await self._stage.services.identity.issue_token(self._actor)
        document = """mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }"""
        async with Client(self._stage.url, token.text.get_secret_value()) as client:
            try:
                fields = {"input": {"text": text, "agentId": self._agent_id}}
                answers = [answer async for answer in client.subscribe(document, **fields)]
            except Exception:  # noqa: BLE001 - whatever refuses it: it was not accepted
                answers = []
        kinds: Sequence[str] = [answer["sendMessage"]["__typename"] for answer in answers]
        self.outcome.accepted = kinds == ["SendMessagePayload"]

    async def _mutate(self, name: str, fields: str, /, **input: object) -> Data:
        kind = f"{name[0].upper()}{name[1:]}"
        selection = f"{{ __typename ... on Error {{ message code }} ... on {kind}Payload {{ {fields} }} }}"
        document = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}"
        payload = (await self._graphql(self._actor, document, input=input)).one
        assert payload["__typename"] == f"{kind}Payload", payload
        return payload
