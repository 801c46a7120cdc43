"""Text from outside: what may be stored, how long it may be, and how a refusal names its field.

`path` names the input field, outermost first. Lengths are characters (Unicode code points) after trimming.
"""

import unicodedata

import regex

from nexent_gql.kernel.errors import InvalidInputError

Path = tuple[str, ...]
MAX_SEARCH_CHARS = 200
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Zs", "Zl", "Zp"})
_BREAKS_A_LINE = frozenset({"Cc", "Zl", "Zp"})
_TURNS_TEXT_ROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TERMINAL_SEQUENCE = regex.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_GRAPHEME = regex.compile(r"\X")


def single_line(text: str, *path: str, max_chars: int) -> str:
    """Return `text` as one visible line, trimmed and composed (NFC), so that equal looks are equal values.

    Raises:
        InvalidInputError: Nothing to see, too long, or a line break, control or bidirectional override in it.
    """
    trimmed = required_text(text, *path, max_chars=max_chars)
    for position, char in enumerate(trimmed):
        if unicodedata.category(char) in _BREAKS_A_LINE or char in _TURNS_TEXT_ROUND:
            raise _forbidden(char, position, path)
    return _bounded(unicodedata.normalize("NFC", trimmed), path, max_chars)


def required_text(text: str, *path: str, max_chars: int, trim: bool = True) -> str:
    """Return `text` of any number of lines in which there is something to see; `trim=False` keeps the space around it.

    Control characters other than NUL are kept: pasted text is full of them, and it can be stored.

    Raises:
        InvalidInputError: Nothing to see, too long, or it contains NUL or half of a surrogate pair.
    """
    value = _storable(_bounded(text.strip() if trim else text, path, max_chars), path)
    if not has_visible(value):
        raise InvalidInputError("This must not be empty.", path=path, limit=max_chars)
    return value


def optional_text(text: str | None, *path: str, max_chars: int) -> str | None:
    """Return `text` like `required_text`; None when there is none, or only white space.

    Raises:
        InvalidInputError: As there.
    """
    if text is None or not text.strip():
        return None
    return required_text(text, *path, max_chars=max_chars)


def search_text(search: str | None) -> str | None:
    """Return the text of a list's `search` argument; None when it is missing or blank.

    Raises:
        InvalidInputError: More than 200 characters, or it contains NUL or half of a surrogate pair.
    """
    return optional_text(search, "search", max_chars=MAX_SEARCH_CHARS)


def visible_line(text: str, *, max_chars: int) -> str:
    """Turn any text into one visible line that `single_line` accepts; "" when there is nothing to see.

    For text whose author cannot correct it, such as a model's. Line breaks and tabs become spaces;
    control characters, terminal sequences, bidirectional overrides and unpaired surrogates are removed. A text that is
    too long ends in "…", behind a whole grapheme cluster; when not even one fits, nothing is left.
    """
    text = _TERMINAL_SEQUENCE.sub("", text)
    text = "".join(" " if char.isspace() else char for char in text if _is_visible_or_space(char))
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not has_visible(text):
        return ""
    if len(text) <= max_chars:
        return text
    start = cut_graphemes(text, max_chars - 1).rstrip()
    return f"{start}…" if start else ""


def visible_text(text: str) -> str:
    """Remove from a text of any number of lines what must not be stored or turns text round; it stays as it is else.

    For text whose author cannot correct it. The result of pieces is the same as that of the whole.
    """
    return "".join(char for char in text if _is_visible_or_space(char))


def cut_graphemes(text: str, max_chars: int) -> str:
    """Return the longest start of `text` that is whole grapheme clusters and at most `max_chars` characters long."""
    end = 0
    for cluster in _GRAPHEME.finditer(text):
        if cluster.end() > max_chars:
            break
        end = cluster.end()
    return text[:end]


def has_visible(text: str) -> bool:
    """Return whether `text` has a character that leaves a mark on a screen."""
    return not all(unicodedata.category(char) in _UNSEEN for char in text)


def secret(text: str, *path: str, max_chars: int) -> str:
    """Return a key as its issuer gives it: printable ASCII without spaces; no refusal ever shows a part of it.

    Raises:
        InvalidInputError: Empty, too long, or any other character in it.
    """
    trimmed = _bounded(text.strip(), path, max_chars)
    if not trimmed:
        raise InvalidInputError("This must not be empty; use null for none.", path=path)
    if not all("!" <= char <= "~" for char in trimmed):
        raise InvalidInputError("A key has printable ASCII characters only, and no spaces.", path=path)
    return trimmed


def _is_visible_or_space(char: str) -> bool:
    if char in "\t\n\v\f\r\x85\u2028\u2029":
        return True
    return unicodedata.category(char) not in {"Cc", "Cs"} and char not in _TURNS_TEXT_ROUND


def _bounded(text: str, path: Path, max_chars: int) -> str:
    if len(text) > max_chars:
        message = f"This is too long: {len(text):,} characters, and at most {max_chars:,} are accepted."
        raise InvalidInputError(message, path=path, length=len(text), limit=max_chars)
    return text


def _storable(text: str, path: Path) -> str:
    position = text.find("\0")
    if position >= 0:
        raise _forbidden("\0", position, path)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _forbidden(text[error.start], error.start, path) from None
    return text


def _forbidden(char: str, position: int, path: Path) -> InvalidInputError:
    message = f"The character U+{ord(char):04X} at position {position} is not accepted here."
    return InvalidInputError(message, path=path, position=position, character=f"U+{ord(char):04X}")
