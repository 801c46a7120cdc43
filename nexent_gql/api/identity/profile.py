"""Mutations of the caller's own account."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.identity.types import User
from nexent_gql.api.identity.values import Theme
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.domains.identity.policy import MAX_LANGUAGE_CHARS, MAX_NAME_CHARS
from nexent_gql.domains.identity.service.profiles import ProfilePatch
from nexent_gql.kernel.patch import UNSET


@strawberry.input(description="Input of `updateProfile`. Omitted fields keep their values.")
class UpdateProfileInput:
    display_name: strawberry.Maybe[str] = strawberry.field(
        description=f"Display name. One line of 1 to {MAX_NAME_CHARS} characters."
    )
    time_zone: strawberry.Maybe[str | None] = strawberry.field(
        description="IANA time zone, such as Europe/Berlin, in which agents state and interpret times. Null means UTC."
    )

    language: strawberry.Maybe[str | None] = strawberry.field(
        description="BCP 47 language tag, such as zh-CN, that clients use for their pages. At most "
        f"{MAX_LANGUAGE_CHARS} characters. Null lets clients decide."
    )
    theme: strawberry.Maybe[Theme | None] = strawberry.field(
        description="Colors that clients use for their pages. Null lets clients decide."
    )

    def patch(self) -> ProfilePatch:
        return ProfilePatch(
            display_name=self.display_name.value if self.display_name else UNSET,
            time_zone=self.time_zone.value if self.time_zone else UNSET,
            language=self.language.value if self.language else UNSET,
            theme=self.theme.value if self.theme else UNSET,
        )


@strawberry.type
class ProfileMutations:
    @mutation(
        "Updates your display name, time zone or preferences.",
        payload={"user": "Your account after the update."},
        errors=(ValidationError, NotFoundError),
    )
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> User:
        actor = info.context.actor
        return User.of(await info.context.services.identity.profiles.update(actor, input.patch()), actor)
