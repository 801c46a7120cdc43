"""The factory for ASGI servers: `uvicorn --factory nexent_gql.asgi:create`."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request

from nexent_gql.api.pipeline.observer import Observer
from nexent_gql.app import Backend, OpenBackend, create_app
from nexent_gql.jobs.queues import watch_queues
from nexent_gql.kernel.tasks import background
from nexent_gql.pages import DemoToken, graphiql_page, page_routes, read_documents
from nexent_gql.runtime import Runtime, open_metrics, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings, read_settings
from nexent_gql.telemetry import count_tasks
from nexent_gql.telemetry.jobs import QueueMetrics
from nexent_gql.telemetry.pools import watch_pools


def open_backend(settings: Settings, registry: CollectorRegistry | None = None) -> OpenBackend:
    """Return a function that opens the services and their resources."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Backend]:
        async with open_runtime(settings, registry) as runtime, AsyncExitStack() as stack:
            services = Services.build(runtime, read_documents())
            await stack.enter_async_context(services.identity.connections.running())
            if registry is not None:
                await stack.enter_async_context(_measured(runtime, registry))
            yield Backend(services, runtime.check)

    return opened


@asynccontextmanager
async def _measured(runtime: Runtime, registry: CollectorRegistry) -> AsyncGenerator[None]:
    """Keep metrics beside those of operations up to date: of queues too, because there may be no worker."""
    count_tasks(registry)
    watch_pools(registry, {"processes": runtime.processes})
    async with background(watch_queues(runtime.db, QueueMetrics(registry)), "queue-watch"):
        yield


def create(*, is_local: bool = False) -> Starlette:
    """Read the environment and return the application.

    Args:
        is_local: Whether the server listens on a loopback address only; it then answers to loopback names, and to
            `NEXENT_API__ALLOWED_HOSTS`.
    """
    settings = read_settings()
    registry = open_metrics(settings)
    return create_app(
        settings.api,
        open_backend(settings, registry),
        observer=Observer(registry),
        pages=page_routes(issue_demo_token if settings.demo else None, settings.objects.public_origin),
        graphiql=graphiql_page if settings.api.ide else None,
        is_local=is_local,
    )


async def issue_demo_token(request: Request) -> DemoToken:
    """Issue a token of the demo user to a browser on this machine."""
    identity = cast("Services", request.state.services).identity
    token = await identity.issue_token(await identity.ensure_demo())
    return DemoToken(token.text.get_secret_value(), token.expires_at)
