"""The caller of a request, for HTTP and for sockets."""

from datetime import datetime
from typing import TYPE_CHECKING, cast

from starlette.types import Scope

from nexent_gql.api.context import RequestInfo
from nexent_gql.kernel.principal import Principal

if TYPE_CHECKING:
    from nexent_gql.services import Services

_MAX_AGENT_CHARS = 500


def services_of(scope: Scope) -> "Services":
    """Return the services that the lifespan opened."""
    return cast("Services", scope["state"]["services"])


def request_info(scope: Scope) -> RequestInfo:
    """Return address and headers of the client of a request or socket."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    agent = headers.get(b"user-agent", b"").decode("latin-1")
    return RequestInfo(
        client_ip=client[0] if client else None,
        user_agent=agent[:_MAX_AGENT_CHARS] or None,
        base_url=_base_url(scope, headers),
        last_event_id=headers.get(b"last-event-id", b"").decode("latin-1") or None,
    )


def _base_url(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """Return what addresses of this server begin with; nothing for a client that names no host."""
    host = headers.get(b"host", b"").decode("latin-1")
    scheme = "https" if scope.get("scheme") in {"https", "wss"} else "http"
    return f"{scheme}://{host}" if host else ""


def seconds_left(principal: Principal | None, now: datetime) -> float | None:
    """Return the remaining lifetime of the credential, never negative; None when it does not expire."""
    if principal is None or principal.expires_at is None:
        return None
    return max((principal.expires_at - now).total_seconds(), 0.0)
