"""The embedding and reranking models of a fake provider.

A vector counts the words of its text, so that texts with the same words are near each other; scores count shared words.
"""

import asyncio
import struct
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256

from nexent_gql.kernel.json import Json, JsonObject, dumps
from tests.support.fake_provider_http import Connection


@dataclass(frozen=True)
class Fault:
    """A reply instead of the right one; `status` 0 cuts the connection."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class FakeVectors:
    """What the models accept and return, and what goes wrong, in order.

    Attributes:
        dimensions: Length of vectors.
        max_batch: The most texts of a request; more are refused.
        refused: Parameters that are refused as unknown.
        is_shuffled: Whether results come in another order than the texts.
        has_usage: Whether replies tell tokens.
        faults: Replies of the next requests.
        is_down: Whether every request gets status 503.
        down_after: Texts after which every request gets status 503; None is never.
        delay_s: How long a request takes.
        most_at_once: The most requests that were answered at the same time.
        texts: All texts that were embedded.
    """

    dimensions: int = 8
    max_batch: int = 2_048
    refused: set[str] = field(default_factory=set[str])
    is_shuffled: bool = True
    has_usage: bool = True
    faults: deque[Fault] = field(default_factory=deque[Fault])
    is_down: bool = False
    down_after: int | None = None
    texts: list[str] = field(default_factory=list[str])
    delay_s: float = 0
    most_at_once: int = 0
    _running: int = 0

    async def answer(self, path: str, body: JsonObject, connection: Connection) -> None:
        """Answer one request to `/embeddings` or `/rerank`."""
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            await asyncio.sleep(self.delay_s)
            await self._answer(path, body, connection)
        finally:
            self._running -= 1

    async def _answer(self, path: str, body: JsonObject, connection: Connection) -> None:
        if self.is_down or (self.down_after is not None and len(self.texts) >= self.down_after):
            await self._fail(Fault(503, {"error": {"message": "The model is down."}}), connection)
            return
        if self.faults:
            await self._fail(self.faults.popleft(), connection)
            return
        unknown = next((name for name in body if name in self.refused), None)
        if unknown is not None:
            await connection.json(400, {"error": {"message": f"Unknown parameter: '{unknown}'", "param": unknown}})
            return
        texts = _texts(body, "input" if path.endswith("/embeddings") else "documents")
        if len(texts) > self.max_batch:
            message = f"batch size is invalid, it should not be larger than {self.max_batch}."
            await connection.json(400, {"error": {"message": message}})
            return
        results = self._embed(body, texts) if path.endswith("/embeddings") else self._rerank(body, texts)
        reply: JsonObject = {"model": body["model"], "data" if path.endswith("/embeddings") else "results": [*results]}
        if self.has_usage:
            count = sum(len(text.split()) for text in texts)
            reply["usage"] = {"prompt_tokens": count, "total_tokens": count}
        await connection.json(200, reply)

    async def _fail(self, fault: Fault, connection: Connection) -> None:
        if fault.status == 0:
            connection.reset()
        elif isinstance(fault.body, bytes):
            await connection.answer(fault.status, fault.body, fault.headers)
        else:
            await connection.answer(fault.status, dumps(fault.body), fault.headers)

    def _embed(self, body: JsonObject, texts: list[str]) -> list[JsonObject]:
        self.texts += texts
        requested = body.get("dimensions")
        dimensions = requested if isinstance(requested, int) else self.dimensions
        results: list[JsonObject] = []
        for index, text in enumerate(texts):
            vector = vector_of(text, dimensions)
            packed = b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
            embedding: Json = packed if body.get("encoding_format") == "base64" else [*vector]
            results.append({"object": "embedding", "index": index, "embedding": embedding})
        return results[::-1] if self.is_shuffled else results

    def _rerank(self, body: JsonObject, texts: list[str]) -> list[JsonObject]:
        words = {*str(body["query"]).lower().split()}
        results: list[JsonObject] = [
            {"index": index, "relevance_score": len(words & {*text.lower().split()}) / len(words)}
            for index, text in enumerate(texts)
        ]
        return results[::-1] if self.is_shuffled else results


def vector_of(text: str, dimensions: int) -> list[float]:
    """Return the vector of a text: each word adds one to the dimension that its hash names."""
    vector = [0.0] * dimensions
    for word in text.lower().split():
        vector[sha256(word.encode()).digest()[0] % dimensions] += 1.0
    return vector


def _texts(body: JsonObject, name: str) -> list[str]:
    texts = body.get(name)
    return [str(text) for text in texts] if isinstance(texts, list) else [str(texts)]
