"""Finds messages by words: an inverted index in Postgres, whose entries include the owner.

Row-level security keeps Postgres from using the index for a tenant's login, because the operator `@@` could reveal
rows that the policy hides. The ids are therefore read by system work, with tenant and owner in the query; the messages
themselves are then read as the tenant.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import keyset
from nexent_gql.domains.conversations.tables import MessageSearch
from nexent_gql.kernel.page import Cursor, Page, PageRequest, page_of
from nexent_gql.kernel.search import MAX_WORD_CHARS, QueryTerm, index_tokens, pairs

_MAX_VECTOR_BYTES = 256_000  # Postgres accepts 1 MB; 256 kB are 20,000 different words
_ENTRY_BYTES = 8


def search_vector(owner_id: UUID, text: str) -> str:
    """Return the value of `MessageSearch.vector`; a text with too many different words is found by the first ones."""
    scope, size_bytes = _scope(owner_id), 0
    lexemes: dict[str, None] = {}
    for token in index_tokens(text):
        lexeme = scope + token
        if lexeme in lexemes:
            continue
        size_bytes += len(lexeme.encode()) + _ENTRY_BYTES
        if size_bytes > _MAX_VECTOR_BYTES:
            break
        lexemes[lexeme] = None
    return " ".join(f"'{lexeme}'" for lexeme in lexemes)


def search_query(owner_id: UUID, terms: Sequence[QueryTerm]) -> str:
    """Return what `MessageSearch.vector` of a message that has all `terms` matches, as a `tsquery`."""
    scope, parts = _scope(owner_id), list[str]()
    for term in terms:
        if term.is_word:
            suffix = ":*" if len(term.text) > 1 else ""  # a single letter is the prefix of too many words
            parts.append(f"'{scope}{term.text[:MAX_WORD_CHARS]}'{suffix}")
        else:
            parts += [f"'{scope}{token}'" for token in pairs(term.text) or [term.text]]
    return " & ".join(dict.fromkeys(parts))


class MessageIndex:
    """Reads the index of one owner, by a session of system work.

    Args:
        session: A session that spans tenants.
        tenant_id: The tenant of the owner.
        owner_id: The owner of the messages.
    """

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._owner_id = owner_id

    async def page(self, terms: Sequence[QueryTerm], page: PageRequest) -> Page[UUID]:
        """Return the ids of messages that have all terms, newest first."""
        at, id_ = col(MessageSearch.created_at), col(MessageSearch.message_id)
        query = keyset(select(id_, at).where(*self._matching(terms)), page, at, id_)
        places = [Cursor(at=at_, id=message_id) for message_id, at_ in await self._session.execute(query)]
        matches = page_of(places, page, lambda place: place)
        ids = [place.id for place in matches.rows]
        return Page(ids, matches.cursors, has_next=matches.has_next, has_previous=matches.has_previous)

    async def count(self, terms: Sequence[QueryTerm]) -> int:
        """Count the rows of all pages of `page`."""
        query = select(func.count()).select_from(MessageSearch).where(*self._matching(terms))
        return (await self._session.execute(query)).scalar_one()

    def _matching(self, terms: Sequence[QueryTerm]) -> list[ColumnElement[bool]]:
        condition = cast(literal(search_query(self._owner_id, terms)), TSQUERY)
        return [
            col(MessageSearch.tenant_id) == self._tenant_id,
            col(MessageSearch.owner_id) == self._owner_id,
            col(MessageSearch.is_hidden).is_(False),
            col(MessageSearch.vector).bool_op("@@")(condition),
        ]


def _scope(owner_id: UUID) -> str:
    return owner_id.hex[-8:]
