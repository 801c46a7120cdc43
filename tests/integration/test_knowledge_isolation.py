"""Nobody gets at a knowledge base that is not shared, or at a deleted document, by any field of the schema."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from nexent_gql.api.files.module import MODULE as FILES
from nexent_gql.api.knowledge.module import MODULE
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import ChatRequest
from tests.support.direct_graphql import Answer, schema
from tests.support.factory import Factory
from tests.support.generated_calls import GeneratedCall, generated_calls
from tests.support.graph_models import passages_of
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.scripted_models import Answer as ModelAnswer
from tests.support.scripted_models import ComputedModels

SECRETS = ("Zanzibar", "kettle-7731", "boils at noon", "samovar")
"""In the base's name, the document's name, its text and a keyword."""
CHUNKS = "query ($id: ID!) { documentChunks(documentId: $id) { nodes { id } } }"
TABLES = (
    "knowledge_base",
    "document",
    "document_version",
    "document_text",
    "chunk",
    "document_batch",
    "knowledge_summary",
    "knowledge_graph",
    "graph_passage",
    "graph_mention",
    "file",
    "job",
)
DIGEST = "SELECT md5(coalesce(string_agg(row.*::text, '|' ORDER BY row.*::text), '')) FROM {table} AS row"


def fields_of(*roots: type) -> set[str]:
    """Return the names of root fields."""
    return {
        to_camel_case(each.python_name) for root in roots for each in get_object_definition(root, strict=True).fields
    }


def answer_of(request: ChatRequest) -> ModelAnswer:
    """Repeat what the passages say, as a summary or as facts."""
    if not passages_of(request):
        return ["The kettle boils at noon."]
    entities = [{"name": "boils at noon", "kind": "event", "aliases": ["kettle"]}, {"name": "The", "kind": "word"}]
    relations = [{"source": "The", "label": "boils at noon", "target": "kettle"}]
    return [json.dumps({"passages": [{"number": 1, "entities": entities, "relations": relations}]})]


FIELDS = fields_of(*MODULE.queries, *MODULE.mutations, *MODULE.subscriptions)
FILE_FIELDS = fields_of(*FILES.queries, *FILES.mutations, *FILES.subscriptions)
WITHOUT_IDS = {"knowledgeBases", "createKnowledgeBase"}


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    models = ComputedModels(answer_of)
    async with open_knowledge_api(database, redis_url, tmp_path, llm=models) as api:
        yield api


@dataclass(frozen=True)
class Private:
    """A base of one user with a document in each way there is, and the ids of everything in it."""

    owner: Principal
    ids: dict[str, str]


@pytest.fixture
async def private(api: KnowledgeApi, make: Factory) -> Private:
    owner = await make.principal()
    await make.model(owner, is_default=True)
    base = await api.new_base(owner, name="Zanzibar")
    file = await api.upload(owner, "kettle-7731.md", b"# Kettle\n\nThe kettle boils at noon.")
    sources = [{"file": {"fileId": file}}]
    added = await api.mutate(owner, "addDocuments", "batch { id }", knowledgeBaseId=base, sources=sources)
    await api.ingestion.drain()
    listing = "query ($id: ID!) { documents(knowledgeBaseId: $id) { nodes { id } } }"
    (document,) = (await api.ask(owner, listing, id=base))["nodes"]
    (chunk,) = (await api.ask(owner, CHUNKS, id=document["id"]))["nodes"]
    await api.mutate(owner, "updateDocumentChunk", "chunk { id }", chunkId=chunk["id"], keywords=["samovar"])
    await api.ingestion.drain()
    summarized = await api.mutate(owner, "summarizeKnowledgeBase", "summary { id }", knowledgeBaseId=base)
    await api.mutate(owner, "buildKnowledgeGraph", "graph { state }", knowledgeBaseId=base)
    await api.ingestion.drain()
    ids = {"knowledgeBaseId": base, "documentId": document["id"], "chunkId": chunk["id"]}
    further = {"batchId": added["batch"]["id"], "fileId": file, "summaryId": summarized["summary"]["id"]}
    return Private(owner, {**ids, **further})


async def call(api: KnowledgeApi, actor: Principal, generated: GeneratedCall) -> list[Answer]:
    """Return the answer or, of a subscription, what comes within a moment."""
    if generated.kind != "subscription":
        return [await api.answer(actor, generated.query, **generated.variables)]
    answers: list[Answer] = []
    try:
        async with asyncio.timeout(1), aclosing(api.subscribe(actor, generated.query, **generated.variables)) as stream:
            answers.extend([answer async for answer in stream])
    except TimeoutError:
        pass
    return answers


def calls(private: Private) -> list[GeneratedCall]:
    """Return calls of every field of knowledge bases, of `node` and `nodes`, and of those of files that take a file."""
    fields = (FIELDS - WITHOUT_IDS) | {"node", "nodes"}
    generated = [
        each
        for each in generated_calls(schema().core, private.ids)
        if each.field in fields or each.field in FILE_FIELDS
    ]
    called = {each.field for each in generated}
    assert called - FILE_FIELDS == fields
    assert {"file", "renameFile", "deleteFile"} <= called
    return generated


def leaked(answers: list[Answer], secrets: tuple[str, ...]) -> list[str]:
    written = json.dumps([(answer.data, answer.errors) for answer in answers], ensure_ascii=False)
    return [secret for secret in secrets if secret in written]


async def digests(api: KnowledgeApi, owner: Principal) -> list[str]:
    async with api.ingestion.database.read(owner.tenant_id) as session:
        return [str((await session.execute(text(DIGEST.format(table=table)))).scalar_one()) for table in TABLES]


async def join_and_leave(api: KnowledgeApi, private: Private, other: Principal) -> None:
    """Share the base with a group, and remove its only member after that one has seen the base."""
    users = [global_id("User", other.user_id)]
    created = await api.mutate(private.owner, "createGroup", "group { id }", name="Support", userIds=users)
    group, base = created["group"]["id"], private.ids["knowledgeBaseId"]
    groups = [{"groupId": group, "permission": "WRITE"}]
    await api.mutate(private.owner, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, groups=groups)
    assert (await api.ask(other, CHUNKS, id=private.ids["documentId"]))["nodes"]
    await api.mutate(private.owner, "removeGroupMembers", "group { id }", groupId=group, userIds=users)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("who", ["a colleague", "a stranger", "a former member"])
async def test_no_field_shows_or_changes_a_base_that_is_not_shared(
    api: KnowledgeApi, private: Private, make: Factory, who: str
) -> None:
    beside = None if who == "a stranger" else private.owner
    other = await make.principal(Role.MEMBER, beside=beside)
    if who == "a former member":
        await join_and_leave(api, private, other)
    before = await digests(api, private.owner)
    for generated in calls(private):
        answers = await call(api, other, generated)
        assert leaked(answers, SECRETS) == [], generated
        for answer in answers:
            codes = {error["extensions"]["code"] for error in answer.errors}
            assert "INTERNAL_SERVER_ERROR" not in codes, (generated, answer.errors)
    assert await digests(api, private.owner) == before


@pytest.mark.timeout(240)
async def test_no_field_shows_a_deleted_document_even_before_its_space_is_freed(
    api: KnowledgeApi, private: Private
) -> None:
    reads = [each for each in calls(private) if each.kind == "query"]
    visible = [each.field for each in reads if leaked(await call(api, private.owner, each), SECRETS[1:])]
    expected = {
        "document",
        "documents",
        "documentChunks",
        "searchKnowledge",
        "previewChunks",
        "knowledgeSummary",
        "graph",
        "node",
    }
    assert expected <= set(visible)
    await api.mutate(private.owner, "deleteDocument", "deletedId", documentId=private.ids["documentId"])
    for generated in reads:
        if private.ids["fileId"] not in str(generated.variables):  # the file is the owner's still
            assert leaked(await call(api, private.owner, generated), SECRETS[1:]) == [], generated
