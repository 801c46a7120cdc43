"""Looks into the cache of compiled selections."""

from typing import Any

from nexent_gql.api.selections.variants import Variants


def compiled_of(variants: Variants[Any]) -> list[object]:
    """Return what is cached for one operation."""
    entries = variants._cache._entries  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only tests ask for it
    return [compiled for key, (compiled, _) in entries.items() if key[0] is variants]
