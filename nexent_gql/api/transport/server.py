"""The configuration of uvicorn."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette

from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.connections import ConnectionRegistry
from nexent_gql.api.transport.direct import DirectSocketProtocol
from nexent_gql.api.transport.flood import BoundedSocketProtocol
from nexent_gql.api.transport.http_protocol import HttpProtocol
from nexent_gql.api.transport.proxies import TrustedProxies

_BODY_GRACE_S = 10  # so that the application answers first, with 408


def server_config(app: Starlette | Callable[[], Starlette], settings: ApiSettings, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's
    """Return uvicorn's configuration for the API, with limits and deadlines of connections."""
    longest_s = max(settings.limits.body_s, settings.limits.upload_s)
    registry = ConnectionRegistry(
        settings.connections, TrustedProxies(settings.trusted_proxies), body_s=longest_s + _BODY_GRACE_S
    )
    return uvicorn.Config(
        app,
        http=cast("type[HttpProtocol]", partial(HttpProtocol, registry)),
        ws=DirectSocketProtocol if settings.direct_frames else BoundedSocketProtocol,
        ws_max_size=settings.limits.message_bytes,
        ws_per_message_deflate=False,
        timeout_keep_alive=settings.connections.idle_s,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **options,
    )
