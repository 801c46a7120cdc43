"""Documents that clients add to a knowledge base while things break, and what is stored of them at the end."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import TypedDict, cast

from nexent_gql.kernel.json import loads_object
from tests.chaos.clients import ClientGroup
from tests.chaos.cluster import Cluster
from tests.chaos.history import History, Refusal, StoredDocument
from tests.chaos.remains import fetch

RUNS_FOR_EACH = 12
"""One document is added for so many runs, and some more when child processes are killed."""
AT_ONCE = 4
"""Documents for which clients wait at the same time."""
SECTIONS, SENTENCES, WORDS = 12, 6, 12
END_S, LOOK_S = 300.0, 0.5
CREATE_BASE = """
mutation ($input: CreateKnowledgeBaseInput!) {
  createKnowledgeBase(input: $input) {
    ... on CreateKnowledgeBasePayload { knowledgeBase { id } } ... on Error { message code }
  }
}
"""
ADD = """
mutation ($input: AddDocumentInput!) {
  addDocument(input: $input) { ... on AddDocumentPayload { document { id } } ... on Error { message code } }
}
"""
STATE = "query ($id: ID!) { node(id: $id) { ... on Document { state } } }"
STORED = """
    SELECT json_build_object(
        'client_id', document.client_id,
        'ending', version.state || coalesce(' ' || version.code, ''),
        'texts', (SELECT coalesce(json_agg(content ORDER BY ordinal), '[]') FROM chunk
                   WHERE chunk.document_id = document.id),
        'indexed', (SELECT count(*) FROM search_chunk JOIN search_version USING (tenant_id, version_id)
                     WHERE search_version.document_id = document.id AND is_live),
        'restarts', (SELECT coalesce(sum(fence - 1), 0) FROM job
                      WHERE key LIKE 'process_document:' || version.id || ':%' AND fence > 1))::text
      FROM document JOIN document_version AS version ON version.id = document.latest_version_id
     WHERE document.client_id IS NOT NULL
"""
ENDED = ("READY", "FAILED", "CANCELLED")


class _Row(TypedDict):
    client_id: str
    ending: str
    texts: list[str]
    indexed: int
    restarts: int


class DocumentLoad:
    """Adds documents to one knowledge base; `names` are the client ids of all that were sent."""

    def __init__(self, client_group: ClientGroup, history: History, seed: int) -> None:
        self._client_group = client_group
        self._history = history
        self._seed = seed
        self._numbers = count()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._base_id = ""
        self.names: list[str] = []

    async def open(self) -> None:
        """Create the knowledge base; nothing is broken yet."""
        created = await self._client_group.ask("createKnowledgeBase", CREATE_BASE, input={"name": "chaos"})
        self._base_id = str(created["knowledgeBase"]["id"])

    def add(self, number: int) -> None:
        """Add so many documents in the background, each until it has ended."""
        for _ in range(number):
            name = f"s{self._seed}d{next(self._numbers)}q"
            self.names.append(name)
            self._tasks.append(asyncio.create_task(self._add(name)))

    async def finish(self) -> None:
        """Wait until all have ended, at most as long as the slowest may take."""
        await asyncio.wait_for(asyncio.gather(*self._tasks), END_S)

    async def close(self) -> None:
        """Give up what has not ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add(self, name: str) -> None:
        async with self._places:
            source = {"text": {"name": name, "content": content_of(name)}}
            fields = {"knowledgeBaseId": self._base_id, "clientId": name, "source": source}
            requests = [self._client_group.ask(f"addDocument {name}", ADD, input=fields) for _ in range(2)]
            answers = await asyncio.gather(*requests)  # twice at once, as an impatient user does
            for answer in answers:
                if "document" not in answer:
                    self._history.refusals.append(Refusal(f"addDocument of {name}", answer["code"]))
                    return
            await self._until_ended(name, str(answers[0]["document"]["id"]))

    async def _until_ended(self, name: str, document_id: str) -> None:
        while (await self._client_group.ask(f"document {name}", STATE, id=document_id))["state"] not in ENDED:  # noqa: ASYNC110 - asks a server
            await asyncio.sleep(LOOK_S)


def content_of(name: str) -> str:
    """Return a text whose words are all different."""
    words = (f"{name}w{number}" for number in count())

    def sentence() -> str:
        return " ".join(next(words) for _ in range(WORDS)).capitalize() + "."

    sections = [" ".join(sentence() for _ in range(SENTENCES)) for _ in range(SECTIONS)]
    return "\n\n".join(f"## Section {number}\n\n{text}" for number, text in enumerate(sections))


async def stored_documents(cluster: Cluster, names: Sequence[str]) -> list[StoredDocument]:
    """Return what Postgres has of the documents with these client ids."""
    rows = [cast("_Row", loads_object(str(row))) for row in await fetch(cluster, STORED, cluster.actor.tenant_id)]
    return [_stored(name, [row for row in rows if row["client_id"] == name]) for name in names]


def _stored(name: str, rows: Sequence[_Row]) -> StoredDocument:
    texts = [text for row in rows for text in row["texts"]]
    times = Counter(word for text in texts for word in set(_words_of(text)))
    expected = set(_words_of(content_of(name)))
    return StoredDocument(
        client_id=name,
        copies=len(rows),
        endings=[row["ending"] for row in rows],
        chunks=len(texts),
        indexed=sum(row["indexed"] for row in rows),
        words_missing=len(expected - times.keys()),
        words_repeated=sum(times[word] > 1 for word in expected),
        restarts=sum(row["restarts"] for row in rows),
    )


def _words_of(text: str) -> Sequence[str]:
    return re.findall(r"s\d+d\d+qw\d+", text.lower())
