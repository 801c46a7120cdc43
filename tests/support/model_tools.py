"""An example of tools that read a tenant's table: one for each chat model of the tenant. See docs/extending.md."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import Tool, ToolCallContext, ToolDefinition
from nexent_gql.toolkit import READ_ONLY, Arguments, ToolFailure, TypedTool

OnCall = Callable[[ToolCallContext, ToolDefinition], Awaitable[None]]


class ModelArguments(Arguments):
    """Arguments of each of these tools."""

    detail: str = Field(default="", max_length=100, description="What to tell of the model.")


async def _ignore(_context: ToolCallContext, _definition: ToolDefinition) -> None:
    pass


class ModelTools:
    """Implements `ToolProvider`; `on_call` is awaited in each call, with the definition that it was bound by."""

    name = "models"

    def __init__(self, db: Database, on_call: OnCall = _ignore) -> None:
        self._db = db
        self._on_call = on_call

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        """Offer a tool for each model of the tenant, by one query."""
        del agent_id
        of_tenant = select(ChatModel).where(col(ChatModel.tenant_id) == actor.tenant_id).order_by(col(ChatModel.id))
        async with self._db.read(actor.tenant_id) as session:
            rows = (await session.scalars(of_tenant)).all()
        return [self._tool(row.id, row.name, row.model_name) for row in rows]

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        """Bind to the model that the definition was made for, if the tenant still has it."""
        model_id = UUID(str(definition.binding["model_id"]))
        row = await self._find(context.tenant_id, model_id)
        return self._tool(model_id, definition.name, definition.version) if row is not None else None

    def _tool(self, model_id: UUID, name: str, version: str) -> Tool:
        async def run(_arguments: ModelArguments, context: ToolCallContext) -> str:
            await self._on_call(context, tool.definition)
            row = await self._find(context.tenant_id, model_id)
            if row is None:
                raise ToolFailure("The model was deleted.")
            return f"{row.name} is {row.model_name}"

        tool = TypedTool(
            name,
            f"Describe a model, which is {version}.",
            ModelArguments,
            run,
            annotations=READ_ONLY,
            timeout_s=60,
            version=version,
            binding={"model_id": str(model_id)},
        )
        return tool

    async def _find(self, tenant_id: UUID, model_id: UUID) -> ChatModel | None:
        statement = select(ChatModel).where(col(ChatModel.tenant_id) == tenant_id, col(ChatModel.id) == model_id)
        async with self._db.read(tenant_id) as session:
            return (await session.scalars(statement)).one_or_none()
