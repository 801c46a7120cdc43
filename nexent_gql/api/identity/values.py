"""The enums of identity in the schema."""

from nexent_gql.api.schema.enums import described
from nexent_gql.kernel.principal import Role, Scope

__all__ = ["Role", "Scope"]

described(
    Role,
    "What a member of a tenant may do; each role includes the ones below it.",
    {
        Role.OWNER: "Everything; a tenant always has at least one.",
        Role.ADMIN: "Changes people, and sees and revokes all API keys.",
        Role.DEVELOPER: "Changes models and agents.",
        Role.MEMBER: "Talks with agents.",
    },
)
described(
    Scope,
    "What a credential may be used for.",
    {Scope.READ: "Queries and subscriptions.", Scope.WRITE: "Mutations too; includes READ."},
)
