"""Requests and replies of `/embeddings`."""

import math
import re
import sys
from array import array
from base64 import b64decode
from collections.abc import Sequence

from nexent_gql.adapters.embeddings_http.reply import in_order, malformed, usage_of
from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Embeddings, Vector
from nexent_gql.ports.llm import ModelEndpoint, Usage

PATH = "/embeddings"
REFUSABLE: tuple[Quirk, ...] = ("encoding_format", "dimensions")

_PREFIXES: tuple[tuple[re.Pattern[str], dict[EmbeddingPurpose, str]], ...] = (
    (
        re.compile(r"\be5-(?:small|base|large)"),
        {EmbeddingPurpose.QUERY: "query: ", EmbeddingPurpose.PASSAGE: "passage: "},
    ),
    (
        re.compile(r"nomic-embed-text"),
        {EmbeddingPurpose.QUERY: "search_query: ", EmbeddingPurpose.PASSAGE: "search_document: "},
    ),
    (
        re.compile(r"qwen3-embedding"),
        {
            EmbeddingPurpose.QUERY: "Instruct: Given a web search query, retrieve relevant passages that answer the "
            "query\nQuery:"
        },
    ),
)
"""What models were trained to see ahead of a text, by their names in lower case; servers do not add it."""


def body_of(endpoint: ModelEndpoint, request: EmbeddingRequest) -> JsonObject:
    """Write a request; base64 is a quarter of the size of numbers in JSON."""
    prefix = prefix_of(endpoint.model, request.purpose)
    body: JsonObject = {
        "model": endpoint.model,
        "input": [prefix + text for text in request.texts],
        "encoding_format": "base64",
    }
    if endpoint.dimensions is not None:
        body["dimensions"] = endpoint.dimensions
    return body


def prefix_of(model: str, purpose: EmbeddingPurpose) -> str:
    """Return what the model expects ahead of a text; empty for most."""
    name = model.lower()
    return next((prefixes.get(purpose, "") for pattern, prefixes in _PREFIXES if pattern.search(name)), "")


def embeddings_of(reply: JsonObject | list[Json], endpoint: ModelEndpoint, texts: Sequence[str]) -> Embeddings:
    """Read a reply.

    Raises:
        ModelProtocolError: It does not have a usable vector for each text.
    """
    vectors = [_vector(entry) for entry in in_order(reply, ("data", "embeddings"), len(texts))]
    dimensions = endpoint.dimensions or len(vectors[0])
    if any(len(vector) != dimensions for vector in vectors):
        raise malformed(f"Some of the vectors do not have {dimensions} dimensions.", "DIMENSIONS")
    usage = usage_of(reply)
    model = reply.get("model") if isinstance(reply, dict) else None
    return Embeddings(
        vectors=tuple(vectors),
        model=model if isinstance(model, str) and model else endpoint.model,
        dimensions=dimensions,
        usage=usage or Usage(input_tokens=sum(map(estimate_text_tokens, texts))),
        is_estimated=usage is None,
    )


def _vector(entry: Json) -> Vector:
    """Read a vector, of numbers or as base64 of little-endian 32-bit floats."""
    value = entry.get("embedding") if isinstance(entry, dict) else entry
    vector = array("f")
    try:
        if isinstance(value, str):
            vector.frombytes(b64decode(value, validate=True))
            if sys.byteorder == "big":
                vector.byteswap()
        elif isinstance(value, list):
            vector.extend(value)  # pyright: ignore[reportArgumentType] - what is no number raises TypeError
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("A vector cannot be read.", "VECTOR") from error
    if not math.isfinite(sum(vector)) or not any(vector):  # any infinity and any NaN shows in the sum
        raise malformed("A vector is empty, or holds something else than numbers.", "VECTOR")
    return vector
