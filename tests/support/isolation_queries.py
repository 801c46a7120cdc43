"""Attempts to reach another tenant's rows through repositories: what their own predicates have to stop.

A tenant that has nothing at all calls every query there is, with everything that fits of another's rows. Whatever comes
back but nothing is a leak, so no test has to know what a query means, and a new query is tested without being listed.
"""

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy.exc import NoResultFound
from sqlmodel import SQLModel

from nexent_gql import domains
from nexent_gql.db.session import Database
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.json import Json
from nexent_gql.kernel.page import Page
from nexent_gql.ports.content import ContentPart, TextPart
from tests.support.tenant_rows import Rows

Query = Callable[..., Awaitable[object]]


class UnknownParameterError(Exception):
    """Nothing says what a parameter may be: teach `_candidates`."""


def repositories() -> list[type]:
    """Find every class that is bound to a tenant in a module of a domain whose name ends with `repository`."""
    packages = pkgutil.iter_modules(domains.__path__, f"{domains.__name__}.")
    folders = [importlib.import_module(package.name).__path__ for package in packages if package.ispkg]
    names = [
        f"{domains.__name__}.{Path(folder).name}.{module.name}"
        for paths in folders
        for folder in paths
        for module in pkgutil.iter_modules([folder])
        if module.name.endswith("repository")
    ]
    members = [member for name in names for _, member in inspect.getmembers(importlib.import_module(name))]
    classes = [cls for cls in members if inspect.isclass(cls) and cls.__module__ in names]
    return [cls for cls in classes if "tenant_id" in inspect.signature(cls).parameters]


def queries(repository: type) -> dict[str, Query]:
    """Return the public coroutines of a repository, by name; those that take a row only write what they are given."""
    members = {
        name: cast("Query", member) for name, member in inspect.getmembers(repository, inspect.iscoroutinefunction)
    }
    return {name: query for name, query in members.items() if not name.startswith("_") and not _takes_row(query)}


async def leaks(database: Database, repository: type, mine: UUID, rows: Rows) -> list[str]:
    """Call every query of a repository for `mine`, which has nothing; return what came back of others."""
    descriptions: list[str] = []
    bound_to = {"owner_id": rows["conversation"]["owner_id"]} if _is_of_owner(repository) else {}
    for name, query in queries(repository).items():
        async with database.transaction(mine) as session:
            bound = repository(session, mine, **bound_to)
            for arguments in _arguments(query, rows):
                try:
                    answer = await query(bound, **arguments)
                except (DomainError, NoResultFound):
                    continue
                if not _is_nothing(answer):
                    descriptions.append(f"{repository.__name__}.{name}({dict(arguments)}) gave {answer!r}")
    return descriptions


def _is_of_owner(repository: type) -> bool:
    return "owner_id" in inspect.signature(repository).parameters


def _hints(query: Query) -> dict[str, object]:
    return {name: hint for name, hint in get_type_hints(query, localns={"Json": Json}).items() if name != "return"}


def _takes_row(query: Query) -> bool:
    hints = [part for hint in _hints(query).values() for part in (hint, *get_args(hint))]
    return any(isinstance(hint, type) and issubclass(hint, SQLModel) for hint in hints)


def _arguments(query: Query, rows: Rows) -> Iterator[Mapping[str, object]]:
    """Yield all combinations; values that no column is named after are of one row at a time, as in a condition."""
    attempts: set[str] = set()
    for table in rows:
        candidates = {name: _candidates(name, hint, rows, table) for name, hint in _hints(query).items()}
        for combination in itertools.product(*candidates.values()):
            arguments = dict(zip(candidates, combination, strict=True))
            if (key := repr(arguments)) not in attempts:
                attempts.add(key)
                yield arguments


_SIMPLE: dict[object, list[object]] = {
    bool: [False],
    int: [0, 100],
    datetime: [datetime.now(UTC)],
    ContentPart: [TextPart("text")],
}


def _candidates(name: str, hint: object, rows: Rows, table: str) -> list[object]:
    """Return what to try for a parameter; `table` is where values come from that no column is named after."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin in (Union, UnionType):
        (part,) = (part for part in parts if part is not type(None))
        return [None, *_candidates(name, part, rows, table)]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [{}]
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return [_candidates(name, parts[0], rows, table)]
    if isinstance(hint, type) and issubclass(hint, (UUID, str)):
        return _values(name, hint, rows, table)
    if isinstance(hint, type) and is_dataclass(hint) and all(_has_default(field) for field in fields(hint)):
        return [hint()]
    raise UnknownParameterError(f"{name}: {hint}")


def _has_default(field: object) -> bool:
    return (
        getattr(field, "default", MISSING) is not MISSING or getattr(field, "default_factory", MISSING) is not MISSING
    )


def _values(name: str, kind: type, rows: Rows, table: str) -> list[object]:
    """Return the values in columns of this name (`run_id`, `run_ids`: of `run.id` too), or else those of a table."""
    stem = name.removesuffix("s").removesuffix("_id")
    fitting = [
        value
        for source, row in rows.items()
        for column, value in row.items()
        if isinstance(value, kind) and (column in (name, f"{stem}_id") or (source, column) == (stem, "id"))
    ]
    return list(dict.fromkeys(fitting or [value for value in rows[table].values() if isinstance(value, kind)]))


def _is_nothing(answer: object) -> bool:
    """Tell whether an answer holds no row, no value and no count."""
    if isinstance(answer, Page):
        return not cast("Page[object]", answer).rows
    if isinstance(answer, Mapping):
        return all(_is_nothing(value) for value in cast("Mapping[object, object]", answer).values())
    if isinstance(answer, tuple):  # several counts
        return all(_is_nothing(value) for value in cast("tuple[object, ...]", answer))
    return not answer
