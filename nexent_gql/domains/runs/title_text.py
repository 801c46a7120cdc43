"""Extracts a title from a model's answer."""

import json
import re
import unicodedata
from itertools import islice
from typing import cast

from nexent_gql.kernel.text import visible_line

MAX_TITLE_CHARS = 80
_MAX_SCAN_CHARS = 2_000  # a title stands at the beginning of what is left without reasoning
_MAX_WRAPPERS = 8  # decoration inside decoration; more of it is the title's own
_REASONING_TAG = re.compile(r"<(/?)(?:think(?:ing)?|thought|reason(?:ing)?|reflection)>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*$", re.MULTILINE)
_JSON_KEYS = ("title", "name", "subject", "topic", "标题", "標題")
_LOOSE_JSON = re.compile(rf"""["'](?:{"|".join(_JSON_KEYS)})["']\s*:\s*(["'])(.*?)\1""", re.IGNORECASE)
_LABEL = re.compile(
    r"[*_]{0,2}(?:the\s+)?(?:(?:conversation|chat|suggested|possible|final|short)\s+|(?:对话|会话|聊天|建议)的?)?"
    r"(?:title|subject|topic|assistant|标题|標題|题目|題目|主题|主題|タイトル|件名|제목|titel|titre|título|titolo"
    r"|заголовок|название)"
    r"(?:\s+is|\s*为|\s*是)?\s*[*_]{0,2}(?:[:\uff1a=]|\s-(?=\s))[*_]{0,2}\s*",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"(?:(?:sure|certainly|of course|okay|ok)\b[!,.]?\s*)?here(?:'s|\u2019s| is| are)\b[^:\uff1a]{0,80}"
    r"[:\uff1a]\s*(?=\S)"
    r"|(?:好的|当然|以下)[^:\uff1a]{0,20}[:\uff1a]\s*(?=\S)",
    re.IGNORECASE,
)
_TEMPLATE_TOKEN = re.compile(r"<\|im_start\|>\s*assistant|<\|[a-z_]{1,40}\|>", re.IGNORECASE)
_WRAPPING = re.compile(
    r"<(?P<tag>[a-z]\w*)[^>]*>(?P<element>.*)</(?P=tag)>"  # an element of HTML
    r"|\[(?P<link>[^\[\]]+)\]\([^()\s]+\)"  # a link in Markdown
    r"|\\(?:boxed|text|textbf|title)\{(?P<command>[^{}]*)\}",  # a command of LaTeX
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"(?:#{1,6}|>|[-*+•]|1[.)])\s+")
_CLOSING = {
    "(": ")", "[": "]", "{": "}", "<": ">", "\uff08": "\uff09",
    "【": "】", "《": "》", "〈": "〉", "「": "」", "『": "』",
    "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c", "\u201a": "\u2018", "«": "»", "\u2039": "\u203a",
}  # fmt: skip
_MARKS = ("'''", '"""', "$", "**", "__", "~~", "```", "``", "`", '"', "'", "*", "_")
_STRAY = '"`*《》「」『』【】\u201c\u201d'
_MEANINGFUL = ("L", "N", "So")


def title_of(answer: str) -> str:
    """Return the title in a model's answer: one visible line of at most 80 characters; "" when there is none.

    Reasoning, code fences, JSON, tokens of chat templates, introductions ("Here is a title:"), labels ("Title:"), list
    marks, quotation marks, brackets and markup around it are removed.
    """
    text = _TEMPLATE_TOKEN.sub("", without_reasoning(answer)[:_MAX_SCAN_CHARS])
    text = _FENCE.sub("", text)
    json_title = _json_title(text.strip())
    text = text if json_title is None else json_title
    candidates = (line for row in text.splitlines() if (line := _undecorated(row)))
    lines = list(islice(candidates, 2))
    if len(lines) > 1 and lines[0].endswith((":", "\uff1a")):  # "Here is a title:", and then the title
        lines = lines[1:]
    return visible_line(lines[0], max_chars=MAX_TITLE_CHARS) if lines else ""


def first_words(question: str) -> str:
    """Return the beginning of a question as a title; "" if it has no visible text."""
    return visible_line(question, max_chars=MAX_TITLE_CHARS)


def without_reasoning(text: str) -> str:
    """Remove the reasoning that some servers leave in the answer, as `<think>...</think>`.

    Everything before an end tag without a start tag is reasoning, and so is everything after a start tag that
    begins the text.
    """
    parts: list[str] = []
    position, start = 0, None
    for tag in _REASONING_TAG.finditer(text):
        if tag[1]:
            if start is None:
                parts.clear()
            position, start = tag.end(), None
        elif start is None:
            parts.append(text[position : tag.start()])
            start = tag.start()
    if start is None:
        parts.append(text[position:])
    elif "".join(parts).strip():
        parts.append(text[start:])  # the text mentions the tag
    return "".join(parts)


def _json_title(text: str) -> str | None:
    """Return the title in a JSON object, a list or a string; None when there is no such value."""
    start, end = text.find("{"), text.rfind("}")
    for candidate in (text, text[start : end + 1] if 0 <= start < end else ""):
        try:
            value: object = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        if title := _title_in(value):
            return title
        if isinstance(value, dict):
            return ""
    match = _LOOSE_JSON.search(text, start) if start >= 0 else None
    return match[2] if match else None


def _title_in(value: object) -> str:
    for _ in range(_MAX_WRAPPERS):
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value:
            value = cast("list[object]", value)[0]
        elif isinstance(value, dict):
            fields = {key.casefold(): item for key, item in cast("dict[str, object]", value).items()}
            named = [key for key in fields if key.endswith(("title", "标题"))]
            value = next((fields[key] for key in (*_JSON_KEYS, *named) if key in fields), None)
        else:
            break
    return ""


def _undecorated(line: str) -> str:
    """Return a line without decoration; "" if no letter, digit or symbol is left."""
    line = visible_line(line, max_chars=_MAX_SCAN_CHARS)
    for _ in range(_MAX_WRAPPERS):
        bare = _without_marks(_without_prefix(line)).strip()
        if bare == line:
            break
        line = bare
    return line if any(unicodedata.category(char).startswith(_MEANINGFUL) for char in line) else ""


def _without_prefix(line: str) -> str:
    for prefix in (_LIST_MARK, _INTRODUCTION, _LABEL):
        if match := prefix.match(line):
            line = line[match.end() :]
    return line


def _without_marks(line: str) -> str:
    """Remove one pair of marks, an unpaired mark, or the full stop."""
    if match := _WRAPPING.fullmatch(line):
        return match["element"] or match["link"] or match["command"] or ""
    for mark in _MARKS:
        inner = line[len(mark) : -len(mark)]
        if inner and line.startswith(mark) and line.endswith(mark) and mark not in inner:
            return inner
    if _is_bracketed(line):
        return line[1:-1]
    if line and line[0] in _STRAY and not _has_partner(line, 0):
        return line[1:]
    if line and line[-1] in _STRAY and not _has_partner(line, len(line) - 1):
        return line[:-1]
    return _without_full_stop(line)


def _is_bracketed(line: str) -> bool:
    """Return whether the bracket that opens the line is closed by its last character, and not before."""
    opening, closing = line[:1], _CLOSING.get(line[:1])
    if closing is None or not line.endswith(closing):
        return False
    depth = 0
    for char in line[:-1]:
        depth += (char == opening) - (char == closing)
        if depth == 0:
            return False
    return depth == 1


def _has_partner(line: str, position: int) -> bool:
    mark = line[position]
    others = line.lstrip(mark) if position == 0 else line.rstrip(mark)
    partners = [closing for opening, closing in _CLOSING.items() if opening == mark]
    partners += [opening for opening, closing in _CLOSING.items() if closing == mark]
    return any(partner in others for partner in partners or [mark])


def _without_full_stop(line: str) -> str:
    if line.endswith("。"):
        return line[:-1]
    last_word = line.rpartition(" ")[2]
    return line[:-1] if last_word.endswith(".") and last_word.count(".") == 1 else line
