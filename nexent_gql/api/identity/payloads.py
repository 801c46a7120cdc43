"""Payloads of identity that have more than one field."""

from datetime import datetime
from typing import Self

import strawberry

from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.types import User, Viewer
from nexent_gql.domains.identity import values


@strawberry.type
class _Credentials:
    access_token: str = strawberry.field(
        description="Access token. Send it with the scheme `Bearer` in the header `Authorization`, and on "
        "WebSockets in the payload of `connection_init`."
    )
    expires_at: datetime = strawberry.field(
        description="When the access token expires. Call `refreshSession` before that."
    )
    refresh_token: str = strawberry.field(
        description="Token for one call of `refreshSession`. Using it again later ends the session."
    )
    viewer: Viewer = strawberry.field(description="The authenticated user.")

    @classmethod
    def of(cls, signed_in: values.SignedIn) -> Self:
        """Map the credentials, including their secrets."""
        return cls(
            access_token=signed_in.access.text.get_secret_value(),
            expires_at=signed_in.access.expires_at,
            refresh_token=signed_in.refresh.get_secret_value(),
            viewer=Viewer.of(signed_in.viewer),
        )


@strawberry.type(description="Result of `signUp`.")
class SignUpPayload(_Credentials):
    pass


@strawberry.type(description="Result of `signIn`.")
class SignInPayload(_Credentials):
    pass


@strawberry.type(description="Result of `refreshSession`.")
class RefreshSessionPayload(_Credentials):
    pass


@strawberry.type(description="Result of `createApiKey`.")
class CreateApiKeyPayload:
    api_key: ApiKey = strawberry.field(description="The new API key, without its secret.")
    secret: str = strawberry.field(
        description="The secret. Send it with the scheme `Bearer` in the header `Authorization`. It is "
        "returned only once."
    )


@strawberry.type(description="Result of `resetUserPassword`.")
class ResetUserPasswordPayload:
    user: User = strawberry.field(description="The user after the change.")
    temporary_password: str = strawberry.field(
        description="The temporary password to pass on to the user. It is returned only once."
    )
