"""Which embedding models may share a route."""

from uuid import UUID

import pytest

from nexent_gql.domains.models.errors import DimensionsUnknownError, RouteModelsDifferError
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.models.vector_spaces import base_name, check_space, common_space, dimensions_of, owner_name
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import VectorSpace

_TENANT = UUID(int=1)


def model(name: str, dimensions: int | None = 8, *, learned: int | None = None) -> ChatModel:
    return ChatModel(
        tenant_id=_TENANT,
        name=f"{name} of mine",
        kind=ModelKind.EMBEDDING,
        model_name=name,
        profile={} if dimensions is None else {"dimensions": dimensions},
        learned_profile={} if learned is None else {"dimensions": learned},
        created_by=new_id(),
    )


@pytest.mark.parametrize(
    ("name", "base", "owner"),
    [
        ("bge-m3", "bge-m3", ""),
        ("bge-m3:latest", "bge-m3", ""),
        ("BAAI/bge-M3", "bge-m3", "baai"),
        ("Pro/BAAI/bge-m3", "bge-m3", "baai"),
        ("qwen3-embedding:0.6b", "qwen3-embedding:0.6b", ""),
    ],
)
def test_providers_differ_in_owner_and_tag(name: str, base: str, owner: str) -> None:
    assert (base_name(name), owner_name(name)) == (base, owner)


def test_a_name_with_and_without_its_owner_is_the_same_model() -> None:
    rows = [model("bge-m3"), model("BAAI/bge-m3"), model("Pro/BAAI/bge-m3")]
    assert common_space(rows) == VectorSpace("bge-m3", 8)


@pytest.mark.parametrize(
    "rows",
    [
        [model("bge-m3"), model("bge-large")],
        [model("bge-m3"), model("bge-m3", 4)],
        [model("bge-m3"), model("bge-m3", None, learned=4)],
        [model("one/tuned"), model("two/tuned")],
        [model("tuned"), model("one/tuned"), model("two/tuned")],
        [model("qwen3-embedding:0.6b"), model("qwen3-embedding:8b")],
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(rows: list[ChatModel]) -> None:
    with pytest.raises(RouteModelsDifferError, match="Leave one out") as failure:
        common_space(rows)
    assert failure.value.path == ("groups",)


def test_what_people_entered_is_the_length_of_vectors_before_what_a_check_found() -> None:
    assert dimensions_of(model("m", 4, learned=8)) == 4
    assert dimensions_of(model("m", None, learned=8)) == 8
    assert dimensions_of(model("m", None)) is None


def test_an_unknown_length_is_refused_with_what_to_do() -> None:
    with pytest.raises(DimensionsUnknownError, match="checkModel"):
        common_space([model("m"), model("m", None)])


def test_a_route_keeps_its_model_and_length() -> None:
    space = VectorSpace("m", 8)
    assert check_space([model("owner/m")], space) == space
    for other in (model("n"), model("m", 4)):
        with pytest.raises(RouteModelsDifferError, match="another route"):
            check_space([other], space)
