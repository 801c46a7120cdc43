"""Identifiers: UUIDv7, so that ids sort by creation and index well."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new time-ordered UUID (version 7)."""
    return uuid7()
