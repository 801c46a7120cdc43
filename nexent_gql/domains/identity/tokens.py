"""Access tokens: short-lived JWTs that follow RFC 8725 and RFC 9068.

One algorithm, a key for this purpose only, and a type, an issuer and an audience that must all match. A token names a
session, which is checked too, so that signing out also ends tokens that have not expired.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import jwt
from pydantic import SecretStr

from nexent_gql.domains.identity.errors import InvalidTokenError
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.keys import derive_key

ALGORITHM = "HS256"
ISSUER = "nexent-gql"
AUDIENCE = "nexent-gql/api"
TYPE = "at+jwt"
LEEWAY_S = 5
_MAX_CACHED = 10_000
_INVALID_CLAIMS = (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, OSError, RecursionError)
"""Errors that malformed claims raise, in PyJWT or here."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "tid", "sid", "jti"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token with its expiry."""

    text: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid token."""

    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    expires_at: datetime


class AccessTokens:
    """Issues and verifies access tokens of this installation.

    Verified tokens are cached by digest until they expire, because a verification costs a fifth of a small query.
    """

    def __init__(self, secret_key: SecretStr, clock: Clock) -> None:
        self._key = derive_key(secret_key, "identity/access-token")
        self._clock = clock
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(self, tenant_id: UUID, user_id: UUID, session_id: UUID, *, ttl_s: int) -> AccessToken:
        """Issue a token for a session."""
        now = self._clock().replace(microsecond=0)
        expires_at = now + timedelta(seconds=ttl_s)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "tid": str(tenant_id),
            "sid": str(session_id),
            "jti": str(new_id()),
            "iat": now,
            "exp": expires_at,
        }
        text = jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": TYPE})
        return AccessToken(SecretStr(text), expires_at)

    def verify(self, text: str) -> Claims:
        """Return the claims of a token.

        Raises:
            InvalidTokenError: The token is not an access token of this installation, or has expired.
        """
        digest = sha256(text.encode(errors="surrogatepass")).digest()
        if (cached := self._cache.get(digest)) is not None:
            if self._is_expired(cached):
                raise InvalidTokenError
            self._cache.move_to_end(digest)
            return cached
        claims = self._cache[digest] = self._read(text)
        self._evict()
        return claims

    def _evict(self) -> None:
        """Drop tokens that were not used for the longest time: those that have expired, and all above the limit."""
        while (size := len(self._cache)) > 1:
            digest, oldest = next(iter(self._cache.items()))
            if size <= _MAX_CACHED and not self._is_expired(oldest):
                return
            del self._cache[digest]

    def _is_expired(self, claims: Claims) -> bool:
        return claims.expires_at <= self._clock() - timedelta(seconds=LEEWAY_S)

    def _read(self, text: str) -> Claims:
        try:
            token = jwt.decode_complete(
                text,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
            if token["header"].get("typ") != TYPE:
                raise InvalidTokenError
            return _claims(token["payload"])
        except _INVALID_CLAIMS as error:
            raise InvalidTokenError from error


def _claims(payload: dict[str, object]) -> Claims:
    tenant_id, user_id, session_id = (UUID(str(payload[name])) for name in ("tid", "sub", "sid"))
    expires_at = datetime.fromtimestamp(float(str(payload["exp"])), UTC)
    return Claims(tenant_id=tenant_id, user_id=user_id, session_id=session_id, expires_at=expires_at)
