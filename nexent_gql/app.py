"""The ASGI application: routes, middleware, and what the process opens while it serves."""

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
    """How a dependency is; see `runtime.Check`."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def error(self) -> str | None:
        """What is wrong; None when it answers."""
        ...

    @property
    def latency_ms(self) -> int:
        """How long it took to know."""
        ...

    @property
    def is_required(self) -> bool:
        """Whether the API cannot serve without it."""
        ...


CheckAll = Callable[[], Awaitable[Sequence[Health]]]


@dataclass(frozen=True, slots=True)
class Backend:
    """What the API serves, and how to ask whether all that is behind it is well."""

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
    """Put the application together; nothing is opened before the server starts it.

    Args:
        settings: Limits and who may reach the API.
        backend: Opens what the API serves, for as long as the server runs.
        schema: Another schema than the process's own, for tests of the machinery.
        observer: What counts and traces operations; None keeps the figures to itself.
        pages: Routes beside the API, such as the page at `/`.
        graphiql: Answers a browser that opens the API's address.
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
    """Tell that the process runs, whatever it depends on."""
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


async def _ready(request: Request) -> Response:
    """Ask every dependency; 503 when one that is required does not answer."""
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
    """Gives every answer the headers that keep browsers strict; a page that sets one itself keeps its own."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding headers where an answer starts."""

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in _SECURITY_HEADERS if each[0] not in own)]
            await send(message)

        await self._app(scope, receive, send_strict if scope["type"] == "http" else send)
