"""Tells when JSON that arrives in fragments is a whole object; all work is linear in its length."""

import re

from nexent_gql.kernel.json import loads_object

_MARK = re.compile(r"\\.|[\"{}\[\]]", re.DOTALL)


class JsonObjectText:
    """Collects the text of one JSON object. It is parsed once, when its brackets are closed."""

    def __init__(self) -> None:
        self._fragments: list[str] = []
        self._depth = 0
        self._is_in_string = False
        self._has_backslash = False
        self._has_closed = False
        self.is_whole = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived."""
        return not self._fragments

    def add(self, fragment: str) -> None:
        """Add the next fragment; behind a whole object only white space leaves it whole."""
        if not fragment:
            return
        self._fragments.append(fragment)
        if self._has_closed:
            self.is_whole = self.is_whole and not fragment.strip()
            return
        self._scan(fragment)
        if self._has_closed:
            self.is_whole = self._parses()

    def _scan(self, fragment: str) -> None:
        """Follow the brackets outside of strings."""
        end = 1 if self._has_backslash else 0
        for mark in _MARK.finditer(fragment, end):
            char, end = mark[0], mark.end()
            if char == '"':
                self._is_in_string = not self._is_in_string
            elif not self._is_in_string and len(char) == 1:
                self._depth += 1 if char in "{[" else -1
                self._has_closed = self._has_closed or self._depth <= 0
        self._has_backslash = end < len(fragment) and fragment.endswith("\\")

    def _parses(self) -> bool:
        try:
            loads_object("".join(self._fragments))
        except ValueError:
            return False
        return True
