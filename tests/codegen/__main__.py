"""Generate, compile and run the clients of all languages: `python -m tests.codegen [TOOL ...]`.

Updates the rows of these tools in docs/codegen-matrix.md. Exits with 1 when something failed; a tool that the machine
lacks is no failure.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.codegen.projects import PROJECTS, ROOT, SOURCE, Command, Project
from tests.support.installation import Installation, clean_environment, installed

BUILD = ROOT / "build" / "codegen"
PAGE = ROOT / "docs" / "codegen-matrix.md"
COMMAND_S = 900
INSTALLED: set[Path] = set()  # by this process
STEPS: tuple[str, ...] = ("generate", "compile", "run", "reconnect")
NOT_YET: dict[str, str] = dict.fromkeys(STEPS, "not run: no run of the matrix yet")
HEADER = """\
# Generated clients in other languages

Written by `make codegen-matrix`; do not edit. Each tool generates from `schema.graphql` and
[operations.graphql](../tests/codegen/operations.graphql), the result is compiled with strict options, and the same six
operations run against a server. "reconnect" means that a subscription was cut after three events and continued by
cursor on a new connection, and that no event was lost or came twice.

| Language | Tool | Version | Generate | Compile | Run | Reconnect |
|---|---|---|---|---|---|---|
"""


class StepError(Exception):
    """A step failed; the message is what the tool said."""


def prepare(project: Project) -> Path:
    """Copy the project and the schema to the build folder; installed packages stay there between runs."""
    folder = BUILD / project.folder
    shutil.copytree(SOURCE / project.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    for path in (SOURCE / "operations.graphql", ROOT / "schema.graphql", ROOT / "schema.introspection.json"):
        shutil.copy(path, folder)
    return folder


def install(project: Project, folder: Path) -> None:
    """Install the packages of a folder once per run.

    Raises:
        StepError: a command failed.
    """
    if folder not in INSTALLED:
        for command in project.install:
            execute(command, folder)
        INSTALLED.add(folder)


def execute(command: Command, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command and return its standard output.

    Raises:
        StepError: it failed, or took too long.
    """
    arguments = [argument for raw in command for argument in expand(raw, folder)]
    try:
        process = subprocess.run(
            arguments,
            cwd=folder,
            env={**clean_environment(), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(f"no end after {COMMAND_S} s") from error
    if process.returncode != 0:
        raise StepError((process.stdout + process.stderr).strip())
    return process.stdout


def expand(argument: str, folder: Path) -> list[str]:
    """Replace `@**.suffix` by the files with that suffix, and `@file` by its text."""
    head, separator, name = argument.partition("@")
    if not separator:
        return [argument]
    if name.startswith("**"):
        return [str(path) for path in sorted(folder.rglob(name[1:])) if path.parent != folder]
    return [head + (folder / name).read_text().strip()]


def judge(project: Project, installation: Installation, token: str) -> dict[str, str]:
    """Return the outcome of each step; what follows a failure is not run."""
    outcome: dict[str, str] = dict.fromkeys(STEPS, "-")
    absent = project.missing or ", ".join(name for name in project.needs if shutil.which(name) is None)
    if absent:
        reason = absent if project.missing else f"needs {absent}"
        return dict.fromkeys(STEPS, f"not run: {reason}")
    folder, step = prepare(project), "generate"
    try:
        install(project, folder)
        for command in project.generate:
            execute(command, folder)
        outcome["generate"], step = ("yes" if project.generate else "by the compiler"), "compile"
        for command in project.compile:
            execute(command, folder)
        outcome["compile"], step = "yes", "run"
        if project.run:
            name = f"{project.tool} {os.urandom(4).hex()}"
            environment = {"GRAPHQL_URL": installation.url, "GRAPHQL_TOKEN": token, "AGENT_NAME": name}
            report = json.loads(execute(project.run, folder, environment))
            check_operations(report)
            outcome["run"], step = "yes", "reconnect"
            outcome["reconnect"] = check_events(report)
    except StepError as error:
        print(f"{project.tool}: {step} failed:\n{error}", file=sys.stderr)
        outcome[step] = "failed"
    return outcome


def check_operations(report: dict[str, Any]) -> None:
    """Compare what a program printed with what the operations must return.

    Raises:
        StepError: something differs.
    """
    words = {
        name: re.sub(r"[^A-Z]", "", str(report[name]).upper()) for name in ("kind", "status", "stopped", "refusal")
    }
    expected = {"kind": "TOOLCALLING", "status": "SUCCEEDED", "stopped": "SUCCEEDED", "refusal": "BADUSERINPUT"}
    if words != expected or report["messages"] != len(("question", "answer")) or not report["agents"]:
        raise StepError(f"unexpected results: {report}")


def check_events(report: dict[str, Any]) -> str:
    """Return how many events came before and after the reconnect.

    Raises:
        StepError: an event is missing or came twice.
    """
    first, rest = report["first"], report["rest"]
    if not rest or first + rest != list(range(1, len(first) + len(rest) + 1)):
        raise StepError(f"events were lost or doubled: {first} + {rest}")
    return f"yes, {len(first)} + {len(rest)} events"


def version(project: Project) -> str:
    """Return the pinned version of a project's generator."""
    path, pattern = project.pin
    return re.findall(pattern, (SOURCE / path).read_text())[0] if path else "-"


def write_page(rows: dict[str, str]) -> None:
    """Replace the rows of the page by tool name, and keep the others."""
    text = PAGE.read_text() if PAGE.exists() else ""
    earlier = {cells[2].strip(): line for line in text.splitlines() if len(cells := line.split("|")) > len(STEPS)}
    lines = [(earlier | rows).get(project.tool) or row(project, NOT_YET) for project in PROJECTS]
    PAGE.write_text(HEADER + "\n".join(lines) + "\n")


def row(project: Project, outcome: dict[str, str]) -> str:
    """Return a row of the table."""
    return f"| {' | '.join([project.language, project.tool, version(project), *outcome.values()])} |"


def main() -> int:
    """Judge the selected projects and write their rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.codegen")
    parser.add_argument("tools", nargs="*", help="words of tool names; all without any")
    words: list[str] = parser.parse_args().tools
    os.nice(5)
    selected = [project for project in PROJECTS if not words or any(word in project.tool for word in words)]
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as state_dir, installed(Path(state_dir) / "state") as installation:
        token = installation.token()
        for project in selected:
            rows[project.tool] = row(project, judge(project, installation, token))
            print(rows[project.tool], flush=True)
            write_page(rows)
    return int(any("| failed" in line for line in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
