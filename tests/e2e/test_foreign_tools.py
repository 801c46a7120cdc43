"""Tools that others wrote, over our schema."""

from tests.support.node import FOREIGN, ROOT, observed, require_packages

SCHEMA = ROOT / "schema.graphql"


def test_graphql_eslint_finds_nothing_to_complain_about() -> None:
    require_packages(FOREIGN)
    assert observed("eslint.mjs", schema=str(SCHEMA)) == []
