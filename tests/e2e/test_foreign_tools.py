"""Tools that others wrote, over our schema and the documents we publish."""

import re
from typing import Any

import pytest

from tests.support.node import FOREIGN, ROOT, observed, require_packages

SCHEMA = ROOT / "schema.graphql"
CLIENTS = [*sorted((ROOT / "clients").glob("*/*.py")), *sorted((ROOT / "clients").glob("*/src/*.ts"))]
OF_THE_PAGE = sorted((ROOT / "nexent_gql" / "pages" / "static" / "documents").glob("*.js"))
OPERATION = re.compile(r'(?:`|"""|gql\(")\s*((?:query|mutation|subscription|fragment)\b[^`]*?)(?:`|"""|"\))')


def documents() -> list[tuple[str, str]]:
    """Return the documents of the example clients, named by their files."""
    texts = {path.relative_to(ROOT): path.read_text() for path in CLIENTS}
    return [(str(path), document) for path, text in texts.items() for document in OPERATION.findall(text)]


def announced() -> set[str]:
    """Return the coordinates of the breaking changes that are written down."""
    page = (ROOT / "docs" / "schema-changes.md").read_text()
    return set(re.findall(r"^- `([^`]+)`", page.split("## Breaking changes since the last release")[1], re.MULTILINE))


@pytest.fixture(scope="module")
def inspected() -> dict[str, Any]:
    """What graphql-inspector says."""
    require_packages(FOREIGN)
    return observed(
        "inspect.mjs",
        schema=str(SCHEMA),
        released=str(ROOT / "schema.released.graphql"),
        documents=documents(),
        modules=[str(path) for path in OF_THE_PAGE],
    )


def test_graphql_eslint_finds_nothing_to_complain_about() -> None:
    require_packages(FOREIGN)
    assert observed("eslint.mjs", schema=str(SCHEMA)) == []


def test_breaking_changes_are_written_down(inspected: dict[str, Any]) -> None:
    assert {path: message for path, message in inspected["breaking"] if path not in announced()} == {}
    assert announced() - {path for path, _ in inspected["breaking"]} == set()


def test_published_documents_fit_the_schema_and_use_nothing_deprecated(inspected: dict[str, Any]) -> None:
    assert len(documents()) == 6
    assert inspected["documents"] > 60
    assert inspected["invalid"] == []
