"""The gateway to all chat models: picks the dialect, fits requests to the model, checks endpoints."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from nexent_gql.adapters.llm_http.dialect import models_of
from nexent_gql.adapters.llm_messages import has_images, normalise_messages, without_images
from nexent_gql.adapters.llm_probe import probe_profile
from nexent_gql.kernel.errors import Detail
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Dialect,
    ModelCheck,
    ModelEndpoint,
    ModelKind,
    ModelProfile,
    RemoteModel,
)
from nexent_gql.ports.llm_errors import ModelError, ModelProtocolError, ModelRequestRefusedError, ModelTimeoutError

CHECK = ChatRequest(messages=(ChatMessage.from_text("user", "Reply with the single word OK."),), max_output_tokens=16)


class DialectModels(Protocol):
    """The chat models of one dialect."""

    def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer, as `LanguageModels.stream`, without trying again."""
        ...

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """List what the provider offers, as `ModelDirectory.list_models`."""
        ...


class VectorChecks(Protocol):
    """Checks of embedding and reranking models."""

    async def check(self, endpoint: ModelEndpoint) -> ModelProfile:
        """Make the smallest real call, and return what it shows of the model.

        Raises:
            ModelError: It did not succeed.
        """
        ...

    async def probe(self, endpoint: ModelEndpoint, profile: ModelProfile) -> ModelProfile:
        """Return a profile with what further calls show; what fails stays unknown."""
        ...

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`; for dialects without chat models."""
        ...


class LanguageModelGateway:
    """Implements the `ModelDirectory` port over one adapter for each dialect.

    Args:
        dialects: The models of each dialect; they stay the caller's to close.
        vectors: Checks the models that do not chat; None where there are none.
        check_s: Time limit of the first call of `check`, and of what it tries behind it; in seconds.
    """

    def __init__(
        self,
        dialects: Mapping[Dialect, DialectModels],
        *,
        vectors: VectorChecks | None = None,
        check_s: float = 60,
    ) -> None:
        self._dialects = dialects
        self._vectors = vectors
        self._check_s = check_s

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer; the last item is `Finished`, and closing the generator closes the connection.

        The messages are put into an order and shape that every provider accepts. A request with images that is
        refused is sent once more without them: most models cannot see, and an image in the history must not end
        the conversation.

        Raises:
            ModelError: The answer did not come, or not whole; the call is not repeated.
        """
        models = models_of(self._dialects, endpoint)
        request = fitted(request, endpoint.profile)
        has_begun = False
        try:
            async with aclosing(models.stream(endpoint, request)) as chunks:
                async for chunk in chunks:
                    has_begun = True
                    yield chunk
        except ModelError as error:
            if has_begun or not _may_be_about_images(error, request):
                raise
        else:
            return
        request = replace(request, messages=without_images(request.messages))
        async with aclosing(models.stream(endpoint, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        """See `LanguageModels`; the latency is that of the first token of the first call."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._check_s):
                profile = await self._try_out(endpoint)
            latency_ms = since_ms(began)
        except ModelError as error:
            return ModelCheck(
                ok=False,
                latency_ms=since_ms(began),
                code=error.code,
                advice=error.message,
                provider_message=error.provider_message,
                details=as_json(error.details),
            )
        except TimeoutError:
            return ModelCheck(
                ok=False,
                latency_ms=since_ms(began),
                code=ModelTimeoutError.code,
                advice=f"The model did not answer within {self._check_s:g} seconds. Is it still being loaded?",
                details={"cause": "CHECK", "limit_s": self._check_s},
            )
        if with_profile:
            profile = await self._probe(endpoint, profile)
        return ModelCheck(ok=True, latency_ms=latency_ms, profile=profile)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """List what the provider offers, as `ModelDirectory.list_models`."""
        if self._vectors is not None and endpoint.dialect not in self._dialects:
            return await self._vectors.list_models(endpoint)
        return await models_of(self._dialects, endpoint).list_models(endpoint)

    async def _probe(self, endpoint: ModelEndpoint, profile: ModelProfile) -> ModelProfile:
        """Learn what the model can do, for at most the time of a check; what takes longer stays unknown."""
        try:
            async with asyncio.timeout(self._check_s):
                if endpoint.kind is not ModelKind.CHAT:
                    return await self._require_vectors(endpoint).probe(endpoint, profile)
                return await probe_profile(models_of(self._dialects, endpoint), endpoint)
        except TimeoutError:
            return profile

    async def _try_out(self, endpoint: ModelEndpoint) -> ModelProfile:
        """Make the smallest call, and return what it shows of the model."""
        if endpoint.kind is not ModelKind.CHAT:
            return await self._require_vectors(endpoint).check(endpoint)
        async with aclosing(models_of(self._dialects, endpoint).stream(endpoint, CHECK)) as chunks:
            await anext(chunks, None)
        return ModelProfile()

    def _require_vectors(self, endpoint: ModelEndpoint) -> VectorChecks:
        if self._vectors is None:
            raise ModelProtocolError(f"This installation has no models of the kind {endpoint.kind}.", cause="KIND")
        return self._vectors


def fitted(request: ChatRequest, profile: ModelProfile) -> ChatRequest:
    """Return a request in the order, shape and size that the provider accepts, with what the model is asked by default.

    Raises:
        ModelRequestRefusedError: The model's profile has no tools, but the agent needs some.
    """
    if request.tools and profile.has_tools is False:
        raise ModelRequestRefusedError(
            "This model cannot call tools. Choose another model for the agent, or take its tools away.",
            cause="NO_TOOLS",
        )
    messages = normalise_messages(request.messages)
    limits = [limit for limit in (request.max_output_tokens, profile.max_output_tokens) if limit is not None]
    return replace(
        request,
        messages=without_images(messages) if profile.has_vision is False else messages,
        max_output_tokens=None if request.max_output_tokens is None else min(limits),
        temperature=profile.temperature if request.temperature is None else request.temperature,
        reasoning_effort=request.reasoning_effort or profile.reasoning_effort,
        verbosity=request.verbosity or profile.verbosity,
        parallel_tools=profile.has_parallel_tools if request.parallel_tools is None else request.parallel_tools,
    )


def _may_be_about_images(error: ModelError, request: ChatRequest) -> bool:
    """Return whether a request was refused for a reason other than its content."""
    is_refused = isinstance(error, ModelRequestRefusedError) and error.details.get("reason") != "content_filter"
    return is_refused and has_images(request.messages)


def since_ms(began: float) -> int:
    """Return the milliseconds since a moment of the monotonic clock."""
    return round((time.monotonic() - began) * 1000)


def as_json(details: Mapping[str, Detail]) -> JsonObject:
    """Return an error's facts as JSON."""
    return {name: [*value] if isinstance(value, list) else value for name, value in details.items()}
