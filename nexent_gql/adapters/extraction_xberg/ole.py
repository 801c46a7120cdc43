"""Compound files, the containers of old Office documents.

Source: [MS-CFB], sections 2.2 (header), 2.3 (allocation table) and 2.5 (table of table sectors).
"""

import struct

_HEADER_BYTES = 512
_MAX_SECTOR = 0xFFFFFFFA
_FREE = 0xFFFFFFFF


def is_complete(data: bytes) -> bool:
    """Whether the directory, the allocation table and the last used sector are in the file."""
    if len(data) < _HEADER_BYTES:
        return False
    sector_bytes = 1 << min(data[30], 16)
    sectors = -(-len(data) // sector_bytes) - 1
    directory = int.from_bytes(data[48:52], "little")
    tables = [sector for sector in _numbers(data[76:_HEADER_BYTES]) if sector <= _MAX_SECTOR]
    if max([directory, *tables]) >= sectors:
        return False
    for position in range(len(tables) - 1, -1, -1):
        start = (tables[position] + 1) * sector_bytes
        entries = _numbers(data[start : start + sector_bytes])
        used = [index for index, entry in enumerate(entries) if entry != _FREE]
        if used:
            return position * (sector_bytes // 4) + used[-1] < sectors
    return False


def _numbers(data: bytes) -> tuple[int, ...]:
    count = len(data) // 4
    return struct.unpack(f"<{count}I", data[: 4 * count])
