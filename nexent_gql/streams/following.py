"""What `follow` gives: an async iterator that may also hand its entries over at once."""

from collections.abc import AsyncGenerator, Callable
from typing import Generic, Self, TypeVar

from nexent_gql.ports.events import Entry

T = TypeVar("T")
U = TypeVar("U")
Tap = Callable[[Entry], bool]
"""Takes the next entry while its reader waits; False leaves it to the reader."""


class Following(Generic[T]):
    """A topic, followed: an async iterator over its entries, shown as somebody wants to see them.

    Waking a task for each push costs more than all that is done with it. So a reader may set a tap: as long as the
    reader waits for the next item, and that is what a push brings, the tap gets it within the push itself.
    """

    def __init__(
        self, entries: AsyncGenerator[Entry], show: Callable[[Entry], T | None], divert: Callable[[Tap], None]
    ) -> None:
        """Bind the entries.

        Args:
            entries: In order.
            show: Makes an item of an entry; None leaves the entry out.
            divert: Sets the tap for entries.
        """
        self._entries = entries
        self._show = show
        self._divert = divert

    def shown(self, show: Callable[[Entry], U | None]) -> "Following[U]":
        """Return the same entries, shown in another way; only one of both may be read."""
        return Following(self._entries, show, self._divert)

    def tap(self, take: Callable[[T], bool]) -> None:
        """Offer items to `take` first; it must not wait, and returns False for those that are to be iterated over.

        The last item is always iterated over.
        """
        show = self._show

        def take_entry(entry: Entry) -> bool:
            item = show(entry)
            return item is None or take(item)

        self._divert(take_entry)

    def __aiter__(self) -> Self:
        """Iterate over what the tap does not take."""
        return self

    async def __anext__(self) -> T:
        """Return the next item."""
        while (item := self._show(await anext(self._entries))) is None:
            pass
        return item

    async def aclose(self) -> None:
        """Give the topic up."""
        await self._entries.aclose()
