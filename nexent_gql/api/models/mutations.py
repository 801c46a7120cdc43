"""Mutations of models."""

from functools import partial

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
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.kernel.principal import Role

_mutation = partial(mutation, permission=role_at_least(Role.DEVELOPER))


@strawberry.type(description="Result of `checkModel`.")
class CheckModelPayload:
    model: Model = strawberry.field(
        description="The model. Its `lastCheck` is this check, unless its settings changed in the meantime."
    )
    check: ModelCheck = strawberry.field(description="Outcome of the call.")


@strawberry.type
class ModelMutations:
    @_mutation(
        "Registers a model. The tenant's first model of each kind becomes the default of that kind. Requires the "
        "DEVELOPER role.",
        payload={"model": "The new model. Use `checkModel` to test it."},
        errors=(ValidationError, ForbiddenError, ConflictError),
    )
    async def register_model(self, info: Info, input: RegisterModelInput) -> Model:
        return Model.of(await info.context.services.models.register(info.context.actor, input.name, input.config()))

    @_mutation(
        "Registers several models of one provider, for example those that `listRemoteModels` returned. A name that is "
        "taken is left as it is, so that the call can be repeated. Requires the DEVELOPER role.",
        payload={"models": "A model for each entry, in order. If a name was taken, it is the existing model."},
        errors=(ValidationError, ForbiddenError, ConflictError),
    )
    async def register_models(self, info: Info, input: RegisterModelsInput) -> list[Model]:
        rows = await info.context.services.models.register_many(info.context.actor, input.entries())
        return [Model.of(row) for row in rows]

    @_mutation(
        "Requests the list of models from a provider. Stores nothing. Requires the DEVELOPER role.",
        payload={"models": "The models in the order of the provider, at most 1,000."},
        errors=(ModelProviderError, ValidationError, ForbiddenError),
    )
    async def list_remote_models(self, info: Info, input: ListRemoteModelsInput) -> list[RemoteModel]:
        entries = await info.context.services.models.remote_models(info.context.actor, input.config())
        return [
            RemoteModel(provider_model=entry.name, context_window_tokens=entry.context_window_tokens)
            for entry in entries
        ]

    @_mutation(
        "Updates a model. A change of connection settings clears `lastCheck`. Requires the DEVELOPER role.",
        payload={"model": "The model after the update."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ConflictError),
    )
    async def update_model(self, info: Info, input: UpdateModelInput) -> Model:
        key = node_id(input.id, "Model", "id")
        return Model.of(await info.context.services.models.update(info.context.actor, key, input.patch()))

    @_mutation(
        "Sets the tenant's default model of the model's kind, in place of a default route too. Agents without a model "
        "of their own use a CHAT model from their next run. Requires the DEVELOPER role.",
        payload={"model": "The new default model."},
        errors=(ValidationError, ForbiddenError, NotFoundError),
    )
    async def set_default_model(self, info: Info, input: SetDefaultModelInput) -> Model:
        key = node_id(input.id, "Model", "id")
        return Model.of(await info.context.services.models.make_default(info.context.actor, key))

    @_mutation(
        "Deletes a model and its API key. Fails while an agent uses the model. The default model of a kind can be "
        "deleted only when it is the last one. Requires the DEVELOPER role.",
        payload={"deleted_id": "ID of the deleted model."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ModelInUseError, ConflictError),
    )
    async def delete_model(self, info: Info, input: DeleteModelInput) -> strawberry.ID:
        await info.context.services.models.delete(info.context.actor, node_id(input.id, "Model", "id"))
        return input.id

    @_mutation(
        "Tests a model with a small call, streamed for a CHAT model. Stores the outcome as `lastCheck`. Requires the "
        "DEVELOPER role.",
        errors=(ValidationError, ForbiddenError, NotFoundError),
    )
    async def check_model(self, info: Info, input: CheckModelInput) -> CheckModelPayload:
        key = node_id(input.id, "Model", "id")
        row, check = await info.context.services.models.check(info.context.actor, key, with_profile=input.with_profile)
        return CheckModelPayload(model=Model.of(row), check=ModelCheck.of(check))

    @_mutation(
        "Tests model settings with a request to the provider. Stores nothing. Requires the DEVELOPER role.",
        payload={"check": "Outcome of the call."},
        errors=(ValidationError, ForbiddenError),
    )
    async def check_model_config(self, info: Info, input: CheckModelConfigInput) -> ModelCheck:
        return ModelCheck.of(await info.context.services.models.check_config(info.context.actor, input.config()))
