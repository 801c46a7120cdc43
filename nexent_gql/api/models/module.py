"""What models add to the schema."""

from nexent_gql.api.models.budgets import Budget, BudgetExceededError, BudgetMutations, BudgetQueries, budget_by_id
from nexent_gql.api.models.errors import ModelInUseError, ModelProviderError
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.mutations import ModelMutations
from nexent_gql.api.models.queries import ModelQueries
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_mutations import RouteMutations
from nexent_gql.api.models.route_queries import RouteQueries
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.models.subscriptions import ModelSubscriptions
from nexent_gql.api.models.types import Model
from nexent_gql.api.models.usage import UsageQueries
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.models import errors
from nexent_gql.ports.llm import ModelError

MODULE = SchemaModule(
    queries=(ModelQueries, RouteQueries, UsageQueries, BudgetQueries),
    subscriptions=(ModelSubscriptions,),
    mutations=(ModelMutations, RouteMutations, BudgetMutations),
    nodes={Model: model_by_id, ModelRoute: route_by_id, Budget: budget_by_id},
    errors={
        errors.ModelInUseError: ModelInUseError,
        errors.BudgetExceededError: BudgetExceededError,
        ModelError: ModelProviderError,
    },
)
