"""Run the operations with ariadne-codegen's client, and print what came back."""

import asyncio
import json
import os

from ariadne_client import Client
from ariadne_client.create_agent import CreateAgentCreateAgentCreateAgentPayload, CreateAgentCreateAgentValidationError
from ariadne_client.input_types import CreateAgentInput, SendMessageInput, StopRunInput
from ariadne_client.run_events import RunEvents, RunEventsRunEventsRunFinished
from ariadne_client.send_message import SendMessageSendMessageSendMessagePayload
from ariadne_client.stop_run import StopRunStopRunStopRunPayload

URL = os.environ["GRAPHQL_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['GRAPHQL_TOKEN']}"}


def connect() -> Client:
    """Return a client; its subscriptions open a connection each."""
    return Client(url=URL, headers=HEADERS, ws_url=URL.replace("http", "ws", 1), ws_connection_init_payload=HEADERS)


async def read_events(run_id: str, after: str, limit: int | None) -> list[RunEvents]:
    """Return at most `limit` events behind a cursor, on a connection of their own."""
    events: list[RunEvents] = []
    async with connect() as client:
        async for event in client.run_events(run_id, after):
            events.append(event)
            if len(events) == limit:
                break
    return events


async def main() -> None:
    """Run all operations once."""
    async with connect() as client:
        agents = (await client.agents(5)).agents
        assert agents is not None
        refused = (await client.create_agent(CreateAgentInput(name=""))).create_agent
        assert isinstance(refused, CreateAgentCreateAgentValidationError), refused
        created = (await client.create_agent(CreateAgentInput(name=os.environ["AGENT_NAME"]))).create_agent
        assert isinstance(created, CreateAgentCreateAgentCreateAgentPayload), created
        message = SendMessageInput(agent_id=created.agent.id, text="What can you do?")
        payload = (await client.send_message(message)).send_message
        assert isinstance(payload, SendMessageSendMessageSendMessagePayload), payload
        first = await read_events(payload.run.id, payload.cursor, 3)
        rest = await read_events(payload.run.id, first[-1].run_events.cursor, None)
        finished = rest[-1].run_events
        assert isinstance(finished, RunEventsRunEventsRunFinished), finished
        tree = (await client.conversation_tree(payload.conversation.id)).conversation
        assert tree is not None
        stopped = (await client.stop_run(StopRunInput(run_id=payload.run.id))).stop_run
        assert isinstance(stopped, StopRunStopRunStopRunPayload), stopped
    report = {
        "agents": len(agents.nodes),
        "refusal": refused.code,
        "kind": created.agent.kind,
        "messages": len(tree.messages.nodes),
        "first": [event.run_events.seq for event in first],
        "rest": [event.run_events.seq for event in rest],
        "status": finished.status,
        "stopped": stopped.run.status,
    }
    print(json.dumps(report))  # noqa: T201


asyncio.run(main())
