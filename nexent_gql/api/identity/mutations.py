"""Mutations of sessions, API keys and users."""

import strawberry
from pydantic import SecretStr

from nexent_gql.api.context import Info
from nexent_gql.api.identity import inputs, payloads
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.types import User
from nexent_gql.api.schema.permissions import Public, SignedIn, role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.identity.values import Client
from nexent_gql.kernel.principal import Role

_Admin = role_at_least(Role.ADMIN)


@strawberry.type
class CredentialMutations:
    """Credentials of the caller."""

    @strawberry.mutation(
        description="Creates a tenant with you as its owner, and signs you in. An installation can switch this off "
        "(SIGN_UP_CLOSED). Limited for each address, by default to 30 an hour.",
        permission_classes=[Public],
    )
    async def sign_up(self, info: Info, input: inputs.SignUpInput) -> payloads.SignUpResult:
        """Create a tenant and sign its owner in."""
        signed_in = await info.context.services.identity.sign_in.sign_up(
            email=input.email,
            password=SecretStr(input.password),
            display_name=input.display_name,
            tenant_name=input.tenant_name,
            client=client_of(info),
        )
        return payloads.SignUpPayload.of(signed_in)

    @strawberry.mutation(
        description="Begins a session. Limited to 5 attempts a minute for one account from one address; after ten "
        "wrong passwords for an account, wherever they come from, each further attempt from a new address has to "
        "wait, at most for a minute. Send no expired credential with it.",
        permission_classes=[Public],
    )
    async def sign_in(self, info: Info, input: inputs.SignInInput) -> payloads.SignInResult:
        """Begin a session."""
        signed_in = await info.context.services.identity.sign_in.sign_in(
            email=input.email,
            password=SecretStr(input.password),
            client=client_of(info),
            new_password=None if input.new_password is None else SecretStr(input.new_password),
        )
        return payloads.SignInPayload.of(signed_in)

    @strawberry.mutation(
        description="Continues a session. The same token again within ten seconds gets the same answer, so a lost "
        "answer can be asked for again; any later repetition ends the session. Send no expired credential with it.",
        permission_classes=[Public],
    )
    async def refresh_session(self, info: Info, input: inputs.RefreshSessionInput) -> payloads.RefreshSessionResult:
        """Exchange a refresh token."""
        sessions = info.context.services.identity.sessions
        return payloads.RefreshSessionPayload.of(await sessions.refresh(SecretStr(input.refresh_token)))

    @strawberry.mutation(
        description="Ends this session, or all of yours. Requires a session, not an API key.",
        permission_classes=[SignedIn],
    )
    async def sign_out(self, info: Info, input: inputs.SignOutInput) -> payloads.SignOutResult:
        """End sessions of the caller."""
        await info.context.services.identity.sessions.sign_out(info.context.actor, everywhere=input.everywhere)
        return payloads.SignOutPayload(everywhere=input.everywhere)

    @strawberry.mutation(
        description="Creates an API key that acts as you; at most 50 at a time. Requires a session, not an API key.",
        permission_classes=[SignedIn],
    )
    async def create_api_key(self, info: Info, input: inputs.CreateApiKeyInput) -> payloads.CreateApiKeyResult:
        """Create an API key of the caller."""
        made = await info.context.services.identity.api_keys.create(
            info.context.actor, name=input.name, scopes=input.scopes, expires_at=input.expires_at
        )
        return payloads.CreateApiKeyPayload(api_key=ApiKey.of(made.row), secret=made.text.get_secret_value())

    @strawberry.mutation(
        description="Revokes an API key: your own, or with the ADMIN role anybody's of the tenant. Idempotent.",
        permission_classes=[SignedIn],
    )
    async def revoke_api_key(self, info: Info, input: inputs.RevokeApiKeyInput) -> payloads.RevokeApiKeyResult:
        """Revoke an API key."""
        key = node_id(input.id, "ApiKey", "input", "id")
        row = await info.context.services.identity.api_keys.revoke(info.context.actor, key)
        return payloads.RevokeApiKeyPayload(api_key=ApiKey.of(row))


@strawberry.type
class UserMutations:
    """Users of a tenant."""

    @strawberry.mutation(
        description="Creates an account in your tenant. Requires the ADMIN role, and a session instead of an API key.",
        permission_classes=[_Admin],
    )
    async def create_user(self, info: Info, input: inputs.CreateUserInput) -> payloads.CreateUserResult:
        """Create an account in the caller's tenant."""
        actor, password = info.context.actor, SecretStr(input.password)
        row = await info.context.services.identity.users.create(
            actor,
            email=input.email,
            password=password,
            display_name=input.display_name,
            role=input.role,
            is_temporary=input.must_change_password,
        )
        return payloads.CreateUserPayload(user=User.of(row, actor))

    @strawberry.mutation(
        description="Gives a user another role. Requires the ADMIN role, and a session instead of an API key.",
        permission_classes=[_Admin],
    )
    async def set_user_role(self, info: Info, input: inputs.SetUserRoleInput) -> payloads.SetUserRoleResult:
        """Change a user's role."""
        actor, key = info.context.actor, node_id(input.id, "User", "input", "id")
        row = await info.context.services.identity.users.set_role(actor, key, input.role)
        return payloads.SetUserRolePayload(user=User.of(row, actor))

    @strawberry.mutation(
        description="Deactivates a user: sessions and API keys end, what they made stays. Requires the ADMIN role, and "
        "a session instead of an API key. Idempotent.",
        permission_classes=[_Admin],
    )
    async def deactivate_user(self, info: Info, input: inputs.DeactivateUserInput) -> payloads.DeactivateUserResult:
        """Deactivate a user."""
        actor, key = info.context.actor, node_id(input.id, "User", "input", "id")
        row = await info.context.services.identity.users.deactivate(actor, key)
        return payloads.DeactivateUserPayload(user=User.of(row, actor))

    @strawberry.mutation(
        description="Lets a deactivated user sign in again; sessions and API keys stay ended. Requires the ADMIN role, "
        "and a session instead of an API key. Idempotent.",
        permission_classes=[_Admin],
    )
    async def activate_user(self, info: Info, input: inputs.ActivateUserInput) -> payloads.ActivateUserResult:
        """Reactivate a user."""
        actor, key = info.context.actor, node_id(input.id, "User", "input", "id")
        row = await info.context.services.identity.users.activate(actor, key)
        return payloads.ActivateUserPayload(user=User.of(row, actor))


def client_of(info: Info) -> Client:
    """Return where a request comes from."""
    request = info.context.request
    return Client(ip=request.client_ip, user_agent=request.user_agent)
