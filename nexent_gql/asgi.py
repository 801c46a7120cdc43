"""The factory for ASGI servers: `uvicorn --factory nexent_gql.asgi:create`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request

from nexent_gql.api.observer import Observer
from nexent_gql.app import Backend, OpenBackend, create_app
from nexent_gql.pages import DemoToken, graphiql_page, page_routes
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings, SettingsError, read_settings
from nexent_gql.telemetry import metrics_registry, serve_metrics


def open_backend(settings: Settings) -> OpenBackend:
    """Return how to open the services and all that they stand on."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Backend]:
        async with open_runtime(settings) as runtime:
            services = Services.build(runtime)
            async with services.identity.connections.running():
                yield Backend(services, runtime.check)

    return opened


def create() -> Starlette:
    """Read the environment and return the application."""
    settings = read_settings()
    registry = metrics_registry()
    if settings.metrics_port:
        _serve_metrics(registry, settings.metrics_host, settings.metrics_port)
    return create_app(
        settings.api,
        open_backend(settings),
        observer=Observer(registry),
        pages=page_routes(issue_demo_token if settings.demo else None),
        graphiql=graphiql_page if settings.api.ide else None,
    )


async def issue_demo_token(request: Request) -> DemoToken:
    """Sign in whoever sits at this machine as the demo user."""
    identity = cast("Services", request.state.services).identity
    token = await identity.issue_token(await identity.ensure_demo())
    return DemoToken(token.text.get_secret_value(), token.expires_at)


def _serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    try:
        serve_metrics(registry, host, port)
    except OSError as error:
        raise SettingsError(f"NEXENT_METRICS_PORT: {host}:{port} can't be opened: {error.strerror}.") from None
