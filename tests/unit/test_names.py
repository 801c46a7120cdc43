"""Names that a reader cannot look up do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for package in ("nexent_gql", "workers") for path in sorted((ROOT / package).rglob("*.py"))]
REPLACEMENTS = {
    "aside": "single flight",
    "asking": "starter",
    "crowd": "connection limiter",
    "desk": "harness",
    "house": "installation, harness",
    "keeper": "lease, shim, timer",
    "poke": "notify",
    "poked": "notified",
    "purse": "local credit",
    "wellness": "health",
}
"""Metaphors that this code had, with the term of the field; none of them is a word of the field."""


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names that a module defines, and its own."""
    yield 0, path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case _:
                pass


def words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def test_names_are_made_of_the_words_of_the_field() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {name}: say {REPLACEMENTS[word]}"
        for path in SOURCES
        for line, name in names(path)
        for word in words(name)
        if word in REPLACEMENTS
    ]
    assert offenders == []


def test_a_name_is_split_into_words() -> None:
    assert words("LocalPurse_asideKEEPER2") == ["local", "purse", "aside", "keeper"]
