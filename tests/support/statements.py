"""How many statements a piece of work sends to Postgres: the test against N+1."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import event

from nexent_gql.db.session import Database


@contextmanager
def statements(database: Database) -> Generator[list[str]]:
    """Collect the SQL that is sent within the block, without what begins and ends transactions."""
    queries: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        queries.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(engine, "before_cursor_execute", note)
