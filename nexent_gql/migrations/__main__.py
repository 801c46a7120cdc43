"""Writes a revision with the difference between the tables of the code and the latest revision.

`python -m nexent_gql.migrations "what changes"`. With `--again`, the newest revision is written again under the same
number, and with the same description unless a new one is given; only for a revision that has not been released.
"""

import asyncio
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql.embedded import EngineSet
from nexent_gql.migrations import configuration, upgrade
from nexent_gql.migrations.roles import ensure_roles


def _newest() -> Script | None:
    scripts = ScriptDirectory.from_config(configuration())
    head = scripts.get_current_head()
    return scripts.get_revision(head) if head else None


def _delete_newest(script: Script | None) -> str:
    """Delete the newest revision and return its description."""
    if script is None:
        sys.exit("there is no revision yet")
    Path(script.path).unlink()
    return script.doc.rstrip(".")


def _write(connection: Connection, config: Config, words: str, number: int) -> Path:
    config.attributes["connection"] = connection
    script = command.revision(config, words, autogenerate=True, rev_id=f"{number:04d}")
    return Path(cast("Script", script).path)


async def _revise(database_url: str, words: str) -> Path:
    newest = _newest()
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await ensure_roles(connection)
    if newest is not None:
        await upgrade(database_url)
    async with engine.connect() as connection:
        number = int(newest.revision) + 1 if newest else 1
        return await connection.run_sync(_write, configuration(), words, number)


def main() -> None:
    """Start a scratch database, write the revision, and print its path."""
    parser = ArgumentParser(prog="python -m nexent_gql.migrations", description="Write a revision.")
    parser.add_argument("words", nargs="?", default="", help="what changes, e.g. 'Add the language of a user'")
    parser.add_argument("--again", action="store_true", help="write the newest revision again")
    arguments = parser.parse_args()
    words = str(arguments.words)
    if arguments.again:
        words = words or _delete_newest(_newest())
    if not words:
        parser.error("a description of the change is required")
    with tempfile.TemporaryDirectory() as folder, EngineSet(Path(folder), durable=False) as engines:
        path = asyncio.run(_revise(engines.start().database_url, words))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", path], check=True)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
