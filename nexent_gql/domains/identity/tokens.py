"""Access tokens: short-lived JWTs, by the rules of RFC 8725 and the profile of RFC 9068.

One algorithm, one key that is used for nothing else, and a type, an issuer and an audience that must all fit. A token
names a session; whether that still stands is looked up, so signing out works at once for a token that has not expired.
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
"""What odd claims raise, in PyJWT or here: numbers that are no time, text that is no id, lists where text belongs."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "tid", "sid", "jti"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and when it ends."""

    text: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    expires_at: datetime


class AccessTokens:
    """Makes and reads access tokens of this installation.

    A token that was read is known again by its digest: checking one costs a fifth of a small query.
    """

    def __init__(self, secret_key: SecretStr, clock: Clock) -> None:
        self._key = derive_key(secret_key, "identity/access-token")
        self._clock = clock
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(self, tenant_id: UUID, user_id: UUID, session_id: UUID, *, ttl_s: int) -> AccessToken:
        """Make a token for a session."""
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
        """Return what the token says.

        Raises:
            InvalidTokenError: It is not ours, not an access token, incomplete, or expired.
        """
        digest = sha256(text.encode(errors="surrogatepass")).digest()
        if (cached := self._cache.get(digest)) is not None:
            if cached.expires_at <= self._clock() - timedelta(seconds=LEEWAY_S):
                raise InvalidTokenError
            return cached
        claims = self._cache[digest] = self._read(text)
        if len(self._cache) > _MAX_CACHED:
            self._cache.popitem(last=False)
        return claims

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
