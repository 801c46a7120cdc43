"""Finds out what a model can do, by asking it and its provider."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    ModelEndpoint,
    ModelError,
    ModelProfile,
    ModelRequestRefusedError,
    RemoteModel,
    ToolCallChunk,
    ToolSpec,
)

_CITY = ToolSpec(
    "get_weather",
    "Return the weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
TOOL_CALL = ChatRequest(
    messages=(ChatMessage.from_text("user", "What is the weather in Paris? Call the tool get_weather."),),
    tools=(_CITY,),
    max_output_tokens=256,
)


class ProbedModels(Protocol):
    """What a probe calls: one dialect's models, and their list."""

    def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer, as `LanguageModels.stream`."""
        ...

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """List what the provider offers, as `ModelDirectory.list_models`."""
        ...


async def probe_profile(models: ProbedModels, endpoint: ModelEndpoint) -> ModelProfile:
    """Return what could be learned; what fails for another reason than a refusal stays unknown."""
    profile = ModelProfile(has_tools=await _calls_tools(models, endpoint))
    try:
        entries = await models.list_models(endpoint)
    except ModelError:
        return profile
    window = next((entry.context_window_tokens for entry in entries if entry.name == endpoint.model), None)
    return replace(profile, context_window_tokens=window)


async def _calls_tools(models: ProbedModels, endpoint: ModelEndpoint) -> bool | None:
    """Tell whether a model calls a tool; one that answers in words instead may still call another one."""
    try:
        async with aclosing(models.stream(endpoint, TOOL_CALL)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ToolCallChunk):
                    return True
    except ModelRequestRefusedError as error:
        return False if "tool" in (error.provider_message or "").lower() else None
    except ModelError:
        return None
    return None
