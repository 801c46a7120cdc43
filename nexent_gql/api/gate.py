"""What every transport asks before it runs an operation, and how it runs one that has a single result."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, OperationType
from strawberry.http import GraphQLRequestData
from strawberry.types.execution import ExecutionResult, PreExecutionError

from nexent_gql.api.context import Context
from nexent_gql.api.deferral import Increment, Pending, data_of, run_deferred
from nexent_gql.api.documents import Prepared, PreparedOperation
from nexent_gql.api.introspection import Introspections
from nexent_gql.api.masking import refusal
from nexent_gql.api.meter import Bill, Meter
from nexent_gql.api.naming import find_document
from nexent_gql.api.observer import Observation, Observer
from nexent_gql.api.refusals import (
    BadRequestError,
    CostLimitExceededError,
    DeadlineExceededError,
    IntrospectionDisabledError,
    ReadOnlyCredentialError,
)
from nexent_gql.api.schema import ApiSchema
from nexent_gql.api.selections.core import prepare
from nexent_gql.api.selections.query import QueryExecutor, begin_query
from nexent_gql.api.selections.subscription import Reply, Write, run_subscription
from nexent_gql.api.settings import ApiSettings
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.principal import Scope


class RefusedError(Exception):
    """The operation does not run; `errors` are ready to be sent."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        """Keep the errors."""
        super().__init__(errors[0].message)
        self.errors = errors

    @classmethod
    def of(cls, error: DomainError) -> "RefusedError":
        """Refuse for one reason."""
        return cls([refusal(error)])

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which the same request may be let in, where that is known."""
        cause = self.errors[0].original_error
        seconds = cause.details.get("retry_after_s") if isinstance(cause, DomainError) else None
        return seconds if isinstance(seconds, int) else None

    @property
    def result(self) -> PreExecutionError:
        """The errors as Strawberry's result."""
        return PreExecutionError(data=None, errors=self.errors)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that may run."""

    request: GraphQLRequestData
    operation: PreparedOperation
    cost: int
    bill: Bill | None = None

    @property
    def kind(self) -> OperationType:
        """Whether it reads, changes or follows."""
        return self.operation.node.operation


class Gate:
    """Admits operations and runs them within their deadline; one for all transports."""

    def __init__(self, schema: ApiSchema, settings: ApiSettings, observer: Observer | None = None) -> None:
        """Bind the schema to its settings."""
        self.schema = schema
        self.settings = settings
        self._observer = observer or Observer()
        self._meter = Meter(settings.cost)
        self._introspections = Introspections(schema.core)

    async def enter(self, request: GraphQLRequestData, context: Context) -> Admitted:
        """Find the document of a request, admit it and charge its caller; a new document is registered.

        Raises:
            RefusedError: As `admit`; or the document is not known, not trusted, or the caller's budget is spent.
        """
        try:
            bill = await self._meter.open(context)
            found = await find_document(request, context.services, self.settings.documents)
            try:
                admitted = await self.admit(found.request, context, bill)
            except RefusedError:
                await self._meter.fine(bill, context)
                raise
            await self._meter.charge(bill, admitted.operation, admitted.cost, context)
            if found.is_new and found.request.query:
                await self._meter.charge_for_keeping(bill, found.request.query, context)
                await context.services.persisted.register(found.request.query)
        except DomainError as error:
            raise RefusedError.of(error) from error
        return admitted

    async def admit(self, request: GraphQLRequestData, context: Context, bill: Bill | None = None) -> Admitted:
        """Check a request as far as its text, its variables and its caller tell.

        Raises:
            RefusedError: It is not GraphQL, not valid, too costly, or not allowed for this caller; or so many documents
                were to be validated before it that its time is over.
        """
        if not request.query:
            raise RefusedError.of(BadRequestError("Say what to run in `query`.", path=("query",)))
        prepared = self.schema.documents.recall(request.query) or await self._prepare(request.query)
        if prepared.errors:
            raise RefusedError(list(prepared.errors))
        operation = _select(prepared, request.operation_name)
        try:
            self._check_caller(operation, context)
            cost = self._cost(operation, request)
        except DomainError as error:
            raise RefusedError.of(error) from error
        return Admitted(request, operation, cost, bill)

    async def _prepare(self, text: str) -> Prepared:
        limit_s = self.settings.limits.query_s
        try:
            async with asyncio.timeout(limit_s):
                return await self.schema.documents.prepare_aside(text)
        except TimeoutError:
            raise RefusedError.of(_too_long(limit_s)) from None

    def _check_caller(self, operation: PreparedOperation, context: Context) -> None:
        actor = context.actor_or_none
        if operation.node.operation is OperationType.MUTATION and actor and Scope.WRITE not in actor.scopes:
            raise ReadOnlyCredentialError("This credential may only read; use one with the scope WRITE.")
        introspection = self.settings.introspection
        allowed = introspection == "everyone" or (introspection == "signed_in" and actor is not None)
        if operation.introspects and not allowed:
            raise IntrospectionDisabledError("Introspection is not open to you; the schema is published as a file.")

    def _cost(self, operation: PreparedOperation, request: GraphQLRequestData) -> int:
        limits = self.settings.limits
        cost = self.schema.documents.nodes(operation, request.variables or {})
        if cost > limits.nodes:
            message = f"The answer could hold {cost} objects, more than {limits.nodes}; ask for smaller pages."
            raise CostLimitExceededError(message, requested=cost, allowed=limits.nodes)
        return cost

    async def execute(self, admitted: Admitted, context: Context) -> ExecutionResult:
        """Run a query or a mutation; one that outlives its deadline is cancelled and gives a coded error."""
        with self._observed(admitted) as told:
            result = await self._execute(admitted, context)
            told(result.errors or [])
            await self._meter.settle(admitted.bill, (result.data,), context)
            if admitted.bill and self.settings.cost.report:
                result.extensions = {**(result.extensions or {}), "cost": admitted.bill.extension}
            return result

    async def _execute(self, admitted: Admitted, context: Context) -> ExecutionResult:
        limits = self.settings.limits
        deadline_s = limits.mutation_s if admitted.kind is OperationType.MUTATION else limits.query_s
        executing = self._begin(admitted, context)
        if isinstance(executing, ExecutionResult):
            return executing  # without a timer, which would cost a small query a twentieth
        try:
            async with asyncio.timeout(deadline_s):
                return await executing
        except TimeoutError:
            return RefusedError.of(_too_long(deadline_s)).result

    def _begin(self, admitted: Admitted, context: Context) -> Awaitable[ExecutionResult] | ExecutionResult:
        operation, core, variables = admitted.operation, self.schema.core, admitted.request.variables
        if operation.introspects:
            return self._introspections.answer(operation, variables or {})
        execution = prepare(core, operation.document, operation.name, variables, context, QueryExecutor)
        return begin_query(execution, operation.plans)

    async def defer(self, admitted: Admitted, document: DocumentNode, context: Context) -> AsyncGenerator[Increment]:
        """Run a query whose document defers parts of it; all parts together have its deadline."""
        core, name, variables = self.schema.core, admitted.operation.name, admitted.request.variables
        limit_s, pending, came = self.settings.limits.query_s, Pending(), list[object]()
        with self._observed(admitted) as told:
            deadline = asyncio.get_running_loop().time() + limit_s
            try:
                async with aclosing(run_deferred(core, document, name, variables, context, told)) as increments:
                    while increment := await _next_until(deadline, increments):
                        came += data_of(increment)
                        pending.note(increment)
                        yield increment
                        pending.forget(increment)
            except TimeoutError:
                told(late := [refusal(_too_long(limit_s))])
                yield pending.give_up(late)
            await self._meter.settle(admitted.bill, came, context)

    def subscribe(self, admitted: Admitted, context: Context, write: Write | None = None) -> AsyncGenerator[Reply]:
        """Run a subscription; its only result is a `PreExecutionError` when it could not begin.

        Results that `write` takes at once are not among those that it yields.

        Strawberry's extensions do not take part: what concerns every operation belongs to this gate.
        """
        operation, schema = admitted.operation, self.schema
        context.loaders.caching = False
        execution = prepare(schema.core, operation.document, operation.name, admitted.request.variables, context)
        return run_subscription(execution, operation.selections, self._observed(admitted), write)

    def _observed(self, admitted: Admitted) -> Observation:
        return Observation(self._observer, admitted.operation, admitted.cost, self.schema.limits)


async def _next_until(deadline: float, increments: AsyncGenerator[Increment]) -> Increment | None:
    """Return the next one; None: there is none. A timeout around a `yield` would end whoever is sending."""
    async with asyncio.timeout_at(deadline):
        return await anext(increments, None)


def _too_long(limit_s: float) -> DeadlineExceededError:
    return DeadlineExceededError(f"This took longer than {limit_s:g} seconds and was stopped.", seconds=limit_s)


def _select(prepared: Prepared, name: str | None) -> PreparedOperation:
    operations = prepared.operations
    named = [operation for operation in operations if name is None or operation.name == name]
    if len(named) == 1:
        return named[0]
    if not operations:
        message = "The document holds no operation."
    elif name is None:
        message = "The document holds several operations; say in `operationName` which to run."
    else:
        message = "The document holds no operation of this name."
    raise RefusedError.of(BadRequestError(message, path=("operationName",)))
