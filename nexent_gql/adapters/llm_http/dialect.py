"""What a dialect implements: requests written, frames read."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports import llm
from nexent_gql.ports.content import ContentPart, OpaquePart, Origin
from nexent_gql.ports.llm import ChatChunk, ChatRequest, ModelEndpoint, ModelProtocolError

Models = TypeVar("Models")

STRIPPED: Quirk = "opaque"
"""The quirk of an endpoint that refused items which came from it; requests are written without them."""


class Decoder(Protocol):
    """Reads the frames of one answer."""

    @property
    def has_begun(self) -> bool:
        """Whether any of the answer has come."""
        ...

    @property
    def has_reason(self) -> bool:
        """Whether the provider has sent the reason for the end; text may still follow."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether nothing but token counts and the end mark can follow."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the protocol's terminal event has come."""
        ...

    def read(self, frame: bytes) -> Sequence[ChatChunk]:
        """Read one frame.

        Raises:
            ModelError: The frame reports an error, or cannot be understood.
        """
        ...

    def finish(self) -> Sequence[ChatChunk]:
        """End the answer; the last item is `Finished`.

        Raises:
            ModelError: The answer is not whole.
        """
        ...


class Dialect(Protocol):
    """One wire protocol."""

    @property
    def path(self) -> str:
        """What is added to the base URL."""
        ...

    @property
    def refusable(self) -> Sequence[Quirk]:
        """Parameters that a provider may refuse, and that a request can be written without."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """Return the headers that differ from dialect to dialect."""
        ...

    def body(self, endpoint: ModelEndpoint, request: ChatRequest, quirks: frozenset[Quirk]) -> JsonObject:
        """Write a streaming request."""
        ...

    def decoder(self, endpoint: ModelEndpoint, request: ChatRequest, *, max_answer_chars: int) -> Decoder:
        """Return a reader for one answer."""
        ...


def origin_of(endpoint: ModelEndpoint) -> Origin:
    """Return where opaque items of an endpoint come from, and go back to."""
    return Origin(provider=f"{endpoint.dialect.value}:{endpoint.base_url.rstrip('/')}", model=endpoint.model)


def opaque_of(parts: Sequence[ContentPart], origin: Origin, quirks: frozenset[Quirk]) -> list[OpaquePart]:
    """Return the opaque parts that may go to an origin."""
    if STRIPPED in quirks:
        return []
    return [part for part in parts if isinstance(part, OpaquePart) and part.origin == origin]


def has_opaque(request: ChatRequest, origin: Origin) -> bool:
    """Tell whether a request holds opaque items of an origin."""
    return any(
        opaque_of((*message.parts, *(part for call in message.tool_calls for part in call.opaque)), origin, frozenset())
        for message in request.messages
    )


def models_of(dialects: Mapping[llm.Dialect, Models], endpoint: ModelEndpoint) -> Models:
    """Return the adapter of an endpoint's dialect.

    Raises:
        ModelProtocolError: There is none for models of this kind.
    """
    models = dialects.get(endpoint.dialect)
    if models is None:
        raise ModelProtocolError(
            f"Models of the dialect {endpoint.dialect.value} are not available for {endpoint.kind.value}. "
            "Choose another model.",
            cause="DIALECT",
        )
    return models
