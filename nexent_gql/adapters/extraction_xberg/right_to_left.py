"""Puts Arabic lines right that an engine has read from left to right."""

import re

_ARABIC = re.compile(r"[\u0620-\u06ff]")
_NEVER_FIRST = re.compile(r"(?:^|\s)[ةى][\u0620-\u06ff]")
_FORWARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.,:/@_%+-]*")
_MIN_SIGNS = 2


def repair_line(line: str) -> str:
    """Reverse a line in which several words begin with letters that only end words."""
    if not _ARABIC.search(line) or len(_NEVER_FIRST.findall(line)) < _MIN_SIGNS:
        return line
    return _FORWARD.sub(lambda match: match[0][::-1], line[::-1])
