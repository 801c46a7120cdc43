"""Documents that clients name: trusted ones, and automatic ones."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from click.testing import CliRunner

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.adapters.document_store_memory import MemoryDocumentStore
from nexent_gql.api.settings import ApiSettings, CostSettings, PersistedSettings
from nexent_gql.cli import cli
from nexent_gql.db.session import Database
from nexent_gql.domains.persisted_queries.errors import DocumentChangedError
from nexent_gql.domains.persisted_queries.service import PersistedQueryService, Synced
from nexent_gql.kernel.clock import utc_now
from tests.support.api_server import Api, serve
from tests.support.sockets import ready

HELLO = 'query Hello($name: String! = "you") { hello(name: $name) }'
Only = Literal["any", "log", "trusted"]
Answer = tuple[int, Mapping[str, Any]]


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def by_hash(text: str, version: int = 1) -> dict[str, object]:
    return {"persistedQuery": {"version": version, "sha256Hash": digest(text)}}


@pytest.fixture
def persisted(database: Database) -> PersistedQueryService:
    return PersistedQueryService(database, MemoryDocumentStore(100_000), utc_now)


@dataclass
class Client:
    """Asks one server."""

    api: Api
    http: httpx2.AsyncClient

    async def post(self, **members: object) -> Answer:
        answer = await self.http.post(self.api.url, json=members, headers={"Authorization": "Bearer developer"})
        return answer.status_code, answer.json()

    async def get(self, **parameters: str) -> Answer:
        answer = await self.http.get(self.api.url, params=parameters)
        return answer.status_code, answer.json()

    async def code(self, **members: object) -> str:
        _, answer = await self.post(**members)
        return str(answer["errors"][0]["extensions"]["code"])


@asynccontextmanager
async def client(persisted: PersistedQueryService, only: Only = "any", **changes: bool) -> AsyncGenerator[Client]:
    documents = PersistedSettings.model_validate({"only": only} | changes)
    async with (
        serve(ApiSettings(documents=documents), persisted_queries=persisted) as api,
        httpx2.AsyncClient(trust_env=False, headers={"accept": "application/graphql-response+json"}) as http,
    ):
        yield Client(api, http)


async def test_documents_of_the_server_itself_are_trusted_without_being_registered(database: Database) -> None:
    texts = MemoryDocumentStore(100_000)
    persisted = PersistedQueryService(database, texts, utc_now, {digest(HELLO): HELLO})
    async with client(persisted, only="trusted") as one:
        for members in ({"documentId": f"sha256:{digest(HELLO)}"}, {"query": HELLO}):
            assert await one.post(**members) == (200, {"data": {"hello": "Hello you"}})
        assert await one.code(query="{ __typename }") == "DOCUMENT_NOT_TRUSTED"


async def test_a_document_sent_once_is_known_by_its_hash(persisted: PersistedQueryService) -> None:
    async with client(persisted) as one:
        status, missing = await one.post(extensions=by_hash(HELLO))
        assert status == 404
        (error,) = missing["errors"]
        assert (error["message"], error["extensions"]["code"]) == (
            "PersistedQueryNotFound",
            "PERSISTED_QUERY_NOT_FOUND",
        )
        hello = {"data": {"hello": "Hello you"}}
        assert await one.post(query=HELLO, extensions=by_hash(HELLO)) == (200, hello)
        assert await one.post(extensions=by_hash(HELLO)) == (200, hello)
        assert await one.post(documentId=f"sha256:{digest(HELLO)}") == (200, hello)
        assert await one.get(extensions=json.dumps(by_hash(HELLO)), variables='{"name":"Ada"}') == (
            200,
            {"data": {"hello": "Hello Ada"}},
        )
        assert await one.get(documentId=digest(HELLO)) == (200, hello)


async def test_sockets_and_streams_take_names_too(persisted: PersistedQueryService) -> None:
    ticks = "subscription { ticks(upto: 1) { cursor } }"
    await persisted.register(ticks)
    async with client(persisted) as one:
        async with ready(one.api) as socket:
            await socket.send({"id": "a", "type": "subscribe", "payload": {"extensions": by_hash(ticks)}})
            assert (await socket.all_of("a"))[0]["payload"] == {"data": {"ticks": {"cursor": "1"}}}
            await socket.send({"id": "b", "type": "subscribe", "payload": {"documentId": digest(HELLO)}})
            (refused,) = await socket.all_of("b")
            assert refused["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        headers = {"Authorization": "Bearer developer", "accept": "text/event-stream"}
        streamed = await one.http.post(one.api.url, json={"documentId": digest(ticks)}, headers=headers)
        assert 'data: {"data":{"ticks":{"cursor":"1"}}}' in streamed.text


async def test_odd_names_are_refused(persisted: PersistedQueryService) -> None:
    odd: list[tuple[dict[str, object], str]] = [
        ({"query": HELLO, "extensions": by_hash("{ hello }")}, "PERSISTED_QUERY_HASH_MISMATCH"),
        ({"extensions": by_hash(HELLO, version=2)}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ABC"}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 7}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": []}}, "BAD_REQUEST"),
        ({"documentId": 7}, "BAD_REQUEST"),
        ({"query": HELLO, "documentId": digest(HELLO)}, "BAD_REQUEST"),
        ({"documentId": ""}, "BAD_REQUEST"),
        ({"documentId": "nobody's"}, "PERSISTED_QUERY_NOT_FOUND"),
    ]
    await persisted.register(HELLO)
    async with client(persisted) as one:
        assert [await one.code(**members) for members, _ in odd] == [code for _, code in odd]


async def test_what_is_not_valid_or_not_allowed_is_not_kept(persisted: PersistedQueryService) -> None:
    async with client(persisted) as one:
        for text in ("{ nope }", "{", "{ __schema { types { name } } } #" + "x" * 70_000):
            await one.post(query=text, extensions=by_hash(text))
            assert await persisted.automatic(digest(text)) is None


@pytest.mark.parametrize("text", ["{ }", "{ toys { } }", "{ ... @defer { } }"])
async def test_empty_selection_sets_are_kept_like_others(persisted: PersistedQueryService, text: str) -> None:
    async with client(persisted) as one:
        assert (await one.post(query=text, extensions=by_hash(text)))[0] == 200
        assert await persisted.automatic(digest(text)) == text
        assert (await one.post(extensions=by_hash(text)))[0] == 200


async def test_a_document_id_may_stand_among_the_extensions(persisted: PersistedQueryService) -> None:
    await persisted.sync({"a1": HELLO})
    async with client(persisted) as one:
        hello = (200, {"data": {"hello": "Hello you"}})
        assert await one.post(extensions={"documentId": "a1"}) == hello
        assert await one.post(query="", extensions={"documentId": "a1"}) == hello
        assert await one.code(extensions={"documentId": 7}) == "BAD_REQUEST"


async def test_automatic_documents_can_be_switched_off(persisted: PersistedQueryService) -> None:
    async with client(persisted, automatic=False) as one:
        assert (await one.post(query=HELLO, extensions=by_hash(HELLO)))[0] == 200
        assert await one.code(extensions=by_hash(HELLO)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_registered_documents_only(persisted: PersistedQueryService) -> None:
    await persisted.sync({"a1": HELLO})
    await persisted.register("{ hello }")
    async with client(persisted, only="trusted") as one:
        hello = (200, {"data": {"hello": "Hello you"}})
        assert await one.post(documentId="a1") == hello
        assert await one.get(documentId="a1") == hello
        assert await one.post(query=HELLO) == hello, "the very text is as good as its name"
        assert await one.code(query="{ hello }") == "DOCUMENT_NOT_TRUSTED"
        assert await one.code(query="{ hello }", extensions=by_hash("{ hello }")) == "DOCUMENT_NOT_TRUSTED"
        assert await one.code(extensions=by_hash("{ hello }")) == "PERSISTED_QUERY_NOT_FOUND"
        async with ready(one.api) as socket:
            await socket.subscribe("a", "{ hello }")
            (refused,) = await socket.all_of("a")
            assert refused["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
    async with client(persisted, only="log") as one:
        assert await one.post(query="{ hello }") == hello


async def test_a_manifest_is_registered_once_and_never_changes_a_text(persisted: PersistedQueryService) -> None:
    assert await persisted.sync({"a": "{ a }", "b": "{ b }"}) == Synced(added=2, unchanged=0, removed=0)
    assert await persisted.sync({"b": "{ b }", "c": "{ c }"}) == Synced(added=1, unchanged=1, removed=0)
    with pytest.raises(DocumentChangedError, match="another text: b"):
        await persisted.sync({"b": "{ b2 }", "d": "{ d }"})
    assert [await persisted.trusted(id_) for id_ in "abc"] == ["{ a }", "{ b }", "{ c }"]
    assert await persisted.sync({"b": "{ b2 }"}, prune=True) == Synced(added=1, unchanged=0, removed=3)


async def test_another_process_finds_what_was_registered(database: Database, persisted: PersistedQueryService) -> None:
    elsewhere = PersistedQueryService(database, MemoryDocumentStore(1_000), utc_now)
    await persisted.sync({"a": "{ a }"})
    assert await elsewhere.trusted("a") == "{ a }"
    assert await elsewhere.is_trusted("{ a }")
    assert not await elsewhere.is_trusted("{ b }")


async def test_registering_is_charged(persisted: PersistedQueryService) -> None:
    settings = ApiSettings(cost=CostSettings(user_points=1_000, user_restore_per_s=0.001))
    async with (
        serve(settings, persisted_queries=persisted, budgets=MemoryBudgets()) as api,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        one = Client(api, http)
        long = HELLO + " #" + "x" * 9_000
        _, answer = await one.post(query=long, extensions=by_hash(long))
        assert answer["extensions"]["cost"]["requested"] == 1 + 2 * (len(long) // 100), "validated, then registered"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["documents", "sync", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must contain one JSON object"),
        ('{"a": 7}', "must map hashes to texts"),
        ('{"a": "{ nope }"}', "a: Cannot query field"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    monkeypatch.setenv("NEXENT_DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("NEXENT_SYSTEM_DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("NEXENT_REDIS_URL", "redis://localhost/0")
    monkeypatch.setenv("NEXENT_SECRET_KEY", "k" * 32)
    manifest = tmp_path / "persisted-documents.json"
    manifest.write_text(content)
    code, output = run(str(manifest))
    assert code == 1
    assert message in output


def test_sync_tells_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, system_database_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("NEXENT_DATABASE_URL", database_url)
    monkeypatch.setenv("NEXENT_SYSTEM_DATABASE_URL", system_database_url)
    monkeypatch.setenv("NEXENT_REDIS_URL", redis_url)
    monkeypatch.setenv("NEXENT_SECRET_KEY", "k" * 32)
    manifest = tmp_path / "persisted-documents.json"
    manifest.write_text(json.dumps({"a": "{ viewer { user { id } } }", "b": "query B { viewer { user { email } } }"}))
    assert run(str(manifest)) == (0, "2 documents added, 0 unchanged, 0 removed\n")
    assert run(str(manifest)) == (0, "0 documents added, 2 unchanged, 0 removed\n")
    manifest.write_text(json.dumps({"a": "{ viewer { user { id } } }"}))
    assert run(str(manifest), "--prune") == (0, "0 documents added, 1 unchanged, 1 removed\n")
