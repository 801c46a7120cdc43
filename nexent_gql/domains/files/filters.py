"""Which files a list has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files a list has.

    Attributes:
        search: Part of the name, in any case.
        content_types: Media types, or beginnings of them such as `image/`; empty means all.
    """

    search: str | None = None
    content_types: tuple[str, ...] = ()
