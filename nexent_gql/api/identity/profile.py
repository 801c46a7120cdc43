"""Changing one's own account."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.identity.types import User
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.domains.identity.policy import MAX_NAME_CHARS
from nexent_gql.domains.identity.service.profiles import ProfilePatch
from nexent_gql.kernel.patch import UNSET


@strawberry.input(description="Changes of your account; what is left out stays as it is.")
class UpdateProfileInput:
    """See `ProfilePatch`."""

    display_name: strawberry.Maybe[str] = strawberry.field(
        description=f"Shown to people, one line of 1 to {MAX_NAME_CHARS} characters."
    )
    time_zone: strawberry.Maybe[str | None] = strawberry.field(
        description="IANA name of your time zone, such as Europe/Berlin, in which agents tell and understand times. "
        "Null means UTC."
    )

    def patch(self) -> ProfilePatch:
        """Return what the service takes."""
        return ProfilePatch(
            display_name=self.display_name.value if self.display_name else UNSET,
            time_zone=self.time_zone.value if self.time_zone else UNSET,
        )


@strawberry.type(description="Your account is changed.")
class UpdateProfilePayload:
    """The result of `updateProfile`."""

    user: User = strawberry.field(description="Your account.")


UpdateProfileResult = Annotated[
    UpdateProfilePayload | ValidationError | NotFoundError,
    strawberry.union("UpdateProfileResult", description="Your account, or why it did not change."),
]


@strawberry.type
class ProfileMutations:
    """Changes of the caller's own account."""

    @strawberry.mutation(description="Changes your display name or time zone.", permission_classes=[SignedIn])
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> UpdateProfileResult:
        """Change the caller's account."""
        actor = info.context.actor
        row = await info.context.services.identity.profiles.update(actor, input.patch())
        return UpdateProfilePayload(user=User.of(row, actor))
