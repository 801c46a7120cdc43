"""Ask an agent, and print the answer as it is written: `python ask.py Assistant "What is 17 * 23?"`."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportClosed, TransportConnectionFailed
from gql.transport.websockets import WebsocketsTransport

FIND_AGENT = gql("query ($name: String!) { agents(first: 1, search: $name) { edges { node { id } } } }")
SEND = gql("""
mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    __typename
    ... on SendMessagePayload { cursor run { id } }
    ... on Error { message }
  }
}
""")
RUN_EVENTS = gql("""
subscription ($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) {
    __typename
    cursor
    ... on AttemptStarted { attempt text }
    ... on TextDelta { text }
    ... on RunFinished { status error { message } }
  }
}
""")
Event = dict[str, Any]
MOST_RETRIES = 10
LOST = (TransportClosed, TransportConnectionFailed, OSError)


def socket_client(url: str, token: str) -> Client:
    """Return a client that runs queries, mutations and subscriptions over one WebSocket."""
    transport = WebsocketsTransport(
        url=url.replace("http", "ws", 1),
        init_payload={"authorization": f"Bearer {token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    return Client(transport=transport)


async def run_events(url: str, token: str, run_id: str, after: str | None) -> AsyncGenerator[Event]:
    """Yield each event of a run once and in order until it has ended, whatever happens to the connection meanwhile."""
    retries = 0
    while True:
        request = GraphQLRequest(RUN_EVENTS, variable_values={"runId": run_id, "after": after})
        try:
            async with socket_client(url, token) as session:
                async for data in session.subscribe(request):
                    event, retries = data["runEvents"], 0
                    after = event["cursor"]
                    yield event
                return
        except LOST:
            retries += 1
            if retries > MOST_RETRIES:
                raise
            await asyncio.sleep(0.1 * 2**retries)


async def main(name: str = "Assistant", text: str = "What can you do?") -> None:
    """Send one message in a new conversation."""
    url = os.environ.get("GRAPHQL_URL", "http://127.0.0.1:5010/graphql")
    token = os.environ["GRAPHQL_TOKEN"]
    async with socket_client(url, token) as session:
        found = await session.execute(GraphQLRequest(FIND_AGENT, variable_values={"name": name}))
        message = {"agentId": found["agents"]["edges"][0]["node"]["id"], "text": text}
        answer = await session.execute(GraphQLRequest(SEND, variable_values={"input": message}))
    sent = answer["sendMessage"]
    if sent["__typename"] != "SendMessagePayload":
        sys.exit(sent["message"])
    async for event in run_events(url, token, sent["run"]["id"], sent["cursor"]):
        show(event)


def show(event: Event) -> None:
    """Print what an event adds to the answer."""
    match event:
        case {"__typename": "TextDelta", "text": text}:
            print(text, end="", flush=True)
        case {"__typename": "AttemptStarted", "attempt": attempt, "text": text} if attempt > 1:
            print(f"\n(once more)\n{text}", end="", flush=True)
        case {"__typename": "RunFinished", "error": error}:
            print(f"\n{error['message']}" if error else "")
        case _:
            pass


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
