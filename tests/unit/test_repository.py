"""Rules about the checkout itself: locks, packaging, the Makefile, sizes of files and functions."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import cast
from zipfile import ZipFile

import pytest

from nexent_gql import tables

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NODE_LOCKS = (
    "benchmarks/peers",
    "benchmarks/peers/postgraphile",
    "clients/typescript",
    "tests/codegen/typescript",
    "tests/foreign",
)
PACKAGES = ("nexent_gql", "workers")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
GENERATED = ROOT / "nexent_gql" / "migrations" / "versions"  # by alembic: a line for each column and rule
WRITTEN = [path for path in SOURCES if GENERATED not in path.parents]
WRITES = re.compile(r"\b(?:(?:INSERT INTO|UPDATE|DELETE FROM)\s+|(?:insert|update|delete)\((?=[A-Z]))(\w+)")
"""The table or class that a statement writes, in SQL or by SQLAlchemy; changes of attributes of rows are not seen."""
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 50
MEDIAN_LINES_OF_A_FILE = 100


def lock_ids(path: Path) -> str:
    return path.stem


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def make(*arguments: str) -> str:
    process = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return process.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_every_lock_is_there() -> None:
    assert [path.stem for path in LOCKS] == ["dev", "installer", "runtime", "up"]


@pytest.mark.parametrize("lock", LOCKS, ids=lock_ids)
def test_a_lock_names_no_index_and_no_address(lock: Path) -> None:
    assert (
        re.findall(r"^.*(?:://|--(?:extra-)?index|--find-links|--trusted-host).*$", lock.read_text(), re.MULTILINE)
        == []
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lock_ids)
def test_a_lock_pins_every_package_by_version_and_hash(lock: Path) -> None:
    text = "".join(line + "\n" for line in lock.read_text().splitlines() if not line.startswith("#"))
    entries = text.replace("\\\n", "").splitlines()
    assert entries
    assert [entry for entry in entries if not re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize("folder", NODE_LOCKS)
def test_a_node_lock_pins_by_hash_and_names_no_address(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    packages: dict[str, dict[str, object]] = json.loads(text)["packages"]
    assert "://" not in text, "install by scripts/npm.py"
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    assert all(version[0].isdigit() for version in cast("dict[str, str]", packages[""]["dependencies"]).values())


def test_the_smaller_locks_agree_with_the_largest() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9.-]+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))

    assert pins("runtime") < pins("up") < pins("dev")


@pytest.mark.timeout(300)  # whoever comes first builds it
def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    files = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    expected = {path.as_posix() for path in files if path.suffix != ".pyc"}
    with ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert "nexent_gql/py.typed" in expected
    assert expected - packed == set()


@pytest.mark.timeout(300)  # whoever comes first builds it
def test_the_wheel_holds_nothing_of_the_checkout_but_the_packages(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_make_help_lists_the_targets() -> None:
    listed = set(re.findall(r"^  make (\S+)", make("help"), re.MULTILINE))
    expected = "help up test test-fast test-plain test-lowest fuzz ingestion-faults check bench chaos"
    expected += " soak codegen-matrix engines schema conformance migration domain node-packages assets lock fmt clean"
    assert listed == set(expected.split())


def test_make_up_passes_its_arguments_on() -> None:
    assert ".venv/bin/nexent-gql up --port 7 --state-dir d" in make("-n", "up", "ARGS=--port 7 --state-dir d")


def test_the_bootstrap_is_readable_by_python_3_6() -> None:
    for name in ("bootstrap.py", "pip_settings.py"):
        ast.parse((ROOT / "scripts" / name).read_text(), feature_version=(3, 6))


def test_a_repository_is_imported_by_its_own_domain_alone() -> None:
    foreign = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (domain := re.fullmatch(r"nexent_gql\.domains\.(\w+)\.repository", node.module or ""))
        and ROOT / "nexent_gql" / "domains" / domain[1] not in path.parents
    ]
    assert foreign == []


def owners_of_tables() -> dict[str, str]:
    """Return the package that declares each table, by the name of the table and of its class."""
    owners: dict[str, str] = {}
    for module in vars(tables).values():
        if isinstance(module, ModuleType):
            package = module.__name__.rpartition(".")[0]
            classes = [cls for cls in vars(module).values() if getattr(cls, "__module__", None) == module.__name__]
            names = [(cls.__name__, str(cls.__tablename__)) for cls in classes if hasattr(cls, "__tablename__")]
            owners |= {name: package for pair in names for name in pair}
    return owners


def test_a_table_is_written_by_the_package_that_declares_it_alone() -> None:
    owners = owners_of_tables()
    assert owners["conversation"] == owners["Conversation"] == "nexent_gql.domains.conversations"
    foreign = [
        f"{path.relative_to(ROOT)}: {table}"
        for path in WRITTEN
        for table in WRITES.findall(path.read_text())
        if table in owners and ROOT.joinpath(*owners[table].split(".")) not in path.parents
    ]
    assert foreign == []


def test_files_are_short() -> None:
    lengths = {path.relative_to(ROOT): lines_of(path) for path in WRITTEN}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}
    assert median(lengths.values()) < MEDIAN_LINES_OF_A_FILE


def test_functions_are_short() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in WRITTEN
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert too_long == []
