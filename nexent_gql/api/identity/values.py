"""The enums of identity in the schema."""

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.identity.tables import Theme
from nexent_gql.kernel.principal import Role, Scope

__all__ = ["Role", "Scope", "Theme"]

described(
    Role,
    "Permissions of a user in a tenant. Each role includes the lower ones.",
    {
        Role.OWNER: "Has all permissions. A tenant always has at least one owner.",
        Role.ADMIN: "Manages users, and lists and revokes all API keys of the tenant.",
        Role.DEVELOPER: "Manages models and agents.",
        Role.MEMBER: "Uses agents in conversations.",
    },
)
described(
    Theme,
    "Colors of a client's pages.",
    {Theme.LIGHT: "Dark text on a light background.", Theme.DARK: "Light text on a dark background."},
)
described(
    Scope,
    "What a credential can be used for.",
    {Scope.READ: "Queries and subscriptions.", Scope.WRITE: "Mutations. Includes READ."},
)
