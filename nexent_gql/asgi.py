"""The factory for ASGI servers: `uvicorn --factory nexent_gql.asgi:create`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from nexent_gql.app import Backend, OpenBackend, create_app
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings, read_settings


def open_backend(settings: Settings) -> OpenBackend:
    """Return how to open the services and all that they stand on."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Backend]:
        async with open_runtime(settings) as runtime:
            yield Backend(Services.build(runtime), runtime.check)

    return opened


def create() -> Starlette:
    """Read the environment and return the application."""
    settings = read_settings()
    return create_app(settings.api, open_backend(settings))
