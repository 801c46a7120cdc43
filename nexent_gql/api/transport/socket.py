"""GraphQL over WebSocket (graphql-transport-ws), on Strawberry's view, handler and adapter.

Close codes: 4400 a message that breaks the protocol, 4401 subscribe before the acknowledgement, 4403 a credential that
is refused or has ended, 4406 another subprotocol, 4408 no connection_init in time, 4409 an id in use, 4429 a second
connection_init, 4500 a bug, 1008 messages too fast, 1009 a message too long, 1013 a dependency is unavailable or the
caller has too many sockets. Without a credential a socket serves public fields only.

A `ping` whose payload has `Authorization` renews the credential, for the same user of the same tenant; the `pong`
has the new expiry as `expiresAt`.
"""

import asyncio
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from uuid import UUID

from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    NextMessagePayload,
    PingMessage,
    SubscribeMessage,
)
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.context import Context, RequestInfo
from nexent_gql.api.encoding import Rendered, encode
from nexent_gql.api.limits.cost_limiter import caller_key
from nexent_gql.api.pipeline.masking import internal, refusal
from nexent_gql.api.pipeline.pipeline import OperationPipeline, RefusedError
from nexent_gql.api.pipeline.refusals import BadRequestError, TooManyOperationsError, TooManySocketsError
from nexent_gql.api.transport.adapter import BAD_MESSAGE, SocketAdapter
from nexent_gql.api.transport.answers import is_request_error, members
from nexent_gql.api.transport.body import read_request
from nexent_gql.api.transport.caller import request_info, services_of
from nexent_gql.api.transport.direct import writer_of
from nexent_gql.api.transport.frames import authorization_of, payload_of, read_frame
from nexent_gql.api.transport.lifetime import Credential
from nexent_gql.kernel.addresses import limiter_key
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.errors import DomainError, ForbiddenError, QuotaExceededError, UnavailableError
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.kernel.principal import Principal

if TYPE_CHECKING:
    from nexent_gql.services import Services

UNAUTHORIZED = 4401
FORBIDDEN = 4403
DUPLICATE = 4409
TOO_MANY_INITS = 4429
BUG = 4500
TRY_AGAIN = 1013
_SLOT = "nexent.slot"  # of the scope: what the socket holds of its caller's connections


@dataclass(slots=True, eq=False)
class SocketSession:
    """The state of a socket: its address and, after `connection_init`, its user."""

    services: "Services"
    pipeline: OperationPipeline
    request: RequestInfo
    credential: Credential
    slot: ExitStack
    tasks: list["asyncio.Task[None]"] = field(default_factory=list["asyncio.Task[None]"])

    def context(self) -> Context:
        """Create the context of one operation."""
        return Context(self.services, self.credential.actor, self.request)


class SocketOperation(Operation[SocketSession, None]):
    """A running operation: its request, and the frames it sends."""

    task: "asyncio.Task[None] | None"
    handler: "SocketHandler"

    def __init__(self, handler: "SocketHandler", id: str, request: GraphQLRequestData) -> None:
        """Keep the request whole: the base class drops its extensions."""
        super().__init__(handler, id, request.query or "", request.variables, request.operation_name)
        self.request = request
        self._head = b'{"id":' + encode(id) + b',"type":"next","payload":'
        self._write = writer_of(handler.websocket.ws)

    async def send_initial_errors(self, errors: list[GraphQLError]) -> None:
        """End the operation; it was not executed."""
        payload = [error.formatted for error in errors]
        await self.send_operation_message({"id": self.id, "type": "error", "payload": payload})

    async def send_next(self, execution_result: ExecutionResult) -> None:
        payload = cast("NextMessagePayload", members(execution_result))
        await self.send_operation_message({"id": self.id, "type": "next", "payload": payload})

    def write(self, rendered: Rendered) -> bool:
        """Send a result that is already JSON without waiting; return False if the socket is not ready."""
        return not self.completed and self._write(self._head + rendered.payload + b"}")

    async def send_rendered(self, rendered: Rendered) -> None:
        """Send a result that is already JSON."""
        if not self.write(rendered) and not self.completed:
            await self.handler.websocket.send_encoded(self._head + rendered.payload + b"}")


class SocketHandler(BaseGraphQLTransportWSHandler[SocketSession, None]):
    """The protocol of one socket."""

    connection_init_timeout_task: "asyncio.Task[None] | None"
    websocket: SocketAdapter

    async def handle_message(self, message: Message) -> None:
        """Check a message, then let the base class dispatch it."""
        try:
            await super().handle_message(cast("Message", read_frame(cast("Json", message))))
        except BadRequestError as error:
            await self.websocket.close(BAD_MESSAGE, error.message)
        except WebSocketDisconnected:
            raise
        except Exception as error:  # noqa: BLE001 - masked, logged, and told with a code of the protocol
            await self.websocket.close(BUG, internal(error).message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Authenticate and acknowledge."""
        if self.connection_init_received:
            await self.websocket.close(TOO_MANY_INITS, "Too many initialisation requests")
            return
        self.connection_init_received = True
        if self.connection_init_timeout_task:
            self.connection_init_timeout_task.cancel()
        refused = await self._authenticate(cast("JsonObject", message))
        if refused:
            await self.websocket.close(*refused)
            return
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True
        self.context.tasks += [asyncio.create_task(self._ping()), asyncio.create_task(self._expire())]

    async def _authenticate(self, frame: JsonObject) -> tuple[int, str] | None:
        session = self.context
        try:
            authorization = authorization_of(payload_of(frame))
            visitor = Context(session.services, request=session.request)
            actor = await session.pipeline.authenticator.authenticate(authorization, visitor)
        except (UnavailableError, QuotaExceededError) as error:
            return TRY_AGAIN, f"{error.code}: {error.message}"
        except BadRequestError:
            raise
        except DomainError as error:
            return FORBIDDEN, f"{error.code}: {error.message}"
        return self._admit(actor)

    def _admit(self, actor: Principal | None) -> tuple[int, str] | None:
        """Accept the caller, or renew their credential."""
        session = self.context
        previous, is_new = session.credential.actor, not self.connection_acknowledged
        if not is_new and _who(previous) != _who(actor):
            return FORBIDDEN, f"{ForbiddenError.code}: renew with a credential of the same user"
        session.credential.renew(actor)
        if is_new:
            session.slot.close()
            slot = session.pipeline.connections.hold(caller_key(session.context()))
            if not session.slot.enter_context(slot):
                return TRY_AGAIN, f"{TooManySocketsError.code}: close some first"
        return None

    async def _ping(self) -> None:
        with suppress(WebSocketDisconnected):
            while True:
                await asyncio.sleep(self.context.pipeline.settings.sockets.ping_s)
                await self.send_message({"type": "ping"})

    async def _expire(self) -> None:
        ended = await self.context.credential.ended()
        for id_ in list(self.operations):
            await self.cleanup_operation(id_)
        await self.websocket.close(FORBIDDEN, f"{ended.code}: {ended.message}")

    async def handle_ping(self, message: PingMessage) -> None:
        """Echo the payload; one with a credential renews it and is not echoed."""
        payload = message.get("payload")
        if authorization_of(payload_of(cast("JsonObject", message))) is not None:
            await self._renew(cast("JsonObject", message))
            return
        await self.send_message({"type": "pong", "payload": payload} if payload else {"type": "pong"})

    async def _renew(self, frame: JsonObject) -> None:
        if not self.connection_acknowledged:
            await self.websocket.close(UNAUTHORIZED, "Unauthorized")
            return
        refused = await self._authenticate(frame)
        if refused:
            await self.websocket.close(*refused)
            return
        actor = self.context.credential.actor
        ends_at = actor.expires_at if actor else None
        await self.send_message({"type": "pong", "payload": {"expiresAt": ends_at.isoformat() if ends_at else None}})

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        id_ = message["id"]
        if not self.connection_acknowledged:
            await self.websocket.close(UNAUTHORIZED, "Unauthorized")
        elif id_ in self.operations:
            await self.websocket.close(DUPLICATE, f"Subscriber for {id_} already exists")
        else:
            await self._start(id_, cast("JsonObject", message["payload"]))

    async def _start(self, id_: str, payload: JsonObject) -> None:
        operation = SocketOperation(self, id_, read_request(payload))
        self.operations[id_] = operation
        if len(self.operations) > self.context.pipeline.settings.sockets.operations:
            full = TooManyOperationsError("This socket carries as many operations as one may; end some first.")
            await operation.send_initial_errors([refusal(full)])
            return
        operation.task = asyncio.create_task(self.run_operation(operation))

    async def run_operation(self, operation: Operation[SocketSession, None]) -> None:
        """Execute the operation in its own context, until its last frame is sent."""
        with suppress(WebSocketDisconnected):
            try:
                await self._run(cast("SocketOperation", operation))
            except RefusedError as error:
                await operation.send_initial_errors(error.errors)
            except WebSocketDisconnected:
                raise
            except Exception as error:  # noqa: BLE001 - masked and logged; the socket goes on
                await operation.send_initial_errors([internal(error)])

    async def _run(self, operation: SocketOperation) -> None:
        pipeline, context = self.context.pipeline, self.context.context()
        prepared = await pipeline.prepare(operation.request, context)
        if prepared.kind is OperationType.SUBSCRIPTION:
            async with aclosing(pipeline.subscribe(prepared, context, operation.write)) as results:
                async for result in results:
                    if isinstance(result, Rendered):
                        await operation.send_rendered(result)
                    else:
                        await _send(operation, result)
        else:
            await _send(operation, await pipeline.execute(prepared, context))
        await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def shutdown(self) -> None:
        """Cancel the operations of the socket."""
        for task in self.context.tasks:
            task.cancel()
        await asyncio.gather(*self.context.tasks, return_exceptions=True)
        self.context.tasks.clear()  # cancelled tasks refer to this handler: without the cycle it is freed at once
        self.context.slot.close()
        await super().shutdown()


async def _send(operation: SocketOperation, result: ExecutionResult) -> None:
    if is_request_error(result):
        raise RefusedError(result.errors or [])
    await operation.send_next(result)


def _who(actor: Principal | None) -> tuple[UUID, UUID] | None:
    return (actor.tenant_id, actor.user_id) if actor else None


class SocketView(GraphQL[SocketSession, None]):
    """The WebSocket side of `/graphql`, an ASGI application."""

    graphql_transport_ws_handler_class = SocketHandler
    websocket_adapter_class = SocketAdapter

    def __init__(self, pipeline: OperationPipeline, clock: Clock = utc_now) -> None:
        """Bind the pipeline. `clock` decides when credentials expire."""
        settings = pipeline.settings
        super().__init__(
            pipeline.schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=settings.sockets.init_s),
            max_subscriptions_per_connection=settings.sockets.operations,
            allowed_origins=settings.allowed_origins,
        )
        self.pipeline = pipeline
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket. It counts towards the limit of its address until `connection_init` identifies the user."""
        key = f"ip/{limiter_key(request_info(scope).client_ip)}"
        with ExitStack() as slot:
            if not slot.enter_context(self.pipeline.unidentified_sockets.hold(key)):
                await send({"type": "websocket.close", "code": 1008})
                return
            scope[_SLOT] = slot
            await super().__call__(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> SocketSession:  # noqa: ARG002 - base
        """Create the session of the socket."""
        scope = request.scope
        services = services_of(scope)
        credential = Credential(services, self._clock)
        return SocketSession(services, self.pipeline, request_info(scope), credential, scope[_SLOT])
