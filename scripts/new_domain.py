"""Write a working domain: tables, errors, repository, service, GraphQL module, migration and tests.

`python scripts/new_domain.py notes` adds the type `Note`, the query `notes` and the mutation `createNote`. The name is
a plural; for an irregular one name the singular too: `new_domain.py people --singular person`.
"""

import re
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from string import Template

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "domain_template"
FILES = {
    "domain_init.py": "nexent_gql/domains/{plural}/__init__.py",
    "tables.py": "nexent_gql/domains/{plural}/tables.py",
    "errors.py": "nexent_gql/domains/{plural}/errors.py",
    "repository.py": "nexent_gql/domains/{plural}/repository.py",
    "service.py": "nexent_gql/domains/{plural}/service.py",
    "api_init.py": "nexent_gql/api/{plural}/__init__.py",
    "types.py": "nexent_gql/api/{plural}/types.py",
    "module.py": "nexent_gql/api/{plural}/module.py",
    "test.py": "tests/integration/test_{plural}.py",
}
REGISTERED = ("nexent_gql/tables.py", "nexent_gql/services.py", "nexent_gql/api/schema/build.py", "pyproject.toml")


def names(plural: str, singular: str | None) -> dict[str, str]:
    """Return the names that templates use.

    Raises:
        ValueError: The name is no plural in lower case, or is taken.
    """
    single = singular or re.sub(r"s$", "", re.sub(r"ies$", "y", plural))
    for name in (plural, single):
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            raise ValueError(f"{name!r} is not a name in snake case")
    if single == plural:
        raise ValueError(f"{plural!r} is not a plural; pass a plural, or name the singular with --singular")
    if any((ROOT / "nexent_gql" / part / plural).exists() for part in ("domains", "api")):
        raise ValueError(f"there is a domain or package {plural!r} already")
    camel = {name: "".join(word.capitalize() for word in name.split("_")) for name in (plural, single)}
    return {
        "plural": plural,
        "single": single,
        "Type": camel[single],
        "Plural": camel[plural],
        "UPPER": plural.upper(),
    }


def write_files(values: dict[str, str]) -> None:
    """Write the new files."""
    for template, target in FILES.items():
        path = ROOT / target.format_map(values)
        path.parent.mkdir(exist_ok=True)
        path.write_text(Template((TEMPLATES / f"{template}.tmpl").read_text()).substitute(values))


def insert(path: str, anchor: str, line: str, *, before: bool = False) -> None:
    """Insert a line beside the only line of a file that matches the pattern `anchor`.

    Raises:
        LookupError: No line or several lines match.
    """
    lines = (ROOT / path).read_text().splitlines(keepends=True)
    matches = [index for index, text in enumerate(lines) if re.search(anchor, text)]
    if len(matches) != 1:
        raise LookupError(f"{path}: {len(matches)} lines match {anchor!r}; adapt scripts/new_domain.py")
    lines.insert(matches[0] + (0 if before else 1), f"{line}\n")
    (ROOT / path).write_text("".join(lines))


def register(values: dict[str, str]) -> None:
    """Name the domain wherever domains are listed; ruff puts imports in order."""
    plural, service = values["plural"], f"{values['Type']}Service"
    insert(
        "nexent_gql/tables.py",
        r"^from nexent_gql\.db\.base ",
        f"from nexent_gql.domains.{plural} import tables as {plural}",
    )
    insert("nexent_gql/tables.py", r"^__all__ = \[", f'    "{plural}",')
    insert(
        "nexent_gql/services.py",
        r"^from nexent_gql\.runtime ",
        f"from nexent_gql.domains.{plural}.service import {service}",
    )
    insert("nexent_gql/services.py", r"^    runs: RunService$", f"    {plural}: {service}")
    insert("nexent_gql/services.py", r"^            runs=RunService\(", f"            {plural}={service}(db, clock),")
    build = "nexent_gql/api/schema/build.py"
    insert(build, r"^from nexent_gql\.kernel\.page ", f"from nexent_gql.api.{plural} import module as {plural}")
    insert(build, r"^    runs\.MODULE,$", f"    {plural}.MODULE,")
    place_in_layers(plural)


def place_in_layers(plural: str) -> None:
    """Let import-linter know the domain: where it is planned, else in the lowest layer but identity."""
    path = ROOT / "pyproject.toml"
    text = path.read_text()
    planned = text.replace(f'"({plural})', f'"{plural}').replace(f"| ({plural})", f"| {plural}")
    placed = planned if planned != text else re.sub(r'(\| models [^"\n]*)"', rf'\1 | {plural}"', text, count=1)
    if placed == text:
        raise LookupError("pyproject.toml: no layer of domains has models; adapt scripts/new_domain.py")
    path.write_text(placed)


def run(*command: str) -> None:
    """Run a module of this interpreter at the root of the repository."""
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)


def main() -> None:
    """Write, register, migrate and regenerate."""
    parser = ArgumentParser(prog="make domain", description="Write a working domain.")
    parser.add_argument("name", help="a plural in snake case, such as notes")
    parser.add_argument("--singular", help="the singular, where it is not the plural without its s")
    arguments = parser.parse_args()
    try:
        values = names(arguments.name, arguments.singular)
    except ValueError as error:
        sys.exit(f"make domain: {error}")
    write_files(values)
    register(values)
    touched = [*(target.format_map(values) for target in FILES.values()), *(p for p in REGISTERED if p.endswith(".py"))]
    run("ruff", "check", "--quiet", "--fix-only", *touched)
    run("ruff", "format", "--quiet", *touched)
    run("nexent_gql.migrations", f"Add {values['plural'].replace('_', ' ')}")
    run("ruff", "check", "--quiet", "--fix-only", "nexent_gql/migrations/versions")
    run("nexent_gql.cli", "schema")
    for page in ("schema", "errors"):
        subprocess.run([sys.executable, f"scripts/{page}_page.py"], cwd=ROOT, check=True)
    print(f"Wrote the domain {values['plural']}. Run: make test ARGS=tests/integration/test_{values['plural']}.py")


if __name__ == "__main__":
    main()
