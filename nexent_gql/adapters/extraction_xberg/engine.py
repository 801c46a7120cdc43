"""Reads with xberg: office files, PDF, web pages, e-books and structured data."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import xberg

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, clean
from nexent_gql.adapters.extraction_xberg.checks import LOCKED, MAX_MEMBERS, MAX_UNPACKED_BYTES
from nexent_gql.adapters.extraction_xberg.kinds import Kind
from nexent_gql.adapters.extraction_xberg.nodes import add_nodes, slide_number
from nexent_gql.adapters.extraction_xberg.right_to_left import repair_line
from nexent_gql.kernel.json import JsonObject, loads_object
from nexent_gql.ports.extraction import (
    CorruptError,
    DocumentMetadata,
    EncryptedError,
    ExtractionError,
    ExtractionLimitError,
    Heading,
    UnitKind,
)

_LANGUAGES = {
    "cmn": "zh",
    "eng": "en",
    "rus": "ru",
    "jpn": "ja",
    "kor": "ko",
    "deu": "de",
    "fra": "fr",
    "spa": "es",
    "por": "pt",
    "ita": "it",
    "nld": "nl",
    "pol": "pl",
    "ukr": "uk",
    "arb": "ar",
    "ara": "ar",
    "heb": "he",
    "tur": "tr",
    "vie": "vi",
    "ces": "cs",
    "swe": "sv",
    "hun": "hu",
    "ron": "ro",
    "ell": "el",
    "hin": "hi",
    "ind": "id",
    "tha": "th",
    "fin": "fi",
    "dan": "da",
    "nob": "no",
    "bul": "bg",
    "cat": "ca",
    "pes": "fa",
}
_LOOK_EVERY_S = 0.002
_LANGUAGE_SAMPLE_CHARS = 4_000
_MIN_LANGUAGE_CHARS = 20
_MAX_TABLE_CELLS = 2_000_000
_UNREADABLE = re.compile(r"[\ufffd\x00-\x08\x0e-\x1f]")
_PASSWORD = re.compile(r"password|encrypt", re.IGNORECASE)
_LIMIT = re.compile(r"exceed|too (?:large|many|deep)|limit|maximum|bomb", re.IGNORECASE)
_MIN_BAD_SHARE = 5  # of a word's characters, one in so many


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What the engine returns for a file besides its text."""

    metadata: DocumentMetadata
    warnings: Sequence[str] = ()
    picture_pages: Sequence[int] = ()


def read_with_engine(data: bytes, kind: Kind, builder: DocumentBuilder) -> EngineResult:
    """Read a file into `builder`.

    Raises:
        ExtractionError: The engine refuses it.
    """
    document = _extract(data, kind.media_type, kind.extension)
    structure = [] if document.document is None else document.document.nodes
    nodes = [node for node in structure if str(node.content_layer) != "footer"]  # mostly page numbers
    contents = [loads_object(str(node.content)) for node in nodes]
    pages = document.pages or []
    if kind.extension == "pdf":
        _add_pdf(document, contents, [node.page for node in nodes], builder)
    elif any(page.sheet_name is not None for page in pages):
        for page in pages:
            with builder.unit(UnitKind.SHEET, page.page_number, page.sheet_name):
                if page.tables:
                    builder.add_heading(page.sheet_name or "", 1)
                for table in page.tables:
                    builder.add_table(table.cells)
    else:
        _add_flow(contents, builder)
    return EngineResult(
        _metadata(document, kind),
        [f"{warning.source}: {warning.message}" for warning in document.processing_warnings],
        _picture_pages(document),
    )


def detect_language(text: str) -> str | None:
    """Return the two-letter code of the language of a text; None when it can't be told."""
    sample = text[:_LANGUAGE_SAMPLE_CHARS]
    if len(sample.strip()) < _MIN_LANGUAGE_CHARS:
        return None
    languages = _extract(sample.encode(), "text/plain", "txt").detected_languages or []
    return next((_LANGUAGES[language] for language in languages if language in _LANGUAGES), None)


def _extract(data: bytes, media_type: str, extension: str) -> xberg.ExtractedDocument:
    source = xberg.ExtractInput(
        kind=xberg.ExtractInputKind("bytes"), bytes=data, mime_type=media_type, filename=f"file.{extension}"
    )
    try:
        result = asyncio.run(_wait(source))
    except RuntimeError as error:
        raise _refusal(str(error)) from error
    if not result.results:
        raise _refusal(result.errors[0].message if result.errors else "")
    return result.results[0]


async def _wait(source: xberg.ExtractInput) -> xberg.ExtractionResult:
    """Look for the result at short intervals.

    Threads of the engine can't wake the event loop, which takes a message on a socket: the process may not send any.
    """
    extraction = asyncio.ensure_future(xberg.extract(source, _config()))
    while not extraction.done():
        await asyncio.wait([extraction], timeout=_LOOK_EVERY_S)
    return extraction.result()


def _config() -> xberg.ExtractionConfig:
    return xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        include_document_structure=True,
        pages=xberg.PageConfig(extract_pages=True),
        pdf_options=xberg.PdfConfig(extract_images=False, extract_annotations=False),
        language_detection=xberg.LanguageDetectionConfig(enabled=True),
        max_archive_depth=0,
        security_limits=xberg.SecurityLimits(
            max_archive_size=MAX_UNPACKED_BYTES, max_files_in_archive=MAX_MEMBERS, max_table_cells=_MAX_TABLE_CELLS
        ),
    )


def _refusal(message: str) -> ExtractionError:
    if _PASSWORD.search(message):
        return EncryptedError(LOCKED)
    if _LIMIT.search(message):
        return ExtractionLimitError("Reading the file needs more than is allowed. Split it into smaller files.")
    return CorruptError("The file is damaged or incomplete. Save it again, or upload another copy.")


def _metadata(document: xberg.ExtractedDocument, kind: Kind) -> DocumentMetadata:
    source = document.metadata
    languages = document.detected_languages or []
    title = clean(source.title or "").strip()
    units = document.counts.pages or (source.pages.total_count if source.pages else None)
    return DocumentMetadata(
        title=title[:500] if title and "\\'" not in title else None,
        authors=tuple(name.strip()[:200] for name in source.authors or [] if name.strip())[:20],
        created_at=source.created_at,
        modified_at=source.modified_at,
        language=next((_LANGUAGES[item] for item in languages if item in _LANGUAGES), None),
        units=units if kind.extension in {"pdf", "ppt"} or (document.pages and document.pages[0].sheet_name) else None,
    )


def _add_flow(contents: Sequence[JsonObject], builder: DocumentBuilder) -> None:
    """Add text that has no pages, or slides of old PowerPoint files."""
    number = 0
    slides = groupby(contents, key=slide_number())
    for slide, nodes in slides:
        if slide == 0:
            add_nodes(nodes, builder)
        else:
            number += 1
            with builder.unit(UnitKind.SLIDE, number):
                add_nodes(nodes, builder)


def _add_pdf(
    document: xberg.ExtractedDocument,
    contents: Sequence[JsonObject],
    pages: Sequence[int | None],
    builder: DocumentBuilder,
) -> None:
    """Add pages: in lines as they stand, but pages with tables as the engine has arranged them."""
    by_page: dict[int, list[JsonObject]] = {}
    for content, number in zip(contents, pages, strict=True):
        if number is not None:
            by_page.setdefault(number, []).append(content)
    for page in document.pages or []:
        nodes = by_page.get(page.page_number, [])
        with builder.unit(UnitKind.PAGE, page.page_number):
            if any(node["node_type"] == "table" for node in nodes):
                add_nodes(nodes, builder)
            else:
                _add_page(page.content, [node for node in nodes if node["node_type"] == "heading"], builder)
    fields = [(field.full_name, field.value) for field in document.form_fields]
    builder.add_lines(f"{name}: {value}" for name, value in fields if value and value not in {"true", "false"})


def _add_page(content: str, titles: Sequence[JsonObject], builder: DocumentBuilder) -> None:
    lines = [repair_line(_readable(line)).rstrip() for line in clean(content.replace("\0", "\ufffd")).split("\n")]
    text = "\n".join(lines).strip("\n")
    if not text.strip():
        return
    headings: list[Heading] = []
    at = 0
    for title in titles:
        line = str(title["text"]).strip()
        start = text.find(line, at) if line else -1
        end = start + len(line)
        if start >= 0 and (start == 0 or text[start - 1] == "\n") and (end == len(text) or text[end] == "\n"):
            headings.append(Heading(int(str(title["level"])), line, start, end))
            at = end
    builder.add_text(text + "\n\n", headings)


def _readable(line: str) -> str:
    """Leave out what was no text: values of form fields that the engine takes for words."""
    if not _UNREADABLE.search(line):
        return line
    words = [
        "" if len(_UNREADABLE.findall(word)) * _MIN_BAD_SHARE >= len(word) else _UNREADABLE.sub("", word)
        for word in line.split(" ")
    ]
    return " ".join(word for word in words if word)


def _picture_pages(document: xberg.ExtractedDocument) -> Sequence[int]:
    """Return the pages of a PDF that are pictures; the engine's classes differ from those that it declares."""
    pages = getattr(getattr(document.metadata.format, "pdf", None), "scanned_pages", None)
    return tuple(pages or ())
