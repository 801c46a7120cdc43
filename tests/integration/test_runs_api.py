"""Runs through GraphQL: asking, stopping, following; on a real Postgres and a real Valkey, without workers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.runs.request import MAX_CLIENT_ID_CHARS
from nexent_gql.domains.runs.tables import Run
from nexent_gql.jobs.tables import Job
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import CitationPart, encode_parts
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import (
    AttemptStarted,
    CodeDelta,
    PartsAdded,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    StepFinished,
    StreamGap,
    TextDelta,
    ToolCallStarted,
    ToolOutput,
    UsageUpdated,
)
from tests.support.chat import Chat, id_of, key, open_chat, take, the_first, whole
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.graphql_client import RUN_EVENTS, text_of
from tests.support.statements import statements

KINDS = "subscription ($run: ID!, $after: String) { runEvents(runId: $run, after: $after) { __typename seq cursor } }"
RUN = """query ($id: ID!) { run(id: $id) {
    status attempt stopRequested startedAt error { code message retryable } agent { name } conversation { id }
    usage { inputTokens outputTokens cachedTokens reasoningTokens }
    question { text } message { text status } } }"""
TOKENS = "{ inputTokens outputTokens cachedTokens reasoningTokens }"
ALL_FIELDS = f"""subscription ($run: ID!) {{ runEvents(runId: $run) {{ __typename at agentPath
    ... on TextDelta {{ text step }} ... on ReasoningDelta {{ text step }} ... on CodeDelta {{ text step }}
    ... on ToolCallStarted {{ callId name arguments step }}
    ... on ToolOutput {{ callId name output isError durationMs step }}
    ... on PartsAdded {{ callId step parts {{ __typename index ... on CitationMessagePart {{ label quote }} }} }}
    ... on StepFinished {{ step durationMs errorMessage }} ... on UsageUpdated {{ usage {TOKENS} }}
    ... on AttemptStarted {{ attempt text }} ... on StreamGap {{ fromSeq toSeq }}
    ... on RunFinished {{ status error {{ code message retryable }} usage {TOKENS} }} }} }}"""


@pytest.fixture
async def chat(database: Database, redis_url: str) -> AsyncGenerator[Chat]:
    async with open_chat(database, redis_url) as chat:
        yield chat


@pytest.fixture
async def ada(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def agent(make: Factory, ada: Principal) -> Agent:
    return await make.agent(ada, name="Grace")


async def rows(chat: Chat, actor: Principal) -> list[int]:
    return [await chat.count(actor, table) for table in (Conversation, Message, Run, Job)]


async def give_to_worker(chat: Chat, actor: Principal) -> None:
    """Let the tenant's runs count as taken by a worker that is silent."""
    async with chat.database.transaction(actor.tenant_id) as session:
        job = "UPDATE job SET state = 'RUNNING', fence = 1, lease_until = clock_timestamp() + interval '1 minute'"
        await session.execute(text(job))
        await session.execute(text("UPDATE run SET status = 'RUNNING', attempt = 1, started_at = clock_timestamp()"))


async def test_a_message_returns_all_that_a_client_shows(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="  What is\n\n1 + 1? ")
    run, question, answer = (payload[part]["id"] for part in ("run", "userMessage", "assistantMessage"))
    conversation = payload["conversation"]["id"]
    assert payload == {
        "__typename": "SendMessagePayload",
        "cursor": f"{key('Run', run).hex[-8:]}-0",
        "run": {
            "id": run,
            "status": "QUEUED",
            "attempt": 0,
            "stopRequested": False,
            "error": None,
            "question": {"id": question},
            "message": {"id": answer},
        },
        "conversation": {"id": conversation, "title": "", "activeMessage": {"id": answer}},
        "userMessage": {
            "id": question,
            "role": "USER",
            "status": "COMPLETE",
            "text": "  What is\n\n1 + 1? ",
            "parent": None,
        },
        "assistantMessage": {
            "id": answer,
            "role": "ASSISTANT",
            "status": "STREAMING",
            "text": "",
            "parent": {"id": question},
            "run": {"id": run},
        },
    }
    assert await rows(chat, ada) == [1, 2, 1, 1]
    assert (await chat.ask(ada, RUN, id=run)).one == {
        "status": "QUEUED",
        "attempt": 0,
        "stopRequested": False,
        "startedAt": None,
        "error": None,
        "agent": {"name": "Grace"},
        "conversation": {"id": conversation},
        "usage": {"inputTokens": 0, "outputTokens": 0, "cachedTokens": 0, "reasoningTokens": 0},
        "question": {"text": "  What is\n\n1 + 1? "},
        "message": {"text": "", "status": "STREAMING"},
    }


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"text": ""}, "BAD_USER_INPUT", "text"),
        ({"text": None}, "BAD_USER_INPUT", "text"),
        ({"text": " \n\t\u200b"}, "BAD_USER_INPUT", "text"),
        ({"text": "x" * (MAX_MESSAGE_CHARS + 1)}, "BAD_USER_INPUT", "text"),
        ({"text": "x" * 10_000_000}, "BAD_USER_INPUT", "text"),
        ({"text": "nul\0"}, "BAD_USER_INPUT", "text"),
        ({"text": "half \ud83d"}, "BAD_USER_INPUT", "text"),
        ({"agentId": None}, "BAD_USER_INPUT", "conversationId"),
        ({"conversationId": "Q29udmVyc2F0aW9uOjE="}, "INVALID_ID", "conversationId"),
        ({"agentId": "x"}, "INVALID_ID", "agentId"),
        ({"agentId": "QWdlbnQ6bm90LWEtdXVpZA=="}, "INVALID_ID", "agentId"),
        ({"parentId": "x"}, "INVALID_ID", "parentId"),
        ({"parentId": "TWVzc2FnZTowMTg5MDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwZGVhZGJlZWY="}, "BAD_USER_INPUT", "parentId"),
        ({"clientId": ""}, "BAD_USER_INPUT", "clientId"),
        ({"clientId": "x" * (MAX_CLIENT_ID_CHARS + 1)}, "BAD_USER_INPUT", "clientId"),
        ({"clientId": "two\nlines"}, "BAD_USER_INPUT", "clientId"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_message_that_makes_no_sense_writes_nothing(
    chat: Chat, ada: Principal, agent: Agent, changes: Data, code: str, path: str
) -> None:
    refused = await chat.start(ada, **{"agentId": id_of("Agent", agent), "text": "Hello", **changes})
    assert (refused["__typename"], refused["code"], refused["path"]) == ("ValidationError", code, ["input", path])
    assert await rows(chat, ada) == [0, 0, 0, 0]


async def test_either_a_conversation_or_an_agent_is_named(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    both = {"agentId": id_of("Agent", agent), "conversationId": payload["conversation"]["id"]}
    refused = await chat.start(ada, text="two", **both)
    assert (refused["code"], refused["path"]) == ("BAD_USER_INPUT", ["input", "conversationId"])


@pytest.mark.parametrize("input_", [{"onBusy": "WAIT"}, {"text": 7}, {"parts": 7}, {"more": 1}])
async def test_an_input_that_does_not_fit_the_schema_is_refused(
    chat: Chat, ada: Principal, agent: Agent, input_: Data
) -> None:
    document = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }"
    refused = await chat.ask(ada, document, input={"agentId": id_of("Agent", agent), "text": "Hello", **input_})
    assert (refused.data, refused.code) == (None, "BAD_USER_INPUT")
    assert await rows(chat, ada) == [0, 0, 0, 0]


async def test_messages_of_the_wrong_kind_are_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    question, answer = payload["userMessage"]["id"], payload["assistantMessage"]["id"]
    before = await rows(chat, ada)
    for name, fields, path in (
        ("editMessage", {"messageId": answer, "text": "x"}, "messageId"),
        ("regenerateMessage", {"messageId": question}, "messageId"),
        (
            "sendMessage",
            {"conversationId": payload["conversation"]["id"], "parentId": question, "text": "x"},
            "parentId",
        ),
    ):
        refused = await chat.start(ada, name, **fields)
        assert (refused["__typename"], refused["code"], refused["path"]) == (
            "ValidationError",
            "WRONG_MESSAGE",
            ["input", path],
        )
    assert await rows(chat, ada) == before


async def test_a_busy_conversation_takes_no_second_message(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id, before = first["conversation"]["id"], await rows(chat, ada)
    for name, fields in (
        ("sendMessage", {"conversationId": conversation_id, "text": "two"}),
        ("sendMessage", {"conversationId": conversation_id, "text": "two", "onBusy": "REJECT"}),
        ("editMessage", {"messageId": first["userMessage"]["id"], "text": "ONE"}),
        ("regenerateMessage", {"messageId": first["assistantMessage"]["id"]}),
    ):
        refused = await chat.start(ada, name, **fields)
        assert refused == {
            "__typename": "RunBusyError",
            "message": refused["message"],
            "code": "RUN_BUSY",
            "runId": first["run"]["id"],
        }
    assert await rows(chat, ada) == before


async def test_a_queued_message_waits_behind_the_first(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    fields = {"conversationId": first["conversation"]["id"], "onBusy": "QUEUE"}
    second = await chat.start(ada, text="two", **fields)
    assert second["userMessage"]["parent"] == {"id": first["assistantMessage"]["id"]}
    runs = await chat.ask(ada, "{ runs { edges { node { id status } } } }")
    assert runs.nodes == [{"id": payload["run"]["id"], "status": "QUEUED"} for payload in (second, first)]
    assert await chat.job_states(ada) == ["QUEUED", "QUEUED"]


async def test_an_interrupting_message_stops_what_waits_and_what_runs(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    await give_to_worker(chat, ada)
    conversation_id = first["conversation"]["id"]
    await chat.start(ada, conversationId=conversation_id, text="two", onBusy="QUEUE")
    await chat.start(ada, conversationId=conversation_id, text="three", onBusy="INTERRUPT")
    runs = await chat.ask(ada, "{ runs { edges { node { status stopRequested } } } }")
    assert runs.nodes == [
        {"status": "QUEUED", "stopRequested": False},
        {"status": "STOPPED", "stopRequested": True},
        {"status": "RUNNING", "stopRequested": True},
    ]
    assert await chat.job_states(ada) == ["RUNNING", "CANCELLED", "QUEUED"]


async def test_one_client_id_twenty_times_at_once_is_one_run(chat: Chat, ada: Principal, agent: Agent) -> None:
    input_ = {"agentId": id_of("Agent", agent), "text": "Hello", "clientId": "c-1"}
    answers = await asyncio.gather(*(chat.start(ada, **input_) for _ in range(20)))
    assert [answer["run"]["id"] for answer in answers] == [answers[0]["run"]["id"]] * 20
    assert all(answer == answers[0] for answer in answers)
    assert await rows(chat, ada) == [1, 2, 1, 1]


async def test_one_client_id_twenty_times_at_once_in_a_conversation_is_one_run(
    chat: Chat, ada: Principal, agent: Agent
) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    input_ = {"conversationId": first["conversation"]["id"], "text": "two", "clientId": "c-1"}
    answers = await asyncio.gather(*(chat.start(ada, **input_) for _ in range(20)))
    assert [answer["__typename"] for answer in answers] == ["SendMessagePayload"] * 20
    assert len({answer["run"]["id"] for answer in answers}) == 1
    assert await rows(chat, ada) == [1, 4, 2, 2]


async def test_a_client_id_with_another_input_is_a_conflict(chat: Chat, ada: Principal, agent: Agent) -> None:
    agent_id = id_of("Agent", agent)
    first = await chat.exchange(ada, agentId=agent_id, text="one", clientId="c-1")
    before = await rows(chat, ada)
    answer = first["assistantMessage"]["id"]
    for name, fields in (
        ("sendMessage", {"agentId": agent_id, "text": "two"}),
        ("sendMessage", {"conversationId": first["conversation"]["id"], "text": "one"}),
        ("editMessage", {"messageId": first["userMessage"]["id"], "text": "one"}),
        ("regenerateMessage", {"messageId": answer}),
        ("retryRun", {"runId": first["run"]["id"]}),
    ):
        refused = await chat.start(ada, name, clientId="c-1", **fields)
        assert refused == {
            "__typename": "ClientIdReusedError",
            "message": refused["message"],
            "code": "CLIENT_ID_REUSED",
            "runId": first["run"]["id"],
        }
    assert await rows(chat, ada) == before


async def test_a_repeated_request_is_answered_by_its_first_result(
    chat: Chat, ada: Principal, agent: Agent, make: Factory
) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one", clientId="c-1")
    again = await chat.start(ada, agentId=id_of("Agent", agent), text="one", clientId="c-1", onBusy="INTERRUPT")
    assert (again["run"]["id"], again["run"]["status"]) == (first["run"]["id"], "STOPPED")
    regenerated = [
        await chat.start(ada, "regenerateMessage", messageId=first["assistantMessage"]["id"], clientId="c-2")
        for _ in range(2)
    ]
    assert regenerated[0] == regenerated[1]
    assert await rows(chat, ada) == [1, 3, 2, 2]
    eve = await make.principal(beside=ada)
    hers = await chat.start(eve, agentId=id_of("Agent", agent), text="hers", clientId="c-1")
    assert hers["__typename"] == "SendMessagePayload"


async def test_a_waiting_run_stops_at_once_and_says_so(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    run_id = payload["run"]["id"]
    async with aclosing(chat.subscribe(ada, RUN_EVENTS, run=run_id)) as stream:
        waiting = asyncio.create_task(whole(stream))
        await chat.until_listening()
        stopped = await chat.stop(ada, run_id)
        await chat.relay()
        (event,) = await waiting
    assert stopped["run"] == {"id": run_id, "status": "STOPPED", "stopRequested": True}
    assert event == {
        "__typename": "RunFinished",
        "seq": 1,
        "cursor": payload["cursor"].removesuffix("0") + "1",
        "at": event["at"],
        "agentPath": "main",
        "status": "STOPPED",
        "error": None,
    }
    run = (await chat.ask(ada, RUN, id=run_id)).one
    assert (run["status"], run["message"]) == ("STOPPED", {"text": "", "status": "STOPPED"})
    assert await chat.stop(ada, run_id) == stopped
    assert await chat.job_states(ada) == ["CANCELLED"]


async def test_a_run_that_a_worker_has_is_told_to_stop(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    await give_to_worker(chat, ada)
    for _ in range(2):
        stopped = await chat.stop(ada, payload["run"]["id"])
        assert stopped["run"] == {"id": payload["run"]["id"], "status": "RUNNING", "stopRequested": True}
    async with chat.database.system() as session:
        kinds = (await session.scalars(text("SELECT kind FROM outbox"))).all()
    assert "cancel" in kinds


async def test_a_run_that_has_ended_can_be_retried(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    refused = await chat.start(ada, "retryRun", runId=payload["run"]["id"])
    assert refused == {
        "__typename": "RunNotFinishedError",
        "message": refused["message"],
        "code": "RUN_NOT_FINISHED",
        "runId": payload["run"]["id"],
    }
    await chat.stop(ada, payload["run"]["id"])
    again = await chat.start(ada, "retryRun", runId=payload["run"]["id"])
    assert again["__typename"] == "RetryRunPayload"
    assert again["userMessage"] == payload["userMessage"]
    assert again["run"]["id"] != payload["run"]["id"]
    query = "query ($id: ID!) { message(id: $id) { siblings { id } } }"
    siblings = (await chat.ask(ada, query, id=again["assistantMessage"]["id"])).one["siblings"]
    assert [message["id"] for message in siblings] == [answer["assistantMessage"]["id"] for answer in (payload, again)]
    busy = await chat.start(ada, "retryRun", runId=payload["run"]["id"])
    assert (busy["__typename"], busy["runId"]) == ("RunBusyError", again["run"]["id"])


async def test_runs_are_filtered_and_paged(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = first["conversation"]["id"]
    second = await chat.start(ada, conversationId=conversation_id, text="two")
    other = await chat.start(ada, agentId=id_of("Agent", agent), text="three")
    query = """query ($of: ID, $status: RunStatus, $first: Int, $after: String, $last: Int, $before: String) {
        runs(conversationId: $of, status: $status, first: $first, after: $after, last: $last, before: $before) {
            totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } }"""

    async def list_runs(**arguments: object) -> list[Data]:
        answer = await chat.ask(ada, query, **arguments)
        if not arguments.keys() & {"first", "last"}:
            assert answer.one["totalCount"] == len(answer.nodes)
        return [node["id"] for node in answer.nodes]

    one, two, three = (payload["run"]["id"] for payload in (first, second, other))
    assert await list_runs() == [three, two, one]
    assert await list_runs(of=conversation_id) == [two, one]
    assert await list_runs(status="STOPPED") == [one]
    assert await list_runs(of=conversation_id, status="QUEUED") == [two]
    assert await list_runs(of=other["conversation"]["id"], status="FAILED") == []
    page = (await chat.ask(ada, query, first=2)).one
    assert page["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False}
    assert await list_runs(first=2, after=page["edges"][1]["cursor"]) == [one]
    assert await list_runs(last=1, before=page["edges"][1]["cursor"]) == [three]
    refused = await chat.ask(ada, query, of=one)
    assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("INVALID_ID", ["conversationId"])


async def test_a_list_of_runs_takes_as_many_statements_as_one(chat: Chat, ada: Principal, agent: Agent) -> None:
    query = """{ runs(first: 50) { edges { node { agent { name } question { text } message { text run { id } }
        conversation { title latestRun { id } } } } } }"""
    await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    with statements(chat.database) as of_one:
        assert len((await chat.ask(ada, query)).nodes) == 1
    for _ in range(4):
        await chat.exchange(ada, agentId=id_of("Agent", agent), text="more")
    with statements(chat.database) as of_many:
        assert len((await chat.ask(ada, query)).nodes) == 5
    assert len(of_many) == len(of_one) < 10


USAGE = Usage(input_tokens=20, output_tokens=10, cached_tokens=5, reasoning_tokens=2)
USAGE_FIELDS = {"inputTokens": 20, "outputTokens": 10, "cachedTokens": 5, "reasoningTokens": 2}
STORY: list[tuple[RunEventBody, Data]] = [
    (AttemptStarted(attempt=1), {"attempt": 1, "text": ""}),
    (ReasoningDelta(step=1, text="hm"), {"text": "hm", "step": 1}),
    (CodeDelta(step=1, text="x = 1"), {"text": "x = 1", "step": 1}),
    (
        ToolCallStarted(step=1, call_id="c1", name="wait", arguments={"seconds": 1, "why": [None, "你好"]}),
        {"callId": "c1", "name": "wait", "arguments": {"seconds": 1, "why": [None, "你好"]}, "step": 1},
    ),
    (
        ToolOutput(step=1, call_id="c1", name="wait", output="no", is_error=True, duration_ms=7),
        {"callId": "c1", "name": "wait", "output": "no", "isError": True, "durationMs": 7, "step": 1},
    ),
    (
        PartsAdded(step=1, call_id="c1", parts=encode_parts([CitationPart("1", "Plan", "It is so.")])),
        {
            "callId": "c1",
            "step": 1,
            "parts": [{"__typename": "CitationMessagePart", "index": 0, "label": "1", "quote": "It is so."}],
        },
    ),
    (
        StepFinished(step=1, duration_ms=9, error="The tool failed."),
        {"step": 1, "durationMs": 9, "errorMessage": "The tool failed."},
    ),
    (UsageUpdated(usage=USAGE), {"usage": USAGE_FIELDS}),
    (TextDelta(agent_path="main/helper", step=2, text="😀"), {"text": "😀", "step": 2, "agentPath": "main/helper"}),
    (
        RunFinished(
            status="FAILED", error_code="MODEL_TIMEOUT", error_message="Try again.", retryable=True, usage=USAGE
        ),
        {
            "status": "FAILED",
            "error": {"code": "MODEL_TIMEOUT", "message": "Try again.", "retryable": True},
            "usage": USAGE_FIELDS,
        },
    ),
]


async def test_every_kind_of_event_reaches_the_client(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    await chat.write(ada, payload, *(body for body, _ in STORY))
    events = await whole(chat.subscribe(ada, ALL_FIELDS, run=payload["run"]["id"]))
    assert events == [
        {
            "__typename": type(body).__name__,
            "at": f"2026-01-31T18:00:00.{n:03}Z",
            "agentPath": "main",
            **fields,
        }
        for n, (body, fields) in enumerate(STORY)
    ]


async def test_a_reader_that_comes_and_goes_gets_everything_once(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    run_id, pieces = payload["run"]["id"], [TextDelta(step=1, text=letter) for letter in "abcdefgh"]
    await chat.write(ada, payload, AttemptStarted(attempt=1), *pieces[:3])
    async with aclosing(chat.subscribe(ada, RUN_EVENTS, run=run_id, after=payload["cursor"])) as stream:
        events_of_run = await take(stream, 3)
    await chat.until_listening(0)
    await chat.write(ada, payload, *pieces[3:5], first=5)
    async with aclosing(chat.subscribe(ada, RUN_EVENTS, run=run_id, after=events_of_run[-1]["cursor"])) as stream:
        events_of_run += await take(stream, 3)
        await chat.until_listening()
        await chat.write(ada, payload, *pieces[5:], RunFinished(status="SUCCEEDED"), first=7)
        events_of_run += await whole(stream)
    assert [event["seq"] for event in events_of_run] == list(range(1, 11))
    assert (text_of(events_of_run), events_of_run[-1]["status"]) == ("abcdefgh", "SUCCEEDED")
    await chat.until_listening(0)
    assert await whole(chat.subscribe(ada, RUN_EVENTS, run=run_id, after=events_of_run[-1]["cursor"])) == []


async def test_two_readers_get_the_same(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    run_id = payload["run"]["id"]
    readers = [asyncio.create_task(whole(chat.subscribe(ada, RUN_EVENTS, run=run_id))) for _ in range(2)]
    await chat.until_listening()
    await chat.write(ada, payload, AttemptStarted(attempt=1), TextDelta(step=1, text="Hi"))
    await chat.write(ada, payload, RunFinished(status="SUCCEEDED"), first=3)
    one, other = await asyncio.gather(*readers)
    assert one == other
    assert [event["__typename"] for event in one] == ["AttemptStarted", "TextDelta", "RunFinished"]


async def test_events_come_from_the_archive_when_the_log_has_forgotten(
    chat: Chat, ada: Principal, agent: Agent
) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    await chat.relay()
    live = await whole(chat.subscribe(ada, RUN_EVENTS, run=payload["run"]["id"]))
    await chat.redis.commands.execute("FLUSHALL")
    archived = await whole(chat.subscribe(ada, RUN_EVENTS, run=payload["run"]["id"]))
    assert [event["__typename"] for event in archived] == ["RunFinished"]
    assert archived == live


async def test_lost_events_are_told_as_a_gap(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    await chat.write(ada, payload, StreamGap(from_seq=1, to_seq=4), TextDelta(text="late"), first=4)
    await chat.write(ada, payload, RunFinished(status="SUCCEEDED"), first=6)
    events = await whole(chat.subscribe(ada, RUN_EVENTS, run=payload["run"]["id"], after=payload["cursor"][:-1] + "2"))
    gap, late, _ = events
    assert (gap["__typename"], gap["fromSeq"], gap["toSeq"], gap["seq"]) == ("StreamGap", 3, 4, 4)
    assert (late["text"], late["seq"]) == ("late", 5)


async def test_a_deletion_ends_the_readers_of_what_waited(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    run_id = payload["run"]["id"]
    waiting = asyncio.create_task(whole(chat.subscribe(ada, RUN_EVENTS, run=run_id)))
    await chat.until_listening()
    await chat.mutate(ada, "deleteConversation", "deletedId", conversationId=payload["conversation"]["id"])
    await chat.relay()
    (ending,) = await waiting
    assert (ending["__typename"], ending["status"]) == ("RunFinished", "STOPPED")
    refused = await the_first(chat.subscribe(ada, KINDS, run=run_id))
    assert (refused.data, refused.code) == (None, "NOT_FOUND")


async def test_a_cursor_that_is_not_the_runs_own_is_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    other = await chat.exchange(ada, agentId=id_of("Agent", agent), text="two")
    own = payload["cursor"].removesuffix("0")
    for after in ("", "0", own, f"{own}-1", f"{own}1.0", f"{own}00", f"{own}9999999999", f" {own}1", other["cursor"]):
        refused = await the_first(chat.subscribe(ada, KINDS, run=payload["run"]["id"], after=after))
        assert (refused.data, refused.code) == (None, "INVALID_CURSOR")
        assert refused.errors[0]["extensions"]["path"] == ["after"]
    assert await chat.listeners() == 0


async def test_a_cursor_beyond_all_that_a_run_can_reach_is_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    own = payload["cursor"].removesuffix("0")
    for written in (False, True):
        if written:
            await chat.write(ada, payload, AttemptStarted(attempt=1, text=""))
        refused = await the_first(chat.subscribe(ada, KINDS, run=payload["run"]["id"], after=f"{own}99999999"))
        assert (refused.data, refused.code) == (None, "INVALID_CURSOR")
        assert "an event of the same run or conversation" in refused.errors[0]["message"]
    following = (
        "subscription ($id: ID!, $after: String) { conversationEvents(conversationId: $id, after: $after) { seq } }"
    )
    conversation_id = payload["conversation"]["id"]
    conversation = (
        await chat.ask(ada, "query ($id: ID!) { conversation(id: $id) { eventsCursor } }", id=conversation_id)
    ).one
    beyond = conversation["eventsCursor"] + "9"
    refused = await the_first(chat.subscribe(ada, following, id=conversation_id, after=beyond))
    assert refused.code == "INVALID_CURSOR"


@pytest.mark.parametrize(
    ("run_id", "code"),
    [
        ("x", "INVALID_ID"),
        ("", "INVALID_ID"),
        ("UnVuOjAxODkwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDBkZWFkYmVlZg==", "NOT_FOUND"),
        ("QWdlbnQ6MDE4OTAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMGRlYWRiZWVm", "INVALID_ID"),
    ],
)
async def test_a_run_that_is_not_there_cannot_be_followed(chat: Chat, ada: Principal, run_id: str, code: str) -> None:
    refused = await the_first(chat.subscribe(ada, KINDS, run=run_id))
    assert (refused.data, refused.code) == (None, code)
