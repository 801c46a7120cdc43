"""What is written beside the code has to stay true: generated pages, links, commands, variables, hosts."""

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from click import Context
from graphql import build_schema, parse, validate

from nexent_gql.cli import cli

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {"__pycache__", "build", "dist", "documents", "node_modules", "retrieval", "vendor"}
HIDDEN_BUT_OURS = {".ci"}
GO_FILES = {"go.mod", "go.sum"}
GO_MODULE = re.compile(rb"(?m)^(?:\s|require )*[\w./-]+ v[\d.]")
"""A module's path and version. The path begins with a domain name, which need not be a host that is asked."""
REGISTRIES = (
    "pypi org",
    "pythonhosted org",
    "npmjs org",
    "npmjs com",
    "yarnpkg com",
    "crates io",
    "golang org",
    "quay io",
)
"""Hosts with a blank for the dot, so that this file does not name them either."""


def files(folder: Path = ROOT) -> Generator[Path]:
    """Yield all files of the checkout that people wrote."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path.name in HIDDEN_BUT_OURS or not (path.name.startswith(".") or path.name in NOT_OURS):
            yield from files(path)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PAGES = [path for path in files() if path.suffix == ".md"]
every_page = pytest.mark.parametrize("page", PAGES, ids=relative)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made where it is shown."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_configuration_page_is_what_the_settings_say() -> None:
    page = ROOT / "docs" / "configuration.md"
    command = (
        "import runpy, sys; sys.stdout.write(runpy.run_path('scripts/configuration_page.py')['configuration_page']())"
    )
    process = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert page.read_text() == process.stdout, "run `make schema`"


def test_the_conformance_page_matches_locks_and_tests() -> None:
    check = [sys.executable, "scripts/conformance_page.py", "--check"]
    process = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def test_pages_are_found() -> None:
    assert {"README.md", "docs/architecture.md", "docs/adr/0001-records-locks-and-tools.md"} <= set(
        map(relative, PAGES)
    )


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken: list[str] = []
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())):
        if ":" in target:
            continue
        there = (page.parent / target) if target else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(f"{target}#{anchor}" if anchor else target)
    assert broken == []


@every_page
def test_every_command_that_is_written_about_exists(page: Path) -> None:
    text = page.read_text()
    commands = set(cli.list_commands(Context(cli)))
    assert set(re.findall(r"nexent-gql ([a-z]+)\b", text)) - commands == set()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)\b", "\n".join(code))) - targets == set()


@every_page
def test_every_test_file_that_is_named_exists(page: Path) -> None:
    existing = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"\btest_[a-z0-9_]+\.py\b", page.read_text())) - existing == set()


@every_page
def test_every_operation_that_is_shown_is_valid(page: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    blocks = re.findall(r"^```graphql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    operations = [block for block in blocks if re.match(r"query|mutation|subscription|fragment", block)]
    assert [error.message for block in operations for error in validate(schema, parse(block))] == []


@every_page
def test_every_code_file_that_is_named_exists(page: Path) -> None:
    folders = (ROOT, ROOT / "nexent_gql", ROOT / "nexent_gql" / "adapters")
    paths = set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", page.read_text()))
    assert {path for path in paths if not any((folder / path).exists() for folder in folders)} == set()


def test_every_variable_that_is_written_about_is_a_setting() -> None:
    named = re.compile(r"\bNEXENT_[A-Z_]*[A-Z]\b")
    settings = set(named.findall((ROOT / "docs" / "configuration.md").read_text())) | {"NEXENT_TEST_REQUIRE"}
    texts = [*PAGES, *(path for path in files(ROOT / "deploy") if path.suffix != ".md")]
    unknown = {relative(path): sorted(set(named.findall(path.read_text())) - settings) for path in texts}
    assert {path: names for path, names in unknown.items() if names} == {}


def test_no_file_names_a_host_of_a_package_registry() -> None:
    hosts = re.compile("|".join(re.escape(host.replace(" ", ".")) for host in REGISTRIES).encode())
    assert [relative(path) for path in files() if hosts.search(without_go_modules(path))] == []


def without_go_modules(path: Path) -> bytes:
    """Return a file's content; of a list of Go modules, without their paths."""
    content = path.read_bytes()
    return GO_MODULE.sub(b"", content) if path.name in GO_FILES else content
