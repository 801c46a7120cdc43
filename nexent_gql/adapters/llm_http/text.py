"""JSON and text as providers really write them."""

import json
from typing import cast

from nexent_gql.kernel.json import Json, loads


def loads_tolerant(data: bytes) -> Json:
    """Decode JSON that may hold NaN, infinities and halves of surrogate pairs.

    Raises:
        ValueError: It is no JSON all the same.
    """
    try:
        return loads(data)
    except ValueError:
        return cast("Json", json.loads(data.decode("utf-8", "replace"), strict=False))


class SurrogateJoiner:
    """Joins the halves of surrogate pairs that arrive in two pieces of a text; a lone half becomes U+FFFD."""

    def __init__(self) -> None:
        self._high = ""

    def feed(self, text: str) -> str:
        """Return the text that is certain."""
        if not self._high and text.isascii():
            return text
        text = self._high + text
        self._high = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _repaired(text.removesuffix(self._high) if self._high else text)

    def finish(self) -> str:
        """Return what waited for another half in vain."""
        high, self._high = self._high, ""
        return "\N{REPLACEMENT CHARACTER}" if high else ""


def _repaired(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
