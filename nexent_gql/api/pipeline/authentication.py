"""Authenticates requests and sockets; wrong credentials are charged to their address."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from time import monotonic

from nexent_gql.api.context import Context
from nexent_gql.api.limits.cost_limiter import CostLimiter
from nexent_gql.api.pipeline.refusals import MalformedCredentialError
from nexent_gql.domains.identity.credentials import API_KEY_PREFIX
from nexent_gql.domains.identity.errors import InvalidTokenError
from nexent_gql.kernel.errors import UnauthenticatedError
from nexent_gql.kernel.principal import Principal

_MAX_CREDENTIAL_CHARS = 4_096
_MAX_REMEMBERED = 10_000
_REJECTED_S = 5.0


class _RecentDigests:
    """Digests seen within the last `ttl_s` seconds; the oldest are dropped first."""

    def __init__(self, ttl_s: float, now: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._now = now
        self._seen_at: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        seen_at = self._seen_at.get(digest)
        return seen_at is not None and self._now() - seen_at < self._ttl_s

    def add(self, digest: bytes) -> None:
        """Add a digest."""
        self._seen_at[digest] = self._now()
        self._seen_at.move_to_end(digest)
        if len(self._seen_at) > _MAX_REMEMBERED:
            self._seen_at.popitem(last=False)


class RequestAuthenticator:
    """Resolves `Authorization` values to principals.

    A failed credential costs its address `cost.failed_credential` points. An API key that this process has not accepted
    before is charged in advance, because its look-up costs a query, and refunded if it is valid. An address without
    points therefore cannot cause look-ups, while credentials in use keep working there. The same wrong credential is
    looked up at most every 5 seconds.

    Args:
        costs: Charges addresses.
        now: Seconds of a monotonic clock.
    """

    def __init__(self, costs: CostLimiter, now: Callable[[], float] = monotonic) -> None:
        self._costs = costs
        self._accepted = _RecentDigests(float("inf"), now)
        self._rejected = _RecentDigests(_REJECTED_S, now)

    async def authenticate(self, authorization: str | None, context: Context) -> Principal | None:
        """Return the caller; None when there is no credential.

        Args:
            authorization: The value of the header, or of `connection_init`.
            context: A context without a caller, with the address that sent the credential.

        Raises:
            BudgetSpentError: Too many credentials from this address were wrong.
            UnauthenticatedError: The credential is malformed, wrong, expired or revoked.
        """
        if not authorization:
            return None
        token = _bearer(authorization)
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        is_api_key = token.startswith(API_KEY_PREFIX)
        is_prepaid = is_api_key and digest not in self._accepted
        if is_prepaid:
            await self._costs.charge_credential(context)
        try:
            principal = await self._look_up(token, digest, context)
        except UnauthenticatedError:
            self._rejected.add(digest)
            if not is_prepaid:
                await self._costs.charge_credential(context)
            raise
        if is_prepaid:
            await self._costs.refund_credential(context)
        if is_api_key:
            self._accepted.add(digest)
        return principal

    async def _look_up(self, token: str, digest: bytes, context: Context) -> Principal:
        if not token or digest in self._rejected:
            raise InvalidTokenError if token else MalformedCredentialError("Send `Authorization: Bearer <token>`.")
        return await context.services.identity.authenticate(token)


def _bearer(authorization: str) -> str:
    """Return the token of a bearer credential; "" when the value is not one."""
    scheme, _, token = authorization.strip().partition(" ")
    is_bearer = scheme.lower() == "bearer" and len(token) <= _MAX_CREDENTIAL_CHARS
    return token.strip() if is_bearer else ""
