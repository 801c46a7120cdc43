"""Demo data of a new installation: a working model, and an agent of each kind."""

from dataclasses import dataclass

from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.domains.models.service import ModelService
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.engine import AgentKind
from nexent_gql.ports.llm import Dialect

OFFLINE_MODEL_NAME = "Offline (built in)"
ENVIRONMENT_MODEL_NAME = "From the environment"
_OFFLINE = ModelConfig(dialect=Dialect.OFFLINE, model_name="offline")
_AGENTS = (
    AgentDraft(
        name="Analyst",
        description="Answers by writing small programs, which run in a sandbox.",
        instructions="You answer questions by computing. Show the result first, then how you got it, in a few words.",
        kind=AgentKind.CODE,
        tool_names=("calculator", "current_time"),
    ),
    AgentDraft(
        name="Assistant",
        description="Answers questions, and can look at the clock, calculate and wait.",
        instructions="You are a helpful assistant. Answer briefly, in the language of the question.",
        kind=AgentKind.TOOL_CALLING,
        tool_names=("current_time", "calculator", "wait"),
    ),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Seeds the demo tenant. Idempotent."""

    models: ModelService
    agents: AgentService

    async def ensure(self, actor: Principal, configured: ModelConfig | None = None) -> None:
        """Create a model and the two demo agents where they are missing; deleted agents stay deleted.

        `configured` is the model of the environment; it is registered or updated under a fixed name.
        Without it, a tenant that has no model gets the offline one. The newest agent comes first in lists.

        Raises:
            InvalidInputError: `configured` breaks a rule; the error names the field.
        """
        if configured is not None:
            await self.models.ensure(actor, ENVIRONMENT_MODEL_NAME, configured)
        elif await self.models.count(actor) == 0:
            await self.models.ensure(actor, OFFLINE_MODEL_NAME, _OFFLINE)
        names = await self.agents.used_names(actor, [draft.name for draft in _AGENTS])
        for draft in _AGENTS:
            if draft.name not in names:
                await self.agents.create(actor, draft)
