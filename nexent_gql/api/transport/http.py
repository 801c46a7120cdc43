"""GraphQL over HTTP: one endpoint, which runs operations through the pipeline."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http import GraphQLRequestData
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.context import Context
from nexent_gql.api.encoding import Rendered
from nexent_gql.api.limits.cost_limiter import caller_key
from nexent_gql.api.pipeline.deferral import in_the_older_format
from nexent_gql.api.pipeline.masking import internal
from nexent_gql.api.pipeline.persisted_documents import DOCUMENT_ID
from nexent_gql.api.pipeline.pipeline import OperationPipeline, PreparedOperation, RefusedError
from nexent_gql.api.pipeline.refusals import MethodNotAllowedError, NotAcceptableError, TooManySocketsError
from nexent_gql.api.selections.subscription import EventResult, Reply
from nexent_gql.api.transport.accept import EVENTS, OLDER_INCREMENTS, PLAIN_JSON, RESPONSE_JSON, Offer, read_accept
from nexent_gql.api.transport.answers import members, problem, refused, single
from nexent_gql.api.transport.body import read_body, read_query_string
from nexent_gql.api.transport.caller import request_info, services_of
from nexent_gql.api.transport.disconnects import while_connected
from nexent_gql.api.transport.framing import SERVER_SENT_EVENTS, SUBSCRIPTION_PARTS, Framing, incremental_parts
from nexent_gql.api.transport.lifetime import while_valid
from nexent_gql.api.transport.streams import Stream
from nexent_gql.api.transport.upload import is_upload, read_upload
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.errors import DomainError

Page = Callable[[Request], Awaitable[Response]]
_HOW_TO_SUBSCRIBE = (
    "Subscriptions need a WebSocket, `Accept: text/event-stream`, or `Accept: multipart/mixed;subscriptionSpec=1.0`."
)
_READS = frozenset({"GET", "HEAD"})
_DOCUMENTS = frozenset({"query", DOCUMENT_ID, "extensions"})  # the parameters that identify the document


class HttpEndpoint:
    """The HTTP side of `/graphql`, an ASGI application.

    Args:
        pipeline: Prepares and runs operations.
        page: Serves browsers that open the address; None treats them like other clients.
        clock: The current time, for the expiry of credentials.
    """

    def __init__(self, pipeline: OperationPipeline, page: Page | None = None, clock: Clock = utc_now) -> None:
        self._pipeline = pipeline
        self._page = page
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure is JSON with a code.

        Resources of the request (uploaded files, the slot of a stream) are released when the response has been sent.
        """
        request = Request(scope, receive)
        offer = read_accept(",".join(request.headers.getlist("accept")))
        async with AsyncExitStack() as resources:
            try:
                response = await self._answer(request, offer, resources)
            except ClientDisconnect:
                return
            except DomainError as error:
                response = refused(error, offer.json or PLAIN_JSON)
            except Exception as error:  # noqa: BLE001 - the outermost handler, which masks and logs bugs
                response = problem(internal(error))
            await response(scope, receive, send)

    async def _answer(self, request: Request, offer: Offer, resources: AsyncExitStack) -> Response:
        if request.method not in _READS and request.method != "POST":
            raise MethodNotAllowedError("Use POST, or GET for queries.", allow="GET, HEAD, POST")
        if self._page and request.method in _READS and offer.prefers_page:
            names_document = not _DOCUMENTS.isdisjoint(request.query_params)
            if not names_document:
                return await self._page(request)
        context = Context(services_of(request.scope), request=request_info(request.scope))
        authorization = request.headers.get("authorization")
        context.actor_or_none = await self._pipeline.authenticator.authenticate(authorization, context)
        limits = self._pipeline.settings.limits
        if request.method in _READS:
            data = read_query_string(request, limits)
        elif is_upload(request):
            data = await resources.enter_async_context(read_upload(request, limits))
        else:
            data = await read_body(request, limits)
        return await _Exchange(self._pipeline, request, offer, context, resources, self._clock).answer(data)


class _Exchange:
    """One request, and the format of its response."""

    def __init__(
        self,
        pipeline: OperationPipeline,
        request: Request,
        offer: Offer,
        context: Context,
        resources: AsyncExitStack,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._request = request
        self._offer = offer
        self._context = context
        self._resources = resources
        self._clock = clock

    async def answer(self, data: GraphQLRequestData) -> Response:
        """Prepare and run the operation."""
        try:
            prepared = await self._pipeline.prepare(data, self._context)
        except RefusedError as error:
            return self._refuse(error)
        response = await self._run(prepared)
        if prepared.charge:
            response.raw_headers += prepared.charge.headers
        return response

    def _refuse(self, error: RefusedError) -> Response:
        if self._offer.prefers_stream:
            frames = _once(SERVER_SENT_EVENTS.answer(members(error.result)))
            response: Response = Stream(frames, SERVER_SENT_EVENTS, self._pipeline.settings.heartbeat_s)
        else:
            response = single(error.result, self._offer.json or PLAIN_JSON)
        if error.retry_after_s:
            response.headers["Retry-After"] = str(error.retry_after_s)
        if error.charge:
            response.raw_headers += error.charge.headers
        return response

    async def _run(self, prepared: PreparedOperation) -> Response:
        offer, method = self._offer, self._request.method
        if prepared.kind is OperationType.MUTATION and method in _READS:
            raise MethodNotAllowedError("Mutations need POST.", allow="POST")
        if prepared.kind is OperationType.SUBSCRIPTION:
            if method == "HEAD":
                raise MethodNotAllowedError("Subscriptions need GET or POST.", allow="GET, POST")
            if offer.subscriptions is None:
                raise NotAcceptableError(_HOW_TO_SUBSCRIBE)
            is_events = offer.prefers_stream or offer.subscriptions == EVENTS
            return self._subscription(prepared, SERVER_SENT_EVENTS if is_events else SUBSCRIPTION_PARTS)
        if offer.prefers_stream:
            return self._subscription(prepared, SERVER_SENT_EVENTS)
        if prepared.operation.deferring and offer.increments and method != "HEAD":
            return self._deferred(prepared, offer.increments)
        if offer.json is None:
            raise NotAcceptableError(f"Answers are {RESPONSE_JSON} or {PLAIN_JSON}, and multipart/mixed with `@defer`.")
        execution = self._pipeline.execute(prepared, self._context)
        if prepared.kind is OperationType.QUERY:
            execution = while_connected(self._request, execution)
        return single(await execution, offer.json)

    def _subscription(self, prepared: PreparedOperation, framing: Framing) -> Response:
        """Stream the results of an operation while the caller's credential is valid."""
        self._take_slot()
        valid = while_valid(self._context.services, self._context.actor_or_none, self._clock)
        return Stream(self._frames(prepared, framing), framing, self._pipeline.settings.heartbeat_s, valid)

    def _deferred(self, prepared: PreparedOperation, form: str) -> Response:
        self._take_slot()
        framing = incremental_parts(form)
        return Stream(self._increments(prepared, form, framing), framing, self._pipeline.settings.heartbeat_s)

    def _take_slot(self) -> None:
        """Count this response among the caller's sockets and streams until it has been sent.

        Raises:
            TooManySocketsError: The caller is at the limit.
        """
        slot = self._pipeline.connections.hold(caller_key(self._context))
        if not self._resources.enter_context(slot):
            raise TooManySocketsError("You have reached the limit of open sockets and streams: close some first.")

    async def _frames(self, prepared: PreparedOperation, framing: Framing) -> AsyncGenerator[bytes]:
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield framing.answer(members(await self._pipeline.execute(prepared, self._context)))
            return
        async with aclosing(self._pipeline.subscribe(prepared, self._context)) as results:
            async for result in results:
                yield _framed(result, framing)

    async def _increments(
        self, prepared: PreparedOperation, form: str, framing: Framing
    ) -> AsyncGenerator[bytes | Response]:
        """Yield the parts of a query, or a single response if nothing was deferred and the client accepts one."""
        document = prepared.operation.deferring or prepared.operation.document
        increments = self._pipeline.defer(prepared, document, self._context)
        async with aclosing(in_the_older_format(increments) if form == OLDER_INCREMENTS else increments) as parts:
            async for part in parts:
                if not isinstance(part, ExecutionResult):
                    yield framing.answer(part)
                elif self._offer.json is None:
                    yield framing.answer({**members(part), "hasNext": False})
                else:
                    response = single(part, self._offer.json)
                    response.raw_headers += prepared.charge.headers if prepared.charge else []
                    yield response


def _framed(result: Reply, framing: Framing) -> bytes:
    if isinstance(result, Rendered):
        return framing.frame(result)
    return framing.answer(members(result), result.event if isinstance(result, EventResult) else None)


async def _once(frame: bytes) -> AsyncGenerator[bytes]:
    yield frame
