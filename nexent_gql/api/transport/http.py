"""GraphQL over HTTP: one endpoint, whose operations the gate admits and runs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar, cast

from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http import GraphQLRequestData

from nexent_gql.api.context import Context
from nexent_gql.api.deferral import Increment, in_the_older_format
from nexent_gql.api.encoding import Rendered
from nexent_gql.api.gate import Admitted, Gate, RefusedError
from nexent_gql.api.masking import internal
from nexent_gql.api.naming import DOCUMENT_ID
from nexent_gql.api.refusals import MethodNotAllowedError, NotAcceptableError
from nexent_gql.api.selections.subscription import Reply
from nexent_gql.api.transport.accept import OLDER_INCREMENTS, PLAIN_JSON, Offer, read_accept
from nexent_gql.api.transport.answers import members, problem, refused, single
from nexent_gql.api.transport.body import read_body, read_query_string
from nexent_gql.api.transport.caller import authenticate, request_info, services_of
from nexent_gql.api.transport.framing import SERVER_SENT_EVENTS, SUBSCRIPTION_PARTS, Framing, incremental_parts
from nexent_gql.api.transport.lifetime import while_valid
from nexent_gql.api.transport.streams import Stream
from nexent_gql.api.transport.upload import is_upload, read_upload
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.errors import DomainError

T = TypeVar("T")
Page = Callable[[Request], Awaitable[Response]]
_HOW_TO_SUBSCRIBE = (
    "Subscriptions need a WebSocket, `Accept: text/event-stream`, or `Accept: multipart/mixed;subscriptionSpec=1.0`."
)
_DOCUMENTS = frozenset({"query", DOCUMENT_ID, "extensions"})  # the parameters that say what to run
_QUICK_S = 0.1  # a query that is done by then is not worth watching its client for


class HttpEndpoint:
    """The HTTP side of `/graphql`, an ASGI application.

    Args:
        gate: Admits and runs operations.
        page: Answers a browser that opens the address; None answers it like any other client.
        clock: Tells when credentials end.
    """

    def __init__(self, gate: Gate, page: Page | None = None, clock: Clock = utc_now) -> None:
        self._gate = gate
        self._page = page
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong, the answer is JSON with a code."""
        request = Request(scope, receive)
        offer = read_accept(request.headers.get("accept", ""))
        try:
            response = await self._answer(request, offer)
        except ClientDisconnect:
            return
        except MethodNotAllowedError as error:
            response = refused(error, headers={"Allow": str(error.details["allow"])})
        except DomainError as error:
            response = refused(error, offer.json or PLAIN_JSON)
        except Exception as error:  # noqa: BLE001 - the last place where a bug can be masked and logged
            response = problem(internal(error))
        await response(scope, receive, send)

    async def _answer(self, request: Request, offer: Offer) -> Response:
        if request.method not in ("GET", "POST"):
            raise MethodNotAllowedError("Use POST, or GET for queries.", allow="GET, POST")
        if self._page and request.method == "GET" and offer.prefers_page:
            asks = not _DOCUMENTS.isdisjoint(request.query_params)
            if not asks:
                return await self._page(request)
        services = services_of(request.scope)
        actor = await authenticate(services, request.headers.get("authorization"))
        context = Context(services, actor, request_info(request.scope))
        limits = self._gate.settings.limits
        if request.method == "GET":
            return await self._enter(request, offer, read_query_string(request, limits), context)
        if is_upload(request):
            async with read_upload(request, limits) as data:
                return await self._enter(request, offer, data, context)
        return await self._enter(request, offer, await read_body(request, limits), context)

    async def _enter(self, request: Request, offer: Offer, data: GraphQLRequestData, context: Context) -> Response:
        try:
            admitted = await self._gate.enter(data, context)
        except RefusedError as error:
            return self._refuse(error, offer)
        response = await self._run(request, offer, admitted, context)
        if admitted.bill:
            response.raw_headers += admitted.bill.headers
        return response

    def _refuse(self, error: RefusedError, offer: Offer) -> Response:
        if offer.prefers_stream:
            response = self._stream(_once(SERVER_SENT_EVENTS.answer(members(error.result))), SERVER_SENT_EVENTS)
        else:
            response = single(error.result, offer.json or PLAIN_JSON)
        if error.retry_after_s:
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    async def _run(self, request: Request, offer: Offer, admitted: Admitted, context: Context) -> Response:
        if admitted.kind is OperationType.MUTATION and request.method == "GET":
            raise MethodNotAllowedError("Mutations need POST.", allow="POST")
        subscribing = admitted.kind is OperationType.SUBSCRIPTION
        if offer.prefers_stream or (subscribing and offer.streams and not offer.parts):
            return self._stream(self._frames(admitted, context, SERVER_SENT_EVENTS), SERVER_SENT_EVENTS, context)
        if subscribing and offer.parts:
            return self._stream(self._frames(admitted, context, SUBSCRIPTION_PARTS), SUBSCRIPTION_PARTS, context)
        if subscribing:
            raise NotAcceptableError(_HOW_TO_SUBSCRIBE)
        if offer.json is None:
            raise NotAcceptableError("Answers are application/graphql-response+json or application/json.")
        if admitted.operation.deferring and offer.increments:
            increments = self._gate.defer(admitted, admitted.operation.deferring, context)
            return self._defer(increments, offer.increments)
        execution = self._gate.execute(admitted, context)
        if admitted.kind is OperationType.QUERY:
            return single(await _while_connected(request, execution), offer.json)
        return single(await execution, offer.json)

    def _stream(self, frames: AsyncGenerator[bytes], framing: Framing, context: Context | None = None) -> Response:
        """Stream frames, for as long as the caller's credential is good where a context is given."""
        valid = context and while_valid(context.services, context.actor_or_none, self._clock)
        return Stream(frames, framing, self._gate.settings.heartbeat_s, valid)

    def _defer(self, increments: AsyncGenerator[Increment], form: str) -> Response:
        framing = incremental_parts(form)
        if form == OLDER_INCREMENTS:
            increments = in_the_older_format(increments)
        return self._stream(_all(increments, framing), framing)

    async def _frames(self, admitted: Admitted, context: Context, framing: Framing) -> AsyncGenerator[bytes]:
        if admitted.kind is not OperationType.SUBSCRIPTION:
            yield framing.answer(members(await self._gate.execute(admitted, context)))
            return
        async with aclosing(self._gate.subscribe(admitted, context)) as results:
            async for result in results:
                yield _framed(result, framing)


def _framed(result: Reply, framing: Framing) -> bytes:
    return framing.frame(result) if isinstance(result, Rendered) else framing.answer(members(result))


async def _all(increments: AsyncGenerator[Increment], framing: Framing) -> AsyncGenerator[bytes]:
    async with aclosing(increments):
        async for increment in increments:
            yield framing.answer(increment)


async def _once(frame: bytes) -> AsyncGenerator[bytes]:
    yield frame


async def _while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work`, and cancel it when the client goes away.

    Raises:
        ClientDisconnect: The client is gone.
    """
    watch = _Watch(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.has_cancelled():
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the task that makes it when the client goes away; most are done before it begins to look."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False
        self._timer = asyncio.get_running_loop().call_later(_QUICK_S, self._begin)

    def has_cancelled(self) -> bool:
        """Tell whether a cancellation is this watch's own, and nobody else's too."""
        return self._gone and self._task.uncancel() <= self._cancellations

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
