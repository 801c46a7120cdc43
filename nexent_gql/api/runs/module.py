"""What the schema takes in about runs."""

from nexent_gql.api.runs.errors import ClientIdReusedError, RunBusyError, RunNotFinishedError
from nexent_gql.api.runs.events import EVENT_TYPES
from nexent_gql.api.runs.mutations import RunMutations
from nexent_gql.api.runs.queries import RunQueries
from nexent_gql.api.runs.ratings import RatingQueries
from nexent_gql.api.runs.subscriptions import RunSubscriptions
from nexent_gql.api.runs.types import Run, run_by_id
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.runs import errors

MODULE = SchemaModule(
    queries=(RunQueries, RatingQueries),
    mutations=(RunMutations,),
    subscriptions=(RunSubscriptions,),
    types=EVENT_TYPES,
    nodes={Run: run_by_id},
    errors={
        errors.RunBusyError: RunBusyError,
        errors.ClientIdReusedError: ClientIdReusedError,
        errors.RunNotFinishedError: RunNotFinishedError,
    },
)
