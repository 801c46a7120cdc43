"""Documents from addresses of the web, and previews of chunks."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

DOCUMENTS = Path(__file__).resolve().parents[1] / "documents"
STATE = "name state mediaType attempts problem { code message retryable }"
PREVIEW = """query ($input: PreviewChunksInput!) { previewChunks(input: $input) {
    totalCount chunks { text start end headings unitKind unitNumber parentText } } }"""
PAGE = b"<html><head><title>Guide</title></head><body><h1>Guide</h1><p>The kettle boils at noon.</p></body></html>"
ANSWERS = {
    "/guide": (200, "content-type: text/html; charset=utf-8", PAGE),
    "/guide.php": (200, "content-type: text/html", b"<p>Kettles without a document type.</p>"),
    "/notes.md": (200, "content-type: text/plain", b"# Notes\n\nBuy tea."),
    "/moved": (302, "location: /guide?from=moved#top", b""),
    "/loop": (302, "location: /loop", b""),
    "/metadata": (302, "location: http://169.254.169.254/latest/meta-data/", b""),
    "/local-file": (302, "location: file:///etc/passwd", b""),
    "/large": (200, "content-type: text/plain", b"words " * 200_000),
    "/packed": (200, "content-encoding: gzip", b"\x1f\x8b"),
    "/missing": (404, "content-type: text/html", PAGE),
    "/busy": (503, "content-type: text/html", PAGE),
}


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def site() -> AsyncGenerator[str]:
    """Serve `ANSWERS`; `/silent` never answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            path = target.partition("?")[0]
            if path == "/silent":
                await reader.read()
                return
            status, header, body = ANSWERS[path]
            head = f"HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def process(api: KnowledgeApi, actor: Principal, base: str, url: str) -> Data:
    source = {"url": {"url": url}}
    added = await api.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    await api.ingestion.drain()
    query = f"query ($id: ID!) {{ document(id: $id) {{ {STATE} }} }}"
    return await api.ask(actor, query, id=added["document"]["id"])


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("/guide", "guide", "The kettle boils at noon."),
        ("/guide.php", "guide.php", "Kettles without a document type."),
        ("/notes.md?raw=1", "notes.md", "Buy tea."),
        ("/moved", "moved", "The kettle boils at noon."),
    ],
)
async def test_a_page_becomes_a_document(
    api: KnowledgeApi, actor: Principal, site: str, path: str, name: str, text: str
) -> None:
    base = await api.new_base(actor)
    document = await process(api, actor, base, site + path)
    assert (document["name"], document["state"]) == (name, "READY")
    chunks = await api.ingestion.chunks(actor.tenant_id)
    assert text in " ".join(chunk.content for chunk in chunks)


@pytest.mark.parametrize(
    ("path", "attempts", "message"),
    [
        ("/loop", 1, "redirects too often"),
        ("/metadata", 1, "can't be used"),
        ("/local-file", 1, "can't be used"),
        ("/large", 1, "larger than"),
        ("/packed", 1, "compressed"),
        ("/missing", 1, "status 404"),
        ("/busy", 5, "status 503"),
        ("/silent", 5, "does not answer"),
    ],
)
@pytest.mark.timeout(180)
async def test_a_page_that_can_not_be_fetched_says_why(
    api: KnowledgeApi, actor: Principal, site: str, path: str, attempts: int, message: str
) -> None:
    document = await process(api, actor, await api.new_base(actor), site + path)
    problem = document["problem"]
    assert (document["state"], problem["code"], document["attempts"]) == ("FAILED", "FETCH_FAILED", attempts)
    assert message in problem["message"]
    assert problem["retryable"] is (attempts > 1)


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "http://user:secret@host/", "http://2130706433/", "http://host/a b", "/etc/passwd", ""]
)
async def test_an_address_that_no_page_can_have_is_refused(api: KnowledgeApi, actor: Principal, url: str) -> None:
    base = await api.new_base(actor)
    source = {"url": {"url": url}}
    refused = await api.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    assert refused["path"] == ["input", "source", "url", "url"]


async def test_a_preview_is_what_is_stored_later_and_stores_nothing(
    api: KnowledgeApi, actor: Principal, make: Factory
) -> None:
    text = "# Guide\n\n" + "Open the page. " * 60
    chunking = {"strategy": "PARENT_CHILD", "maxWords": 60, "childWords": 20}
    preview_input = {"source": {"text": {"name": "Guide", "content": text}}, "chunking": chunking, "first": 3}
    preview = await api.ask(actor, PREVIEW, input=preview_input)
    assert len(preview["chunks"]) == 3
    assert all(chunk["text"] in chunk["parentText"] for chunk in preview["chunks"])
    assert await api.ingestion.count(actor.tenant_id, "chunk") == 0

    base = await api.new_base(actor, chunking=chunking)
    document = await api.add_text(actor, base, text)
    refused = await api.answer(actor, PREVIEW, input={**preview_input, "source": {"documentId": document}})
    assert refused.code == "NOT_FOUND"  # its text has not been read
    await api.ingestion.drain()
    stored = [chunk.content for chunk in await api.ingestion.chunks(actor.tenant_id)]
    assert preview["totalCount"] == len(stored)
    assert [chunk["text"] for chunk in preview["chunks"]] == stored[:3]
    again = await api.ask(actor, PREVIEW, input={**preview_input, "source": {"documentId": document}})
    assert again == preview
    for stranger in (await make.principal(Role.MEMBER, beside=actor), await make.principal()):
        refused = await api.answer(stranger, PREVIEW, input={**preview_input, "source": {"documentId": document}})
        assert refused.code == "NOT_FOUND"


async def test_a_preview_reads_files_and_says_why_it_can_not(
    api: KnowledgeApi, actor: Principal, make: Factory, site: str
) -> None:
    nine = await api.upload(actor, "nine.pdf", (DOCUMENTS / "pdf/nine-pages.pdf").read_bytes())
    preview = await api.ask(actor, PREVIEW, input={"source": {"file": {"fileId": nine}}, "first": None})
    assert [chunk["unitNumber"] for chunk in preview["chunks"]] == list(range(1, 10))
    colleague = await make.principal(Role.MEMBER, beside=actor)
    assert (await api.answer(colleague, PREVIEW, input={"source": {"file": {"fileId": nine}}})).code == "NOT_FOUND"
    scan = await api.upload(actor, "scan.pdf", (DOCUMENTS / "pdf/scan-en.pdf").read_bytes())
    assert (await api.answer(actor, PREVIEW, input={"source": {"file": {"fileId": scan}}})).code == "NEEDS_OCR"
    page = await api.ask(actor, PREVIEW, input={"source": {"url": {"url": f"{site}/guide"}}})
    assert "The kettle boils at noon." in page["chunks"][0]["text"]
    gone = await api.answer(actor, PREVIEW, input={"source": {"url": {"url": f"{site}/missing"}}})
    assert gone.code == "FETCH_FAILED"
    for wrong in ({"first": 101}, {"chunking": {"maxWords": 1}}):
        refused = await api.answer(actor, PREVIEW, input={"source": {"file": {"fileId": nine}}, **wrong})
        assert refused.code == "BAD_USER_INPUT"
