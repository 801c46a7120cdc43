"""The passages of one document that match a question; runs in a child process, because texts may be long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import cast

from pydantic import TypeAdapter

from nexent_gql.domains.knowledge.chunking import Chunk, ChunkingOptions, TooManyChunksError, chunk_document
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.kernel.search import index_tokens
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.extraction import ExtractedDocument
from nexent_gql.ports.processes import ProcessPool, Task

_DOCUMENT = TypeAdapter(ExtractedDocument)
_TASK = Task("nexent_gql.domains.knowledge.excerpts", "select_excerpts")
_K1, _B = 1.2, 0.75
_CHUNK_WORDS = 200
"""Smaller chunks than a base has: those that match best have to fit into a share of a model's context."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage: `text[start:end]` of a document, and where it is, such as "page 3, Results"."""

    start: int
    end: int
    place: str


async def find_excerpts(
    processes: ProcessPool, text: str, structure: JsonObject, question: str, *, max_tokens: int, owner: Owner
) -> list[Excerpt]:
    """Return the passages of a text that match a question best, in their order, at most `max_tokens` together.

    Raises:
        DomainError: The child process failed, or none is free.
    """
    payload = dumps({"text": text, "structure": structure, "question": question, "max_tokens": max_tokens})
    answer = loads_object(await processes.run(_TASK, payload, owner=owner))
    return [Excerpt(**cast("dict[str, object]", item)) for item in cast("list[JsonObject]", answer["excerpts"])]  # pyright: ignore[reportArgumentType]


def select_excerpts(payload: bytes) -> bytes:
    """Do the task of `find_excerpts`."""
    content = loads_object(payload)
    text, structure = cast("str", content["text"]), cast("JsonObject", content["structure"])
    document = _DOCUMENT.validate_python({"media_type": "", "text": text, **structure})
    excerpts = _select(document, cast("str", content["question"]), cast("int", content["max_tokens"]))
    return dumps({"excerpts": excerpts})


def _select(document: ExtractedDocument, question: str, max_tokens: int) -> list[Excerpt]:
    try:
        chunks = chunk_document(document, ChunkingOptions(max_words=_CHUNK_WORDS))
    except TooManyChunksError:
        return []
    scores = _bm25([Counter(index_tokens(chunk.search_text(document.text))) for chunk in chunks], question)
    order = sorted(range(len(chunks)), key=lambda at: (-scores[at], at))
    selection: list[int] = []
    for at in order:
        max_tokens -= estimate_text_tokens(document.text[chunks[at].start : chunks[at].end])
        if max_tokens < 0:
            break
        selection.append(at)
    return [Excerpt(chunks[at].start, chunks[at].end, place_of(chunks[at])) for at in sorted(selection)]


def _bm25(texts: Sequence[Counter[str]], question: str) -> list[float]:
    terms = set(index_tokens(question))
    lengths = [counts.total() for counts in texts]
    average = sum(lengths) / len(lengths) if lengths else 1.0
    frequency = {term: sum(term in counts for counts in texts) for term in terms}
    scores: list[float] = []
    for counts, length in zip(texts, lengths, strict=True):
        score = 0.0
        for term in terms:
            if count := counts[term]:
                rarity = log(1 + (len(texts) - frequency[term] + 0.5) / (frequency[term] + 0.5))
                score += rarity * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / max(average, 1.0)))
        scores.append(score)
    return scores


def place_of(chunk: Chunk) -> str:
    """Describe where a chunk is, for models and people; empty for a text without pages and headings."""
    unit = "" if chunk.unit_kind is None else f"{chunk.unit_kind.lower()} {chunk.unit_name or chunk.unit_number}"
    return ", ".join(item for item in (chunk.attachment or "", unit, " > ".join(chunk.headings)) if item)
