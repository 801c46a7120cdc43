"""What every way to cut a document promises: exact offsets, nothing lost, bounds kept."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, clean
from nexent_gql.adapters.extraction_xberg.plain_text import find_structure, read_markdown
from nexent_gql.domains.knowledge.chunking import Chunk, ChunkingOptions, ChunkStrategy, chunk_document
from nexent_gql.domains.knowledge.sentences import weigh
from nexent_gql.ports.extraction import ExtractedDocument, Unit, UnitKind
from tests.support.stopwatch import Stopwatch

FOLDER = Path(__file__).resolve().parents[1] / "retrieval"
LINES = st.sampled_from(
    [
        *("# One", "## Two", "### Three 三", "", "", "| a | b |", "|---|---|", "| 1 | 2 |", "```", "- item"),
        *("A sentence. Another one! And e.g. more?", "这是一句话。这是第二句！还有“引号”。", "word " * 70, "字" * 300),
        *("x" * 5000, "https://example.com/" + "path/" * 40, " \t ", "。。。", "a\u00a0b\u3000c"),
    ]
)
TEXTS = st.lists(LINES | st.text(max_size=60), max_size=30).map(lambda lines: clean("\n".join(lines)))
OPTIONS = st.builds(
    ChunkingOptions,
    strategy=st.sampled_from(ChunkStrategy),
    max_words=st.integers(20, 300),
    overlap_words=st.integers(0, 100),
    child_words=st.integers(10, 60),
)


def markdown(text: str) -> ExtractedDocument:
    builder = DocumentBuilder()
    title = read_markdown(text, builder)
    assert title is None or title
    return ExtractedDocument("text/markdown", builder.text, (), tuple(builder.headings), tuple(builder.tables))


def paged(text: str) -> ExtractedDocument:
    """Return a document whose pages have 400 characters."""
    headings, tables = find_structure(text)
    starts = range(0, max(len(text), 1), 400)
    units = tuple(
        Unit(UnitKind.PAGE, number, None, start, min(start + 400, len(text))) for number, start in enumerate(starts, 1)
    )
    whole_tables = tuple(table for table in tables if table.start // 400 == (table.end - 1) // 400)
    return ExtractedDocument("application/pdf", text, units, tuple(headings), whole_tables)


def check(document: ExtractedDocument, options: ChunkingOptions) -> list[Chunk]:
    chunks = chunk_document(document, options)
    text = document.text
    covered = bytearray(len(text))
    for chunk in chunks:
        own = text[chunk.start : chunk.end]
        assert own
        assert own == own.strip()
        assert chunk.parent_start <= chunk.start < chunk.end <= chunk.parent_end
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
        if options.strategy is not ChunkStrategy.NONE:
            limit = options.child_words if options.strategy is ChunkStrategy.PARENT_CHILD else options.max_words
            assert weigh(text, chunk.start, chunk.end) <= limit + 1
    assert [char for char, is_covered in zip(text, covered, strict=True) if not is_covered and not char.isspace()] == []
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    if options.strategy is not ChunkStrategy.FIXED:
        assert all(first.end <= second.start for first, second in pairwise(chunks))
    return chunks


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, options=OPTIONS)
def test_nothing_is_lost_and_bounds_are_kept(text: str, options: ChunkingOptions) -> None:
    check(markdown(text), options)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, options=OPTIONS)
def test_a_chunk_is_on_one_page(text: str, options: ChunkingOptions) -> None:
    for chunk in check(paged(text), options):
        if options.strategy is not ChunkStrategy.NONE:
            assert chunk.unit_number == chunk.start // 400 + 1 == (chunk.end - 1) // 400 + 1


def test_headings_and_sentences() -> None:
    text = (
        "# Guide\n\nIntro.\n\n## Install\n\n" + "Run the installer. " * 60 + "\n\n## 使用\n\n" + "打开页面并登录。" * 60
    )
    document = markdown(text)
    chunks = chunk_document(document, ChunkingOptions(max_words=100))
    assert {chunk.headings for chunk in chunks} == {("Guide",), ("Guide", "Install"), ("Guide", "使用")}
    ends = {text[chunk.end - 1] for chunk in chunks if "登录" in text[chunk.start : chunk.end]}
    assert ends == {"。"}
    assert chunks[-1].search_text(text).startswith("Guide > 使用\n")


def test_rows_know_their_header() -> None:
    text = "Prices\n\n| item | price |\n| --- | --- |\n| tea | 3 |\n| coffee | 4 |\n\nEnd."
    chunks = chunk_document(markdown(text), ChunkingOptions(ChunkStrategy.ROW))
    rows = [chunk for chunk in chunks if chunk.table_header]
    assert [text[chunk.start : chunk.end] for chunk in rows] == ["| tea | 3 |", "| coffee | 4 |"]
    assert rows[0].search_text(text) == "| item | price |\n| tea | 3 |"


def test_attachments_and_sheets_are_places() -> None:
    builder = DocumentBuilder()
    builder.add_heading("Mail", 1)
    archive, workbook = (builder.unit(UnitKind.ATTACHMENT, 1, name) for name in ("a.zip", "b.xlsx"))
    with archive, workbook, builder.unit(UnitKind.SHEET, 2, "Prices"):
        builder.add_table([["item"], ["tea"]])
    builder.add_paragraph("After.")
    document = ExtractedDocument("message/rfc822", builder.text, tuple(builder.units), tuple(builder.headings))
    first, sheet, last = chunk_document(document, ChunkingOptions())
    assert (sheet.attachment, sheet.unit_kind, sheet.unit_number) == ("a.zip/b.xlsx", UnitKind.SHEET, 2)
    assert (sheet.unit_name, sheet.headings) == ("Prices", ())
    assert first.headings == ("Mail",)
    assert last.attachment is None


def passages() -> list[dict[str, str]]:
    questions: list[dict[str, Any]] = json.loads((FOLDER / "questions.json").read_text())
    return [passage for question in questions for passage in question["relevant"]]


@pytest.mark.parametrize("strategy", ChunkStrategy)
def test_every_quote_is_in_a_chunk(strategy: ChunkStrategy) -> None:
    chunks: dict[str, list[str]] = {}
    missing: list[str] = []
    for passage in passages():
        path = passage["document"]
        if path not in chunks:
            document = markdown((FOLDER / "documents" / path).read_text())
            spans = chunk_document(document, ChunkingOptions(strategy))
            chunks[path] = [document.text[span.parent_start : span.parent_end] for span in spans]
        if not any(passage["quote"] in chunk for chunk in chunks[path]):
            missing.append(passage["quote"])
    assert missing == []


def test_time_grows_with_the_text_and_not_with_its_square() -> None:
    def seconds(text: str) -> float:
        document = markdown(text)
        watch = Stopwatch()
        chunk_document(document, ChunkingOptions())
        return watch.processor_s()

    text = "# Title\n\nSome words. 一些文字。\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" * 500
    seconds(text)
    assert seconds(text * 8) < 8 * 5 * max(seconds(text), 0.01)
