"""Mutations of passwords and sessions."""

import strawberry
from pydantic import SecretStr

from nexent_gql.api.context import Info
from nexent_gql.api.identity import inputs, payloads
from nexent_gql.api.identity.mutations import client_of
from nexent_gql.api.identity.types import User
from nexent_gql.api.schema.permissions import SignedIn, role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Role


@strawberry.type
class PasswordMutations:
    """Passwords, and the sessions that they open."""

    @strawberry.mutation(
        description="Changes your password and ends your other sessions; API keys stay valid. Requires a session, not "
        "an API key. Attempts count like attempts to sign in.",
        permission_classes=[SignedIn],
    )
    async def change_password(self, info: Info, input: inputs.ChangePasswordInput) -> payloads.ChangePasswordResult:
        """Replace the caller's password."""
        actor = info.context.actor
        row = await info.context.services.identity.passwords.change(
            actor,
            current=SecretStr(input.current_password),
            new=SecretStr(input.new_password),
            client=client_of(info),
        )
        return payloads.ChangePasswordPayload(user=User.of(row, actor))

    @strawberry.mutation(
        description="Gives a user of your tenant a temporary password and ends their sessions; API keys stay valid. "
        "The password is good for one sign-in within seven days, which has to choose a new one. Requires the ADMIN "
        "role, and a session instead of an API key.",
        permission_classes=[role_at_least(Role.ADMIN)],
    )
    async def reset_user_password(
        self, info: Info, input: inputs.ResetUserPasswordInput
    ) -> payloads.ResetUserPasswordResult:
        """Set a temporary password."""
        actor, key = info.context.actor, node_id(input.id, "User", "input", "id")
        made = await info.context.services.identity.passwords.reset(actor, key)
        return payloads.ResetUserPasswordPayload(
            user=User.of(made.user, actor), temporary_password=made.text.get_secret_value()
        )

    @strawberry.mutation(
        description="Ends one of your sessions, or all but the present one. Requires a session, not an API key.",
        permission_classes=[SignedIn],
    )
    async def end_sessions(self, info: Info, input: inputs.EndSessionsInput) -> payloads.EndSessionsResult:
        """End sessions of the caller."""
        actor, service = info.context.actor, info.context.services.identity.sessions
        if input.id:
            await service.end(actor, node_id(input.id.value, "Session", "input", "id"))
            return payloads.EndSessionsPayload(ended_count=1)
        if not input.others or not input.others.value:
            raise InvalidInputError("Say which sessions to end: `others` must be true.", path=("input", "others"))
        return payloads.EndSessionsPayload(ended_count=await service.end_others(actor))
