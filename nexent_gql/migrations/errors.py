"""Errors of migrations, with messages that say what to do."""

from nexent_gql.kernel.errors import UnavailableError


class MigrationError(UnavailableError):
    """The database cannot be migrated; the message can be shown to a user."""


class RolesError(MigrationError):
    """A role exists with rights that bypass row-level security, or cannot be created."""


class MigrationLockedError(MigrationError):
    """Another process migrates this database or locks a table for too long."""


class UnknownLevelError(MigrationError):
    """The database is at a level of a newer release."""
