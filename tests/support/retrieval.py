"""The questions of `tests/retrieval`, and the scores of answers to them; its README says how they are counted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder
from nexent_gql.adapters.extraction_xberg.plain_text import read_markdown
from nexent_gql.domains.knowledge.chunking import ChunkingOptions, chunk_document
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.embeddings import Vector
from nexent_gql.ports.extraction import ExtractedDocument
from nexent_gql.ports.search_index import IndexedChunk, IndexedVersion, SearchIndex

FOLDER = Path(__file__).resolve().parents[1] / "retrieval"
NO_ANSWER = "none"
BOTH = "two"
FIRST, DEPTH = 5, 10


@dataclass(frozen=True)
class Passage:
    """A chunk of a document, with what is indexed and embedded of it."""

    id: UUID
    document: str
    language: str
    text: str
    search_text: str


@dataclass(frozen=True)
class Question:
    """A question, and the places that answer it."""

    kind: str
    text: str
    relevant: Sequence[Mapping[str, Any]]


@dataclass
class Scores:
    """Counts of one kind of question."""

    questions: int = 0
    hit_1: int = 0
    hit_5: int = 0
    reciprocal_ranks: float = 0.0

    @property
    def mrr(self) -> float:
        """The mean reciprocal rank among the first ten."""
        return self.reciprocal_ranks / self.questions

    def __str__(self) -> str:
        return f"{self.hit_1} / {self.hit_5} / {self.mrr:.2f}"


def read_passages() -> list[Passage]:
    """Return the documents as the project reads and cuts them, with the defaults of a base."""
    return [passage for path in sorted((FOLDER / "documents").rglob("*.md")) for passage in _passages(path)]


def read_questions() -> list[Question]:
    """Return all questions."""
    rows = json.loads((FOLDER / "questions.json").read_text())
    return [Question(row["kind"], row["question"], row["relevant"]) for row in rows]


def score(questions: Sequence[Question], answers: Sequence[Sequence[Passage]]) -> Mapping[str, Scores]:
    """Return the scores of each kind of question, and of "all"."""
    scores: dict[str, Scores] = {}
    for question, answer in zip(questions, answers, strict=True):
        if question.kind == NO_ANSWER:
            continue
        parts = [{place.get("part") for place in question.relevant if _answers(place, it)} for it in answer[:DEPTH]]
        rank = next((number for number, part in enumerate(parts, 1) if part), 0)
        relevant_parts = {place.get("part") for place in question.relevant}
        for kind in (question.kind, "all"):
            own = scores.setdefault(kind, Scores())
            own.questions += 1
            own.hit_1 += rank == 1
            own.hit_5 += set[object]().union(*parts[:FIRST]) == relevant_parts
            own.reciprocal_ranks += 1 / rank if rank else 0
    return scores


async def store(
    index: SearchIndex, tenant_id: UUID, passages: Sequence[Passage], vectors: Mapping[UUID, Vector], space: str
) -> UUID:
    """Store passages as documents of a new base, and return its id."""
    base_id = new_id()
    for _, group in groupby(passages, key=lambda passage: passage.document):
        chunks = [IndexedChunk(passage.id, passage.search_text, vectors[passage.id]) for passage in group]
        version = IndexedVersion(base_id, new_id(), new_id(), chunks, space=space)
        await index.put(tenant_id, version)
        await index.switch(tenant_id, version.document_id, version.version_id, fence=1)
    return base_id


def cut(document: ExtractedDocument, name: str, language: str = "") -> list[Passage]:
    """Return the chunks of a document, with the defaults of a base."""
    return [
        Passage(new_id(), name, language, document.text[chunk.start : chunk.end], chunk.search_text(document.text))
        for chunk in chunk_document(document, ChunkingOptions())
    ]


def unanswerable(questions: Sequence[Question], passages: Sequence[Passage]) -> list[str]:
    """Return the quotes that no passage has whole: the chunker cut them in two."""
    places = [place for question in questions for place in question.relevant]
    return [place["quote"] for place in places if not any(_answers(place, passage) for passage in passages)]


def _answers(place: Mapping[str, Any], passage: Passage) -> bool:
    return place["document"] == passage.document and _plain(place["quote"]) in _plain(passage.text)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _passages(path: Path) -> list[Passage]:
    builder = DocumentBuilder()
    read_markdown(path.read_text(), builder)
    document = ExtractedDocument("text/markdown", builder.text, (), tuple(builder.headings), tuple(builder.tables))
    name = path.relative_to(FOLDER / "documents")
    return cut(document, name.as_posix(), name.parts[1])
