"""The list of models that a provider offers, in the forms that providers give it."""

import asyncio
from contextlib import aclosing
from http import HTTPStatus

import httpx2

from nexent_gql.adapters.llm_http.errors import error_of_status, scrubbed
from nexent_gql.adapters.llm_http.transport import error_of_transport
from nexent_gql.kernel.json import Json, loads
from nexent_gql.ports.llm import ModelError, ModelProtocolError, ModelTimeoutError, RemoteModel

MAX_BYTES = 4_000_000
MAX_MODELS = 1_000
MAX_NAME_CHARS = 200
LIST_S = 20.0
_LENGTHS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""Where vLLM and SGLang, OpenRouter and Moonshot, Groq, Mistral and LM Studio, and Anthropic put the context window."""


async def list_models(
    client: httpx2.AsyncClient, request: httpx2.Request, key: str, *, limit_s: float = LIST_S
) -> tuple[RemoteModel, ...]:
    """Send the request and return the models that the reply lists, in its order.

    Raises:
        ModelError: The provider gave no list; the error does not hold `key`.
    """
    try:
        async with asyncio.timeout(limit_s):
            response = await client.send(request, stream=True)
            body = await _body(response)
        if response.status_code != HTTPStatus.OK:
            raise error_of_status(response.status_code, response.headers, body)
        return models_of(body)
    except TimeoutError as error:
        raise ModelTimeoutError(
            f"The provider did not list its models within {limit_s:g} seconds.", cause="LIST", limit_s=limit_s
        ) from error
    except httpx2.TransportError as error:
        raise scrubbed(error_of_transport(error, answered=False), key) from error
    except ModelError as error:
        raise scrubbed(error, key)  # noqa: B904 - it is the same error


async def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    try:
        async with aclosing(response.aiter_raw()) as parts:
            async for part in parts:
                body += part
                if len(body) > MAX_BYTES:
                    raise ModelProtocolError("The provider's list of models is too large.", cause="REPLY_TOO_LARGE")
    finally:
        await response.aclose()
    return bytes(body)


def models_of(body: bytes) -> tuple[RemoteModel, ...]:
    """Read a list: `{"data": [...]}`, `{"models": [...]}` or a bare list, of objects with an `id` or a `name`.

    Raises:
        ModelProtocolError: It is no list of models.
    """
    try:
        value = loads(body)
    except ValueError:
        value = None
    entries = value if isinstance(value, list) else None
    if isinstance(value, dict):
        entries = next((value[key] for key in ("data", "models") if isinstance(value.get(key), list)), None)
    if not isinstance(entries, list):
        raise ModelProtocolError(
            "The provider has no list of models at this base URL. Enter the model's name yourself.", cause="NO_LIST"
        )
    models = {model.name: model for entry in entries if (model := _model(entry)) is not None}
    return tuple(models.values())[:MAX_MODELS]


def _model(entry: Json) -> RemoteModel | None:
    if not isinstance(entry, dict):
        return None
    name = entry.get("id") or entry.get("name")
    if not isinstance(name, str):
        return None
    name = name.removeprefix("models/")
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        return None
    meta = entry.get("meta")
    lengths = [entry.get(key) for key in _LENGTHS]
    lengths += [meta.get("n_ctx")] if isinstance(meta, dict) else []
    return RemoteModel(name, next((length for length in lengths if type(length) is int and length > 0), None))
