"""Estimated costs of calls that have not been made."""

from nexent_gql.api.context import Info
from nexent_gql.domains.models.providers import provider_of
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.llm import Dialect, Usage


def estimate_cost(info: Info, model: ChatModel, usage: Usage) -> str | None:
    """Return what calls of a model would cost today in US dollars; None without a price."""
    provider = provider_of(Dialect(model.dialect), model.base_url).name
    cost = info.context.services.prices.cost(provider, model.model_name, utc_now().date(), usage)
    return None if cost is None else usd_text(cost)
