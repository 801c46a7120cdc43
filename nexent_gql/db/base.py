"""The base of all tables: naming of constraints, ids, times and the tenant.

Row-level security is declared here: a table that extends `TenantRow` gets the tenant policy, and one
listed in `SYSTEM_TABLES` also has grants for work across tenants.
"""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


class Table(SQLModel, registry=registry(metadata=metadata)):
    """The base of every table, named by its class in snake case; migrations compare with `metadata`."""

    @declared_attr  # pyright: ignore[reportArgumentType]
    def __tablename__(cls) -> str:  # noqa: N805  # pyright: ignore[reportIncompatibleVariableOverride]
        """Derive the table's name from the class's."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def timestamp(*, default_now: bool = False, index: bool = False) -> Any:  # noqa: ANN401 - a SQLModel field
    """Declare a `timestamptz` column; with `default_now` it is filled on creation."""
    if default_now:
        return Field(
            default_factory=utc_now,
            sa_type=DateTime(timezone=True),  # type: ignore[call-overload]
            sa_column_kwargs={"server_default": func.now()},
            index=index,
        )
    return Field(default=None, sa_type=DateTime(timezone=True), index=index)  # type: ignore[call-overload]


class TenantRow(Table):
    """A row that belongs to one tenant; the tenant comes from the caller's principal, never from input."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    tenant_id: UUID = Field(index=False, nullable=False)
    created_at: datetime = timestamp(default_now=True)
