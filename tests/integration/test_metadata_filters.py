"""Searches filtered by metadata of documents: their attributes, authors, titles, types, languages and dates."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.attributes import DocumentAttribute
from nexent_gql.domains.knowledge.conditions import ConditionField, DocumentCondition, MetadataFilter
from nexent_gql.domains.knowledge.policy import DocumentPatch, DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.searching import KnowledgeSearch, KnowledgeSearchService, SearchAnswer
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.search_index import SearchFilter
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.knowledge_tools import call_search_tool

NONE: frozenset[str] = frozenset()
SEARCH = """query ($input: SearchKnowledgeInput!) { searchKnowledge(input: $input) {
    matchingDocumentCount hits { chunk { text } document { authors authoredAt attributes { key values } } } } }"""
FIELD = ConditionField
MAIL = b"""From: Ada Lovelace <ada@example.org>
To: ben@example.org
Date: Fri, 13 Nov 2026 09:00:00 +0000
Subject: Nets
Content-Type: text/plain

A fish swims into the net of the engine.
"""


def tags(*values: str) -> DocumentAttribute:
    return DocumentAttribute("tags", values)


def tagged(*values: str, key: str = "tags") -> DocumentCondition:
    return DocumentCondition(FIELD.ATTRIBUTE, values, key)


def texts(answer: SearchAnswer) -> list[str]:
    return sorted(passage.chunk.content for passage in answer.passages)


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
def services(api: KnowledgeApi) -> Ingestion:
    return api.ingestion


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def base_id(services: Ingestion, actor: Principal) -> UUID:
    return (await services.bases.create(actor, KnowledgeBaseDraft("Manuals"))).id


async def add(services: Ingestion, actor: Principal, base_id: UUID, name: str, *attributes: DocumentAttribute) -> UUID:
    """Add a document whose text is `fish` and its name."""
    source = DocumentSource(text=f"fish {name}", name=name)
    row = await services.documents.add(actor, base_id, source, attributes=attributes)
    await services.drain()
    return row.document.id


async def test_conditions_limit_the_documents(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    source = DocumentSource(file_id=(await services.upload(actor, "net.eml", MAIL)).id)
    await services.documents.add(actor, base_id, source)
    await add(services, actor, base_id, "Atlas", tags("sea", "map"), DocumentAttribute("部门", ("研发",)))
    await add(services, actor, base_id, "Menu", tags("sea", "food"))
    mail, atlas, menu = "net of the engine", "fish Atlas", "fish Menu"
    soon, mail_date = utc_now() + timedelta(hours=1), datetime(2026, 11, 13, 9, tzinfo=UTC)
    second = timedelta(seconds=1)
    author = DocumentCondition(FIELD.AUTHORS, ("ADA LOVELACE",))
    for conditions, parts in (
        (MetadataFilter((tagged("sea"),)), {atlas, menu}),
        (MetadataFilter((tagged("map", "food"),)), {atlas, menu}),
        (MetadataFilter((tagged("sea"), tagged("food"))), {menu}),
        (MetadataFilter((tagged("SEA"),)), NONE),
        (MetadataFilter((tagged("sea", key="other"),)), NONE),
        (MetadataFilter((tagged("研发", key="部门"),)), {atlas}),
        (MetadataFilter((DocumentCondition(FIELD.TITLE_CONTAINS, ("MEN",)),)), {menu}),
        (MetadataFilter((DocumentCondition(FIELD.TITLE_CONTAINS, ("%",)),)), NONE),
        (MetadataFilter((author,)), {mail}),
        (MetadataFilter((DocumentCondition(FIELD.AUTHORS, ("ada@example.org",)),)), {mail}),
        (MetadataFilter((DocumentCondition(FIELD.AUTHORS, ("Ada",)),)), NONE),
        (MetadataFilter((DocumentCondition(FIELD.MEDIA_TYPES, ("Message/RFC822",)),)), {mail}),
        (MetadataFilter((DocumentCondition(FIELD.LANGUAGES, ("xx",)),)), NONE),
        (MetadataFilter((DocumentCondition(FIELD.AUTHORED, start=mail_date, before=mail_date + second),)), {mail}),
        (MetadataFilter((DocumentCondition(FIELD.AUTHORED, before=mail_date),)), NONE),
        (MetadataFilter((DocumentCondition(FIELD.CREATED, before=soon),)), {mail, atlas, menu}),
        (MetadataFilter((DocumentCondition(FIELD.CREATED, start=soon),)), NONE),
        (MetadataFilter(any_of=(author, tagged("food"))), {mail, menu}),
        (MetadataFilter((tagged("sea"),), (author, tagged("food"))), {menu}),
    ):
        answer = await services.searches.search(actor, KnowledgeSearch("fish", (base_id,), metadata=conditions))
        assert answer.matching_count == len(parts), (conditions, texts(answer))
        assert all(any(part in content for part in parts) for content in texts(answer)), conditions
        assert len(answer.passages) == len(parts), conditions


async def test_conditions_and_named_documents_hold_together(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    first = await add(services, actor, base_id, "one", tags("sea"))
    await add(services, actor, base_id, "two", tags("sea"))
    search = KnowledgeSearch("fish", (base_id,), metadata=MetadataFilter((tagged("sea"),)))
    for named, expected in ((None, ["fish one", "fish two"]), ((first,), ["fish one"]), ((new_id(),), [])):
        answer = await services.searches.search(actor, replace(search, filter=SearchFilter(document_ids=named)))
        assert texts(answer) == expected


async def test_a_change_of_attributes_counts_from_its_commit_on(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    document_id = await add(services, actor, base_id, "one", tags("sea"))
    search = KnowledgeSearch("fish", (base_id,), metadata=MetadataFilter((tagged("sea"),)))
    assert texts(await services.searches.search(actor, search)) == ["fish one"]
    row = await services.documents.update(actor, document_id, DocumentPatch(name="New", attributes=(tags("land"),)))
    assert (row.document.name, row.document.attributes) == ("New", {"tags": ["land"]})
    assert texts(await services.searches.search(actor, search)) == []
    await services.documents.replace(actor, document_id, DocumentSource(text="fish two", name="New"))
    await services.drain()
    landed = replace(search, metadata=MetadataFilter((tagged("land"),)))
    assert texts(await services.searches.search(actor, landed)) == ["fish two"]
    await services.documents.delete(actor, document_id)
    answer = await services.searches.search(actor, landed)
    assert (texts(answer), answer.matching_count) == ([], 0)


async def test_conditions_see_readable_bases_only(
    services: Ingestion, actor: Principal, base_id: UUID, make: Factory
) -> None:
    await add(services, actor, base_id, "mine", tags("sea"))
    colleague, stranger = await make.principal(beside=actor), await make.principal()
    for other in (colleague, stranger):
        draft = KnowledgeBaseDraft("Theirs", access=KnowledgeAccess.TENANT_READ)
        own = (await services.bases.create(other, draft)).id
        await add(services, other, own, "theirs", tags("sea"))
        answer = await services.searches.search(
            other, KnowledgeSearch("fish", (own,), metadata=MetadataFilter((tagged("sea"),)))
        )
        assert (texts(answer), answer.matching_count) == (["fish theirs"], 1)


async def test_more_documents_than_can_be_filtered_are_an_error(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    searches = KnowledgeSearchService(
        services.database, services.index, services.embedder, services.reranker, max_matching=2
    )
    search = KnowledgeSearch("fish", (base_id,), metadata=MetadataFilter((tagged("sea"),)))
    for name in ("one", "two"):
        await add(services, actor, base_id, name, tags("sea"))
    assert texts(await searches.search(actor, search)) == ["fish one", "fish two"]
    await add(services, actor, base_id, "three", tags("sea"))
    with pytest.raises(InvalidInputError) as failure:
        await searches.search(actor, search)
    assert failure.value.path == ("filter",)


HOSTILE_KEYS = ("", " ", "a" * 51, "1a", "$where", "a'b", "a\0b", "a\nb", "__proto__", "a\u202eb", "\ud800")
HOSTILE_VALUES = ("", " ", "v" * 201, "a\0b", "a\nb", "a\u202eb", "\ud800")


async def test_hostile_keys_and_values_are_named(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    place = ("filter", "allOf", "0")
    cases = [(tagged("x", key=key), (*place, "attribute", "key")) for key in HOSTILE_KEYS]
    cases += [(tagged("x", value), (*place, "attribute", "values", "1")) for value in HOSTILE_VALUES]
    cases += [
        (DocumentCondition(field, (value,)), (*place, field, "0"))
        for field in (FIELD.AUTHORS, FIELD.LANGUAGES, FIELD.MEDIA_TYPES)
        for value in HOSTILE_VALUES
    ]
    cases += [(DocumentCondition(FIELD.TITLE_CONTAINS, (v,)), (*place, "titleContains")) for v in HOSTILE_VALUES]
    cases += [
        (tagged(), (*place, "attribute", "values")),
        (tagged(*map(str, range(101))), (*place, "attribute", "values")),
        (DocumentCondition(FIELD.AUTHORS), (*place, "authors")),
        (DocumentCondition(FIELD.CREATED), (*place, "created")),
        (DocumentCondition(FIELD.AUTHORED, start=utc_now(), before=utc_now() - timedelta(1)), (*place, "authored")),
    ]
    for condition, path in cases:
        search = KnowledgeSearch("fish", (base_id,), metadata=MetadataFilter((condition,)))
        with pytest.raises(InvalidInputError) as failure:
            await services.searches.search(actor, search)
        assert failure.value.path == path, condition
    many = MetadataFilter((tagged("x"),) * 15, (tagged("x"),) * 6)
    with pytest.raises(InvalidInputError) as failure:
        await services.searches.search(actor, KnowledgeSearch("fish", (base_id,), metadata=many))
    assert failure.value.path == ("filter",)


async def test_hostile_attributes_are_named(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    cases = [((tags("x"), DocumentAttribute(key, ("x",))), ("1", "key")) for key in (*HOSTILE_KEYS, "tags", " tags ")]
    cases += [((tags("x", value),), ("0", "values", "1")) for value in HOSTILE_VALUES]
    cases += [((tags(),), ("0", "values")), ((tags(*map(str, range(21))),), ("0", "values"))]
    cases += [(tuple(DocumentAttribute(f"k{number}", ("x",)) for number in range(21)), ())]
    document_id = await add(services, actor, base_id, "one")
    for attributes, path in cases:
        with pytest.raises(InvalidInputError) as failure:
            await services.documents.update(actor, document_id, DocumentPatch(attributes=attributes))
        assert failure.value.path == ("attributes", *path), attributes


async def test_clients_set_attributes_and_filter_by_them(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    document = await api.add_text(actor, base, "A red fish.")
    sources = [{"text": {"name": name, "content": f"A {name} fish."}} for name in ("blue", "green")]
    await api.mutate(
        actor,
        "addDocuments",
        "batch { documentCount }",
        knowledgeBaseId=base,
        sources=sources,
        attributes=[{"key": "tags", "values": ["new"]}],
    )
    await api.ingestion.drain()
    updated = await api.mutate(
        actor,
        "updateDocument",
        "document { name attributes { key values } }",
        documentId=document,
        name="Red",
        attributes=[{"key": "tags", "values": ["old", "red", "old"]}, {"key": "Class", "values": ["1"]}],
    )
    attributes = [{"key": "Class", "values": ["1"]}, {"key": "tags", "values": ["old", "red"]}]
    assert updated["document"] == {"name": "Red", "attributes": attributes}
    old = {"attribute": {"key": "tags", "values": ["old"]}}
    blue = {"titleContains": "BLUE"}
    search = {"query": "fish", "knowledgeBaseIds": [base], "filter": {"anyOf": [old, blue]}}
    answer = await api.ask(actor, SEARCH, input=search)
    assert answer["matchingDocumentCount"] == 2
    assert {hit["chunk"]["text"] for hit in answer["hits"]} == {"A red fish.", "A blue fish."}
    both = await api.ask(actor, SEARCH, input=search | {"filter": {"allOf": [old, blue]}})
    assert both == {"matchingDocumentCount": 0, "hits": []}
    cleared = await api.mutate(
        actor, "updateDocument", "document { attributes { key } }", documentId=document, attributes=None
    )
    assert cleared["document"] == {"attributes": []}
    refused = await api.mutate(actor, "updateDocument", "document { id }", documentId=document, name=" ")
    assert (refused["code"], refused["path"]) == ("BAD_USER_INPUT", ["input", "name"])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"authors": ["Ada"], "languages": ["en"]}, "exactly one"),
        ({"authors": None}, ""),
        ({"created": {"from": "9999-12-31T23:59:59-12:00"}}, "DateTime"),
        ({"attribute": {"key": "a\u0000", "values": ["x"]}}, "U+0000"),
    ],
)
async def test_a_wrong_condition_of_a_client_is_its_mistake(
    api: KnowledgeApi, actor: Principal, condition: dict[str, object], message: str
) -> None:
    base = await api.new_base(actor)
    search = {"query": "fish", "knowledgeBaseIds": [base], "filter": {"allOf": [condition]}}
    answer = await api.answer(actor, SEARCH, input=search)
    (error,) = answer.errors
    assert "errorId" not in (error.get("extensions") or {})
    assert message.lower() in str(error["message"]).lower()


async def test_agents_filter_too(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    await add(services, actor, base_id, "one", tags("sea"))
    await add(services, actor, base_id, "two", tags("land"))
    sea: JsonObject = {"attributes": [{"key": "tags", "values": ["sea"]}]}
    result = await call_search_tool(services, actor, base_id, query="fish", filter=sea)
    assert [source.quote for source in result.sources] == ["fish one"]
    result = await call_search_tool(services, actor, base_id, query="fish", filter=sea | {"title_contains": "two"})
    assert (result.sources, "No document matches the filter" in result.output) == ((), True)
    wrong: list[tuple[JsonObject, str]] = [
        ({"attributes": [{"key": "$x", "values": ["sea"]}]}, "filter.allOf.0.attribute.key"),
        ({"authors": ["a\0"]}, "filter.allOf.0.authors.0"),
        ({"created_from": "yesterday"}, "filter.created_from"),
        ({"where": "1=1"}, "filter.where"),
    ]
    for filters, name in wrong:
        result = await call_search_tool(services, actor, base_id, query="fish", filter=filters)
        assert result.error is not None
        assert name in result.output
