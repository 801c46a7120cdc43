"""Where Redis is, as its URL says it."""

from typing import cast

from redis.asyncio.connection import ConnectKwargs, parse_url

_OURS = ("max_connections", "timeout", "socket_timeout", "socket_connect_timeout", "retry_on_timeout")


def connect_options(url: str) -> ConnectKwargs:
    """Return redis-py's options for a redis://, rediss:// or unix:// URL, without those that are ours to set.

    Raises:
        ValueError: Not such a URL.
    """
    options = parse_url(url)
    for name in _OURS:
        cast("dict[str, object]", options).pop(name, None)
    return options
