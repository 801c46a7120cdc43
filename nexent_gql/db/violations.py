"""Maps constraint violations to domain errors."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from nexent_gql.kernel.errors import DomainError

STILL_REFERENCED = "23503"
"""The SQLSTATE of any foreign key, for whoever can't know which tables point here."""


@contextmanager
def translate_violations(errors: Mapping[str, DomainError]) -> Generator[None]:
    """Raise the error that stands under the violated constraint's name or SQLSTATE; goes around the transaction."""
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
