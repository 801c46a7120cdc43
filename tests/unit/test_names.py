"""Names that a reader cannot look up do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("nexent_gql", "workers", "benchmarks", "scripts", "tests")
SOURCES = [path for package in ("nexent_gql", "workers") for path in sorted((ROOT / package).rglob("*.py"))]
OWN_CODE = [
    path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "node_modules" not in path.parts
]
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

PARTICIPLES = {
    "asked",
    "begun",
    "chosen",
    "found",
    "given",
    "heard",
    "held",
    "kept",
    "known",
    "made",
    "said",
    "seen",
    "sent",
    "shown",
    "taken",
    "told",
    "tried",
    "wanted",
}
"""These say what happened to a value, and not what it is: `agent` or `settings` tell more than `found` or `given`."""

MAY_ASSIGN = re.compile(
    rf"\b_*(?:{'|'.join(PARTICIPLES)})_*\s*(?:[=:,)\]|]|[-+|&]=|(?:in|as)\b|$)", re.MULTILINE | re.IGNORECASE
)
"""Finds the modules that are worth parsing."""


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names that a module defines, and its own."""
    tree = ast.parse(path.read_text())
    yield 0, path.stem
    yield from variables(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def variables(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the variables, parameters and attributes that a module assigns."""
    for node in ast.walk(tree):
        match node:
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
        if any(word in f"{path.name} {path.read_text()}".lower() for word in REPLACEMENTS)
        for line, name in names(path)
        for word in words(name)
        if word in REPLACEMENTS
    ]
    assert offenders == []


def test_variables_are_named_by_what_they_hold() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {name}: say what it is"
        for path in OWN_CODE
        if MAY_ASSIGN.search(text := path.read_text())
        for line, name in variables(ast.parse(text))
        if name.strip("_").lower() in PARTICIPLES
    ]
    assert offenders == []


def test_every_way_to_bind_a_name_is_seen() -> None:
    source = "def f(a, *b, **c):\n    d: int = 1\n    self.e = [g for g in a]\n    with x() as h, (i := y): pass"
    assert {name for _, name in variables(ast.parse(source))} == {*"abcdeghi"}


def test_a_name_is_split_into_words() -> None:
    assert words("LocalPurse_asideKEEPER2") == ["local", "purse", "aside", "keeper"]
