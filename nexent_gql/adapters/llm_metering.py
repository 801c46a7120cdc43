"""Accounts for each chat call, also where its stream is left early."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from nexent_gql.adapters.llm_accounting import CallAccounts, OpenCall
from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.tokens import CHARS_PER_TOKEN, estimate_text_tokens
from nexent_gql.ports.llm import (
    BrokenCallUsage,
    ChatChunk,
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

DEFAULT_OUTPUT_TOKENS = 4_096
"""What is reserved for an answer where neither the request nor the model's profile has a limit."""


@dataclass(slots=True)
class _Answer:
    """What has arrived of an answer."""

    texts: list[str] = field(default_factory=list[str])

    def read(self, chunk: ChatChunk) -> None:
        """Note a piece of the answer."""
        if isinstance(chunk, TextChunk | ReasoningChunk):
            self.texts.append(chunk.text)
        elif isinstance(chunk, ToolCallChunk):
            self.texts.append(chunk.arguments)

    def tokens(self) -> int:
        """Estimate its tokens."""
        return estimate_text_tokens("".join(self.texts))


class MeteredModels:
    """Implements the `ModelDirectory` port: another one whose attributed calls are accounted for.

    Args:
        models: Makes the calls.
        accounts: Reserves and settles what calls use.
    """

    def __init__(self, models: ModelDirectory, accounts: CallAccounts) -> None:
        self._models = models
        self._accounts = accounts

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`.

        Raises:
            QuotaExceededError: A budget does not have as much left as the call may cost.
            UnavailableError: The accounts are away.
        """
        if request.attribution is None:
            async with aclosing(self._models.stream(endpoint, request)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        async with self._accounts.account(request.attribution, endpoint, planned_usage(endpoint, request)) as call:
            answer = _Answer()
            call.received_tokens = answer.tokens
            try:
                async with aclosing(self._models.stream(endpoint, request)) as chunks:
                    async for chunk in chunks:
                        if isinstance(chunk, Finished):
                            yield self._finish(call, chunk)
                        else:
                            call.mark_first_token()
                            answer.read(chunk)
                            yield chunk
            except ModelError as error:
                call.error_code = error.code
                if (usage := call.settled_usage()) != Usage():
                    yield BrokenCallUsage(usage, self._accounts.cost(call))
                raise

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        return await self._models.check(endpoint, with_profile=with_profile)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        return await self._models.list_models(endpoint)

    def _finish(self, call: OpenCall, finished: Finished) -> Finished:
        call.usage, call.is_whole = finished.usage, True
        return replace(finished, cost_usd=self._accounts.cost(call))


def planned_usage(endpoint: ModelEndpoint, request: ChatRequest) -> Usage:
    """Estimate what a call sends, and the most that it may receive."""
    tools = sum(len(tool.description) + len(dumps(tool.parameters)) for tool in request.tools) // CHARS_PER_TOKEN
    limits = [each for each in (request.max_output_tokens, endpoint.profile.max_output_tokens) if each is not None]
    return Usage(estimate_tokens(request.messages) + tools, min(limits, default=DEFAULT_OUTPUT_TOKENS))
