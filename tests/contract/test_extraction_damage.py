"""Files that are cut, wrongly named, hostile or simply large: typed outcomes, whatever they hold."""

import json
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import pytest_asyncio

from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.ports.extraction import (
    DocumentProblemCode,
    ExtractedDocument,
    ExtractionError,
    ExtractionLimits,
    ExtractionTimeoutError,
    UnitKind,
)

FOLDER = Path(__file__).resolve().parents[1] / "documents"
WORD = "docx/zh-ocr-test.docx"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncGenerator[ChildProcessPool]:
    async with ChildProcessPool(size=1) as pool:
        yield pool


async def extract(
    pool: ChildProcessPool, folder: Path, name: str, data: bytes, limits: ExtractionLimits | None = None
) -> ExtractedDocument:
    path = folder / "upload"
    path.write_bytes(data)
    extractor = ProcessExtractor(pool) if limits is None else ProcessExtractor(pool, limits)
    return await extractor.extract(path, name=name, owner=SYSTEM)


async def refusal(
    pool: ChildProcessPool, folder: Path, name: str, data: bytes, limits: ExtractionLimits | None = None
) -> str:
    with pytest.raises(ExtractionError) as refused:
        await extract(pool, folder, name, data, limits)
    return refused.value.code


def read(path: str) -> bytes:
    return (FOLDER / path).read_bytes()


def changed_archive(data: bytes, name: str, content: bytes) -> bytes:
    """Return an archive with one more or another member."""
    target = BytesIO()
    with ZipFile(BytesIO(data)) as source, ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for member in source.namelist():
            if member != name:
                archive.writestr(member, source.read(member))
        archive.writestr(name, content)
    return target.getvalue()


CONTAINERS = ("doc", "docx", "epub", "odp", "ods", "odt", "pdf", "ppt", "pptx", "rtf", "xls", "xlsx", "zip")
MANIFEST = json.loads((FOLDER / "MANIFEST.json").read_text())
READABLE = [
    item["path"]
    for item in MANIFEST["files"]
    if item["expected"]["outcome"] == "READY" and item["path"].startswith(CONTAINERS)
]


@pytest.mark.parametrize("percent", [30, 70, 95])
@pytest.mark.parametrize("path", READABLE)
async def test_a_cut_file_is_corrupt_or_says_so(
    pool: ChildProcessPool, tmp_path: Path, path: str, percent: int
) -> None:
    data = read(path)
    try:
        document = await extract(pool, tmp_path, Path(path).name, data[: len(data) * percent // 100])
        codes = [failure.code for failure in document.failures if failure.part.startswith("end of")]
    except ExtractionError as error:
        codes = [error.code]
    assert codes == ["CORRUPT"]


async def test_a_cut_mail_says_so(pool: ChildProcessPool, tmp_path: Path) -> None:
    data = read("eml/pdf-attachment.eml")
    document = await extract(pool, tmp_path, "mail.eml", data[: len(data) * 4 // 5])
    assert [failure.code for failure in document.failures if failure.part.startswith("end of")] == ["CORRUPT"]


async def test_a_damaged_member_is_corrupt(pool: ChildProcessPool, tmp_path: Path) -> None:
    data = bytearray(read(WORD))
    with ZipFile(BytesIO(bytes(data))) as archive:
        member = archive.getinfo("word/document.xml")
    data[member.header_offset + 60] ^= 0xFF
    assert await refusal(pool, tmp_path, "report.docx", bytes(data)) == "CORRUPT"


async def test_a_bomb_is_refused(pool: ChildProcessPool, tmp_path: Path) -> None:
    bomb = changed_archive(read(WORD), "word/document.xml", b"<w:document>" + b" " * (300 * 1024 * 1024))
    assert len(bomb) < 1024 * 1024
    assert await refusal(pool, tmp_path, "bomb.docx", bomb) == "LIMIT_EXCEEDED"
    entities = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><w:document>&b;</w:document>'
    laughs = changed_archive(read(WORD), "word/document.xml", entities)
    assert await refusal(pool, tmp_path, "laughs.docx", laughs) == "LIMIT_EXCEEDED"


async def test_limits_of_the_process_are_typed(pool: ChildProcessPool, tmp_path: Path) -> None:
    data = read("epub/alice.epub")
    with pytest.raises(ExtractionTimeoutError) as slow:
        await extract(pool, tmp_path, "alice.epub", data, ExtractionLimits(wall_s=0.01))
    assert (slow.value.code, slow.value.retryable) == ("LIMIT_EXCEEDED", True)
    small = ExtractionLimits(memory_bytes=100 * 1024 * 1024)
    assert await refusal(pool, tmp_path, "alice.epub", data, small) in {"LIMIT_EXCEEDED", "CORRUPT"}
    assert "Rabbit-Hole" in (await extract(pool, tmp_path, "alice.epub", data)).text


async def test_too_much_text_is_too_large(pool: ChildProcessPool, tmp_path: Path) -> None:
    assert await refusal(pool, tmp_path, "log.txt", b"words and words\n" * 400_000) == "TOO_LARGE"


async def test_a_larger_file_is_not_read(pool: ChildProcessPool, tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"words")
    with pytest.raises(ExtractionError) as refused:
        await ProcessExtractor(pool, ExtractionLimits(file_bytes=4)).extract(path, name="large.txt", owner=SYSTEM)
    assert refused.value.code == "TOO_LARGE"


async def test_markdown_stays_as_it_is(pool: ChildProcessPool, tmp_path: Path) -> None:
    text = "---\ntitle: Guide\n---\n# One { #one }\n\n```sh\n# no heading\n```\n\nTwo\n---\n\n"
    text += "| a | b |\n|---|---|\n| 1 | 2 |"
    document = await extract(pool, tmp_path, "guide.md", text.replace("\n", "\r\n").encode())
    assert document.text == text
    assert document.metadata.title == "Guide"
    assert [(heading.level, heading.title) for heading in document.headings] == [(1, "One"), (2, "Two")]
    (table,) = document.tables
    assert text[table.start : table.end] == "| a | b |\n|---|---|\n| 1 | 2 |"
    assert text[table.start : table.header_end] == "| a | b |\n|---|---|\n"


async def test_attachments_have_their_own_units(pool: ChildProcessPool, tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Report"
    mail["From"] = "ann@example.com"
    mail.set_content("See the pages.")
    mail.add_attachment(read("pdf/nine-pages.pdf"), maintype="application", subtype="pdf", filename="nine.pdf")
    mail.add_attachment(read("png/ocr-en.png"), maintype="image", subtype="png", filename="scan.png")
    document = await extract(pool, tmp_path, "mail.eml", mail.as_bytes())
    assert [unit.kind for unit in document.units[:2]] == [UnitKind.ATTACHMENT, UnitKind.PAGE]
    assert document.units[0].name == "nine.pdf"
    fifth = next(unit for unit in document.units if unit.number == 5)
    assert "Пятая страница" in document.text[fifth.start : fifth.end]
    assert [(failure.part, failure.code) for failure in document.failures] == [
        ("scan.png", DocumentProblemCode.NEEDS_OCR)
    ]
    assert (document.metadata.title, document.metadata.authors) == ("Report", ("ann@example.com",))


@pytest.mark.parametrize(
    ("path", "title", "language"),
    [
        ("epub/alice.epub", "Alice's Adventures in Wonderland", "en"),
        ("md/zh-distributed.md", "分布式训练技术原理", "zh"),
    ],
)
async def test_metadata(pool: ChildProcessPool, tmp_path: Path, path: str, title: str, language: str) -> None:
    document = await extract(pool, tmp_path, Path(path).name, read(path))
    assert (document.metadata.title, document.metadata.language) == (title, language)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.pdf", b"no pdf at all", "CORRUPT"),
        ("a.bin", bytes(range(256)) * 20, "UNSUPPORTED_TYPE"),
        ("a.txt", b"\x7fELF\x02\x01\x01" + bytes(2000), "UNSUPPORTED_TYPE"),
        ("a.txt", b" \n\t ", "EMPTY_DOCUMENT"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "EMPTY_DOCUMENT"),
    ],
)
async def test_no_document(pool: ChildProcessPool, tmp_path: Path, name: str, data: bytes, code: str) -> None:
    assert await refusal(pool, tmp_path, name, data) == code


async def test_a_page_without_text_is_named(pool: ChildProcessPool, tmp_path: Path) -> None:
    document = await extract(pool, tmp_path, "mixed.pdf", read("pdf/mixed-scan-text-ru.pdf"))
    assert [(failure.part, failure.code) for failure in document.failures] == [
        ("page 1", DocumentProblemCode.NEEDS_OCR)
    ]
