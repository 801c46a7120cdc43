"""Changing and checking models."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.errors import ModelInUseError, ModelProviderError
from nexent_gql.api.models.inputs import (
    CheckModelConfigInput,
    CheckModelInput,
    DeleteModelInput,
    ListRemoteModelsInput,
    RegisterModelInput,
    RegisterModelsInput,
    SetDefaultModelInput,
    UpdateModelInput,
)
from nexent_gql.api.models.types import Model, ModelCheck, RemoteModel
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.kernel.principal import Role

_Developer = role_at_least(Role.DEVELOPER)


@strawberry.type(description="It is registered.")
class RegisterModelPayload:
    """The new model."""

    model: Model = strawberry.field(description="The new model; `checkModel` tells whether it answers.")


@strawberry.type(description="All of them are registered.")
class RegisterModelsPayload:
    """The models."""

    models: list[Model] = strawberry.field(
        description="A model for each entry, in order; one whose name was taken is the one that was there."
    )


@strawberry.type(description="The provider gave its list.")
class ListRemoteModelsPayload:
    """The list."""

    models: list[RemoteModel] = strawberry.field(description="In the provider's order, at most 1,000.")


@strawberry.type(description="It is changed.")
class UpdateModelPayload:
    """The whole model."""

    model: Model = strawberry.field(description="The whole model as it is now.")


@strawberry.type(description="It is the default now.")
class SetDefaultModelPayload:
    """The new default."""

    model: Model = strawberry.field(description="The new default.")


@strawberry.type(description="It is gone, with its key.")
class DeleteModelPayload:
    """The id."""

    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")


@strawberry.type(description="It was called; `check` says whether it answered.")
class CheckModelPayload:
    """The model and the outcome."""

    model: Model = strawberry.field(
        description="The model; its `lastCheck` is this check, unless its settings changed meanwhile."
    )
    check: ModelCheck = strawberry.field(description="How the call went.")


@strawberry.type(description="It was called; `check` says whether it answered.")
class CheckModelConfigPayload:
    """The outcome."""

    check: ModelCheck = strawberry.field(description="How the call went.")


RegisterModelResult = Annotated[
    RegisterModelPayload | ValidationError | ForbiddenError | ConflictError,
    strawberry.union("RegisterModelResult", description="The model, or why there is none."),
]
RegisterModelsResult = Annotated[
    RegisterModelsPayload | ValidationError | ForbiddenError | ConflictError,
    strawberry.union("RegisterModelsResult", description="The models, or why none was registered."),
]
ListRemoteModelsResult = Annotated[
    ListRemoteModelsPayload | ModelProviderError | ValidationError | ForbiddenError,
    strawberry.union("ListRemoteModelsResult", description="The list, or why there is none."),
]
UpdateModelResult = Annotated[
    UpdateModelPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("UpdateModelResult", description="The model, or why it stayed as it was."),
]
SetDefaultModelResult = Annotated[
    SetDefaultModelPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("SetDefaultModelResult", description="The model, or why the default stayed."),
]
DeleteModelResult = Annotated[
    DeleteModelPayload | ValidationError | ForbiddenError | NotFoundError | ModelInUseError | ConflictError,
    strawberry.union("DeleteModelResult", description="The id, or why the model is still there."),
]
CheckModelResult = Annotated[
    CheckModelPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("CheckModelResult", description="The outcome, or why nothing was called."),
]
CheckModelConfigResult = Annotated[
    CheckModelConfigPayload | ValidationError | ForbiddenError,
    strawberry.union("CheckModelConfigResult", description="The outcome, or why nothing was called."),
]


@strawberry.type
class ModelMutations:
    """Writes."""

    @strawberry.mutation(
        description="Register a chat model. The tenant's first becomes its default. Needs the role DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def register_model(self, info: Info, input: RegisterModelInput) -> RegisterModelResult:
        """Register it."""
        row = await info.context.services.models.register(info.context.actor, input.name, input.config())
        return RegisterModelPayload(model=Model.of(row))

    @strawberry.mutation(
        description="Registers several models of one provider, for example those that `listRemoteModels` gave. A name "
        "that is taken is left as it is, so that the call can be repeated. Requires the DEVELOPER role.",
        permission_classes=[_Developer],
    )
    async def register_models(self, info: Info, input: RegisterModelsInput) -> RegisterModelsResult:
        """Register them."""
        rows = await info.context.services.models.register_many(info.context.actor, input.entries())
        return RegisterModelsPayload(models=[Model.of(row) for row in rows])

    @strawberry.mutation(
        description="Asks a provider for its list of models; nothing is stored. Requires the DEVELOPER role.",
        permission_classes=[_Developer],
    )
    async def list_remote_models(self, info: Info, input: ListRemoteModelsInput) -> ListRemoteModelsResult:
        """List them."""
        entries = await info.context.services.models.remote_models(info.context.actor, input.config())
        return ListRemoteModelsPayload(
            models=[
                RemoteModel(provider_model=entry.name, context_window_tokens=entry.context_window_tokens)
                for entry in entries
            ]
        )

    @strawberry.mutation(
        description="Change a model; what was tried being changed, its last check is forgotten. Needs DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def update_model(self, info: Info, input: UpdateModelInput) -> UpdateModelResult:
        """Change it."""
        key = node_id(input.id, "Model", "input", "id")
        row = await info.context.services.models.update(info.context.actor, key, input.patch())
        return UpdateModelPayload(model=Model.of(row))

    @strawberry.mutation(
        description="Use a model where an agent has none of its own, from the next run on. Needs DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def set_default_model(self, info: Info, input: SetDefaultModelInput) -> SetDefaultModelResult:
        """Make it the default."""
        key = node_id(input.id, "Model", "input", "id")
        return SetDefaultModelPayload(
            model=Model.of(await info.context.services.models.make_default(info.context.actor, key))
        )

    @strawberry.mutation(
        description="Delete a model that no agent uses; the default only when it is the last. Needs DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def delete_model(self, info: Info, input: DeleteModelInput) -> DeleteModelResult:
        """Delete it."""
        await info.context.services.models.delete(info.context.actor, node_id(input.id, "Model", "input", "id"))
        return DeleteModelPayload(deleted_id=input.id)

    @strawberry.mutation(
        description="Tries a model with streamed text and a tool call, and keeps the outcome and what was learned. "
        "Requires the DEVELOPER role.",
        permission_classes=[_Developer],
    )
    async def check_model(self, info: Info, input: CheckModelInput) -> CheckModelResult:
        """Check it."""
        key = node_id(input.id, "Model", "input", "id")
        row, check = await info.context.services.models.check(info.context.actor, key)
        return CheckModelPayload(model=Model.of(row), check=ModelCheck.of(check))

    @strawberry.mutation(
        description="Make the smallest real call with settings that are not stored. Needs DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def check_model_config(self, info: Info, input: CheckModelConfigInput) -> CheckModelConfigResult:
        """Try them."""
        check = await info.context.services.models.check_config(info.context.actor, input.config())
        return CheckModelConfigPayload(check=ModelCheck.of(check))
