"""Rows with defaults: a test names only what it is about."""

from itertools import count

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.tables import Tenant, UserAccount
from nexent_gql.kernel.principal import Principal, Role


class Factory:
    """Writes rows straight to the database; every domain adds its own methods."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers = count(1)

    async def principal(self, role: Role = Role.OWNER, *, beside: Principal | None = None) -> Principal:
        """Make a user without a password: of a new tenant, or of the tenant of `beside`."""
        number = next(self._numbers)
        tenant = Tenant(name=f"Tenant {number}")
        tenant_id = beside.tenant_id if beside else tenant.id
        email = f"user{number}@example.com"
        user = UserAccount(tenant_id=tenant_id, email=email, email_key=email, display_name=f"User {number}", role=role)
        async with self.database.transaction(tenant_id) as session:
            if beside is None:
                session.add(tenant)
                await session.flush()
            session.add(user)
        return Principal(tenant_id=tenant_id, user_id=user.id, role=role)
