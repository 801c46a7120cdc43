"""A cache of the principals of credentials, for a few seconds."""

from collections import OrderedDict
from time import monotonic

from nexent_gql.kernel.principal import Principal

TTL_S = 3.0
_MAX_ENTRIES = 20_000


class IdentityCache:
    """Remembers principals for three seconds, so that revoking takes effect everywhere within five.

    Keys are session ids or digests of API keys, never a credential itself.
    """

    def __init__(self, ttl_s: float = TTL_S) -> None:
        self._ttl_s = ttl_s
        self._entries: OrderedDict[object, tuple[float, Principal]] = OrderedDict()

    def get(self, key: object) -> Principal | None:
        """Return the principal of a credential; None when it is not cached, or too old."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > monotonic() else None

    def put(self, key: object, principal: Principal) -> None:
        """Store a principal; evicts the oldest when the cache is full."""
        self._entries.pop(key, None)
        self._entries[key] = (monotonic() + self._ttl_s, principal)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Remove all entries, after a change of rights in this process."""
        self._entries.clear()
