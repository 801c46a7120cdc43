"""The route of a run: stored when the run is requested, so that a later change of the route does not change the run."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.models.open_routes import RouteChoice, open_choice, open_groups
from nexent_gql.domains.models.routes import groups_within, route_within
from nexent_gql.domains.models.service import ModelService
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import MidAnswerPolicy, ModelRoute


async def freeze_route(session: AsyncSession, agent: Agent) -> JsonObject | None:
    """Return the agent's route as a run stores it; None for an agent that has none."""
    if agent.route_id is None or agent.model_id is not None:
        return None
    row = await route_within(session, agent.tenant_id, agent.route_id, ModelKind.CHAT)
    groups = (await groups_within(session, agent.tenant_id, [row.id]))[row.id].groups
    return {
        "id": str(row.id),
        "mid_answer_policy": row.mid_answer_policy,
        "first_token_s": row.first_token_s,
        "groups": [
            [{"model_id": str(deployment.model_id), "weight": deployment.weight} for deployment in group]
            for group in groups
        ],
    }


async def open_route(
    session: AsyncSession, tenant_id: UUID, models: ModelService, spec: Mapping[str, object], affinity: str
) -> ModelRoute:
    """Return the route of a run with the keys of its models opened; models that were deleted since are left out.

    Raises:
        ChatModelNotFoundError: None of its models is left.
        NoDefaultModelError: The run uses the default, and the tenant has no chat model at all.
        SecretUnreadableError: The key was stored under another key of the installation.
    """
    frozen = cast("JsonObject | None", spec.get("route"))
    if frozen is None:
        model_id = UUID(str(spec["model_id"])) if spec["model_id"] else None
        return await open_choice(session, tenant_id, models, RouteChoice(ModelKind.CHAT, model_id), affinity)
    frozen_groups = cast("list[list[JsonObject]]", frozen["groups"])
    weighted = [
        [(UUID(str(deployment["model_id"])), cast("int", deployment["weight"])) for deployment in group]
        for group in frozen_groups
    ]
    policy = str(frozen["mid_answer_policy"])
    return ModelRoute(
        groups=await open_groups(session, tenant_id, models, weighted),
        mid_answer_policy=MidAnswerPolicy(policy) if policy in MidAnswerPolicy.__members__ else MidAnswerPolicy.FAIL,
        first_token_s=cast("float | None", frozen["first_token_s"]),
        affinity=affinity,
    )
