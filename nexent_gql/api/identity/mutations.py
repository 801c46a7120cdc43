"""Mutations of sessions, API keys and users."""

from functools import partial

import strawberry
from pydantic import SecretStr

from nexent_gql.api.context import Info
from nexent_gql.api.identity import inputs, payloads
from nexent_gql.api.identity.errors import TooManyAttemptsError
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.types import User
from nexent_gql.api.schema.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    ValidationError,
)
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import Public, role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.identity.values import Client
from nexent_gql.kernel.principal import Role

_admin_mutation = partial(mutation, permission=role_at_least(Role.ADMIN))


@strawberry.type
class CredentialMutations:
    @mutation(
        "Creates a tenant with you as its owner and starts a session. An installation can disable sign-up, which "
        "returns SIGN_UP_CLOSED. Limited to 30 calls per hour and IP address by default.",
        errors=(ValidationError, ConflictError, ForbiddenError, TooManyAttemptsError),
        permission=Public,
    )
    async def sign_up(self, info: Info, input: inputs.SignUpInput) -> payloads.SignUpPayload:
        signed_in = await info.context.services.identity.sign_in.sign_up(
            email=input.email,
            password=SecretStr(input.password),
            display_name=input.display_name,
            tenant_name=input.tenant_name,
            client=client_of(info),
        )
        return payloads.SignUpPayload.of(signed_in)

    @mutation(
        "Starts a session. Limited to 5 attempts per minute for each account and IP address. After ten wrong passwords "
        "for an account, attempts from new addresses are delayed by up to a minute. Do not send an expired credential "
        "with it.",
        errors=(UnauthenticatedError, ForbiddenError, ValidationError, TooManyAttemptsError),
        permission=Public,
    )
    async def sign_in(self, info: Info, input: inputs.SignInInput) -> payloads.SignInPayload:
        signed_in = await info.context.services.identity.sign_in.sign_in(
            email=input.email,
            password=SecretStr(input.password),
            client=client_of(info),
            new_password=None if input.new_password is None else SecretStr(input.new_password),
        )
        return payloads.SignInPayload.of(signed_in)

    @mutation(
        "Exchanges a refresh token for new tokens. Repeating the call with the same token within ten seconds returns"
        " the same tokens, so that a lost response can be requested again. A later repetition ends the session. Do "
        "not send an expired credential with it.",
        errors=(UnauthenticatedError,),
        permission=Public,
    )
    async def refresh_session(self, info: Info, input: inputs.RefreshSessionInput) -> payloads.RefreshSessionPayload:
        sessions = info.context.services.identity.sessions
        return payloads.RefreshSessionPayload.of(await sessions.refresh(SecretStr(input.refresh_token)))

    @mutation(
        "Ends the current session, or all of your sessions. Their tokens are rejected within five seconds. Requires a "
        "session; API keys are refused.",
        payload={"everywhere": "Whether all of your sessions were ended."},
        errors=(ForbiddenError,),
    )
    async def sign_out(self, info: Info, input: inputs.SignOutInput) -> bool:
        await info.context.services.identity.sessions.sign_out(info.context.actor, everywhere=input.everywhere)
        return input.everywhere

    @mutation(
        "Creates an API key that acts as you. A user can have 50 active keys. Requires a session; API keys are "
        "refused.",
        errors=(ValidationError, ConflictError, ForbiddenError),
    )
    async def create_api_key(self, info: Info, input: inputs.CreateApiKeyInput) -> payloads.CreateApiKeyPayload:
        api_key = await info.context.services.identity.api_keys.create(
            info.context.actor, name=input.name, scopes=input.scopes, expires_at=input.expires_at
        )
        return payloads.CreateApiKeyPayload(api_key=ApiKey.of(api_key.row), secret=api_key.text.get_secret_value())

    @mutation(
        "Revokes an API key, which is rejected within five seconds. You can revoke your own keys; the ADMIN role can "
        "revoke all keys of the tenant. Revoking a key twice has no effect.",
        payload={"api_key": "The API key after the change."},
        errors=(ValidationError, NotFoundError),
    )
    async def revoke_api_key(self, info: Info, input: inputs.RevokeApiKeyInput) -> ApiKey:
        key = node_id(input.id, "ApiKey", "id")
        row = await info.context.services.identity.api_keys.revoke(info.context.actor, key)
        return ApiKey.of(row)


@strawberry.type
class UserMutations:
    @_admin_mutation(
        "Creates a user in your tenant. Requires the ADMIN role and a session; API keys are refused.",
        payload={"user": "The new user."},
        errors=(ValidationError, ConflictError, ForbiddenError, TooManyAttemptsError),
    )
    async def create_user(self, info: Info, input: inputs.CreateUserInput) -> User:
        actor, password = info.context.actor, SecretStr(input.password)
        row = await info.context.services.identity.users.create(
            actor,
            email=input.email,
            password=password,
            display_name=input.display_name,
            role=input.role,
            is_temporary=input.must_change_password,
        )
        return User.of(row, actor)

    @_admin_mutation(
        "Sets the role of a user, effective within five seconds. Requires the ADMIN role and a session; API keys are "
        "refused.",
        payload={"user": "The user after the change."},
        errors=(ValidationError, NotFoundError, ConflictError, ForbiddenError),
    )
    async def set_user_role(self, info: Info, input: inputs.SetUserRoleInput) -> User:
        actor, key = info.context.actor, node_id(input.id, "User", "id")
        row = await info.context.services.identity.users.set_role(actor, key, input.role)
        return User.of(row, actor)

    @_admin_mutation(
        "Deactivates a user. Their sessions and API keys are rejected within five seconds; their data is kept. "
        "Repeating the call has no effect. Requires the ADMIN role and a session; API keys are refused.",
        payload={"user": "The user after the change."},
        errors=(ValidationError, NotFoundError, ConflictError, ForbiddenError),
    )
    async def deactivate_user(self, info: Info, input: inputs.DeactivateUserInput) -> User:
        actor, key = info.context.actor, node_id(input.id, "User", "id")
        row = await info.context.services.identity.users.deactivate(actor, key)
        return User.of(row, actor)

    @_admin_mutation(
        "Lets a deactivated user sign in again. Earlier sessions and API keys stay invalid. Repeating the call has no "
        "effect. Requires the ADMIN role and a session; API keys are refused.",
        payload={"user": "The user after the change."},
        errors=(ValidationError, NotFoundError, ForbiddenError),
    )
    async def activate_user(self, info: Info, input: inputs.ActivateUserInput) -> User:
        actor, key = info.context.actor, node_id(input.id, "User", "id")
        row = await info.context.services.identity.users.activate(actor, key)
        return User.of(row, actor)


def client_of(info: Info) -> Client:
    """Return the client of a request."""
    request = info.context.request
    return Client(ip=request.client_ip, user_agent=request.user_agent)
