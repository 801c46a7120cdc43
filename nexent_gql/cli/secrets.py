"""`nexent-gql secrets`."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import click
from sqlalchemy import Column, LargeBinary, Table, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.db.session import Database
from nexent_gql.ports.secrets import SecretBox, SecretUnreadableError, secret_place
from nexent_gql.runtime import open_runtime
from nexent_gql.settings import Settings
from nexent_gql.tables import metadata

SUFFIX = "_sealed"
BATCH = 100
_TENANTS = text("SELECT DISTINCT tenant_id FROM user_account ORDER BY tenant_id")


class Outcome(StrEnum):
    """What became of a stored secret."""

    CURRENT = "CURRENT"
    OLD = "OLD"
    UNREADABLE = "UNREADABLE"


@click.group("secrets")
def command() -> None:
    """Count stored secrets, and encrypt them with a new key."""


@command.command("status")
@state_dir_option
def status_command(state_dir: Path) -> None:
    """Count stored secrets by the key that they are encrypted with."""
    counts = asyncio.run(_go_through(find_settings(state_dir), rotates=False))
    click.echo(
        f"{counts[Outcome.CURRENT]} under the current key, {counts[Outcome.OLD]} under earlier keys, "
        f"{counts[Outcome.UNREADABLE]} unreadable"
    )


@command.command("rotate")
@state_dir_option
def rotate_command(state_dir: Path) -> None:
    """Encrypt all stored secrets with the first of NEXENT_ENCRYPTION_KEYS; can be interrupted and repeated."""
    counts = asyncio.run(_go_through(find_settings(state_dir), rotates=True))
    click.echo(
        f"{counts[Outcome.OLD]} encrypted again, {counts[Outcome.CURRENT]} under the current key before, "
        f"{counts[Outcome.UNREADABLE]} unreadable"
    )
    if counts[Outcome.UNREADABLE]:
        click.echo("Unreadable secrets were left as they are: add the key they were stored under, or enter them again.")
        sys.exit(1)


async def _go_through(settings: Settings, *, rotates: bool) -> Counter[Outcome]:
    async with open_runtime(settings) as runtime:
        return await go_through_secrets(runtime.db, runtime.secrets, rotates=rotates)


async def go_through_secrets(db: Database, box: SecretBox, *, rotates: bool) -> Counter[Outcome]:
    """Count all stored secrets, and encrypt with the current key those that are not, if `rotates`.

    Each batch is a transaction that locks its rows, so a secret that is replaced meanwhile stays the new one.
    """
    async with db.system() as session:
        tenant_ids: Sequence[UUID] = (await session.scalars(_TENANTS)).all()
    counts = Counter[Outcome]()
    for tenant_id in tenant_ids:
        for table, column in sealed_columns():
            last_id: UUID | None = UUID(int=0)
            while last_id is not None:
                async with db.transaction(tenant_id) as session:
                    batch = _Batch(session, box, tenant_id, table, column, rotates=rotates)
                    last_id = await batch.go_through(last_id, counts)
    return counts


def sealed_columns() -> Sequence[tuple[Table, Column[Any]]]:
    """Return all columns of encrypted secrets: binary ones whose names end with `_sealed`."""
    return [
        (table, column)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(SUFFIX) and isinstance(column.type, LargeBinary)
    ]


class _Batch:
    """Up to 100 secrets of a tenant in one column."""

    def __init__(
        self,
        session: AsyncSession,
        box: SecretBox,
        tenant_id: UUID,
        table: Table,
        column: Column[Any],
        *,
        rotates: bool,
    ) -> None:
        self._session = session
        self._box = box
        self._tenant_id = tenant_id
        self._table = table
        self._column = column
        self._rotates = rotates

    async def go_through(self, after_id: UUID, counts: Counter[Outcome]) -> UUID | None:
        """Go through the secrets behind `after_id`; return the id of the last one, None when there are no more."""
        ids = cast("Column[UUID]", self._table.columns["id"])
        query = select(ids, self._column).where(
            self._table.columns["tenant_id"] == self._tenant_id, ids > after_id, self._column.is_not(None)
        )
        rows = (await self._session.execute(query.order_by(ids).limit(BATCH).with_for_update())).all()
        for row_id, sealed in rows:
            counts[await self._go_through_one(row_id, bytes(sealed))] += 1
        return rows[-1][0] if len(rows) == BATCH else None

    async def _go_through_one(self, row_id: UUID, sealed: bytes) -> Outcome:
        place = secret_place(self._tenant_id, self._table.name, self._column.name, row_id)
        if self._box.is_current(sealed, place):
            return Outcome.CURRENT
        try:
            secret = self._box.open(sealed, place)
        except SecretUnreadableError:
            return Outcome.UNREADABLE
        if self._rotates:
            mine = (self._table.columns["tenant_id"] == self._tenant_id, self._table.columns["id"] == row_id)
            values = {self._column.name: self._box.seal(secret, place)}
            await self._session.execute(update(self._table).where(*mine).values(values))
        return Outcome.OLD
