"""Measures each call of a model, and records it also where its stream is left early."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field

import structlog

from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import (
    CallAttribution,
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Finished,
    ModelCheck,
    ModelDirectory,
    ModelEndpoint,
    ModelError,
    ReasoningChunk,
    RemoteModel,
    TextChunk,
    ToolCallChunk,
    Usage,
)
from nexent_gql.ports.llm_usage import ModelCallLog, ModelCallRecord

LEFT = "LEFT"
RETRY_S = 0.5
_log = structlog.get_logger()


@dataclass(slots=True)
class _Meter:
    """What is measured of one call."""

    began: float = field(default_factory=time.monotonic)
    first_token_ms: int | None = None
    usage: Usage | None = None
    error_code: str | None = LEFT
    texts: list[str] = field(default_factory=list[str])

    def read(self, chunk: ChatChunk) -> None:
        """Note a piece of the answer."""
        if isinstance(chunk, Finished):
            self.usage, self.error_code = chunk.usage, None
            return
        if self.first_token_ms is None:
            self.first_token_ms = self.elapsed_ms()
        if isinstance(chunk, TextChunk | ReasoningChunk):
            self.texts.append(chunk.text)
        elif isinstance(chunk, ToolCallChunk):
            self.texts.append(chunk.arguments)

    def elapsed_ms(self) -> int:
        """Return the milliseconds since the call began."""
        return round((time.monotonic() - self.began) * 1_000)

    def settled_usage(self, request: ChatRequest) -> Usage:
        """Return the provider's counts, or an estimate of what was sent and what arrived."""
        if self.usage is not None:
            return self.usage
        if self.first_token_ms is None and self.error_code not in {None, LEFT}:
            return Usage()  # a call that was refused or did not get through costs nothing
        output = ChatMessage.from_text("assistant", "".join(self.texts))
        return Usage(estimate_tokens(request.messages), estimate_tokens([output]) if self.texts else 0)


class MeteredModels:
    """Implements the `ModelDirectory` port: another one whose attributed calls are recorded when they end.

    A record that cannot be written is logged with its numbers; the answer is not lost for it.

    Args:
        models: Makes the calls.
        log: Keeps the records.
        clock: The current time.
    """

    def __init__(self, models: ModelDirectory, log: ModelCallLog, clock: Clock) -> None:
        self._models = models
        self._call_log = log
        self._clock = clock
        self._writes: set[asyncio.Task[None]] = set()

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`."""
        meter, started_at = _Meter(), self._clock()
        try:
            async with aclosing(self._models.stream(endpoint, request)) as chunks:
                async for chunk in chunks:
                    meter.read(chunk)
                    yield chunk
        except ModelError as error:
            meter.error_code = error.code
            raise
        finally:
            if request.attribution is not None:
                latency_ms = meter.elapsed_ms()
                await self._write(
                    ModelCallRecord(
                        id=new_id(),
                        attribution=request.attribution,
                        endpoint=endpoint,
                        started_at=started_at,
                        usage=meter.settled_usage(request),
                        is_estimated=meter.usage is None,
                        latency_ms=latency_ms,
                        first_token_ms=meter.first_token_ms,
                        error_code=meter.error_code,
                    )
                )

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        """See `LanguageModels`."""
        return await self._models.check(endpoint, with_profile=with_profile)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`."""
        return await self._models.list_models(endpoint)

    async def _write(self, call: ModelCallRecord) -> None:
        """Write to the end also when the caller is cancelled meanwhile."""
        write = asyncio.create_task(self._record(call))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def _record(self, call: ModelCallRecord) -> None:
        for pause_s in (RETRY_S, None):
            try:
                await self._call_log.record(call)
            except DomainError as error:
                if pause_s is None:
                    _log_lost(call, call.attribution, error)
                else:
                    await asyncio.sleep(pause_s)
            else:
                return


def _log_lost(call: ModelCallRecord, attribution: CallAttribution, error: DomainError) -> None:
    _log.error(
        "model.usage_lost",
        error=error.code,
        call_id=str(call.id),
        tenant_id=str(attribution.tenant_id),
        run_id=str(attribution.run_id),
        model=call.endpoint.model,
        **asdict(call.usage),
    )
