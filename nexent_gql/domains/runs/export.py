"""Exports conversations as Markdown or JSON, some messages at a time, so that memory is bounded."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.conversations.errors import ConversationNotFoundError
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.files.errors import InvalidFileLinkError
from nexent_gql.domains.files.links import FileLink, LinkKind, LinkSigner
from nexent_gql.domains.knowledge.access import readable_document_ids
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.export_text import (
    ExportedMessage,
    cited_documents,
    json_head,
    json_message,
    markdown_head,
    markdown_message,
    tool_calls,
    withhold_quotes,
)
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role

EXPORT_LINK_S = 900
_AT_ONCE = 20
_MAX_BRANCH_MESSAGES = 100_000


class ExportFormat(StrEnum):
    """How a conversation is written."""

    MARKDOWN = "MARKDOWN"
    JSON = "JSON"


_FORMATS = (ExportFormat.MARKDOWN, ExportFormat.JSON)
"""The number of a format in a link is its position."""


@dataclass(frozen=True, slots=True)
class Export:
    """A conversation that a signed address permits to read."""

    conversation: Conversation
    agent_name: str
    format: ExportFormat


class ConversationExporter:
    """Signs addresses of exports and writes what they stand for.

    Args:
        db: The database.
        conversations: The conversations.
        agents: The agents.
        signer: Signs the addresses.
        clock: The current time.
    """

    def __init__(
        self, db: Database, conversations: ConversationService, agents: AgentService, signer: LinkSigner, clock: Clock
    ) -> None:
        self._db = db
        self._conversations = conversations
        self._agents = agents
        self._signer = signer
        self._clock = clock

    def sign(self, actor: Principal, conversation_id: UUID, format_: ExportFormat) -> str:
        """Return the path of an address from which anybody can download a conversation of the actor."""
        expires_at = self._clock() + timedelta(seconds=EXPORT_LINK_S)
        number = _FORMATS.index(format_)
        return self._signer.sign(
            FileLink(LinkKind.EXPORT, actor.tenant_id, actor.user_id, conversation_id, expires_at, number)
        )

    async def open_link(self, token: str) -> Export:
        """Return what a signed address permits to read.

        Raises:
            InvalidFileLinkError: The address is wrong or has expired, or the conversation was deleted.
        """
        link = self._signer.read(token, LinkKind.EXPORT)
        owner = Principal(link.tenant_id, link.owner_id, Role.MEMBER)
        if link.number >= len(_FORMATS):
            raise InvalidFileLinkError
        try:
            conversation = await self._conversations.get(owner, link.subject_id)
        except ConversationNotFoundError:
            raise InvalidFileLinkError from None
        (agent,) = await self._agents.get_many(owner, [conversation.agent_id])
        return Export(conversation, agent.name, _FORMATS[link.number])

    async def read(self, export: Export) -> AsyncGenerator[bytes]:
        """Yield the content of an export. Each part is read when the client has taken the one before.

        Raises:
            ConversationNotFoundError: The conversation was deleted meanwhile.
        """
        conversation, agent_name = export.conversation, export.agent_name
        if export.format is ExportFormat.MARKDOWN:
            yield markdown_head(conversation, agent_name)
            async for batch in self._branch(conversation):
                yield b"".join(markdown_message(exported, agent_name) for exported in batch)
            return
        yield json_head(conversation, agent_name)
        separator = b""
        async for batch in self._messages(conversation):
            yield separator + b",\n".join(map(json_message, batch))
            separator = b",\n"
        yield b"\n]}\n"

    async def _branch(self, conversation: Conversation) -> AsyncGenerator[Sequence[ExportedMessage]]:
        """Yield the messages of the active branch in order."""
        leaf_id = conversation.active_message_id
        if leaf_id is None:
            return
        owner = _owner_of(conversation)
        ids = await self._conversations.branch_ids(owner, leaf_id, _MAX_BRANCH_MESSAGES)
        for start in range(0, len(ids), _AT_ONCE):
            batch_ids = ids[start : start + _AT_ONCE]
            rows = {row.id: row for row in await self._conversations.messages_by_id(owner, batch_ids)}
            if len(rows) < len(batch_ids):
                raise ConversationNotFoundError(conversation.id)
            yield await self._with_runs(owner, [rows[id_] for id_ in batch_ids])

    async def _messages(self, conversation: Conversation) -> AsyncGenerator[Sequence[ExportedMessage]]:
        """Yield the messages of all branches, oldest first."""
        owner, request = _owner_of(conversation), PageRequest(size=_AT_ONCE)
        while True:
            page = (await self._conversations.message_pages(owner, [conversation.id], request))[conversation.id]
            if not page.rows and request.after is not None:
                raise ConversationNotFoundError(conversation.id)
            if page.rows:
                yield await self._with_runs(owner, page.rows)
            if not page.has_next:
                return
            request = PageRequest(size=_AT_ONCE, after=page.cursors[-1])

    async def _with_runs(self, owner: Principal, messages: Sequence[Message]) -> Sequence[ExportedMessage]:
        """Add the runs of answers and their tool calls; a run in progress has none yet.

        Quotes of documents that were deleted, or that the owner can no longer read, are left out.
        """
        run_ids = [message.run_id for message in messages if message.run_id is not None]
        cited = {document_id for message in messages for document_id in cited_documents(message.content)}
        async with self._db.read(owner.tenant_id) as session:
            repository = RunRepository(session, owner.tenant_id, owner.user_id)
            runs = {run.id: run for run in await repository.get_many(run_ids)}
            readable = await readable_document_ids(session, owner, cited)
            archives = {archive.run_id: archive for archive in await repository.archives(run_ids)}
        calls = {run_id: tool_calls(await events.unpack(archive.events)) for run_id, archive in archives.items()}

        def with_run(message: Message) -> ExportedMessage:
            run = None if message.run_id is None else runs.get(message.run_id)
            parts = withhold_quotes(message.content, readable)
            return ExportedMessage(message, parts, run, () if run is None else calls.get(run.id, ()))

        return [with_run(message) for message in messages]


def _owner_of(conversation: Conversation) -> Principal:
    return Principal(conversation.tenant_id, conversation.owner_id, Role.MEMBER)
