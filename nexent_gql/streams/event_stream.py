"""The async iterator that `follow` returns; it can also pass events to a handler within the push."""

from collections.abc import AsyncGenerator, Callable
from typing import Generic, Self, TypeVar

from nexent_gql.ports.events import Entry

T = TypeVar("T")
U = TypeVar("U")
InlineHandler = Callable[[Entry], bool]
"""Handles the next entry while its reader waits; returns False to leave it to the reader."""


class EventStream(Generic[T]):
    """The entries of a topic in order, each mapped to an item.

    Waking a task for each push costs more than handling the entry. A reader may therefore set an inline handler: it is
    called from within the push, but only while the reader waits for the next item and the push brings exactly that
    item.
    """

    def __init__(
        self,
        entries: AsyncGenerator[Entry],
        convert: Callable[[Entry], T | None],
        set_handler: Callable[[InlineHandler], None],
    ) -> None:
        """Bind the entries.

        Args:
            entries: In order.
            convert: Maps an entry to an item; None skips the entry.
            set_handler: Sets the inline handler for entries.
        """
        self._entries = entries
        self._convert = convert
        self._set_handler = set_handler

    def map(self, convert: Callable[[Entry], U | None]) -> "EventStream[U]":
        """Return the same entries, mapped by `convert`; only one of the two streams may be read."""
        return EventStream(self._entries, convert, self._set_handler)

    def on_event_inline(self, handle: Callable[[T], bool]) -> None:
        """Offer items to `handle` first; it must not block, and returns False to leave an item to the iterator.

        The last item always goes to the iterator.
        """
        convert = self._convert

        def handle_entry(entry: Entry) -> bool:
            item = convert(entry)
            return item is None or handle(item)

        self._set_handler(handle_entry)

    def __aiter__(self) -> Self:
        """Iterate over the items that the inline handler does not take."""
        return self

    async def __anext__(self) -> T:
        """Return the next item."""
        while (item := self._convert(await anext(self._entries))) is None:
            pass
        return item

    async def aclose(self) -> None:
        """End the subscription."""
        await self._entries.aclose()
