"""Documents from upload to chunks, and every operation in every state."""

from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.knowledge.chunking import ChunkingOptions, ChunkStrategy
from nexent_gql.domains.knowledge.errors import (
    DocumentNotFoundError,
    DocumentReusedError,
    KnowledgeBaseNotFoundError,
    KnowledgeBaseReadOnlyError,
)
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft, KnowledgeBasePatch
from nexent_gql.domains.knowledge.tables import KnowledgeAccess, KnowledgeBase
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.extraction import ExtractionLimits
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion, ingestion

DOCUMENTS = Path(__file__).resolve().parents[1] / "documents"
TABLES = ("knowledge_base", "document", "document_version", "document_text", "chunk")


@pytest.fixture
async def services(database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path) as services:
        yield services


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def new_base(services: Ingestion, actor: Principal) -> KnowledgeBase:
    return await services.bases.create(actor, KnowledgeBaseDraft("Manuals"))


def note(content: str) -> DocumentSource:
    return DocumentSource(text=content, name="Note")


async def test_a_file_becomes_chunks_with_pages(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    file = await services.upload(actor, "nine.pdf", (DOCUMENTS / "pdf/nine-pages.pdf").read_bytes())
    added = await services.documents.add(actor, base.id, DocumentSource(file_id=file.id))
    assert (added.document.name, added.version.state, added.current_number) == ("nine.pdf", "QUEUED", None)
    await services.drain()
    row = await services.get(actor, added.document.id)
    assert row is not None
    assert (row.version.state, row.version.unit_count, row.current_number) == ("READY", 9, 1)
    page = await services.documents.chunks(actor, added.document.id, PageRequest())
    assert [(chunk.unit_kind, chunk.unit_number) for chunk in page.rows] == [
        ("PAGE", number) for number in range(1, 10)
    ]
    assert "Пятая страница" in page.rows[4].content
    assert await services.bases.chunk_counts(actor, [base.id]) == {base.id: 9}


@pytest.mark.parametrize(
    ("path", "code"), [("pdf/scan-en.pdf", "NEEDS_OCR"), ("pdf/encrypted-r6-both.pdf", "ENCRYPTED")]
)
async def test_a_file_without_text_fails_and_says_why(
    services: Ingestion, actor: Principal, path: str, code: str
) -> None:
    base = await new_base(services, actor)
    file = await services.upload(actor, Path(path).name, (DOCUMENTS / path).read_bytes())
    added = await services.documents.add(actor, base.id, DocumentSource(file_id=file.id))
    await services.drain()
    row = await services.get(actor, added.document.id)
    assert row is not None
    assert (row.version.state, row.version.code, row.version.is_retryable) == ("FAILED", code, False)
    assert (row.version.message or "").endswith(".")


async def test_a_file_that_takes_too_long_is_read_again_and_fails_at_last(
    database: Database, tmp_path: Path, actor: Principal
) -> None:
    async with ingestion(database, tmp_path, limits=ExtractionLimits(wall_s=0.001)) as services:
        base = await new_base(services, actor)
        added = await services.documents.add(actor, base.id, note("Text."))
        await services.run_next()
        row = await services.get(actor, added.document.id)
        assert row is not None
        assert row.version.state == "PROCESSING"
        await services.drain()
        row = await services.get(actor, added.document.id)
        assert row is not None
        assert (row.version.state, row.version.code, row.version.is_retryable) == ("FAILED", "LIMIT_EXCEEDED", True)
        assert (row.version.attempts, row.version.message) == (
            5,
            "Reading the file took longer than 0.001 s. Try again, or split it into smaller files.",
        )


async def test_missing_parts_are_named(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    file = await services.upload(actor, "mixed.pdf", (DOCUMENTS / "pdf/mixed-scan-text-ru.pdf").read_bytes())
    added = await services.documents.add(actor, base.id, DocumentSource(file_id=file.id))
    await services.drain()
    row = await services.get(actor, added.document.id)
    assert row is not None
    assert (row.version.state, row.version.code) == ("READY", "PARTIAL")
    assert [failure["part"] for failure in row.version.part_failures] == ["page 1"]


async def test_the_old_content_is_found_until_the_new_one_is_ready(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    added = await services.documents.add(actor, base.id, note("The old text."))
    await services.drain()
    file = await services.upload(actor, "scan.pdf", (DOCUMENTS / "pdf/scan-en.pdf").read_bytes())
    await services.documents.replace(actor, added.document.id, DocumentSource(file_id=file.id))
    assert await contents(services, actor, added.document.id) == ["The old text."]
    await services.drain()
    row = await services.get(actor, added.document.id)
    assert row is not None
    assert (row.version.number, row.version.state, row.current_number) == (2, "FAILED", 1)
    assert await contents(services, actor, added.document.id) == ["The old text."]
    await services.documents.replace(actor, added.document.id, note("The new text."))
    await services.drain()
    assert await contents(services, actor, added.document.id) == ["The new text."]
    assert len(await services.chunks(actor.tenant_id)) == 1


async def test_reprocessing_takes_the_present_options(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    text = "# One\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    added = await services.documents.add(actor, base.id, note(text))
    await services.drain()
    assert len(await contents(services, actor, added.document.id)) == 1
    await services.bases.update(actor, base.id, KnowledgeBasePatch(chunking=ChunkingOptions(ChunkStrategy.ROW)))
    await services.documents.reprocess(actor, added.document.id)
    await services.drain()
    assert (await contents(services, actor, added.document.id))[1:] == ["| 1 | 2 |", "| 3 | 4 |"]


async def test_a_repeated_call_adds_one_document(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    first = await services.documents.add(actor, base.id, note("Text."), "key")
    again = await services.documents.add(actor, base.id, note("Text."), "key")
    assert first.document.id == again.document.id
    with pytest.raises(DocumentReusedError):
        await services.documents.add(actor, base.id, note("Other."), "key")


async def test_nobody_sees_what_is_not_shared(services: Ingestion, actor: Principal, make: Factory) -> None:
    colleague = await make.principal(Role.MEMBER, beside=actor)
    base = await new_base(services, actor)
    added = await services.documents.add(actor, base.id, note("Secret."))
    await services.drain()
    for stranger in (colleague, await make.principal()):
        assert await services.bases.get_many(stranger, [base.id]) == []
        assert await services.bases.count(stranger) == 0
        assert await services.bases.chunk_counts(stranger, [base.id]) == {}
        assert await services.get(stranger, added.document.id) is None
        with pytest.raises(DocumentNotFoundError):
            await services.documents.delete(stranger, added.document.id)
        with pytest.raises(KnowledgeBaseNotFoundError):
            await services.documents.page(stranger, base.id, PageRequest())
    await services.bases.update(actor, base.id, KnowledgeBasePatch(access=KnowledgeAccess.TENANT_READ))
    assert await contents(services, colleague, added.document.id) == ["Secret."]
    with pytest.raises(KnowledgeBaseReadOnlyError):
        await services.documents.add(colleague, base.id, note("Mine."))
    await services.bases.update(actor, base.id, KnowledgeBasePatch(access=KnowledgeAccess.TENANT_WRITE))
    await services.documents.add(colleague, base.id, note("Mine."))
    with pytest.raises(KnowledgeBaseReadOnlyError):
        await services.bases.delete(colleague, base.id)


async def test_files_of_others_are_not_found(services: Ingestion, actor: Principal, make: Factory) -> None:
    colleague = await make.principal(Role.MEMBER, beside=actor)
    file = await services.upload(actor, "a.txt", b"Text.")
    base = await new_base(services, colleague)
    with pytest.raises(StoredFileNotFoundError):
        await services.documents.add(colleague, base.id, DocumentSource(file_id=file.id))


async def test_deleting_hides_at_once_and_leaves_nothing(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    ready = await services.documents.add(actor, base.id, note("Ready."))
    await services.drain()
    queued = await services.documents.add(actor, base.id, note("Queued."))
    await services.documents.delete(actor, ready.document.id)
    assert await services.get(actor, ready.document.id) is None
    await services.bases.delete(actor, base.id)
    assert await services.get(actor, queued.document.id) is None
    assert await services.bases.count(actor) == 0
    await services.drain()
    assert {table: await services.count(actor.tenant_id, table) for table in TABLES} == dict.fromkeys(TABLES, 0)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(3))
async def test_every_operation_in_every_state_converges(services: Ingestion, actor: Principal, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - chooses what happens
    base = await new_base(services, actor)
    expected: dict[UUID, str] = {}
    absent: set[UUID] = set()
    for step in range(40):
        ids = list(expected)
        some_id = random.choice(ids) if ids else None
        match random.choice(("add", "replace", "reprocess", "cancel", "delete", "run", "run", "interrupt")):
            case "add" if len(expected) < 6:
                row = await services.documents.add(actor, base.id, note(f"Text {step}."))
                expected[row.document.id] = f"Text {step}."
            case "replace" if some_id:
                await services.documents.replace(actor, some_id, note(f"Text {step}."))
                expected[some_id] = f"Text {step}."
            case "reprocess" if some_id:
                await services.documents.reprocess(actor, some_id)
            case "cancel" if some_id:
                await services.documents.cancel(actor, some_id)
            case "delete" if some_id:
                await services.documents.delete(actor, some_id)
                del expected[some_id]
                absent.add(some_id)
            case "run":
                await services.run_next()
            case "interrupt":
                await services.interrupt_next(random.random() / 20)
            case _:
                pass
        await check_visible(services, actor, expected, absent)
    for document_id in expected:
        await services.documents.reprocess(actor, document_id)
    await services.drain()
    await check_visible(services, actor, expected, absent)
    chunks = await services.chunks(actor.tenant_id)
    assert sorted(chunk.content for chunk in chunks) == sorted(expected.values())
    assert await services.count(actor.tenant_id, "document_version") == len(expected)


@pytest.mark.timeout(180)
async def test_work_that_is_interrupted_again_and_again_is_done_once(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    text = "\n\n".join(f"# Heading {number}\n\n{'Words of it. ' * 80}" for number in range(5))
    rows = [await services.documents.add(actor, base.id, note(f"{text}\n\n{number}")) for number in range(12)]
    random = Random(7)  # noqa: S311 - chooses when
    for _ in range(20):
        await services.interrupt_next(random.random() / 10)
    await services.drain()
    chunks = await services.chunks(actor.tenant_id)
    assert len(chunks) == len({(chunk.document_id, chunk.ordinal) for chunk in chunks})
    for row in rows:
        after = await services.get(actor, row.document.id)
        assert after is not None
        assert after.version.state == "READY"
        assert after.version.chunk_count == sum(chunk.document_id == row.document.id for chunk in chunks) > 4


async def contents(services: Ingestion, actor: Principal, document_id: UUID) -> list[str]:
    page = await services.documents.chunks(actor, document_id, PageRequest())
    return [chunk.content for chunk in page.rows]


async def check_visible(services: Ingestion, actor: Principal, expected: dict[UUID, str], absent: set[UUID]) -> None:
    """Nobody sees a deleted document, or a version whose state is not READY."""
    assert await services.documents.get_many(actor, list(absent)) == []
    rows = await services.documents.get_many(actor, list(expected))
    assert {row.document.id for row in rows} == set(expected)
    for row in rows:
        is_current = row.document.current_version_id == row.version.id
        assert is_current == (row.version.state == "READY")
        if is_current:
            assert await contents(services, actor, row.document.id) == [expected[row.document.id]]


async def test_a_content_is_extracted_once_for_each_tenant(
    services: Ingestion, actor: Principal, make: Factory
) -> None:
    content = (DOCUMENTS / "pdf/nine-pages.pdf").read_bytes()
    base = await new_base(services, actor)

    async def change(values: str) -> None:
        async with services.database.transaction(actor.tenant_id) as session:
            await session.execute(text(f"UPDATE file_text SET {values}"))  # noqa: S608 - constants

    async def add(user: Principal, base_id: UUID) -> tuple[UUID, list[str]]:
        file = await services.upload(user, "nine.pdf", content)
        row = await services.documents.add(user, base_id, DocumentSource(file_id=file.id))
        await services.drain()
        page = await services.documents.chunks(user, row.document.id, PageRequest())
        return row.document.id, [chunk.content for chunk in page.rows]

    document_id, original = await add(actor, base.id)
    assert await services.count(actor.tenant_id, "file_text") == 1
    await change("content = replace(content, 'с', 'С')")  # shows what is read again
    cached_id, cached = await add(actor, base.id)
    assert cached == [it.replace("с", "С") for it in original] != original
    assert await services.count(actor.tenant_id, "file_text") == 1
    rows = {row.document.id: row for row in await services.documents.get_many(actor, [document_id, cached_id])}
    first, second = (rows[id_].version for id_ in (document_id, cached_id))
    described = ("state", "unit_count", "title", "authors", "authored_at", "language", "media_type", "part_failures")
    assert [getattr(second, name) for name in described] == [getattr(first, name) for name in described]
    stranger = await make.principal()
    assert (await add(stranger, (await new_base(services, stranger)).id))[1] == original
    await change("structure = structure - 'media_type'")  # of an earlier release
    assert (await add(actor, base.id))[1] == original
    assert (await add(actor, base.id))[1] == original
    assert await services.count(actor.tenant_id, "file_text") == 1
    await change("code = 'TIMEOUT', content = ''")  # a failure is not kept for documents
    assert (await add(actor, base.id))[1] == original
