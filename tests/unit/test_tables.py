"""Rules about all tables: no key and no reference crosses from one tenant to another."""

import pytest
from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from nexent_gql.db.rls import APP_COMMANDS, SYSTEM_TABLES, TENANT_COLUMN, UnsecuredTableError, protection
from nexent_gql.tables import metadata

INSTALLATION_WIDE = {
    ("user_account", "email_key"): "an address is all that somebody says who signs in: it can't mean two people",
    (
        "api_key",
        "key_id",
    ): "a key is found by it before its tenant is known; 71 random bits, so it tells nobody anything",
}
"""Unique beyond a tenant, and why that gives nothing away that matters."""

TENANT_TABLES = [table for table in metadata.sorted_tables if "tenant_id" in table.columns]


def unique_keys(table: Table) -> set[tuple[str, ...]]:
    """Return the columns of every unique constraint and index except the primary key."""
    constraints = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique]
    return {tuple(column.name for column in item.columns) for item in (*constraints, *indexes)}


def test_every_unique_key_is_one_within_a_tenant() -> None:
    keys = {(table.name, *key) for table in TENANT_TABLES for key in unique_keys(table)}
    assert {key for key in keys if "tenant_id" not in key} == set(INSTALLATION_WIDE)


def test_every_foreign_key_takes_the_tenant_along() -> None:
    def carries_tenant(key: ForeignKeyConstraint) -> bool:
        there = {element.column.name for element in key.elements}
        return "tenant_id" in key.columns and ("tenant_id" in there or key.referred_table.name == "tenant")

    keys = [key for table in TENANT_TABLES for key in table.foreign_key_constraints]
    assert keys
    assert [key.name for key in keys if not carries_tenant(key)] == []


def test_what_refers_to_a_row_is_found_by_an_index_when_it_is_deleted() -> None:
    def keys(table: Table) -> list[list[str]]:
        unique = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
        return [[column.name for column in item.columns] for item in (table.primary_key, *unique, *table.indexes)]

    def is_indexed(table: Table, names: list[str]) -> bool:
        return any(key[: len(names)] == names or key[0] == names[-1] for key in keys(table))

    references = [(table, list(key.columns.keys())) for table in TENANT_TABLES for key in table.foreign_key_constraints]
    assert [(table.name, names) for table, names in references if not is_indexed(table, names)] == []


def test_every_table_says_whose_its_rows_are() -> None:
    assert [table.name for table in metadata.sorted_tables if not protection(table).policies] == []


@pytest.mark.parametrize("columns", [["id"], ["id", "tenant"]])
def test_a_table_that_says_nothing_about_its_tenant_is_refused(columns: list[str]) -> None:
    table = Table("forgotten", MetaData(), *(Column(name, Integer) for name in columns))
    with pytest.raises(UnsecuredTableError, match="forgotten"):
        protection(table)


def test_no_exception_is_made_for_tables_that_are_gone() -> None:
    names = set(metadata.tables)
    assert {*APP_COMMANDS, *SYSTEM_TABLES, *TENANT_COLUMN, *(table for table, _ in INSTALLATION_WIDE)} <= names


def test_names_fit_postgres() -> None:
    limit = postgresql.dialect().max_identifier_length
    names = [item.name for table in metadata.sorted_tables for item in (*table.constraints, *table.indexes)]
    assert [name for name in names if len(str(name)) > limit] == []
