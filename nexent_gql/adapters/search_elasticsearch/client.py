"""Requests to Elasticsearch: bounded in time and number, with its errors as our own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog
from elastic_transport import TransportError
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, AsyncElasticsearch, OrjsonSerializer
from pydantic import SecretStr

from nexent_gql.ports.search_index import SearchUnavailableError

T = TypeVar("T")
Item = dict[str, Any]
"""A JSON object of a request or an answer."""

_HTTP_NOT_FOUND, _HTTP_CONFLICT = 404, 409
_UNAUTHORIZED = frozenset({401, 403})
_MISSING = "index_not_found_exception"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ElasticsearchOptions:
    """Where the index is.

    Attributes:
        endpoint: Address of the cluster, such as `https://elasticsearch:9200`.
        prefix: Beginning of the names of all indexes.
        user: None for a cluster without security.
        password: Of the user.
        ca_file: Certificates of the authorities that are trusted instead of the system's.
        timeout_s: Time for each request, which includes waiting for a connection.
        connections: Concurrent requests.
        shards: Primary shards of a new index of chunks.
    """

    endpoint: str
    prefix: str = "nexent"
    user: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    timeout_s: float = 10.0
    connections: int = 16
    shards: int = 1


class IndexMissingError(Exception):
    """An index does not exist: it was not created yet, or is lost."""


class WriteConflictError(Exception):
    """Another writer has changed the same record meanwhile."""


class ElasticsearchClient:
    """Sends requests; interrupted ones are repeated once, because all of them may be repeated."""

    def __init__(self, options: ElasticsearchOptions) -> None:
        login = (options.user, options.password.get_secret_value()) if options.user and options.password else None
        self._client = AsyncElasticsearch(
            options.endpoint,
            basic_auth=login,
            ca_certs=str(options.ca_file) if options.ca_file else DEFAULT,
            request_timeout=options.timeout_s,
            connections_per_node=options.connections,
            max_retries=1,
            retry_on_status=(429, 502, 503, 504),
            serializer=OrjsonSerializer(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def status(self) -> str:
        """Return the health of the cluster: green, yellow or red."""
        return str((await self._run(lambda: self._client.cluster.health(filter_path="status")))["status"])

    async def exists(self, alias: str) -> bool:
        """Whether an alias exists."""
        return bool(await self._run(lambda: self._client.indices.exists_alias(name=alias)))

    async def create(self, name: str, alias: str, settings: Item, mappings: Item) -> None:
        """Create an index with an alias, unless it exists."""
        try:
            await self._client.indices.create(index=name, aliases={alias: {}}, settings=settings, mappings=mappings)
        except ApiError as error:
            if error.error != "resource_already_exists_exception":
                raise _translated(error) from None
        except TransportError as error:
            raise _unreachable(error) from None

    async def add_field(self, index: str, name: str, definition: Item) -> None:
        """Add a field to the mapping of an index, unless it has the field."""
        await self._run(lambda: self._client.indices.put_mapping(index=index, properties={name: definition}))

    async def bulk(self, index: str, lines: Sequence[bytes]) -> None:
        """Write or delete documents; deleting what does not exist is no error."""
        if not lines:
            return
        operations = cast("Sequence[Item]", lines)  # lines that are bytes already are sent as they are
        answer = await self._run(
            lambda: self._client.bulk(
                index=index, operations=operations, require_alias=True, filter_path="errors,items.*.error"
            )
        )
        if answer["errors"]:
            problems = [item["error"] for entry in answer["items"] for item in entry.values() if "error" in item]
            raise _refused(problems[0])

    async def refresh(self, index: str) -> None:
        """Let searches of the index find what was written."""
        await self._run(lambda: self._client.indices.refresh(index=index))

    async def search(self, index: str, body: Item) -> Item:
        """Return the answer to one search."""
        return await self._run(lambda: self._client.search(index=index, **body))

    async def search_many(self, index: str, bodies: Sequence[Item]) -> Sequence[Item]:
        """Return the answers to several searches."""
        searches = [part for body in bodies for part in ({}, body)]
        answer = await self._run(lambda: self._client.msearch(index=index, searches=searches))
        for response in answer["responses"]:
            if "error" in response:
                raise _refused(response["error"])
        return answer["responses"]

    async def read_many(self, index: str, ids: Sequence[str]) -> dict[str, Item]:
        """Return documents by id, as they are now; those that do not exist are left out."""
        if not ids:
            return {}
        answer = await self._run(lambda: self._client.mget(index=index, ids=list(ids)))
        for entry in answer["docs"]:
            if "error" in entry:
                raise _refused(entry["error"])
        return {entry["_id"]: entry for entry in answer["docs"] if entry["found"]}

    async def write(self, index: str, id_: str, document: Item, earlier: Item | None) -> None:
        """Write a document, if `earlier` is still what is there.

        Raises:
            WriteConflictError: It is not.
        """
        if earlier is None:
            place: Item = {"op_type": "create"}
        else:
            place = {"if_seq_no": earlier["_seq_no"], "if_primary_term": earlier["_primary_term"]}
        await self._run(lambda: self._client.index(index=index, id=id_, document=document, require_alias=True, **place))

    async def _run(self, request: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
        try:
            return await request()
        except ApiError as error:
            raise _translated(error) from None
        except TransportError as error:
            raise _unreachable(error) from None


def _translated(error: ApiError) -> Exception:
    if error.status_code == _HTTP_CONFLICT:
        return WriteConflictError()
    if error.status_code == _HTTP_NOT_FOUND and error.error == _MISSING:
        return IndexMissingError()
    _log.warning("search.elasticsearch_failed", status=error.status_code, error=error.error)
    if error.status_code in _UNAUTHORIZED:
        return SearchUnavailableError("The search index refuses the server's credentials.")
    return SearchUnavailableError("The search index refused a request. Try again in a moment.")


def _refused(problem: Item) -> Exception:
    if problem["type"] == _MISSING:
        return IndexMissingError()
    _log.warning("search.elasticsearch_failed", error=problem["type"])
    return SearchUnavailableError("The search index refused a request. Try again in a moment.")


def _unreachable(error: TransportError) -> Exception:
    _log.warning("search.elasticsearch_unreachable", error=type(error).__name__)
    return SearchUnavailableError("The search index does not answer. Try again in a moment.")
