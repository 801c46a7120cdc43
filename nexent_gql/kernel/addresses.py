"""Network addresses of clients."""

from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address
_NETWORK_BITS = 64


def parse_address(text: str | None) -> Address | None:
    """Return the address that `text` denotes, with IPv4-mapped IPv6 as IPv4; None when it is not an address."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def limiter_key(address: str | None) -> str:
    """Return the key by which rate and connection limits count a client that has not signed in.

    IPv4 counts by address. IPv6 counts by /64, which is what one subscriber usually has. Anything else, such as a
    missing address, counts as "unknown".
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS))
    return str(parsed) if parsed else "unknown"


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without brackets and port, always means this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = parse_address(name)
    return address is not None and address.is_loopback
