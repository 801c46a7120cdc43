"""Write docs/conformance.md: foreign suites with their versions and scores, specifications, and deviations.

Versions are read from the lock files and scores from the tests that demand them. `--check` only compares.
"""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple, cast

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "conformance.md"
SOURCE = ROOT / "scripts" / "conformance.md.in"


class Suite(NamedTuple):
    """A suite, client or tool of others that the tests run."""

    packages: str
    demand: str
    test: str


CLIENTS = "tests/e2e/test_foreign_clients.py"
TOOLS = "tests/e2e/test_foreign_tools.py"
SUITES = (
    Suite("graphql-http", "{audits} of {audits} audits, the optional ones included", CLIENTS),
    Suite(
        "graphql-ws",
        "operations, resuming after a lost connection, and all 7 close codes of the protocol",
        CLIENTS,
    ),
    Suite("graphql-sse", "distinct connections mode: operations, leaving early", CLIENTS),
    Suite("eventsource", "a browser's EventSource resumes by `Last-Event-ID`", CLIENTS),
    Suite(
        "@apollo/client",
        "queries, paging, multipart subscriptions, both `@defer` formats, persisted queries by POST and GET",
        CLIENTS,
    ),
    Suite("@urql/core", "queries by POST and GET, subscriptions as event streams, `@defer`", CLIENTS),
    Suite(
        "relay-compiler, relay-runtime",
        "compiles; pagination, subscriptions, `@defer`",
        CLIENTS,
    ),
    Suite(
        "@graphql-codegen/cli, @graphql-codegen/client-preset",
        "the example client: generated, type-checked, resumes by cursor",
        "tests/e2e/test_example_clients.py",
    ),
    Suite("gql", "queries, uploads, introspection, subscriptions over WebSocket", "tests/e2e/test_foreign_gql.py"),
    Suite("@graphql-inspector/core", "no breaking change that is not announced; all documents valid", TOOLS),
    Suite("@graphql-eslint/eslint-plugin", "0 findings in the schema", TOOLS),
    Suite(
        "schemathesis",
        "0 failures of {cases} cases for each root field in `make test`, {fuzz} in `make fuzz`",
        "tests/e2e/test_foreign_fuzz.py",
    ),
)


def conformance_page() -> str:
    """Return the page as Markdown: `scripts/conformance.md.in` with the table of suites filled in."""
    versions, scores = _versions(), _scores()
    rows = ["| Suite, client or tool | Version | What the tests demand | Test |", "|---|---|---|---|"]
    for suite in SUITES:
        names = suite.packages.split(", ")
        version = ", ".join(versions[name] for name in names)
        rows.append(f"| {', '.join(names)} | {version} | {suite.demand.format(**scores)} | `{suite.test}` |")
    return SOURCE.read_text().replace("{suites}", "\n".join(rows))


def _versions() -> dict[str, str]:
    """Return the locked version of every package that can be named here."""
    versions = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE))
    for folder in ("clients/typescript", "tests/foreign"):
        lock = json.loads((ROOT / folder / "package-lock.json").read_text())
        packages = cast("dict[str, dict[str, str]]", lock["packages"])
        versions |= {
            path.removeprefix("node_modules/"): package["version"]
            for path, package in packages.items()
            if path.startswith("node_modules/") and path.count("node_modules/") == 1
        }
    return versions


def _scores() -> dict[str, str]:
    """Return the numbers that the tests demand."""
    places = {
        "audits": (CLIENTS, r"assert len\(audits\) == (\d+)"),
        "cases": ("tests/e2e/test_foreign_fuzz.py", r'"FUZZ_EXAMPLES", "(\d+)"'),
        "fuzz": ("Makefile", r"FUZZ_EXAMPLES=(\d+)"),
    }
    return {name: re.findall(pattern, (ROOT / path).read_text())[0] for name, (path, pattern) in places.items()}


def main(options: list[str]) -> int:
    """Write the page, or compare it."""
    page = conformance_page()
    if options == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == page:
            return 0
        print("docs/conformance.md is out of date: run `make conformance`", file=sys.stderr)
        return 1
    PAGE.write_text(page)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
