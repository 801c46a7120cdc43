"""Every file of `tests/documents/MANIFEST.json`: real files of other projects, and the right outcome of each."""

import json
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.ports.extraction import ExtractedDocument, ExtractionError, Extractor, UnitKind

FOLDER = Path(__file__).resolve().parents[1] / "documents"
MANIFEST = json.loads((FOLDER / "MANIFEST.json").read_text())
FILES: Mapping[str, dict[str, Any]] = {item["path"]: item["expected"] for item in MANIFEST["files"]}
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
LEFT_OUT = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff*_`|~\\]")
QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def extractor() -> AsyncGenerator[Extractor]:
    async with ChildProcessPool(size=1) as pool:
        yield ProcessExtractor(pool)


def plain(text: str) -> str:
    """Return a text as the manifest compares it."""
    text = LEFT_OUT.sub("", unicodedata.normalize("NFKC", text).translate(QUOTES))
    return " ".join(text.split())


def contains(text: str, words: str) -> bool:
    if CJK.search(words):
        return "".join(plain(words).split()) in "".join(plain(text).split())
    return plain(words) in plain(text)


def text_of_unit(document: ExtractedDocument, number: int) -> str:
    kinds = {UnitKind.PAGE, UnitKind.SLIDE, UnitKind.SHEET}
    (unit,) = [unit for unit in document.units if unit.kind in kinds and unit.number == number]
    return document.text[unit.start : unit.end]


def outcome_of(outcome: ExtractedDocument | ExtractionError) -> tuple[str, str | None]:
    if isinstance(outcome, ExtractionError):
        return "FAILED", outcome.code
    return "READY", "PARTIAL" if outcome.failures else None


def accepted(expected: Mapping[str, Any]) -> set[tuple[str, str | None]]:
    others: Iterable[Mapping[str, str | None]] = expected.get("also_ok", ())
    return {(item["outcome"], item["code"]) for item in [expected, *others]}  # pyright: ignore[reportReturnType]


async def extract(extractor: Extractor, path: str) -> ExtractedDocument | ExtractionError:
    try:
        return await extractor.extract(FOLDER / path, name=Path(path).name, owner=SYSTEM)
    except ExtractionError as error:
        return error


def faults_of(document: ExtractedDocument, expected: Mapping[str, Any]) -> list[str]:
    faults: list[str] = []
    for item in cast("Sequence[Mapping[str, Any]]", expected["must_contain"]):
        text = text_of_unit(document, item["page"]) if item.get("page") else document.text
        if not any(contains(text, words) for words in [item["text"], *(item.get("or") or ())]):
            faults.append(f"{item['text']!r} is missing (page {item.get('page')})")
    faults += [f"{words!r} must not be there" for words in expected["must_not_contain"] if words in document.text]
    if expected["pages"] is not None and document.metadata.units != expected["pages"]:
        faults.append(f"{document.metadata.units} units instead of {expected['pages']}")
    return faults


@pytest.mark.parametrize("path", FILES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_file_has_its_outcome(extractor: Extractor, path: str) -> None:
    expected = FILES[path]
    outcome = await extract(extractor, path)
    assert outcome_of(outcome) in accepted(expected), getattr(outcome, "message", getattr(outcome, "failures", ""))
    if isinstance(outcome, ExtractionError):
        assert outcome.message.endswith(".")
    else:
        assert faults_of(outcome, expected) == [], outcome.text[:2000]
        check_offsets(outcome)


def check_offsets(document: ExtractedDocument) -> None:
    for heading in document.headings:
        assert heading.title in document.text[heading.start : heading.end]
    for table in document.tables:
        lines = document.text[table.start : table.end].splitlines()
        assert lines
        assert all("|" in line for line in lines)
    for item in [*document.units, *document.headings, *document.tables]:
        assert 0 <= item.start <= item.end <= len(document.text)
