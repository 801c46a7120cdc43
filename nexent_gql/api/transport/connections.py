"""Limits of a process's connections, in all and per address."""

import structlog

from nexent_gql.api.limits.connection_limits import ConnectionLimiter, TokenBucket
from nexent_gql.api.settings import ConnectionLimits
from nexent_gql.api.transport.proxies import TrustedProxies
from nexent_gql.kernel.addresses import limiter_key

UNAVAILABLE = 503
TOO_MANY_REQUESTS = 429
_LOG_EVERY_S = 10.0
_log = structlog.get_logger()


class ConnectionRegistry:
    """Counts the open connections of this process. Trusted proxies have no limit of their own.

    Args:
        limits: The limits of connections.
        trusted: Proxies, whose connections carry many clients.
        body_s: Seconds within which a body must arrive, also if no handler reads it.
    """

    def __init__(self, limits: ConnectionLimits, trusted: TrustedProxies, *, body_s: float) -> None:
        self.limits = limits
        self.body_s = body_s
        self._trusted = trusted
        self._all = ConnectionLimiter(limits.total)
        self._by_address = ConnectionLimiter(limits.per_address)
        self._log_bucket = TokenBucket(1, 1 / _LOG_EVERY_S)

    def acquire(self, peer: str | None) -> int | None:
        """Count a connection from `peer`; if there are too many, count nothing and return an HTTP status."""
        if not self._all.acquire(""):
            return self._refuse(UNAVAILABLE, "total")
        if self._is_limited(peer) and not self._by_address.acquire(limiter_key(peer)):
            self._all.release("")
            return self._refuse(TOO_MANY_REQUESTS, "per_address")
        return None

    def _refuse(self, status: int, limit: str) -> int:
        if self._log_bucket.take():
            _log.warning("connections.refused", status=status, limit=limit, open=self._all.total)
        return status

    def release(self, peer: str | None) -> None:
        """Stop counting a connection."""
        self._all.release("")
        if self._is_limited(peer):
            self._by_address.release(limiter_key(peer))

    def _is_limited(self, peer: str | None) -> bool:
        return not self._trusted.trusts(peer)
