"""Validates the frames that clients send over graphql-transport-ws."""

from collections.abc import Mapping

from nexent_gql.api.pipeline.refusals import BadRequestError
from nexent_gql.kernel.json import Json, JsonObject

_TYPES = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})
_WITH_ID = frozenset({"subscribe", "complete"})
_MAX_ID_CHARS = 200
_MAX_REASON_BYTES = 123  # the limit of a close reason in the WebSocket protocol


def read_frame(value: Json) -> JsonObject:
    """Return a frame whose members have the types that the protocol requires.

    Raises:
        BadRequestError: The frame is invalid; the message is the reason of the close code 4400.
    """
    if not isinstance(value, dict):
        raise BadRequestError("A message must be a JSON object")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise BadRequestError("Unknown message type")
    if kind in _WITH_ID:
        _check_id(value.get("id"))
    payload = value.get("payload") if kind != "complete" else None
    if kind == "subscribe" and not isinstance(payload, dict):
        raise BadRequestError("The payload of subscribe must be an object")
    if payload is not None and not isinstance(payload, dict):
        raise BadRequestError(f"The payload of {kind} must be an object")
    return value


def _check_id(id_: Json) -> None:
    if not isinstance(id_, str) or not id_ or len(id_) > _MAX_ID_CHARS:
        raise BadRequestError(f"`id` must be text of 1 to {_MAX_ID_CHARS} characters")


def payload_of(frame: Mapping[str, Json]) -> JsonObject:
    """Return the payload, empty if absent."""
    payload = frame.get("payload")
    return payload if isinstance(payload, dict) else {}


def close_reason(text: str) -> str:
    """Cut a close reason to the limit."""
    return text.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


def authorization_of(payload: Mapping[str, Json]) -> str | None:
    """Return the `Authorization` of a connection_init payload, ignoring the case of the name.

    Raises:
        BadRequestError: The value is not text.
    """
    for name, value in payload.items():
        if name.lower() == "authorization" and value is not None:
            if not isinstance(value, str):
                raise BadRequestError("`Authorization` must be text")
            return value
    return None
