"""Turns the nodes of xberg's document structure into text."""

import re
from collections.abc import Callable, Iterable
from typing import cast

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder
from nexent_gql.kernel.json import JsonObject

_MARKERS = re.compile(r"\[cmt:\d+\]")
_IMAGE_LINK = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_CONTAINERS = {"group", "list", "quote", "page_break", "image", "definition_list", "metadata_block"}


def add_nodes(nodes: Iterable[JsonObject], builder: DocumentBuilder) -> None:
    """Add nodes in their order; neighbouring items of lists stay together."""
    items: list[str] = []
    for node in nodes:
        kind = node["node_type"]
        if kind != "list_item" and items:
            builder.add_lines(items)
            items = []
        if kind == "list_item":
            items.append(f"- {_text(node)}")
        elif kind in {"heading", "title", "slide"}:
            title = node.get("title" if kind == "slide" else "text")
            builder.add_heading(_MARKERS.sub("", str(title or "")), int(str(node.get("level") or 1)))
        elif kind == "table":
            builder.add_table(_rows(node))
        elif kind not in _CONTAINERS:
            builder.add_paragraph(_text(node))
    builder.add_lines(items)


def slide_number() -> Callable[[JsonObject], int]:
    """Return a function that returns, for nodes in their order, the number of a node's slide; 0 before the first."""
    current = 0

    def number(node: JsonObject) -> int:
        nonlocal current
        if node["node_type"] == "slide":
            current += 1
        return current

    return number


def _text(node: JsonObject) -> str:
    if node["node_type"] == "definition_item":
        text = f"{node.get('term')}: {node.get('definition')}"
    else:
        text = node.get("text") or node.get("content") or ""
    return _IMAGE_LINK.sub(r"\1", _MARKERS.sub("", str(text)))


def _rows(node: JsonObject) -> list[list[str]]:
    grid = cast("JsonObject", node["grid"])
    rows = [[""] * int(str(grid["cols"])) for _ in range(int(str(grid["rows"])))]
    for cell in cast("list[JsonObject]", grid["cells"]):
        row, column = int(str(cell["row"])), int(str(cell["col"]))
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = _IMAGE_LINK.sub(r"\1", str(cell["content"]))
    return rows
