"""Columns with folded text for searches, maintained by the mapper."""

from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, SQLColumnExpression, event, func, literal_column
from sqlalchemy.orm import Mapper

from nexent_gql.db.base import Table
from nexent_gql.kernel.search import fold


def keep_folded(table: type[Table], source: str, target: str) -> None:
    """Write `fold(row.source)` to `target` whenever a row of `table` is inserted or updated by the mapper."""

    def write(mapper: Mapper[Any], connection: Connection, row: Table) -> None:
        del mapper, connection
        folded = fold(cast("str", getattr(row, source)))
        if getattr(row, target) != folded:
            setattr(row, target, folded)

    event.listen(table, "before_insert", write)
    event.listen(table, "before_update", write)


def contains_folded(column: SQLColumnExpression[str], search: str) -> ColumnElement[bool]:
    """Match rows whose folded text contains the folded `search`."""
    return column.contains(fold(search), autoescape=True)


def folded(text: SQLColumnExpression[str]) -> ColumnElement[str]:
    """Return a text as `kernel.search.fold` does, for columns that have no folded one beside them."""
    return func.regexp_replace(func.lower(func.normalize(text, literal_column("NFKC"))), r"\s+", " ", "g")
