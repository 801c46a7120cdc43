"""Documents are ingested once and whole while workers are killed and Valkey restarts."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import cast
from uuid import UUID

import httpx2
import jwt
import psutil
import pytest
from sqlalchemy import text

from nexent_gql.api.schema.relay import parse_id
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from tests.support.graphql_client import Client, Data
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

DOCUMENTS = int(os.environ.get("INGESTION_DOCUMENTS", "24"))
KILLS = int(os.environ.get("INGESTION_KILLS", "4"))
WORKER = r"-m workers\b"
VALKEY = r"^\S*valkey-server\b"
CREATE = """mutation ($input: CreateKnowledgeBaseInput!) { createKnowledgeBase(input: $input) {
    ... on CreateKnowledgeBasePayload { knowledgeBase { id eventsCursor } } ... on Error { message code } } }"""
UPLOAD = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
    ... on CreateUploadPayload { upload { id parts { url } } } ... on Error { message code } } }"""
COMPLETE = """mutation ($input: CompleteUploadInput!) { completeUpload(input: $input) {
    ... on CompleteUploadPayload { file { id } } ... on Error { message code } } }"""
DELETE_FILE = """mutation ($input: DeleteFileInput!) { deleteFile(input: $input) {
    ... on DeleteFilePayload { deletedId } ... on Error { message code } } }"""
ADD = """mutation ($input: AddDocumentsInput!) { addDocuments(input: $input) {
    ... on AddDocumentsPayload { batch { id documentCount } } ... on Error { message code } } }"""
BATCH = "query ($id: ID!) { documentBatch(id: $id) { state readyCount failedCount cancelledCount } }"
DELETE = """mutation ($input: DeleteKnowledgeBaseInput!) { deleteKnowledgeBase(input: $input) {
    ... on DeleteKnowledgeBasePayload { deletedId } ... on Error { message code } } }"""
EVENTS = """subscription ($id: ID!, $after: String) { documentEvents(knowledgeBaseId: $id, after: $after) {
    __typename seq cursor ... on DocumentStateChanged { documentId state } } }"""
CHUNKS = """
    SELECT d.name, c.ordinal, c.content FROM chunk AS c JOIN document AS d ON d.id = c.document_id
     WHERE c.knowledge_base_id = :base ORDER BY d.name, c.ordinal
"""
INDEXED = """
    SELECT count(*), count(DISTINCT c.chunk_id) FROM search_chunk AS c
      JOIN search_version AS v ON v.version_id = c.version_id
     WHERE v.knowledge_base_id = :base AND v.is_live
"""
LEFT = """
    SELECT (SELECT count(*) FROM chunk WHERE knowledge_base_id = :base)
         + (SELECT count(*) FROM search_version WHERE knowledge_base_id = :base)
         + (SELECT count(*) FROM document WHERE knowledge_base_id = :base)
         + (SELECT count(*) FROM knowledge_base WHERE id = :base)
"""
ENDED = {"READY", "FAILED", "CANCELLED"}
STATES = """
    SELECT d.name, v.state, v.code, v.chunk_count FROM document AS d
      JOIN document_version AS v ON v.id = d.latest_version_id WHERE d.knowledge_base_id = :base ORDER BY d.name
"""
FOLDER = Path(__file__).parents[1] / "documents"
FILES = ("pdf/nine-pages.pdf", "docx/zh-ocr-test.docx", "xlsx/formats.xlsx", "pdf/scan-en.pdf")
"""The last one has no text, so its documents fail."""
BATCH_SIZE = 100


async def upload(client: Client, name: str, content: bytes) -> str:
    """Upload a file and return its id."""
    created = (await client.one(UPLOAD, input={"name": name, "sizeBytes": len(content)}))["upload"]
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        assert (await http.put(created["parts"][0]["url"], content=content)).status_code == 204
    return str((await client.one(COMPLETE, input={"uploadId": created["id"]}))["file"]["id"])


def sources(files: Sequence[str]) -> list[Data]:
    """Return documents of some chunks each: every second one is a file."""
    documents: list[Data] = []
    for number in range(DOCUMENTS):
        name = f"Document {number:03}"
        parts = (f"# Part {part} of {number}\n\n{f'Sentence {number} tells something. ' * 30}" for part in range(4))
        text_source = {"text": {"name": name, "content": "\n\n".join(parts)}}
        file_source = {"file": {"name": name, "fileId": files[number // 2 % len(files)]}}
        documents.append(file_source if number % 2 else text_source)
    return documents


async def ingest(client: Client, name: str, documents: Sequence[Data]) -> tuple[UUID, str, list[str], str]:
    """Add documents to a new base; return its key and id, the batches' ids, and the cursor before its first event."""
    chunking = {"strategy": "STRUCTURE", "maxWords": 60}
    base = (await client.one(CREATE, input={"name": name, "chunking": chunking}))["knowledgeBase"]
    batches: list[str] = []
    for start in range(0, len(documents), BATCH_SIZE):
        values = {"knowledgeBaseId": base["id"], "sources": documents[start : start + BATCH_SIZE]}
        batches.append((await client.one(ADD, input=values))["batch"]["id"])
    key = parse_id(base["id"], "KnowledgeBase")
    assert key is not None
    return key, base["id"], batches, base["eventsCursor"]


async def until_ended(client: Client, base_id: str, cursor: str, kill: Callable[[int], Awaitable[None]]) -> list[int]:
    """Follow a base, across reconnects, until all documents have ended; return the numbers of all events.

    Args:
        client: Follows.
        base_id: The base.
        cursor: From where on.
        kill: Is called with the number of ended documents, after each of them.
    """
    seqs: list[int] = []
    ended: set[str] = set()
    while len(ended) < DOCUMENTS:
        with suppress(OSError, EOFError):
            async with aclosing(client.subscribe(EVENTS, id=base_id, after=cursor)) as stream:
                async for data in stream:
                    event = data["documentEvents"]
                    assert event["__typename"] == "DocumentStateChanged", event
                    seqs.append(event["seq"])
                    cursor = event["cursor"]
                    if event["state"] in ENDED:
                        ended.add(event["documentId"])
                        await kill(len(ended))
                    if len(ended) == DOCUMENTS:
                        break
    return seqs


async def spare(_ended: int) -> None:
    """Take the place of a `Killer` where nothing is to be disturbed."""


class Killer:
    """Kills a worker each time that a further part of the documents has ended, and Valkey once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._random = Random(16)  # noqa: S311 - chooses whom to kill
        self.worker_kills = 0
        self.valkey_kills = 0

    async def __call__(self, ended: int) -> None:
        """Kill what is due after so many documents have ended."""
        while self.worker_kills < KILLS and ended >= (self.worker_kills + 1) * DOCUMENTS // (KILLS + 2):
            await self._kill(WORKER)
            self.worker_kills += 1
        if not self.valkey_kills and ended >= DOCUMENTS // 2:
            await self._kill(VALKEY)
            self.valkey_kills += 1

    async def _kill(self, words: str) -> None:
        async with asyncio.timeout(60):
            while not (processes := self._installation.processes(words)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        with suppress(psutil.NoSuchProcess):
            self._random.choice(processes).send_signal(signal.SIGKILL)


@asynccontextmanager
async def database_of(installation: Installation) -> AsyncGenerator[Database]:
    facts = cast("dict[str, str]", json.loads((installation.state_dir / "connection.json").read_text()))
    engine = create_engine(facts["database_url"], pool_size=2)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


async def rows(database: Database, tenant: UUID, statement: str, base: UUID) -> Sequence[tuple[object, ...]]:
    async with database.read(tenant) as session:
        return [tuple(row) for row in (await session.execute(text(statement), {"base": base})).all()]


@pytest.mark.timeout(1_800)
async def test_no_document_is_lost_or_doubled_while_workers_are_killed(
    installation: Installation, client: Client, token: str
) -> None:
    files = [await upload(client, Path(path).name, (FOLDER / path).read_bytes()) for path in FILES]
    documents, began = sources(files), time.monotonic()
    calm, calm_id, _, cursor = await ingest(client, "Undisturbed", documents)
    seqs = await until_ended(client, calm_id, cursor, spare)
    assert seqs == list(range(1, len(seqs) + 1))
    calm_s, began = time.monotonic() - began, time.monotonic()

    disturbed, disturbed_id, batches, cursor = await ingest(client, "Disturbed", documents)
    killer = Killer(installation)
    seqs = await until_ended(client, disturbed_id, cursor, killer)
    assert seqs == list(range(1, len(seqs) + 1))
    assert (killer.worker_kills, killer.valkey_kills) == (KILLS, 1)
    figures = f"{calm_s:.0f} s undisturbed, {time.monotonic() - began:.0f} s with {KILLS} kills"
    print(f"{DOCUMENTS} documents: {figures}")  # noqa: T201 - `make ingestion-faults` shows it
    answers = [await client.one(BATCH, id=batch) for batch in batches]
    assert {answer["state"] for answer in answers} == {"PARTIAL"}

    tenant = UUID(str(jwt.decode(token, options={"verify_signature": False})["tid"]))
    async with database_of(installation) as database:
        states = await rows(database, tenant, STATES, disturbed)
        assert {state for _, state, _, _ in states} == {"READY", "FAILED"}
        assert len(states) == DOCUMENTS
        assert states == await rows(database, tenant, STATES, calm)
        chunks = await rows(database, tenant, CHUNKS, disturbed)
        assert chunks == await rows(database, tenant, CHUNKS, calm)
        assert len(chunks) == len({chunk[:2] for chunk in chunks}) > DOCUMENTS
        await until_equal(database, tenant, INDEXED, disturbed, [(len(chunks), len(chunks))])
        for base_id in (calm_id, disturbed_id):
            await client.one(DELETE, input={"knowledgeBaseId": base_id})
        for file_id in files:
            await client.one(DELETE_FILE, input={"fileId": file_id})
        for key in (calm, disturbed):
            await until_equal(database, tenant, LEFT, key, [(0,)])
    report = installation.command("orphans", "--min-age", "0")
    assert (report.returncode, report.stdout) == (
        0,
        "0 objects older than 0 s belong to nothing, 0 are missing; 0 versions in the search index belong to nothing\n",
    )


async def until_equal(
    database: Database, tenant: UUID, statement: str, base: UUID, expected: Sequence[tuple[object, ...]]
) -> None:
    """Wait until a statement has a result."""
    async with asyncio.timeout(180):
        while await rows(database, tenant, statement, base) != expected:  # noqa: ASYNC110 - rows notify nobody
            await asyncio.sleep(0.2)
