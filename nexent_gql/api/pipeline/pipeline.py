"""The steps that all transports share: authenticate, prepare, charge, execute within a deadline."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, replace

from graphql import DocumentNode, GraphQLError, OperationType
from strawberry.http import GraphQLRequestData
from strawberry.types.execution import ExecutionResult, PreExecutionError

from nexent_gql.api.context import Context
from nexent_gql.api.limits.connection_limits import ConnectionLimiter
from nexent_gql.api.limits.cost_limiter import Charge, CostLimiter
from nexent_gql.api.pipeline.authentication import RequestAuthenticator
from nexent_gql.api.pipeline.deferral import Increment, Pending, data_of, run_deferred
from nexent_gql.api.pipeline.documents import DocumentOperation, PreparedDocument
from nexent_gql.api.pipeline.introspection import Introspections
from nexent_gql.api.pipeline.masking import refusal
from nexent_gql.api.pipeline.observer import Observation, Observer
from nexent_gql.api.pipeline.persisted_documents import find_document
from nexent_gql.api.pipeline.refusals import (
    BadRequestError,
    CostLimitExceededError,
    DeadlineExceededError,
    IntrospectionDisabledError,
    ReadOnlyCredentialError,
)
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.selections.core import AcyclicExecutor, PlainExecutor, build_execution
from nexent_gql.api.selections.query import QueryExecutor, begin_query
from nexent_gql.api.selections.subscription import Reply, Write, run_subscription
from nexent_gql.api.settings import ApiSettings
from nexent_gql.db.sharing import shared_reads
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.principal import Scope


class RefusedError(Exception):
    """The operation does not run; `errors` are ready to be sent, `charge` is what the request has cost so far."""

    charge: Charge | None = None

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors

    @classmethod
    def of(cls, error: DomainError) -> "RefusedError":
        """Refuse for one reason."""
        return cls([refusal(error)])

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which the same request may be accepted; None when that is not known."""
        cause = self.errors[0].original_error
        seconds = cause.details.get("retry_after_s") if isinstance(cause, DomainError) else None
        return seconds if isinstance(seconds, int) else None

    @property
    def result(self) -> PreExecutionError:
        """The errors as Strawberry's result."""
        return PreExecutionError(data=None, errors=self.errors)


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """An operation that may run."""

    request: GraphQLRequestData
    operation: DocumentOperation
    cost: int
    charge: Charge | None = None
    is_registered: bool = False

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.operation.node.operation


class OperationPipeline:
    """Prepares operations and runs them within their deadline; one per process, for all transports."""

    def __init__(self, schema: ApiSchema, settings: ApiSettings, observer: Observer | None = None) -> None:
        self.schema = schema
        self.settings = settings
        self._observer = observer or Observer()
        self._costs = CostLimiter(settings.cost)
        self.authenticator = RequestAuthenticator(self._costs)
        self.connections = ConnectionLimiter(settings.sockets.per_user)
        self.unidentified_sockets = ConnectionLimiter(settings.sockets.unidentified_per_address)
        self._introspections = Introspections(schema.core)

    async def prepare(self, request: GraphQLRequestData, context: Context) -> PreparedOperation:
        """Find the document of a request, validate it and charge its caller; a new document is registered.

        Raises:
            RefusedError: As `validate`; or the document is not known, not trusted, or the caller's budget is exhausted.
        """
        charge = self._costs.begin(context)
        try:
            return await self._prepare(request, context, charge)
        except DomainError as error:
            refused = RefusedError.of(error)
            refused.charge = charge
            raise refused from error
        except RefusedError as refused:
            refused.charge = charge
            raise

    async def _prepare(self, request: GraphQLRequestData, context: Context, charge: Charge | None) -> PreparedOperation:
        await self._costs.charge_request(charge, context)
        named = await find_document(request, context.services, self.settings.documents)
        try:
            prepared = await self.validate(named.request, context, charge)
        except RefusedError:
            await self._costs.charge_penalty(charge, context)
            raise
        await self._costs.charge_operation(charge, prepared.operation, prepared.cost, context)
        if named.is_new and named.request.query:
            await self._costs.charge_text(charge, named.request.query, context)
            await context.services.persisted_queries.register(named.request.query)
        return replace(prepared, is_registered=named.is_registered)

    async def validate(
        self, request: GraphQLRequestData, context: Context, charge: Charge | None = None
    ) -> PreparedOperation:
        """Check the text and variables of a request, and what its caller may do.

        Raises:
            BudgetSpentError: The document is new to this process, and validating it costs more than the caller has.
            RefusedError: It is not GraphQL, not valid, too costly, or not allowed for this caller; or validation did
                not end within the deadline.
        """
        if not request.query:
            raise RefusedError.of(BadRequestError("Say what to run in `query`.", path=("query",)))
        document = self.schema.documents.recall(request.query)
        if document is None:
            await self._costs.charge_text(charge, request.query, context)
            document = await self._validate_text(request.query)
        if document.errors:
            raise RefusedError(list(document.errors))
        operation = _select(document, request.operation_name)
        try:
            self._check_caller(operation, context)
            cost = self._cost(operation, request)
        except DomainError as error:
            raise RefusedError.of(error) from error
        return PreparedOperation(request, operation, cost, charge)

    async def _validate_text(self, text: str) -> PreparedDocument:
        limit_s = self.settings.limits.query_s
        try:
            async with asyncio.timeout(limit_s):
                return await self.schema.documents.prepare_in_thread(text)
        except TimeoutError:
            raise RefusedError.of(_too_long(limit_s)) from None

    def _check_caller(self, operation: DocumentOperation, context: Context) -> None:
        actor = context.actor_or_none
        if operation.node.operation is OperationType.MUTATION and actor and Scope.WRITE not in actor.scopes:
            raise ReadOnlyCredentialError("This credential may only read; use one with the scope WRITE.")
        introspection = self.settings.introspection
        allowed = introspection == "everyone" or (introspection == "signed_in" and actor is not None)
        if operation.introspects and not allowed:
            raise IntrospectionDisabledError("Introspection is not open to you; the schema is published as a file.")

    def _cost(self, operation: DocumentOperation, request: GraphQLRequestData) -> int:
        limits = self.settings.limits
        cost = self.schema.documents.nodes(operation, request.variables or {})
        if cost > limits.nodes:
            message = f"The answer could contain {cost} objects, more than {limits.nodes}; ask for smaller pages."
            raise CostLimitExceededError(message, requested=cost, allowed=limits.nodes)
        return cost

    async def execute(self, prepared: PreparedOperation, context: Context) -> ExecutionResult:
        """Execute a query or a mutation. At its deadline it is cancelled and returns DEADLINE_EXCEEDED."""
        with self._observed(prepared, context) as publish:
            if prepared.kind is OperationType.QUERY:
                async with shared_reads():
                    result = await self._execute(prepared, context)
            else:
                result = await self._execute(prepared, context)
            publish(result.errors or [])
            await self._costs.refund(prepared.charge, (result.data,), context)
            if cost := self._cost_extension(prepared):
                result.extensions = {**(result.extensions or {}), **cost}
            return result

    def _cost_extension(self, prepared: PreparedOperation) -> dict[str, object]:
        return {"cost": prepared.charge.extension} if prepared.charge and self.settings.cost.report else {}

    async def _execute(self, prepared: PreparedOperation, context: Context) -> ExecutionResult:
        limits = self.settings.limits
        deadline_s = limits.mutation_s if prepared.kind is OperationType.MUTATION else limits.query_s
        executing = self._begin(prepared, context)
        if isinstance(executing, ExecutionResult):
            return executing  # without a timer, which would cost a small query a twentieth
        try:
            async with asyncio.timeout(deadline_s):
                return await executing
        except TimeoutError:
            return RefusedError.of(_too_long(deadline_s)).result

    def _begin(self, prepared: PreparedOperation, context: Context) -> Awaitable[ExecutionResult] | ExecutionResult:
        operation, core, variables = prepared.operation, self.schema.core, prepared.request.variables
        if operation.introspects:
            return self._introspections.answer(operation, variables or {})
        is_compiled = self.settings.compiled_selections
        executor = QueryExecutor if is_compiled else PlainExecutor
        execution = build_execution(core, operation.document, operation.name, variables, context, executor)
        return begin_query(execution, operation.plans if is_compiled else None)

    async def defer(
        self, prepared: PreparedOperation, document: DocumentNode, context: Context
    ) -> AsyncGenerator[Increment | ExecutionResult]:
        """Run a query whose document defers parts of it; all parts together have its deadline.

        Yields a single `ExecutionResult` if nothing is deferred, else increments. The last one has the cost of the
        query.
        """
        core, name, variables = self.schema.core, prepared.operation.name, prepared.request.variables
        limit_s, pending, parts = self.settings.limits.query_s, Pending(), list[object]()
        with self._observed(prepared, context) as publish:
            deadline = asyncio.get_running_loop().time() + limit_s
            try:
                async with aclosing(run_deferred(core, document, name, variables, context, publish)) as increments:
                    while increment := await _next_until(deadline, increments):
                        parts += data_of(increment)
                        pending.note(increment)
                        yield await self._with_cost(increment, prepared, parts, context)
                        pending.discard(increment)
            except TimeoutError:
                publish(late := [refusal(_too_long(limit_s))])
                last = pending.give_up(late)
                yield await self._with_cost(last, prepared, parts, context)

    async def _with_cost(
        self,
        increment: Increment | ExecutionResult,
        prepared: PreparedOperation,
        parts: list[object],
        context: Context,
    ) -> Increment | ExecutionResult:
        """On the last increment, refund points for objects that were not returned, and report the cost."""
        if isinstance(increment, ExecutionResult):
            await self._costs.refund(prepared.charge, parts, context)
            increment.extensions = self._cost_extension(prepared) or None
        elif not increment.get("hasNext"):
            await self._costs.refund(prepared.charge, parts, context)
            cost = self._cost_extension(prepared)
            return {**increment, "extensions": cost} if cost else increment
        return increment

    def subscribe(
        self, prepared: PreparedOperation, context: Context, write: Write | None = None
    ) -> AsyncGenerator[Reply]:
        """Run a subscription; its only result is a `PreExecutionError` when it could not begin.

        Results that `write` accepts are not yielded. Strawberry's extensions are not called; what concerns every
        operation belongs to this pipeline.
        """
        operation, schema = prepared.operation, self.schema
        context.loaders.caching = False
        variables = prepared.request.variables
        is_compiled = self.settings.compiled_selections
        executor = AcyclicExecutor if is_compiled else PlainExecutor
        execution = build_execution(schema.core, operation.document, operation.name, variables, context, executor)
        return run_subscription(
            execution,
            operation.selections if is_compiled else None,
            self._observed(prepared, context),
            write if self.settings.direct_frames else None,
        )

    def _observed(self, prepared: PreparedOperation, context: Context) -> Observation:
        is_known = prepared.is_registered or context.actor_or_none is not None
        return Observation(self._observer, prepared.operation, prepared.cost, self.schema.limits, is_known=is_known)


async def _next_until(
    deadline: float, increments: AsyncGenerator[Increment | ExecutionResult]
) -> Increment | ExecutionResult | None:
    """Return the next one, or None at the end. A timeout around a `yield` would cancel the consumer."""
    async with asyncio.timeout_at(deadline):
        return await anext(increments, None)


def _too_long(limit_s: float) -> DeadlineExceededError:
    return DeadlineExceededError(f"This took longer than {limit_s:g} seconds and was stopped.", seconds=limit_s)


def _select(document: PreparedDocument, name: str | None) -> DocumentOperation:
    operations = document.operations
    named = [operation for operation in operations if name is None or operation.name == name]
    if len(named) == 1:
        return named[0]
    if not operations:
        message = "The document contains no operation."
    elif name is None:
        message = "The document contains several operations; name the one to run in `operationName`."
    else:
        message = "The document contains no operation of this name."
    raise RefusedError.of(BadRequestError(message, path=("operationName",)))
