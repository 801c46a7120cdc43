"""Which embedding models may share a route: those whose vectors can be compared."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.models.errors import DimensionsUnknownError, RouteModelsDifferError
from nexent_gql.domains.models.policy import profile_from_json
from nexent_gql.domains.models.repository import RouteRepository
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import VectorSpace

_DEFAULT_TAG = ":latest"


def base_name(model_name: str) -> str:
    """Return the name of a model without owner and default tag, in lower case: providers differ in them."""
    return model_name.rsplit("/", 1)[-1].lower().removesuffix(_DEFAULT_TAG)


def owner_name(model_name: str) -> str:
    """Return who published a model, in lower case; empty where the provider leaves it out."""
    *_, owner, _name = ("", *model_name.lower().split("/"))
    return owner


def dimensions_of(row: ChatModel) -> int | None:
    """Return the length of a model's vectors, as people entered it or the last check found; None if unknown."""
    return profile_from_json(row.profile).dimensions or profile_from_json(row.learned_profile).dimensions


def common_space(rows: Sequence[ChatModel]) -> VectorSpace:
    """Return the model and the dimensions that all models of a route have.

    Raises:
        RouteModelsDifferError: They are different models, or have vectors of different lengths.
        DimensionsUnknownError: Nobody knows the length of one of them.
    """
    spaces = {VectorSpace(base_name(row.model_name), _known_dimensions(row)): row for row in rows}
    first, *others = spaces
    if others:
        one, other = spaces[first], spaces[others[0]]
        raise RouteModelsDifferError(
            f'"{one.name}" is {one.model_name} with {first.dimensions} dimensions, and "{other.name}" is '
            f"{other.model_name} with {others[0].dimensions}, so that their vectors can't be compared. Leave one out.",
            "groups",
        )
    _check_owners(rows)
    return first


def check_space(rows: Sequence[ChatModel], space: VectorSpace) -> VectorSpace:
    """Return the space of the models that shall replace those of a route.

    Raises:
        RouteModelsDifferError: Their vectors can't be compared with each other, or with those of the route.
        DimensionsUnknownError: Nobody knows the length of one of them.
    """
    new_space = common_space(rows)
    if new_space != space:
        raise RouteModelsDifferError(
            f"The route is for {space.model} with {space.dimensions} dimensions. Create another route for "
            f"{new_space.model} with {new_space.dimensions}, and change the embedding model of the knowledge bases.",
            "groups",
        )
    return space


async def check_routes_of(session: AsyncSession, row: ChatModel) -> None:
    """Check that a model that was changed still fits the routes that it is in.

    Unknown dimensions fit: a vector of another length is refused when it arrives.

    Raises:
        RouteModelsDifferError: The model or the length of its vectors is another one.
    """
    if row.kind != ModelKind.EMBEDDING:
        return
    for route in await RouteRepository(session, row.tenant_id).using_model(row.id):
        if base_name(row.model_name) != route.vector_model:
            message = f'The route "{route.name}" is for {route.vector_model}. Take the model out of the route first.'
            raise RouteModelsDifferError(message, "providerModel")
        if dimensions_of(row) not in {None, route.dimensions}:
            message = (
                f'The route "{route.name}" is for vectors of {route.dimensions} dimensions. Take the model out of the '
                "route first."
            )
            raise RouteModelsDifferError(message, "profile", "dimensions")


def _known_dimensions(row: ChatModel) -> int:
    dimensions = dimensions_of(row)
    if dimensions is None:
        raise DimensionsUnknownError(row.id, row.name)
    return dimensions


def _check_owners(rows: Sequence[ChatModel]) -> None:
    owners = {owner: row for row in rows if (owner := owner_name(row.model_name))}
    if len(owners) > 1:
        one, other, *_ = owners.values()
        message = f'"{one.name}" is {one.model_name}, and "{other.name}" is {other.model_name}. Leave one out.'
        raise RouteModelsDifferError(message, "groups")
