"""Rows with defaults: a test names only what it is about."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.identity.tables import Tenant, UserAccount
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal, Role


class Factory:
    """Writes rows straight to the database; every domain adds its own methods."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers = count(1)

    async def principal(self, role: Role = Role.OWNER, *, beside: Principal | None = None) -> Principal:
        """Make a user without a password: of a new tenant, or of the tenant of `beside`."""
        number = next(self._numbers)
        tenant = Tenant(name=f"Tenant {number}")
        tenant_id = beside.tenant_id if beside else tenant.id
        email = f"user{number}@example.com"
        user = UserAccount(tenant_id=tenant_id, email=email, email_key=email, display_name=f"User {number}", role=role)
        async with self.database.transaction(tenant_id) as session:
            if beside is None:
                session.add(tenant)
                await session.flush()
            session.add(user)
        return Principal(tenant_id=tenant_id, user_id=user.id, role=role)

    async def model(self, actor: Principal, *, name: str | None = None, is_default: bool = False) -> ChatModel:
        """Make an offline model that was never checked."""
        row = ChatModel(
            tenant_id=actor.tenant_id,
            name=name or f"Model {next(self._numbers)}",
            dialect="OFFLINE",
            model_name="offline",
            is_default=is_default,
            created_by=actor.user_id,
        )
        async with self.database.transaction(actor.tenant_id) as session:
            session.add(row)
        return row

    async def agent(
        self, actor: Principal, *, name: str | None = None, model: ChatModel | None = None, tools: Sequence[str] = ()
    ) -> Agent:
        """Make an agent; without `model` it uses the tenant's default."""
        row = Agent(
            tenant_id=actor.tenant_id,
            name=name or f"Agent {next(self._numbers)}",
            model_id=model.id if model else None,
            tool_names=list(tools),
            created_by=actor.user_id,
        )
        async with self.database.transaction(actor.tenant_id) as session:
            session.add(row)
        return row

    async def conversation(
        self, actor: Principal, agent: Agent, *, title: str = "", at: datetime | None = None
    ) -> Conversation:
        """Make a conversation without messages."""
        now = at or utc_now()
        row = Conversation(
            tenant_id=actor.tenant_id,
            owner_id=actor.user_id,
            agent_id=agent.id,
            title=title,
            title_source="USER" if title else "NONE",
            created_at=now,
            updated_at=now,
        )
        async with self.database.transaction(actor.tenant_id) as session:
            session.add(row)
        return row

    async def message(self, conversation: Conversation, *, text: str = "", at: datetime | None = None) -> Message:
        """Make a question that begins a branch."""
        now = at or utc_now()
        row = Message(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.id,
            role="USER",
            status="COMPLETE",
            text=text,
            created_at=now,
            updated_at=now,
        )
        async with self.database.transaction(conversation.tenant_id) as session:
            session.add(row)
        return row
