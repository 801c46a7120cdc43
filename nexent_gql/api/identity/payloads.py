"""What mutations of identity give, and the unions they come in."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from nexent_gql.api.identity.errors import TooManyAttemptsError
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.types import User, Viewer
from nexent_gql.api.schema.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    ValidationError,
)
from nexent_gql.domains.identity import values


@strawberry.type
class _Credentials:
    access_token: str = strawberry.field(
        description="Send it as `Authorization: Bearer ...`, also in the payload of `connection_init`."
    )
    expires_at: datetime = strawberry.field(description="When the access token ends; refresh the session before.")
    refresh_token: str = strawberry.field(
        description="For `refreshSession`, once: whoever uses it again later ends the session."
    )
    viewer: Viewer = strawberry.field(description="You.")

    @classmethod
    def of(cls, signed_in: values.SignedIn) -> Self:
        """Map what the service gave; here the secrets leave the process."""
        return cls(
            access_token=signed_in.access.text.get_secret_value(),
            expires_at=signed_in.access.expires_at,
            refresh_token=signed_in.refresh.get_secret_value(),
            viewer=Viewer.of(signed_in.viewer),
        )


@strawberry.type(description="The tenant was created, and you are signed in.")
class SignUpPayload(_Credentials):
    """See `values.SignedIn`."""


@strawberry.type(description="You are signed in.")
class SignInPayload(_Credentials):
    """See `values.SignedIn`."""


@strawberry.type(description="The session continues.")
class RefreshSessionPayload(_Credentials):
    """See `values.SignedIn`."""


@strawberry.type(description="The session has ended; its tokens are refused everywhere within five seconds.")
class SignOutPayload:
    """See `SessionService.sign_out`."""

    everywhere: bool = strawberry.field(description="Whether all your sessions ended.")


@strawberry.type(description="The key was created.")
class CreateApiKeyPayload:
    """See `values.NewApiKey`."""

    api_key: ApiKey = strawberry.field(description="The new key, without its text.")
    secret: str = strawberry.field(
        description="The whole key, to be sent as `Authorization: Bearer ...`. It is shown now and never again."
    )


@strawberry.type(description="The key was revoked; it is refused everywhere within five seconds.")
class RevokeApiKeyPayload:
    """See `tables.ApiKey`."""

    api_key: ApiKey = strawberry.field(description="The key as it is now.")


@strawberry.type(description="The account was created.")
class CreateUserPayload:
    """See `tables.UserAccount`."""

    user: User = strawberry.field(description="The new user.")


@strawberry.type(description="The user has the new role, everywhere within five seconds.")
class SetUserRolePayload:
    """See `tables.UserAccount`."""

    user: User = strawberry.field(description="The user as they are now.")


@strawberry.type(
    description="The user was deactivated; sessions and API keys are refused everywhere within five seconds."
)
class DeactivateUserPayload:
    """See `tables.UserAccount`."""

    user: User = strawberry.field(description="The user as they are now.")


@strawberry.type(description="The user may sign in again.")
class ActivateUserPayload:
    """See `tables.UserAccount`."""

    user: User = strawberry.field(description="The user as they are now.")


@strawberry.type(description="Your password is changed; your other sessions are refused within five seconds.")
class ChangePasswordPayload:
    """See `tables.UserAccount`."""

    user: User = strawberry.field(description="Your account.")


@strawberry.type(description="The user has a temporary password; their sessions are refused within five seconds.")
class ResetUserPasswordPayload:
    """See `values.TemporaryPassword`."""

    user: User = strawberry.field(description="The user as they are now.")
    temporary_password: str = strawberry.field(
        description="To be handed over to the user. It is shown now and never again."
    )


@strawberry.type(description="The sessions have ended; their tokens are refused everywhere within five seconds.")
class EndSessionsPayload:
    """How many ended."""

    ended_count: int = strawberry.field(description="How many sessions were ended.")


SignUpResult = Annotated[
    SignUpPayload | ValidationError | ConflictError | ForbiddenError | TooManyAttemptsError,
    strawberry.union("SignUpResult", description="Your credentials, or why there are none."),
]
SignInResult = Annotated[
    SignInPayload | UnauthenticatedError | ForbiddenError | ValidationError | TooManyAttemptsError,
    strawberry.union("SignInResult", description="Your credentials, or why there are none."),
]
RefreshSessionResult = Annotated[
    RefreshSessionPayload | UnauthenticatedError,
    strawberry.union("RefreshSessionResult", description="Fresh credentials, or why the session is over."),
]
SignOutResult = Annotated[
    SignOutPayload | ForbiddenError,
    strawberry.union("SignOutResult", description="What ended, or why nothing did."),
]
CreateApiKeyResult = Annotated[
    CreateApiKeyPayload | ValidationError | ConflictError | ForbiddenError,
    strawberry.union("CreateApiKeyResult", description="The key, or why there is none."),
]
RevokeApiKeyResult = Annotated[
    RevokeApiKeyPayload | ValidationError | NotFoundError,
    strawberry.union("RevokeApiKeyResult", description="The key, or why it stays."),
]
CreateUserResult = Annotated[
    CreateUserPayload | ValidationError | ConflictError | ForbiddenError | TooManyAttemptsError,
    strawberry.union("CreateUserResult", description="The user, or why there is none."),
]
SetUserRoleResult = Annotated[
    SetUserRolePayload | ValidationError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SetUserRoleResult", description="The user, or why the role stays."),
]
DeactivateUserResult = Annotated[
    DeactivateUserPayload | ValidationError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeactivateUserResult", description="The user, or why they stay."),
]
ActivateUserResult = Annotated[
    ActivateUserPayload | ValidationError | NotFoundError | ForbiddenError,
    strawberry.union("ActivateUserResult", description="The user, or why they stay deactivated."),
]
ChangePasswordResult = Annotated[
    ChangePasswordPayload | ValidationError | ForbiddenError | TooManyAttemptsError,
    strawberry.union("ChangePasswordResult", description="Your account, or why the password stays."),
]
ResetUserPasswordResult = Annotated[
    ResetUserPasswordPayload | ValidationError | NotFoundError | ForbiddenError | TooManyAttemptsError,
    strawberry.union("ResetUserPasswordResult", description="The temporary password, or why there is none."),
]
EndSessionsResult = Annotated[
    EndSessionsPayload | ValidationError | NotFoundError | ForbiddenError,
    strawberry.union("EndSessionsResult", description="How many sessions ended, or why none did."),
]
