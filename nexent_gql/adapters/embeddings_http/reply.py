"""What the replies of both APIs have in common: entries with an index, and token counts."""

from collections.abc import Sequence
from typing import cast

from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ModelProtocolError, Usage

_COUNTS = ("prompt_tokens", "total_tokens", "input_tokens")


def malformed(message: str, cause: str) -> ModelProtocolError:
    """Return the error of a reply that cannot be used."""
    return ModelProtocolError(f"The provider's reply cannot be used. {message}", cause=cause)


def in_order(reply: JsonObject | list[Json], names: Sequence[str], count: int) -> list[Json]:
    """Return `count` entries in the order of their `index`; without any index, in the order of the reply.

    Raises:
        ModelProtocolError: There are fewer or more, or two have the same index.
    """
    entries: Json = reply
    if isinstance(reply, dict):
        entries = next((reply[name] for name in names if name in reply), None)
    if not isinstance(entries, list) or len(entries) != count:
        results = len(entries) if isinstance(entries, list) else 0
        raise malformed(f"It has {results} results for {count} texts.", "COUNT")
    indexes = [entry.get("index") if isinstance(entry, dict) else None for entry in entries]
    if all(index is None for index in indexes):
        return entries
    by_index = dict(zip(indexes, entries, strict=True))
    if any(type(index) is not int for index in indexes) or by_index.keys() != {*range(count)}:
        raise malformed("The indexes of its results are wrong.", "INDEX")
    return [by_index[index] for index in range(count)]


def usage_of(reply: JsonObject | list[Json]) -> Usage | None:
    """Return the tokens that a reply reports; None when it reports none."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return None
    counts = [usage[name] for name in _COUNTS if type(usage.get(name)) is int]
    return Usage(input_tokens=max(cast("int", counts[0]), 0)) if counts else None
