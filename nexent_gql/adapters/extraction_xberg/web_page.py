"""Reads HTML: every text that a person would see, in the order of the source, however deep it is nested.

The engine leaves out text that is in no paragraph, list, heading or table, such as that of a `div`.
"""

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, join_lines
from nexent_gql.ports.extraction import DocumentMetadata

_INVISIBLE = frozenset(("script", "style", "template", "noscript", "svg", "iframe", "object", "canvas", "select"))
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_INLINE = frozenset(
    (
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "button", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "ins", "kbd", "label", "mark", "nobr", "output", "picture", "q", "rp", "rt", "ruby", "s"),
        *("samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var"),
    )
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELLS = ("td", "th")
_ENDED_BY_BLOCKS = ("p", "dt", "dd")
_ENDED_BY_SIBLINGS = ("li", "tr", "td", "th")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAX_META_CHARS = 500
_BREAK = "\v"
"""The end of a line; a line feed of the source is only a space."""
_Attributes = Mapping[str, str | None]


def read_web_page(text: str, builder: DocumentBuilder) -> DocumentMetadata:
    """Read a page into `builder`, and return its metadata."""
    parser = _PageParser(builder)
    parser.feed(text)
    parser.close()
    parser.finish()
    authors = (parser.author,) if parser.author else ()
    return DocumentMetadata(title=parser.title, authors=authors, language=parser.language)


class _PageParser(HTMLParser):
    """Adds blocks of text as they end; a table is added as a whole, unless it holds another one."""

    def __init__(self, builder: DocumentBuilder) -> None:
        super().__init__(convert_charrefs=True)
        self.title: str | None = None
        self.author: str | None = None
        self.language: str | None = None
        self._builder = builder
        self._text: list[str] = []
        self._title: list[str] | None = None
        self._hidden: list[str] = []
        self._items: list[str] = []
        self._is_item = False
        self._heading: int | None = None
        self._preformatted = 0
        self._tables = 0
        self._rows: list[list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if self._hidden and _ends(self._hidden, tag):
            self._hidden.clear()
        if tag == "meta":
            self._read_meta(attributes)
        elif self._hidden:
            if tag not in _VOID:
                self._hidden.append(tag)
        elif tag == "title":
            self._title = []
        elif tag in _VOID:
            self._add_void(tag, attributes)
        elif tag in _INVISIBLE or "hidden" in attributes or _HIDDEN.search(attributes.get("style") or ""):
            self._hidden.append(tag)
        elif tag == "html":
            self.language = (attributes.get("lang") or "")[:2].lower() or None
        elif tag not in _INLINE:
            self._begin(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._title is not None and tag == "title":
            self.title = self.title or join_lines("".join(self._title))[:_MAX_META_CHARS] or None
            self._title = None
        elif tag in self._hidden:
            while self._hidden.pop() != tag:
                continue
        elif tag not in _INLINE and tag not in _VOID:
            self._hidden.clear()  # an element around the hidden one has ended
            self._end(tag)

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
        elif not self._hidden:
            self._text.append(data)

    def finish(self) -> None:
        """Add what no tag has ended."""
        self._end_table()
        self._end_block()
        self._add_items()

    def _read_meta(self, attributes: _Attributes) -> None:
        if (attributes.get("name") or "").lower() == "author":
            self.author = join_lines(attributes.get("content") or "")[:_MAX_META_CHARS] or None

    def _add_void(self, tag: str, attributes: _Attributes) -> None:
        if tag == "img":
            self._text.append(f" {attributes.get('alt') or ''} ")
        elif tag in {"br", "hr"}:
            self._text.append(_BREAK)

    def _begin(self, tag: str) -> None:
        if tag == "table":
            self._begin_table()
        elif self._rows is not None:
            self._begin_in_table(tag, self._rows)
        else:
            self._end_block()
            self._heading, self._is_item = _HEADINGS.get(tag), self._is_item or tag == "li"
            self._preformatted += tag == "pre"

    def _end(self, tag: str) -> None:
        if tag == "table":
            self._end_table()
            self._tables = max(0, self._tables - 1)
        elif tag == "caption":
            self._add_items()
            self._end_block()
        elif self._rows is not None:
            self._text.append("\n")
        else:
            self._end_block()
            self._heading, self._is_item = None, self._is_item and tag != "li"
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def _begin_table(self) -> None:
        """Begin a table; one that holds it arranges the page, and its text is added in blocks."""
        self._end_table()
        self._end_block()
        self._tables += 1
        self._rows = []

    def _begin_in_table(self, tag: str, rows: list[list[str]]) -> None:
        if tag == "tr" or (tag in _CELLS and not rows):
            self._end_cell(rows)
            rows.append([])
        if tag in _CELLS:
            self._end_cell(rows)
            rows[-1].append("")
        self._text.append("\n")

    def _end_cell(self, rows: list[list[str]]) -> None:
        """Add what was read to the last cell."""
        content, self._text = join_lines("".join(self._text).replace(_BREAK, " ")), []
        if not content:
            return
        if not rows:
            rows.append([])
        cells = rows[-1]
        cells[-1:] = [join_lines(f"{cells[-1]} {content}")] if cells else [content]

    def _end_table(self) -> None:
        """Add a table; one column alone is text."""
        rows, self._rows = self._rows, None
        if rows is None:
            return
        self._end_cell(rows)
        self._add_items()
        if max(map(len, rows), default=0) > 1:
            self._builder.add_table(rows)
        else:
            for row in rows:
                self._builder.add_paragraph("".join(row))

    def _end_block(self) -> None:
        content, self._text = "".join(self._text), []
        if self._preformatted:
            content = content.replace(_BREAK, "\n")
        else:
            content = "\n".join(filter(None, map(join_lines, content.split(_BREAK))))
        if not content.strip():
            return
        if self._is_item:
            self._items.append(f"- {content}")
            self._is_item = False
        else:
            self._add_items()
            self._add_block(content)

    def _add_block(self, content: str) -> None:
        if self._heading is None:
            self._builder.add_paragraph(content)
        else:
            self._builder.add_heading(content, self._heading)
            self._heading = None

    def _add_items(self) -> None:
        items, self._items = self._items, []
        self._builder.add_lines(items)


def _ends(hidden: Sequence[str], tag: str) -> bool:
    """Whether a tag ends an element, whose end tag may be left out; `hidden` is that element and what is open in it."""
    if len(hidden) > 1 or tag in _INLINE or tag in _VOID:
        return False
    return hidden[0] in _ENDED_BY_BLOCKS or (hidden[0] == tag and tag in _ENDED_BY_SIBLINGS)
