"""What can go wrong with a migration, said in one sentence that tells what to do."""

from nexent_gql.kernel.errors import UnavailableError


class MigrationError(UnavailableError):
    """The database can't be brought to the level of this program; the message is fit to print to a person."""


class RolesError(MigrationError):
    """A role exists with powers that would void row-level security, or can't be made."""


class MigrationLockedError(MigrationError):
    """Another process migrates this database, or uses a table of it, for too long."""


class UnknownLevelError(MigrationError):
    """The database is at a level that this program does not know: a newer one migrated it."""
