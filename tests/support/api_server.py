"""The API on a real uvicorn over a real socket, with the toy schema and invented credentials."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from nexent_gql.api.pipeline.observer import Observer
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.settings import ApiSettings, CostSettings
from nexent_gql.api.transport.ending import GracefulServer
from nexent_gql.api.transport.server import server_config
from nexent_gql.app import Backend, create_app
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import UnauthenticatedError, UnavailableError
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.fast_paths import with_environment
from tests.support.toy_schema import MODULE

if TYPE_CHECKING:
    from nexent_gql.services import Services

TENANT, USER = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class ToyCheck:
    """One dependency, as `/readyz` shows it."""

    name: str
    error: str | None
    latency_ms: int
    is_required: bool = True


@dataclass
class ToyConnections:
    """Lasting connections, until their session is revoked."""

    watchers: list[tuple[Principal, Callable[[], None]]] = field(
        default_factory=list[tuple[Principal, Callable[[], None]]]
    )

    @contextmanager
    def watch(self, actor: Principal, ended: Callable[[], None]) -> Generator[None]:
        """Know the connection until the block ends."""
        watcher = actor, ended
        self.watchers.append(watcher)
        try:
            yield
        finally:
            self.watchers.remove(watcher)

    def revoke(self, session_id: UUID) -> None:
        """End what was opened with a session."""
        for actor, ended in list(self.watchers):
            if actor.session_id == session_id:
                ended()


@dataclass
class ToyIdentity:
    """Tokens are what they say; `short` lives for `short_s` seconds, `session-2` is of session number 2."""

    short_s: float = 0.3
    tokens: list[str] = field(default_factory=list[str])
    connections: ToyConnections = field(default_factory=ToyConnections)

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a known token."""
        self.tokens.append(token)
        match token:
            case "developer" | "nxg_good" | "nxg_other":
                return Principal(TENANT, USER, Role.DEVELOPER)
            case "member":
                return Principal(TENANT, USER, Role.MEMBER)
            case "reader":
                return Principal(TENANT, USER, Role.OWNER, scopes=frozenset({Scope.READ}))
            case "short":
                return Principal(TENANT, USER, Role.OWNER, expires_at=utc_now() + timedelta(seconds=self.short_s))
            case str() if token.startswith("session-"):
                number = int(token.removeprefix("session-"))
                ends_at = utc_now() + timedelta(seconds=60)
                return Principal(TENANT, USER, Role.OWNER, session_id=UUID(int=number), expires_at=ends_at)
            case "eve":
                return Principal(TENANT, UUID(int=3), Role.OWNER)
            case "down":
                raise UnavailableError("Postgres does not answer.")
            case "bug":
                raise RuntimeError("connection to db.internal:5432 lost")
            case _:
                raise UnauthenticatedError("This token is not valid.")


@dataclass
class Api:
    """A running server."""

    url: str
    identity: ToyIdentity
    schema: ApiSchema
    app: Starlette
    server: uvicorn.Server

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    @property
    def base(self) -> str:
        """The address without a path."""
        return self.url.removesuffix("/graphql")


async def _page(_request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>GraphiQL</title>")


@asynccontextmanager
async def serve(
    settings: ApiSettings | None = None,
    checks: Sequence[ToyCheck] = (),
    observer: Observer | None = None,
    *,
    is_local: bool = False,
    **services: object,
) -> AsyncGenerator[Api]:
    """Run the API until the block ends; it counts no costs without `budgets`."""
    settings = with_environment(settings or ApiSettings())
    if "budgets" not in services:
        settings = settings.model_copy(update={"cost": CostSettings(mode="off")})
    identity = ToyIdentity()
    schema = ApiSchema.of([MODULE], settings.limits, compiled_selections=settings.compiled_selections)

    @asynccontextmanager
    async def backend() -> AsyncGenerator[Backend]:
        async def check() -> Sequence[ToyCheck]:
            return checks

        yield Backend(cast("Services", SimpleNamespace(identity=identity, **services)), check)

    app = create_app(settings, backend, schema=schema, observer=observer, graphiql=_page, is_local=is_local)
    listener = socket.create_server(("127.0.0.1", 0))
    async with _running(app, settings, listener) as server:
        yield Api(f"http://127.0.0.1:{listener.getsockname()[1]}/graphql", identity, schema, app, server)


@asynccontextmanager
async def listening(app: Starlette, settings: ApiSettings) -> AsyncGenerator[str]:
    """Serve any application until the block ends; yields the address of its API."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with _running(app, settings, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"


@asynccontextmanager
async def _running(app: Starlette, settings: ApiSettings, listener: socket.socket) -> AsyncGenerator[uvicorn.Server]:
    config = server_config(app, settings, timeout_graceful_shutdown=1)
    server = GracefulServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield server
    finally:
        server.should_exit = True
        await serving
