"""Requests that name their document instead of sending it.

`documentId` names a trusted document, or an automatic one as `sha256:<hash>`; so does `extensions.persistedQuery`,
Apollo's automatic persisted queries, which also registers a document by sending it beside its hash.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import structlog
from strawberry.http import GraphQLRequestData

from nexent_gql.api.pipeline.refusals import (
    BadRequestError,
    DocumentNotTrustedError,
    PersistedQueryMismatchError,
    PersistedQueryNotFoundError,
)
from nexent_gql.api.settings import PersistedSettings
from nexent_gql.domains.persisted_queries.service import digest_of

if TYPE_CHECKING:
    from nexent_gql.services import Services

DOCUMENT_ID = "documentId"
_APQ = "persistedQuery"
_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = "sha256:"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A request with the text of its document.

    `is_new` documents are registered if they are valid. `is_registered` documents are trusted.
    """

    request: GraphQLRequestData
    is_new: bool = False
    is_registered: bool = False


async def find_document(
    request: GraphQLRequestData, services: "Services", settings: PersistedSettings
) -> NamedDocument:
    """Return the request with the text of the document that it names.

    Raises:
        BadRequestError: The document is named in another way.
        PersistedQueryNotFoundError: It is not registered.
        PersistedQueryMismatchError: The hash is not that of the text.
        DocumentNotTrustedError: The request has a text, and this server executes registered documents only.
    """
    named = request.extensions or {}
    id_, digest = named.get(DOCUMENT_ID), _hash_of(named.get(_APQ))
    if id_ is None and digest is None and settings.only == "any":
        return NamedDocument(request)
    if request.query:
        return await _sent(request, request.query, digest, services, settings)
    name = str(id_).removeprefix(_PREFIX) if id_ is not None else digest
    if name is None:
        return NamedDocument(request)
    text = await services.persisted_queries.trusted(name)
    is_registered = text is not None
    if text is None and settings.automatic and settings.only != "trusted" and _SHA256.fullmatch(name):
        text = await services.persisted_queries.automatic(name)
    if text is None:
        raise PersistedQueryNotFoundError
    return NamedDocument(replace(request, query=text), is_registered=is_registered)


async def _sent(
    request: GraphQLRequestData, query: str, digest: str | None, services: "Services", settings: PersistedSettings
) -> NamedDocument:
    if request.extensions and DOCUMENT_ID in request.extensions:
        raise BadRequestError("Send either `query` or `documentId`.", path=(DOCUMENT_ID,))
    if digest is not None and digest_of(query) != digest:
        raise PersistedQueryMismatchError("The hash is not the SHA-256 of this document.", path=("extensions", _APQ))
    if settings.only != "any" and not await services.persisted_queries.is_trusted(query):
        _log.info("documents.not_trusted", operation=request.operation_name, digest=digest_of(query))
        if settings.only == "trusted":
            raise DocumentNotTrustedError("This server runs registered documents only; name one by `documentId`.")
    is_new = digest is not None and settings.automatic and settings.only != "trusted"
    return NamedDocument(request, is_new=is_new and await services.persisted_queries.automatic(digest or "") is None)


def _hash_of(named: object) -> str | None:
    """Return the hash of an `extensions.persistedQuery`; None when there is none."""
    if named is None:
        return None
    fields = cast("Mapping[str, object]", named if isinstance(named, Mapping) else {})
    digest = fields.get("sha256Hash")
    if fields.get("version") != _VERSION or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        message = "`persistedQuery` must have `version` 1 and a `sha256Hash` of 64 hexadecimal digits."
        raise BadRequestError(message, path=("extensions", _APQ))
    return digest
