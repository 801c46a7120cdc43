"""Conversations, messages and events."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp
from nexent_gql.db.search import keep_folded
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import ContentPart, decode_parts, encode_parts, join_text, text_parts


class MessageRole(StrEnum):
    """The author of a message."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"


class MessageStatus(StrEnum):
    """STREAMING while its run is unfinished; user messages are COMPLETE."""

    STREAMING = "STREAMING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class TitleSource(StrEnum):
    """Where the title came from; a model never replaces the title of a user."""

    NONE = "NONE"
    MODEL = "MODEL"
    USER = "USER"


class Rating(StrEnum):
    """A user's rating of an answer."""

    GOOD = "GOOD"
    BAD = "BAD"


def within_conversation() -> ForeignKeyConstraint:
    """Return a foreign key to the conversation that cascades; it is checked at the commit, so row order is free."""
    return ForeignKeyConstraint(
        ["tenant_id", "conversation_id"],
        ["conversation.tenant_id", "conversation.id"],
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )


def _list_index(name: str, condition: str) -> Index:
    return Index(name, "tenant_id", "owner_id", "updated_at", "id", postgresql_where=text(condition))


class Conversation(TenantRow, table=True):
    """A tree of messages between one user and one agent.

    `active_message_id` is the leaf of the branch that is shown; `event_seq` numbers the events, and the
    row's lock is what puts them in order. `updated_at` is the last activity, `title_key` the title as searches compare
    it. Each list of the API reads one partial index, so that its cost depends on the page and not on how many
    conversations are pinned or archived. From `deleted_at` until the purge, only a restoration sees the row.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agent.tenant_id", "agent.id"]),
        Index("ix_conversation_page", "tenant_id", "owner_id", "created_at", "id"),
        _list_index("ix_conversation_recent", "archived_at IS NULL"),
        _list_index("ix_conversation_archived", "archived_at IS NOT NULL"),
        _list_index("ix_conversation_pinned", "pinned_at IS NOT NULL"),
        Index("ix_conversation_agent", "tenant_id", "agent_id"),
    )

    owner_id: UUID
    agent_id: UUID
    title: str = ""
    title_key: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    title_source: str = Field(default=TitleSource.NONE)
    active_message_id: UUID | None = None
    event_seq: int = 0
    updated_at: datetime = timestamp(default_now=True)
    pinned_at: datetime | None = timestamp()
    archived_at: datetime | None = timestamp()
    deleted_at: datetime | None = timestamp()


keep_folded(Conversation, "title", "title_key")


class Message(TenantRow, table=True):
    """A message; children of one parent are alternatives to each other. `run_id` only on answers.

    `text` is the text of all text parts. `parts` is None if the message has only that text, as in all rows of releases
    without parts; otherwise it holds every part, including the text.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        within_conversation(),
        ForeignKeyConstraint(["tenant_id", "parent_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        Index("ix_message_page", "tenant_id", "conversation_id", "created_at", "id"),
        Index("ix_message_rating", "tenant_id", "created_at", "id", postgresql_where=text("rating IS NOT NULL")),
        Index("ix_message_parent", "tenant_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )

    conversation_id: UUID
    parent_id: UUID | None = None
    role: str
    status: str
    text: str = ""
    parts: list[JsonObject] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    run_id: UUID | None = None
    rating: str | None = None
    rating_comment: str | None = None
    updated_at: datetime = timestamp(default_now=True)

    @property
    def content(self) -> tuple[ContentPart, ...]:
        """The message as parts."""
        return text_parts(self.text) if self.parts is None else decode_parts(self.parts)


def stored_parts(parts: tuple[ContentPart, ...]) -> list[JsonObject] | None:
    """Return what `Message.parts` holds for a message of these parts."""
    return None if parts == text_parts(join_text(parts)) else encode_parts(parts)


class MessageSearch(Table, table=True):
    """The search entry of a message; in `vector`, each word is prefixed by the end of the owner's id.

    `is_hidden` while the conversation is deleted and can be restored.
    """

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "message_id"], ["message.tenant_id", "message.id"], ondelete="CASCADE"),
        Index("ix_message_search_vector", "vector", postgresql_using="gin"),
        Index("ix_message_search_page", "tenant_id", "owner_id", "created_at", "message_id"),
    )

    message_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    owner_id: UUID
    created_at: datetime = timestamp(default_now=True)
    vector: str = Field(sa_column=Column(TSVECTOR, nullable=False))
    is_hidden: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class ConversationEvent(Table, table=True):
    """An event of a conversation; `seq` counts from 1 without gaps."""

    __table_args__ = (within_conversation(),)

    conversation_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    tenant_id: UUID
    at: datetime = timestamp(default_now=True)
    body: JsonObject = Field(sa_column=Column(JSONB, nullable=False))
