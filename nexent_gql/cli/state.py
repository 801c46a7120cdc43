"""The state folder of `up`, through which other commands find the running engines."""

import json
import os
import secrets
from pathlib import Path
from typing import cast

import click
from pydantic import SecretStr

from nexent_gql.embedded import Engines
from nexent_gql.migrations.logins import RunTimeUrls
from nexent_gql.settings import Settings, SettingsError, read_settings

DEFAULT_STATE_DIR = Path(".nexent")
_CONNECTION = "connection.json"
_KEY_FILE = "secret_key"
_REACH = "outbound_reach"

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NEXENT_STATE_DIR",
    default=DEFAULT_STATE_DIR,
    show_default=True,
    help="Folder in which `up` keeps its data.",
)


def secret_key(state_dir: Path) -> str:
    """Return the installation's secret key, created on first use; its file is readable only by its owner."""
    if configured := os.environ.get("NEXENT_SECRET_KEY"):
        return configured
    path = state_dir / _KEY_FILE
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def save_connection(state_dir: Path, engines: Engines, reach: str | None = None) -> None:
    """Store the URLs of the engines, and the outbound reach if `up` chose one, for later commands.

    The file contains passwords.
    """
    logins = RunTimeUrls.derive(engines.database_url, SecretStr(secret_key(state_dir)))
    facts = {
        "database_url": logins.database_url,
        "system_database_url": logins.system_database_url,
        "migration_database_url": engines.database_url,
        "redis_url": engines.redis_url,
    }
    facts = {name: url for name, url in facts.items() if f"NEXENT_{name.upper()}" not in os.environ}
    if reach:
        facts[_REACH] = reach
    _write_private(state_dir / _CONNECTION, json.dumps(facts))


def find_settings(state_dir: Path) -> Settings:
    """Return the settings of the environment, completed by those of the running installation.

    Raises:
        SettingsError: Neither names the engines, or the environment is invalid.
    """
    values: dict[str, object] = {"state_dir": state_dir}
    path = state_dir / _CONNECTION
    if path.exists():
        facts = cast("dict[str, str]", json.loads(path.read_text()))
        reach = facts.pop(_REACH, None)
        if reach and not os.environ.get("NEXENT_OUTBOUND__REACH"):
            values["outbound"] = {"reach": reach}
        values |= {name: url for name, url in facts.items() if f"NEXENT_{name.upper()}" not in os.environ}
        values["secret_key"] = secret_key(state_dir)
    elif "NEXENT_DATABASE_URL" not in os.environ:
        raise SettingsError(
            f"Nothing has been started over {state_dir}: run `nexent-gql up --state-dir {state_dir}`, "
            "or set NEXENT_DATABASE_URL, NEXENT_SYSTEM_DATABASE_URL, NEXENT_REDIS_URL and NEXENT_SECRET_KEY."
        )
    return read_settings(**values)


def _write_private(path: Path, text: str) -> None:
    """Write a file atomically; only its owner can read it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
