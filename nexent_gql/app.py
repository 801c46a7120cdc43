"""The ASGI application: routes, middleware and lifespan."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexent_gql.api.conversations.http import export_routes
from nexent_gql.api.files.http import file_routes
from nexent_gql.api.pipeline.observer import Observer
from nexent_gql.api.pipeline.pipeline import OperationPipeline
from nexent_gql.api.schema.build import ApiSchema, build_schema
from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.answers import refused
from nexent_gql.api.transport.hosts import AllowedHosts
from nexent_gql.api.transport.http import HttpEndpoint, Page
from nexent_gql.api.transport.proxies import ProxyHeaders, TrustedProxies
from nexent_gql.api.transport.request_ids import HEADER as REQUEST_ID
from nexent_gql.api.transport.request_ids import RequestIds
from nexent_gql.api.transport.socket import SocketView
from nexent_gql.api.transport.upload import PREFLIGHT_HEADERS
from nexent_gql.kernel.errors import NotFoundError

if TYPE_CHECKING:
    from nexent_gql.services import Services

PATH = "/graphql"
_CORS_HEADERS = ("Authorization", "Content-Type", "Last-Event-ID")
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Health(Protocol):
    """Health of a dependency; see `runtime.Check`."""

    @property
    def name(self) -> str:
        """Name of the dependency."""
        ...

    @property
    def error(self) -> str | None:
        """The problem; None when it is healthy."""
        ...

    @property
    def latency_ms(self) -> int:
        """Duration of the check."""
        ...

    @property
    def is_required(self) -> bool:
        """Whether the API cannot serve without it."""
        ...


CheckAll = Callable[[], Awaitable[Sequence[Health]]]


@dataclass(frozen=True, slots=True)
class Backend:
    """The services of the API, and the health check of its dependencies."""

    services: "Services"
    check: CheckAll


OpenBackend = Callable[[], AbstractAsyncContextManager[Backend]]


def create_app(
    settings: ApiSettings,
    backend: OpenBackend,
    *,
    schema: ApiSchema | None = None,
    observer: Observer | None = None,
    pages: Sequence[BaseRoute] = (),
    graphiql: Page | None = None,
    is_local: bool = False,
) -> Starlette:
    """Build the application; resources are opened when the server starts it.

    Args:
        settings: Limits, allowed hosts and origins.
        backend: Opens the services for the lifetime of the server.
        schema: Replaces the default schema, for tests.
        observer: Counts and traces operations; None uses one without exporters.
        pages: Further routes, such as the page at `/`.
        graphiql: Serves browsers that open the API's address.
        is_local: Whether the server listens on a loopback address only.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[dict[str, object]]:
        async with backend() as opened:
            yield {"services": opened.services, "check": opened.check}

    schema = schema or build_schema(settings.limits, compiled_selections=settings.compiled_selections)
    pipeline = OperationPipeline(schema, settings, observer)
    return Starlette(
        routes=[
            Route(PATH, HttpEndpoint(pipeline, graphiql)),
            WebSocketRoute(PATH, SocketView(pipeline)),
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", _ready, methods=["GET"]),
            *file_routes(settings.limits.file_idle_s),
            *export_routes(settings.limits.file_idle_s),
            *pages,
        ],
        middleware=[Middleware(SecurityHeaders), *_guards(settings, is_local=is_local), *_cors(settings)],
        exception_handlers={404: _not_found},
        lifespan=lifespan,
    )


def _guards(settings: ApiSettings, *, is_local: bool) -> Sequence[Middleware]:
    trusted = TrustedProxies(settings.trusted_proxies)
    guards = [Middleware(RequestIds, trusted=trusted), Middleware(ProxyHeaders, trusted=trusted)]
    if settings.allowed_hosts or is_local:
        guards.append(Middleware(AllowedHosts, hosts=settings.allowed_hosts))
    return guards


def _cors(settings: ApiSettings) -> Sequence[Middleware]:
    if not settings.allowed_origins:
        return ()
    return (
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT"),
            allow_headers=(*_CORS_HEADERS, *PREFLIGHT_HEADERS, *settings.allowed_headers),
            expose_headers=("RateLimit", "RateLimit-Policy", "Retry-After", REQUEST_ID),
            max_age=600,
        ),
    )


async def _alive(_request: Request) -> Response:
    """Liveness: answers while the process runs, whatever the state of its dependencies."""
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


async def _ready(request: Request) -> Response:
    """Readiness: checks every dependency; 503 when a required one does not answer."""
    check: CheckAll = request.state.check
    checks = await check()
    ready = all(one.error is None for one in checks if one.is_required)
    body = {"status": "ready" if ready else "unavailable", "dependencies": [_shown(one) for one in checks]}
    return JSONResponse(body, 200 if ready else 503, headers={"Cache-Control": "no-store"})


def _shown(health: Health) -> dict[str, object]:
    return {"name": health.name, "ok": health.error is None, "error": health.error, "latencyMs": health.latency_ms}


async def _not_found(_request: Request, _error: Exception) -> Response:
    return refused(NotFoundError(f"There is nothing here; the API is at {PATH}."))


class SecurityHeaders:
    """Adds security headers to every response; headers that a page sets itself are kept."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and add headers to the start of the response."""

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in _SECURITY_HEADERS if each[0] not in own)]
            await send(message)

        await self._app(scope, receive, send_strict if scope["type"] == "http" else send)
