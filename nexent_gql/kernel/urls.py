"""Web addresses that users and operators enter."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_MISLEADING_ESCAPE = re.compile(r"%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|7f|2[ef35]|3f|5c)", re.IGNORECASE)
"""Escapes of controls, of `.`, `/`, `\\`, `%`, `?` and `#`, which programs read in different ways; and half ones."""
_MAX_PORT = 65_535


def web_url_problem(url: str) -> str | None:
    """Return what is wrong with the URL of a web server, as a sentence; None when nothing is.

    Accepted are http and https URLs of printable ASCII, whose host is a name or an address in its usual spelling,
    without user, query and fragment.
    """
    parts = _split(url)
    if parts is None:
        return "This must be an http or https URL of printable ASCII, such as https://api.openai.com/v1."
    if "@" in parts.netloc:
        return "The URL must not contain a user or password."
    if "?" in url or "#" in url:
        return "The URL must not have a query or a fragment."
    if not _is_host(parts.hostname or "", in_brackets="[" in parts.netloc):
        return "The URL's host must be a name or an IP address in its usual spelling."
    return "The URL's path has escapes that are read in different ways." if has_misleading_escapes(parts.path) else None


def has_misleading_escapes(path: str) -> bool:
    """Tell whether a path escapes what would end it, change its folder, or is no character of an address."""
    return _MISLEADING_ESCAPE.search(path) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an operator lets this installation connect: a host or a network, on one port or on all."""

    host: str | None
    network: IPv4Network | IPv6Network | None
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read `host`, `host:port`, an address, or a network in CIDR notation.

        Raises:
            ValueError: It is none of these.
        """
        entry = text.strip().lower()
        try:
            return cls(None, ip_network(entry.strip("[]"), strict=False), None)
        except ValueError:
            parts = urlsplit(f"//{entry}")
        host, port = parts.hostname or "", parts.port
        if parts.path or parts.query or parts.fragment or "@" in entry or not _is_host(host, in_brackets="[" in entry):
            message = f"{text!r} is no host, host:port, address or network"
            raise ValueError(message)
        try:
            return cls(None, ip_network(host), port)
        except ValueError:
            return cls(host.rstrip("."), None, port)

    def covers(self, host: str, address: str, port: int) -> bool:
        """Tell whether a connection to `host`, which has been resolved to `address`, goes there."""
        if self.port not in (None, port):
            return False
        if self.network is None:
            return host.lower().rstrip(".") == self.host
        try:
            return ip_address(address.partition("%")[0]) in self.network
        except ValueError:
            return False


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL that all programs read the same way."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    plain = all("!" <= char <= "~" and char not in '"<>\\^`{|}' for char in url)
    possible = port is None or 0 < port <= _MAX_PORT
    return parts if plain and possible and parts.scheme in ("http", "https") and parts.hostname else None


def _is_host(host: str, *, in_brackets: bool) -> bool:
    """Tell a host that every resolver reads alike from decimal, octal or shortened addresses."""
    if in_brackets:
        try:
            IPv6Address(host)
        except ValueError:
            return False
        return "%" not in host
    if _NUMERIC.fullmatch(host.rpartition(".")[2] or host.rstrip(".").rpartition(".")[2]):
        try:
            return str(IPv4Address(host)) == host
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None and ".." not in host
