"""Mutations of passwords and sessions."""

import strawberry
from pydantic import SecretStr

from nexent_gql.api.context import Info
from nexent_gql.api.identity import inputs, payloads
from nexent_gql.api.identity.errors import TooManyAttemptsError
from nexent_gql.api.identity.mutations import client_of
from nexent_gql.api.identity.types import User
from nexent_gql.api.schema.errors import ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Role


@strawberry.type
class PasswordMutations:
    @mutation(
        "Changes your password and ends your other sessions within five seconds. API keys stay valid. Attempts count "
        "toward the limits of `signIn`. Requires a session; API keys are refused.",
        payload={"user": "Your account."},
        errors=(ValidationError, ForbiddenError, TooManyAttemptsError),
    )
    async def change_password(self, info: Info, input: inputs.ChangePasswordInput) -> User:
        actor = info.context.actor
        row = await info.context.services.identity.passwords.change(
            actor,
            current=SecretStr(input.current_password),
            new=SecretStr(input.new_password),
            client=client_of(info),
        )
        return User.of(row, actor)

    @mutation(
        "Sets a temporary password for a user and ends their sessions within five seconds. API keys stay valid. The "
        "password is valid for one sign-in within seven days, which must set a new password. Requires the ADMIN role "
        "and a session; API keys are refused.",
        errors=(ValidationError, NotFoundError, ForbiddenError, TooManyAttemptsError),
        permission=role_at_least(Role.ADMIN),
    )
    async def reset_user_password(
        self, info: Info, input: inputs.ResetUserPasswordInput
    ) -> payloads.ResetUserPasswordPayload:
        actor, key = info.context.actor, node_id(input.id, "User", "id")
        reset = await info.context.services.identity.passwords.reset(actor, key)
        return payloads.ResetUserPasswordPayload(
            user=User.of(reset.user, actor), temporary_password=reset.text.get_secret_value()
        )

    @mutation(
        "Ends one of your sessions, or all except the current one. Their tokens are rejected within five seconds. "
        "Requires a session; API keys are refused.",
        payload={"ended_count": "Number of sessions that were ended."},
        errors=(ValidationError, NotFoundError, ForbiddenError),
    )
    async def end_sessions(self, info: Info, input: inputs.EndSessionsInput) -> int:
        actor, service = info.context.actor, info.context.services.identity.sessions
        if input.id:
            await service.end(actor, node_id(input.id.value, "Session", "id"))
            return 1
        if not input.others or not input.others.value:
            raise InvalidInputError("`others` must be true. To end one session, pass `id`.", path=("others",))
        return await service.end_others(actor)
