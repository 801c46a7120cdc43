"""Answers of models that were given before to exactly the same request."""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import structlog

from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError, UnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import Json, dumps, loads_object
from nexent_gql.ports.content import encode_parts
from nexent_gql.ports.llm import (
    CallAttribution,
    ChatMessage,
    ChatRequest,
    Finished,
    ReasoningChunk,
    TextChunk,
    TextWasReasoning,
    ToolCallChunk,
    Usage,
)
from nexent_gql.ports.llm_routes import CachedAnswer, Deployment, ModelRoute, ModelSwitch, RouteChunk, RoutedModels
from nexent_gql.ports.llm_usage import ModelCallLedger, ModelCallRecord
from nexent_gql.ports.response_cache import ResponseCache
from nexent_gql.telemetry.models import ModelMetrics

CACHE_S = 0.5
RENEW_S = 5.0
POLL_S = 0.1
MAX_WAIT_S = 30.0
"""How long to wait for an answer that is given to somebody else, before asking the model too."""
MAX_ANSWER_BYTES = 256_000
_PIECE_CHARS = 2_000
_Result = TypeVar("_Result")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Key:
    """Where an answer is stored, and for how long."""

    tenant_id: UUID
    digest: str
    ttl_s: float


@dataclass(slots=True)
class _Answer:
    """A whole answer of text and reasoning; `answered_by` is the key of the deployment that gave it."""

    text: str
    reasoning: str
    answered_by: str


class CachedRoutes:
    """Implements the `RoutedModels` port: another one whose answers are kept, where the models of a route allow it.

    A request qualifies if it has no tools and an attribution, and every model of its route has `response_cache_s` and
    accepts a temperature; it is then sent at temperature 0. An answer that is being given to the same request, by
    whatever process, is waited for. Without the cache, models are called as usual.

    Args:
        models: Gives the answers.
        cache: Keeps them.
        ledger: Records answers from the cache, at no cost.
        clock: The current time.
        metrics: Counts lookups.
        timeout_s: How long the cache may take for one operation.
    """

    def __init__(
        self,
        models: RoutedModels,
        cache: ResponseCache,
        ledger: ModelCallLedger,
        clock: Clock,
        metrics: ModelMetrics | None = None,
        *,
        timeout_s: float = CACHE_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._models = models
        self._metrics = metrics or ModelMetrics()
        self._cache = cache
        self._ledger = ledger
        self._clock = clock

    def stream(self, route: ModelRoute, request: ChatRequest, /) -> AsyncGenerator[RouteChunk]:
        key = _key_of(route, request)
        if key is None or request.attribution is None:
            return self._models.stream(route, request)
        return self._stream(key, route, request, request.attribution)

    async def _stream(
        self, key: _Key, route: ModelRoute, request: ChatRequest, attribution: CallAttribution
    ) -> AsyncGenerator[RouteChunk]:
        began, owner = time.monotonic(), str(new_id())
        renewal: asyncio.Task[None] | None = None
        try:
            answer = await self._find_or_acquire(key, owner)
            self._metrics.count_lookups("answers", int(answer is not None), int(answer is None))
            if answer is not None:
                deployments = route.deployments
                deployment = next((each for each in deployments if each.key == answer.answered_by), deployments[0])
                await self._record(attribution, deployment, round((time.monotonic() - began) * 1_000))
                for chunk in _replay(answer, deployment):
                    yield chunk
                return
            renewal = asyncio.create_task(self._renew(key, owner))
            recording = _Recording()
            async with aclosing(self._models.stream(route, replace(request, temperature=0))) as chunks:
                async for chunk in chunks:
                    recording.read(chunk)
                    yield chunk
            if (value := recording.value()) is not None:
                await self._try(self._cache.store(key.tenant_id, key.digest, value, key.ttl_s))
        finally:
            if renewal is not None:
                renewal.cancel()
            await asyncio.shield(asyncio.create_task(self._release(key, owner)))

    async def _find_or_acquire(self, key: _Key, owner: str) -> _Answer | None:
        """Return the stored answer; None when the caller has to ask the model."""
        give_up_at = time.monotonic() + MAX_WAIT_S
        while True:
            if (value := await self._try(self._cache.find(key.tenant_id, key.digest))) is not None:
                return _decode(value)
            has_lease = await self._try(self._cache.acquire(key.tenant_id, key.digest, owner))
            if has_lease:  # the one that had it may have stored its answer in between
                value = await self._try(self._cache.find(key.tenant_id, key.digest))
                return None if value is None else _decode(value)
            if has_lease is None or time.monotonic() > give_up_at:
                return None
            await asyncio.sleep(POLL_S)

    async def _renew(self, key: _Key, owner: str) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await self._try(self._cache.acquire(key.tenant_id, key.digest, owner))

    async def _release(self, key: _Key, owner: str) -> None:
        await self._try(self._cache.release(key.tenant_id, key.digest, owner))

    async def _record(self, attribution: CallAttribution, deployment: Deployment, latency_ms: int) -> None:
        record = ModelCallRecord(
            id=new_id(),
            attribution=attribution,
            endpoint=deployment.endpoint,
            started_at=self._clock(),
            usage=Usage(),
            is_estimated=False,
            latency_ms=latency_ms,
            first_token_ms=latency_ms,
            is_cached=True,
        )
        try:
            await self._ledger.close(record)
        except DomainError as error:
            _log.warning("model.cached_call_not_recorded", error=error.code)

    async def _try(self, operation: Coroutine[Any, Any, _Result]) -> _Result | None:
        """Return the reply of the cache; None while it is unavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await operation
        except (UnavailableError, TimeoutError) as error:
            _log.warning("response_cache.unavailable", error=type(error).__name__)
            return None


@dataclass(slots=True)
class _Recording:
    """What has arrived of an answer that may be stored."""

    texts: list[str] = field(default_factory=list[str])
    reasonings: list[str] = field(default_factory=list[str])
    is_plain: bool = True
    is_whole: bool = False
    answered_by: str = ""

    def read(self, chunk: RouteChunk) -> None:
        """Note a piece of the answer."""
        match chunk:
            case TextChunk():
                self.texts.append(chunk.text)
            case ReasoningChunk():
                self.reasonings.append(chunk.text)
            case TextWasReasoning():
                self.reasonings += self.texts
                self.texts.clear()
            case ModelSwitch():  # a mended answer is none that the same request would get again
                self.is_plain = False
            case ToolCallChunk():
                self.is_plain = False
            case Finished():
                self.is_whole, self.answered_by = chunk.reason == "stop", chunk.answered_by
            case _:
                pass

    def value(self) -> bytes | None:
        """Return what to store; None for an answer that is not whole, empty, too long, or more than text."""
        text = "".join(self.texts)
        if not (self.is_plain and self.is_whole and text):
            return None
        value = dumps({"text": text, "reasoning": "".join(self.reasonings), "answered_by": self.answered_by})
        return value if len(value) <= MAX_ANSWER_BYTES else None


def _decode(value: bytes) -> _Answer:
    stored = loads_object(value)
    return _Answer(str(stored["text"]), str(stored["reasoning"]), str(stored["answered_by"]))


def _replay(answer: _Answer, deployment: Deployment) -> Generator[RouteChunk]:
    yield CachedAnswer(deployment.name)
    if answer.reasoning:
        yield ReasoningChunk(answer.reasoning)
    for start in range(0, len(answer.text), _PIECE_CHARS):
        yield TextChunk(answer.text[start : start + _PIECE_CHARS])
    yield Finished("stop", Usage(), Decimal(), deployment.key)


def _key_of(route: ModelRoute, request: ChatRequest) -> _Key | None:
    """Return where the answer to a request is stored; None if it must not be."""
    deployments = route.deployments
    if request.tools or request.attribution is None or not all(map(_is_cacheable, deployments)):
        return None
    ttl_s = min(each.endpoint.response_cache_s or 0 for each in deployments)
    places = [
        [
            *(each.endpoint.dialect, each.endpoint.base_url, each.endpoint.query, each.endpoint.model),
            *(each.endpoint.profile.reasoning_effort, each.endpoint.profile.verbosity),
        ]
        for each in deployments
    ]
    schema = request.response_schema
    options = [
        *request.stop,
        request.max_output_tokens,
        None if schema is None else [schema.name, schema.schema],
    ]
    try:
        content = dumps([places, options, [*map(_encode, request.messages)]])
    except TypeError:  # half a surrogate pair, which no provider accepts either
        return None
    return _Key(request.attribution.tenant_id, sha256(content).hexdigest(), ttl_s)


def _is_cacheable(deployment: Deployment) -> bool:
    endpoint = deployment.endpoint
    return endpoint.response_cache_s is not None and endpoint.profile.has_sampling is not False


def _encode(message: ChatMessage) -> Json:
    calls: list[Json] = [
        [call.id, call.name, call.arguments, *encode_parts(call.opaque)] for call in message.tool_calls
    ]
    return [message.role, [*encode_parts(message.parts)], calls, message.tool_call_id]
