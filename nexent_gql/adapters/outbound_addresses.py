"""Tables of public, private and forbidden addresses; `ipaddress` has no list of metadata services.

`ipaddress.is_global` is True for several forbidden addresses and therefore not used.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Reach = Literal["public", "any"]
"""Allowed targets of a client: the public internet only, or everything except metadata services."""

NEVER_V4 = tuple(
    IPv4Network(network)
    for network in (
        "169.254.0.0/16",  # link-local: AWS, Google, Azure, OpenStack, DigitalOcean, Tencent, Scaleway
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle, classic
        "100.100.100.200/32",  # Alibaba
    )
)
NEVER_V6 = tuple(
    IPv6Network(network)
    for network in (
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
    )
)
NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
PUBLIC_V6 = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
LOW_32_BITS = 0xFFFFFFFF
TRANSLATED = tuple(IPv6Network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96"))
"""Networks whose addresses stand for the IPv4 address in their last 32 bits."""
V4_AT_THE_END = (*TRANSLATED, *(IPv6Network(network) for network in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48")))
TEREDO = IPv6Network("2001::/32")
SIX_TO_FOUR = IPv6Network("2002::/16")
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
ISATAP = {0x00005EFE, 0x02005EFE}


def is_allowed(address: str, reach: Reach) -> bool:
    """Return whether a resolved address is allowed; an address that cannot be parsed is not."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if is_never(ip):
        return False
    return reach == "any" or is_public(ip)


def is_never(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is, or embeds, that of a metadata service or of the local link."""
    if isinstance(ip, IPv4Address):
        return among(ip, NEVER_V4)
    return among(ip, NEVER_V6) or any(is_never(inner) for inner in embedded(ip))


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Return whether an address and all addresses embedded in it belong to the public internet."""
    if isinstance(ip, IPv4Address):
        return not among(ip, NOT_PUBLIC_V4) and not is_never(ip)
    if not all(is_public(inner) for inner in embedded(ip)):
        return False
    return among(ip, TRANSLATED) or (ip in PUBLIC_V6 and not among(ip, NOT_PUBLIC_V6))


def embedded(ip: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses embedded in an IPv6 address, in every known form."""
    number = int(ip)
    numbers: list[int] = []
    if among(ip, V4_AT_THE_END) or (number >> 32) & LOW_32_BITS in ISATAP:
        numbers.append(number)
    if ip in LOCAL_NAT64:  # RFC 6052 with a prefix of 48 bits: the address lies around bits 64 to 71
        numbers.append((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if ip in SIX_TO_FOUR:
        numbers.append(number >> 80)
    if ip in TEREDO:
        numbers += [number >> 64, number ^ LOW_32_BITS]
    return [IPv4Address(value & LOW_32_BITS) for value in numbers]


def among(ip: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether an address lies in one of the networks."""
    return any(ip in network for network in networks)
