"""Maps constraint violations to domain errors."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from nexent_gql.kernel.errors import DomainError

STILL_REFERENCED = "23503"
"""The SQLSTATE of any foreign key violation, for use when the referencing tables are unknown."""


@contextmanager
def translate_violations(errors: Mapping[str, DomainError]) -> Generator[None]:
    """Raise the error for the violated constraint's name or SQLSTATE; wrap the transaction in it."""
    try:
        yield
    except IntegrityError as violation:
        cause = violation.orig.__cause__ if violation.orig else None
        constraint: str | None = getattr(cause, "constraint_name", None)
        state: str | None = getattr(cause, "sqlstate", None)
        error = errors.get(constraint or "") or errors.get(state or "")
        if error is None:
            raise
        raise error from violation
