"""What models add to the schema."""

from nexent_gql.api.models.budgets import Budget, BudgetExceededError, BudgetMutations, BudgetQueries, budget_by_id
from nexent_gql.api.models.errors import ModelInUseError, ModelProviderError
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.mutations import ModelMutations
from nexent_gql.api.models.queries import ModelQueries
from nexent_gql.api.models.types import Model
from nexent_gql.api.models.usage import UsageQueries
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.models import errors
from nexent_gql.ports.llm import ModelError

MODULE = SchemaModule(
    queries=(ModelQueries, UsageQueries, BudgetQueries),
    mutations=(ModelMutations, BudgetMutations),
    nodes={Model: model_by_id, Budget: budget_by_id},
    errors={
        errors.ModelInUseError: ModelInUseError,
        errors.BudgetExceededError: BudgetExceededError,
        ModelError: ModelProviderError,
    },
)
