"""Conversations through GraphQL, on a real Postgres and a real Valkey."""

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.runs.tables import Run
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import MAX_SEARCH_CHARS
from tests.support.chat import Chat, id_of, open_chat
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.statements import statements

CONVERSATION = "conversation { id title titleSource agent { id name } activeMessage { id } latestRun { id } }"
BRANCH = "query ($id: ID!, $last: Int! = 50) { conversation(id: $id) { activeBranch(last: $last) { id text } } }"


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


async def begin(chat: Chat, actor: Principal, agent: Agent, **fields: object) -> Data:
    payload = await chat.mutate(actor, "createConversation", CONVERSATION, agentId=id_of("Agent", agent), **fields)
    assert payload["__typename"] == "CreateConversationPayload", payload
    return payload["conversation"]


async def branch(chat: Chat, actor: Principal, conversation_id: object, last: int = 50) -> list[str]:
    active_branch = (await chat.ask(actor, BRANCH, id=conversation_id, last=last)).one["activeBranch"]
    return [message["text"] for message in active_branch]


async def test_a_new_conversation_is_empty(chat: Chat, ada: Principal, agent: Agent) -> None:
    conversation = await begin(chat, ada, agent)
    assert conversation == {
        "id": conversation["id"],
        "title": "",
        "titleSource": "NONE",
        "agent": {"id": id_of("Agent", agent), "name": "Grace"},
        "activeMessage": None,
        "latestRun": None,
    }
    assert await branch(chat, ada, conversation["id"]) == []


async def test_a_title_of_the_user_is_trimmed_and_kept(chat: Chat, ada: Principal, agent: Agent) -> None:
    conversation = await begin(chat, ada, agent, title="  量子 computing ")
    assert (conversation["title"], conversation["titleSource"]) == ("量子 computing", "USER")
    renamed = await chat.mutate(
        ada, "renameConversation", CONVERSATION, conversationId=conversation["id"], title="x" * MAX_TITLE_CHARS
    )
    assert renamed["conversation"] == {**conversation, "title": "x" * MAX_TITLE_CHARS}


@pytest.mark.parametrize(
    "title", ["", "   ", "\u200b", "x" * (MAX_TITLE_CHARS + 1), "two\nlines", "nul\0", "right\u202eleft", "\ud800"]
)
async def test_a_title_that_nobody_could_read_is_refused(chat: Chat, ada: Principal, agent: Agent, title: str) -> None:
    conversation = await begin(chat, ada, agent, title="Before")
    for name, fields in (
        ("createConversation", {"agentId": id_of("Agent", agent)}),
        ("renameConversation", {"conversationId": conversation["id"]}),
    ):
        refused = await chat.mutate(ada, name, "conversation { id }", **fields, title=title)
        assert (refused["__typename"], refused["code"], refused["path"]) == (
            "ValidationError",
            "BAD_USER_INPUT",
            ["input", "title"],
        )
    assert await chat.count(ada, Conversation) == 1
    answer = await chat.ask(ada, "query ($id: ID!) { conversation(id: $id) { title } }", id=conversation["id"])
    assert answer.one == {"title": "Before"}


async def test_edits_and_new_answers_stand_beside_what_was(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = first["conversation"]["id"]
    second = await chat.exchange(ada, conversationId=conversation_id, text="two")
    edited = await chat.exchange(ada, "editMessage", messageId=second["userMessage"]["id"], text="two, but better")
    again = await chat.exchange(ada, "regenerateMessage", messageId=edited["assistantMessage"]["id"])
    other_start = await chat.exchange(ada, "editMessage", messageId=first["userMessage"]["id"], text="ONE")

    assert first["userMessage"]["parent"] is None
    assert second["userMessage"]["parent"] == {"id": first["assistantMessage"]["id"]}
    assert edited["userMessage"]["parent"] == {"id": first["assistantMessage"]["id"]}
    assert again["userMessage"] == edited["userMessage"]
    assert again["assistantMessage"]["parent"] == {"id": edited["userMessage"]["id"]}
    query = """query ($id: ID!) { conversation(id: $id) { messages { totalCount edges { node {
        id children { id } siblings { id } branch { id } } } } } }"""
    tree = (await chat.ask(ada, query, id=conversation_id)).one["messages"]
    ids = [payload[side]["id"] for payload in (first, second, edited) for side in ("userMessage", "assistantMessage")]
    ids += [again["assistantMessage"]["id"], other_start["userMessage"]["id"], other_start["assistantMessage"]["id"]]
    q1, a1, q2, a2, q3, a3, a3b, q1b, a1b = ids
    assert tree["totalCount"] == 9
    active_branch = {
        edge["node"]["id"]: [
            [message["id"] for message in edge["node"][name]] for name in ("children", "siblings", "branch")
        ]
        for edge in tree["edges"]
    }
    assert list(active_branch) == ids
    assert active_branch == {
        q1: [[a1], [q1, q1b], [q1]],
        a1: [[q2, q3], [a1], [q1, a1]],
        q2: [[a2], [q2, q3], [q1, a1, q2]],
        a2: [[], [a2], [q1, a1, q2, a2]],
        q3: [[a3, a3b], [q2, q3], [q1, a1, q3]],
        a3: [[], [a3, a3b], [q1, a1, q3, a3]],
        a3b: [[], [a3, a3b], [q1, a1, q3, a3b]],
        q1b: [[a1b], [q1, q1b], [q1b]],
        a1b: [[], [a1b], [q1b, a1b]],
    }


async def test_the_newest_branch_is_shown_until_another_is_selected(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = first["conversation"]["id"]
    await chat.exchange(ada, conversationId=conversation_id, text="two")
    await chat.exchange(ada, "editMessage", messageId=first["userMessage"]["id"], text="ONE")
    assert await branch(chat, ada, conversation_id) == ["ONE", ""]

    select = "conversation { activeBranch { text } }"
    selection = await chat.mutate(ada, "selectBranch", select, messageId=first["userMessage"]["id"])
    assert [message["text"] for message in selection["conversation"]["activeBranch"]] == ["one", "", "two", ""]
    assert await branch(chat, ada, conversation_id) == ["one", "", "two", ""]
    third = await chat.exchange(ada, conversationId=conversation_id, text="three")
    assert await branch(chat, ada, conversation_id) == ["one", "", "two", "", "three", ""]

    aside = await chat.exchange(
        ada, conversationId=conversation_id, parentId=first["assistantMessage"]["id"], text="aside"
    )
    assert aside["userMessage"]["parent"] == {"id": first["assistantMessage"]["id"]}
    assert await branch(chat, ada, conversation_id) == ["one", "", "aside", ""]
    await chat.mutate(ada, "selectBranch", select, messageId=third["userMessage"]["id"])
    assert await branch(chat, ada, conversation_id) == ["one", "", "two", "", "three", ""]


async def test_a_branch_can_be_paged_upwards(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="0")
    conversation_id = payload["conversation"]["id"]
    for number in range(1, 4):
        await chat.exchange(ada, conversationId=conversation_id, text=str(number))
    active_branch = (await chat.ask(ada, BRANCH, id=conversation_id, last=3)).one["activeBranch"]
    assert [message["text"] for message in active_branch] == ["", "3", ""]
    query = "query ($id: ID!) { message(id: $id) { parent { branch(last: 3) { text } } } }"
    above = (await chat.ask(ada, query, id=active_branch[0]["id"])).one["parent"]["branch"]
    assert [message["text"] for message in above] == ["1", "", "2"]
    assert await branch(chat, ada, conversation_id, last=0) == []
    refused = await chat.ask(ada, BRANCH, id=conversation_id, last=101)
    assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("INVALID_PAGE", ["last"])


async def test_an_answer_can_be_rated_and_the_rating_taken_back(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    answer, fields = payload["assistantMessage"]["id"], "ratedMessage { id rating ratingComment }"
    rated = await chat.mutate(ada, "rateMessage", fields, messageId=answer, rating="GOOD", comment=" It helped.\n")
    assert rated["ratedMessage"] == {"id": answer, "rating": "GOOD", "ratingComment": "It helped."}
    again = await chat.mutate(ada, "rateMessage", fields, messageId=answer, rating="BAD")
    assert again["ratedMessage"] == {"id": answer, "rating": "BAD", "ratingComment": None}
    query = "query ($id: ID!) { message(id: $id) { rating ratingComment } }"
    assert (await chat.ask(ada, query, id=answer)).one == {"rating": "BAD", "ratingComment": None}
    await chat.mutate(ada, "rateMessage", fields, messageId=answer, rating=None)
    assert (await chat.ask(ada, query, id=answer)).one == {"rating": None, "ratingComment": None}


async def test_a_conversation_says_when_something_last_happened(chat: Chat, ada: Principal, agent: Agent) -> None:
    fields = "conversation { id updatedAt eventsCursor }"
    query = f"query ($id: ID!) {{ {fields.replace('conversation', 'conversation(id: $id)')} }}"
    started = await chat.mutate(ada, "sendMessage", f"{fields} run {{ id }}", agentId=id_of("Agent", agent), text="one")
    first = started["conversation"]
    assert (await chat.ask(ada, query, id=first["id"])).one == first
    await chat.stop(ada, started["run"]["id"])
    stopped = (await chat.ask(ada, query, id=first["id"])).one
    renamed = (await chat.mutate(ada, "renameConversation", fields, conversationId=first["id"], title="two"))[
        "conversation"
    ]
    assert (await chat.ask(ada, query, id=first["id"])).one == renamed
    items = [first, stopped, renamed]
    assert len({each["eventsCursor"] for each in items}) == len(items)
    assert [each["updatedAt"] for each in items] == sorted({each["updatedAt"] for each in items})


async def test_what_cannot_be_rated_is_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    question, answer = payload["userMessage"]["id"], payload["assistantMessage"]["id"]
    for input_, code, path in (
        ({"messageId": question, "rating": "GOOD"}, "WRONG_MESSAGE", "messageId"),
        ({"messageId": answer, "comment": "No rating"}, "WRONG_MESSAGE", "comment"),
        (
            {"messageId": answer, "rating": "BAD", "comment": "x" * (MAX_COMMENT_CHARS + 1)},
            "BAD_USER_INPUT",
            "comment",
        ),
        ({"messageId": answer, "rating": "BAD", "comment": "nul\0"}, "BAD_USER_INPUT", "comment"),
        ({"messageId": "x", "rating": "BAD"}, "INVALID_ID", "messageId"),
        ({"messageId": payload["run"]["id"], "rating": "BAD"}, "INVALID_ID", "messageId"),
    ):
        refused = await chat.mutate(ada, "rateMessage", "ratedMessage { id }", **input_)
        assert (refused["__typename"], refused["code"], refused["path"]) == ("ValidationError", code, ["input", path])
    document = "mutation ($input: RateMessageInput!) { rateMessage(input: $input) { __typename } }"
    unknown = await chat.ask(ada, document, input={"messageId": answer, "rating": "SO_SO"})
    assert unknown.code == "BAD_USER_INPUT"
    query = "query ($id: ID!) { message(id: $id) { rating ratingComment } }"
    assert (await chat.ask(ada, query, id=answer)).one == {"rating": None, "ratingComment": None}


async def test_a_deleted_conversation_takes_everything_with_it(chat: Chat, ada: Principal, agent: Agent) -> None:
    other = await begin(chat, ada, agent, title="Kept")
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="Are you there?")
    conversation_id = payload["conversation"]["id"]
    deleted = await chat.mutate(
        ada, "deleteConversation", "deletedId", conversationId=conversation_id, isPermanent=True
    )
    assert deleted == {"__typename": "DeleteConversationPayload", "deletedId": conversation_id}
    query = """query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"""
    ids = [conversation_id, payload["run"]["id"], payload["userMessage"]["id"], payload["assistantMessage"]["id"]]
    remains = await chat.ask(ada, query, ids=[*ids, other["id"]])
    assert remains.data == {"nodes": [None, None, None, None, {"id": other["id"]}]}
    assert [await chat.count(ada, table) for table in (Conversation, Message, Run)] == [1, 0, 0]
    assert await chat.job_states(ada) == ["CANCELLED"]
    again = await chat.mutate(ada, "deleteConversation", "deletedId", conversationId=conversation_id)
    assert (again["__typename"], again["code"]) == ("NotFoundError", "NOT_FOUND")


@pytest.mark.parametrize(
    ("search", "titles"),
    [
        ("QUANTUM", ["Quantum physics", "quantum leap"]),
        ("100%", ["100% sure"]),
        ("%", ["100% sure"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("物理", ["量子物理"]),
        ("  ", ["Quantum physics", "quantum leap", "100% sure", "snake_case", "back\\slash", "量子物理"]),
        ("nothing like it", []),
    ],
)
async def test_titles_are_searched_as_they_are_written(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, search: str, titles: list[str]
) -> None:
    for title in ("Quantum physics", "quantum leap", "100% sure", "snake_case", "back\\slash", "量子物理"):
        await make.conversation(ada, agent, title=title)
    query = "query ($search: String) { conversations(search: $search) { totalCount edges { node { title } } } }"
    answer = await chat.ask(ada, query, search=search)
    assert [node["title"] for node in answer.nodes] == titles[::-1]
    assert answer.one["totalCount"] == len(titles)


@pytest.mark.parametrize(
    ("title", "search"),
    [
        ("한국어 테스트", "한국어"),
        ("Zürich im Mai", "ZU\u0308RICH"),
        ("Zu\u0308rich im Mai", "zürich"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("full width", "ＦＵＬＬ　ｗｉｄｔｈ"),
        ("Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"),
        ("Straße", "STRASSE"),
        ("İstanbul", "i̇stanbul"),
        ("Café", "cafe\u0301"),
        ("हिन्दी पाठ", "हिन्दी"),
        ("天气预报", "气预"),
        ("شهر رمضان", "رمضان"),
        ("👩\u200d🔬 at work", "👩\u200d🔬"),
    ],
)
async def test_what_looks_the_same_is_found(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, title: str, search: str
) -> None:
    conversation = await begin(chat, ada, agent, title="Something else")
    query = "query ($search: String) { conversations(search: $search) { edges { node { id } } } }"
    assert (await chat.ask(ada, query, search=search)).nodes == []
    await chat.mutate(ada, "renameConversation", CONVERSATION, conversationId=conversation["id"], title=title)
    other = await begin(chat, ada, agent, title=title)
    nodes = (await chat.ask(ada, query, search=search)).nodes
    assert [node["id"] for node in nodes] == [other["id"], conversation["id"]]
    await make.agent(ada, name=title)
    agents = (
        await chat.ask(ada, "query ($search: String) { agents(search: $search) { totalCount } }", search=search)
    ).one
    assert agents == {"totalCount": 1}


ORDERED = """query ($orderBy: ConversationOrder, $first: Int, $after: String, $last: Int, $before: String) {
    conversations(orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
        edges { node { title } } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } } }"""


@pytest.mark.parametrize("field", ["CREATED_AT", "UPDATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("forward", [True, False])
async def test_conversations_are_listed_in_the_order_that_was_asked_for(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, field: str, direction: str, *, forward: bool
) -> None:
    moment = utc_now() - timedelta(hours=1)
    rows = [
        await make.conversation(ada, agent, title=title, at=moment + timedelta(seconds=n))
        for n, title in enumerate("abcde")
    ]
    active = [rows[number] for number in (3, 0, 4)]
    for row in active:
        await chat.exchange(ada, conversationId=id_of("Conversation", row), text="Hello")
    expected = list("abcde" if field == "CREATED_AT" else "bcdae")
    if direction == "DESC":
        expected.reverse()
    order, items, more = {"field": field, "direction": direction}, list[str](), True
    arguments: Data = {"first": 2} if forward else {"last": 2}
    while more:
        page = await chat.ask(ada, ORDERED, orderBy=order, **arguments)
        titles, info = [node["title"] for node in page.nodes], page.one["pageInfo"]
        if forward:
            items, arguments, more = (
                items + titles,
                {"first": 2, "after": info["endCursor"]},
                info["hasNextPage"],
            )
        else:
            items, arguments, more = (
                titles + items,
                {"last": 2, "before": info["startCursor"]},
                info["hasPreviousPage"],
            )
    assert items == expected


async def test_activity_while_one_pages_shows_nothing_twice(
    chat: Chat, ada: Principal, agent: Agent, make: Factory
) -> None:
    moment = utc_now() - timedelta(hours=1)
    for n, title in enumerate("abcdef"):
        await make.conversation(ada, agent, title=title, at=moment + timedelta(seconds=n))
    order = {"field": "UPDATED_AT", "direction": "DESC"}
    first = await chat.ask(ada, ORDERED, orderBy=order, first=3)
    items = [node["title"] for node in first.nodes]
    ids = {
        node["title"]: node["id"]
        for node in (await chat.ask(ada, "{ conversations { edges { node { id title } } } }")).nodes
    }
    for title in ("e", "b"):
        await chat.exchange(ada, conversationId=ids[title], text="Hello")
    rest = await chat.ask(ada, ORDERED, orderBy=order, first=10, after=first.one["pageInfo"]["endCursor"])
    assert (items, [node["title"] for node in rest.nodes]) == (["f", "e", "d"], ["c", "a"])
    again = await chat.ask(ada, ORDERED, orderBy=order, first=2)
    assert [node["title"] for node in again.nodes] == ["b", "e"]


async def test_a_cursor_of_another_order_is_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    await begin(chat, ada, agent)
    orders = [None, {"field": "UPDATED_AT"}]
    cursors = [(await chat.ask(ada, ORDERED, orderBy=order)).one["pageInfo"]["endCursor"] for order in orders]
    for order, cursor in zip(orders, reversed(cursors), strict=True):
        refused = await chat.ask(ada, ORDERED, orderBy=order, first=1, after=cursor)
        assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("INVALID_CURSOR", ["after"])


@pytest.mark.parametrize("search", ["nul\0", "\udfff", "x" * (MAX_SEARCH_CHARS + 1)])
async def test_a_search_for_what_no_title_holds_is_refused(chat: Chat, ada: Principal, search: str) -> None:
    for part in ("totalCount", "edges { cursor }"):
        query = f"query ($search: String) {{ conversations(search: $search) {{ {part} }} }}"
        refused = await chat.ask(ada, query, search=search)
        assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("BAD_USER_INPUT", ["search"])


PAGE = """query ($first: Int, $after: String, $last: Int, $before: String) {
    conversations(first: $first, after: $after, last: $last, before: $before) {
        edges { node { id } } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } } }"""


@pytest.mark.parametrize("forward", [True, False])
async def test_pages_have_each_row_once_while_others_are_inserted(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, *, forward: bool
) -> None:
    moment = utc_now()
    rows = [await make.conversation(ada, agent, at=moment) for _ in range(7)]
    newest_first = [id_of("Conversation", row) for row in sorted(rows, key=lambda row: row.id, reverse=True)]
    items: list[str] = []
    arguments: Data = {"first": 2} if forward else {"last": 2}
    more = True
    while more:
        page = await chat.ask(ada, PAGE, **arguments)
        ids = [node["id"] for node in page.nodes]
        info = page.one["pageInfo"]
        if forward:
            items, arguments, more = (
                items + ids,
                {"first": 2, "after": info["endCursor"]},
                info["hasNextPage"],
            )
            await make.conversation(ada, agent, at=moment + timedelta(seconds=1))
        else:
            items, arguments, more = (
                ids + items,
                {"last": 2, "before": info["startCursor"]},
                info["hasPreviousPage"],
            )
            await make.conversation(ada, agent, at=moment - timedelta(seconds=1))
    assert items == newest_first


async def test_messages_are_paged_both_ways(chat: Chat, ada: Principal, agent: Agent, make: Factory) -> None:
    conversation, moment = await make.conversation(ada, agent), utc_now()
    rows = [await make.message(conversation, text=str(number), at=moment) for number in range(5)]
    ordered = [row.text for row in sorted(rows, key=lambda row: row.id)]
    query = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { conversation(id: $id) {
        messages(first: $first, after: $after, last: $last, before: $before) {
            totalCount edges { cursor node { text } } pageInfo { hasNextPage hasPreviousPage } } } }"""

    async def page(**arguments: object) -> tuple[list[str], list[str], bool, bool]:
        answer = await chat.ask(ada, query, id=id_of("Conversation", conversation), **arguments)
        connection = answer.one["messages"]
        assert connection["totalCount"] == 5
        cursors = [edge["cursor"] for edge in connection["edges"]]
        texts = [edge["node"]["text"] for edge in connection["edges"]]
        return texts, cursors, connection["pageInfo"]["hasNextPage"], connection["pageInfo"]["hasPreviousPage"]

    texts, cursors, more, _ = await page(first=2)
    assert (texts, more) == (ordered[:2], True)
    texts, cursors, more, before = await page(first=3, after=cursors[-1])
    assert (texts, more, before) == (ordered[2:], False, True)
    texts, cursors, after, more = await page(last=2, before=cursors[-1])
    assert (texts, after, more) == (ordered[2:4], True, True)
    assert (await page(last=5, before=cursors[0]))[0] == ordered[:2]
    assert (await page(first=0))[0] == []


@pytest.mark.parametrize(
    ("arguments", "code", "path"),
    [
        ({"first": 101}, "INVALID_PAGE", "first"),
        ({"first": -1}, "INVALID_PAGE", "first"),
        ({"last": 101}, "INVALID_PAGE", "last"),
        ({"first": 1, "last": 1}, "INVALID_PAGE", "last"),
        ({"first": 1, "after": "nonsense"}, "INVALID_CURSOR", "after"),
        ({"last": 1, "before": "AQ"}, "INVALID_CURSOR", "before"),
        ({"first": 2**31}, "BAD_USER_INPUT", None),
        ({"first": "two"}, "BAD_USER_INPUT", None),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(
    chat: Chat, ada: Principal, arguments: Data, code: str, path: str | None
) -> None:
    refused = await chat.ask(ada, PAGE, **arguments)
    assert refused.code == code
    assert refused.errors[0]["extensions"].get("path") == (path and [path])


LIST = """{ conversations(first: 50) { edges { node {
    id agent { name } activeMessage { text } latestRun { status message { text } question { text } }
    activeBranch(last: 4) { id run { status } children { id } }
    messages(first: 3) { totalCount edges { node {
        text siblings { id } children { id } parent { text } branch(last: 2) { id }
        run { id agent { name } } conversation { title } } } }
} } } }"""


async def test_a_list_takes_as_many_statements_as_one(chat: Chat, ada: Principal, agent: Agent) -> None:
    async def grow() -> None:
        payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
        await chat.exchange(ada, conversationId=payload["conversation"]["id"], text="two")
        await chat.exchange(ada, "editMessage", messageId=payload["userMessage"]["id"], text="ONE")

    await grow()
    with statements(chat.database) as of_one:
        assert len((await chat.ask(ada, LIST)).nodes) == 1
    for _ in range(4):
        await grow()
    with statements(chat.database) as of_many:
        answer = await chat.ask(ada, LIST)
    assert [len(node["messages"]["edges"]) for node in answer.nodes] == [3] * 5
    # Loaders ask when the loop turns: two that ask together once may ask one after the other another time. One more
    # statement for each row would be four.
    assert len(of_many) < len(of_one) + 4
    assert len(of_one) < 30
