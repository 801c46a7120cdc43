"""Models, tools and agents as a server has them: real services on a real database, calling over real sockets."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.adapters.embedding_trials import EmbeddingTrials, VectorDialects
from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.llm_dialects import open_dialects, open_vector_dialects
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.outbound import outbound_client
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.models.routes import ModelRouteService
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelEndpoint
from nexent_gql.ports.tools import ToolProvider
from tests.support.direct_graphql import Answer, Data, DirectGraphQL
from tests.support.toolbox import NamedTools, tool_service

if TYPE_CHECKING:
    from nexent_gql.services import Services


@dataclass(frozen=True)
class ServiceHarness:
    """The services, and GraphQL over them."""

    database: Database
    toolbox: NamedTools
    models: ModelService
    model_routes: ModelRouteService
    tools: ToolService
    agents: AgentService

    @property
    def graphql(self) -> DirectGraphQL:
        """Operations on these services."""
        services = SimpleNamespace(
            models=self.models, model_routes=self.model_routes, tools=self.tools, agents=self.agents
        )
        return DirectGraphQL(cast("Services", services))

    async def ask(self, actor: Principal | None, query: str, **variables: object) -> Answer:
        """Run an operation."""
        return await self.graphql(actor, query, **variables)

    async def endpoint(self, tenant_id: UUID, model_id: UUID | None) -> ModelEndpoint:
        """Find a model as runs do."""
        async with self.database.read(tenant_id) as session:
            return await self.models.endpoint(session, tenant_id, model_id)

    async def mutate(self, actor: Principal, name: str, fields: str, /, **input: object) -> Data:
        """Run a mutation with one input object; returns the member of its union that came."""
        kind = f"{name[0].upper()}{name[1:]}"
        errors = "... on Error { message code } ... on ValidationError { path }"
        selection = f"{{ __typename {errors} ... on {kind}Payload {fields} }}"
        document = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}"
        return (await self.ask(actor, document, input=input)).one


@asynccontextmanager
async def harness(
    database: Database,
    *,
    check_s: float = 15,
    providers: Sequence[ToolProvider] | None = None,
    dialects: Collection[Dialect] = tuple(Dialect),
) -> AsyncGenerator[ServiceHarness]:
    """Open the services on a database.

    Args:
        database: The database.
        check_s: Time limit of checks.
        providers: Have tools instead of `ServiceHarness.toolbox`.
        dialects: What models can be called.
    """
    toolbox = NamedTools("current_time", "calculator", "wait")
    secrets = AesGcmSecretBox([SecretStr("a secret key of this installation, for tests")])
    async with outbound_client("any") as client, LocalVectorModels() as local:
        vectors = EmbeddingTrials(VectorDialects(open_vector_dialects(client, local)))
        llm = LanguageModelGateway(open_dialects(client), vectors=vectors, check_s=check_s)
        tools = tool_service(*([toolbox] if providers is None else providers))
        yield ServiceHarness(
            database=database,
            toolbox=toolbox,
            models=ModelService(database, llm, secrets, utc_now, dialects=dialects),
            model_routes=ModelRouteService(database, utc_now),
            tools=tools,
            agents=AgentService(database, tools, utc_now),
        )
