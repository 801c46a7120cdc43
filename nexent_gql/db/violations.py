"""Maps constraint violations to domain errors."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

from sqlalchemy.exc import IntegrityError

from nexent_gql.kernel.errors import DomainError, NotFoundError

STILL_REFERENCED = "23503"
"""The SQLSTATE of any foreign key violation, for use when the referencing tables are unknown."""
_MISSING = "is not present in table"


class MissingReferenceError(NotFoundError):
    """A row refers to an object that does not exist, usually because it was deleted at the same time."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The object that `{field}` names does not exist; it may have been deleted.", field=field)


def missing_reference(violation: IntegrityError) -> MissingReferenceError | None:
    """Return the error for a foreign key violation of a row that refers to nothing; None for other violations.

    The column is known by the name of the constraint: Postgres shows no values of tables with row-level security.
    """
    if _MISSING not in _text_of(violation, "detail"):
        return None
    prefix = f"fk_{_text_of(violation, 'table_name')}_"
    column = _text_of(violation, "constraint_name").removeprefix(prefix).removeprefix("tenant_id_")
    first, *words = column.split("_")
    return MissingReferenceError(first + "".join(map(str.capitalize, words)))


@contextmanager
def translate_violations(errors: Mapping[str, DomainError]) -> Generator[None]:
    """Raise the error for the violated constraint's name or SQLSTATE; wrap the transaction in it."""
    try:
        yield
    except (IntegrityError, MissingReferenceError) as error:
        violation = error.__cause__ if isinstance(error, MissingReferenceError) else error
        names = _text_of(violation, "constraint_name"), _text_of(violation, "sqlstate")
        translated = next((errors[name] for name in names if name in errors), None)
        if translated is None:
            raise
        raise translated from violation


def _text_of(violation: BaseException | None, attribute: str) -> str:
    """Return Postgres's detail about a violation; "" if there is none."""
    driver_error = violation.orig.__cause__ if isinstance(violation, IntegrityError) and violation.orig else None
    return cast("str | None", getattr(driver_error, attribute, None)) or ""
