"""The catalogue of codes, errors as union members, and what the outside sees of errors."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from graphql import GraphQLError
from strawberry.exceptions import StrawberryInputCoercionError

import nexent_gql
from nexent_gql.api.pipeline.masking import internal, publish
from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode, error_code
from nexent_gql.api.schema.errors import FAMILIES, ConflictError, Error, ValidationError, error_members
from nexent_gql.api.schema.errors_page import errors_page
from nexent_gql.api.settings import ApiLimits
from nexent_gql.api.transport.answers import status_of
from nexent_gql.kernel import errors as kernel

ROOT = Path(__file__).parents[2]
LIMITS = ApiLimits()


class UnlistedError(kernel.ConflictError):
    """Lives where the catalogue does not look."""

    code = "UNLISTED"


def error_classes(root: type[kernel.DomainError]) -> Iterator[type[kernel.DomainError]]:
    for child in root.__subclasses__():
        yield child
        yield from error_classes(child)


def presented(error: GraphQLError) -> dict[str, object]:
    publish([error], LIMITS)
    return {"message": error.message, **(error.extensions or {})}


def test_the_catalogue_has_the_code_of_every_error_class_there_is() -> None:
    for module in pkgutil.walk_packages(nexent_gql.__path__, "nexent_gql."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    ours = [cls for cls in error_classes(kernel.DomainError) if cls.__module__.startswith("nexent_gql.")]
    assert sorted({cls.code for cls in ours} - CATALOGUE.keys()) == []
    assert [code.name for code in ErrorCode] == sorted(CATALOGUE)
    assert all(entry.meaning for entry in CATALOGUE.values())


def test_the_page_of_errors_is_current() -> None:
    assert (ROOT / "docs" / "errors.md").read_text() == errors_page()


def test_an_unlisted_code_shows_as_its_nearest_ancestors() -> None:
    assert error_code(UnlistedError("x")) is ErrorCode("CONFLICT")


@pytest.mark.parametrize(
    ("code", "status"),
    [("AGENT_CHANGED", 409), ("INVALID_CURSOR", 400), ("DATABASE_UNAVAILABLE", 503), ("unheard of", 400)],
)
def test_statuses_come_from_the_family(code: str, status: int) -> None:
    assert status_of(code) == status


def test_the_most_derived_error_is_mapped_first() -> None:
    members = error_members([{UnlistedError: ConflictError}])
    order = [member.exception_type for member in members]
    assert order.index(UnlistedError) < order.index(kernel.ConflictError)
    assert {member.exception_type for member in members} == {UnlistedError, *FAMILIES}


def test_every_family_has_a_member() -> None:
    families = {cls for cls in kernel.DomainError.__subclasses__() if cls.__module__ == kernel.__name__}
    assert set(FAMILIES) == families
    assert all(issubclass(member, Error) for member in FAMILIES.values())


def test_validation_errors_name_the_field() -> None:
    error = kernel.InvalidInputError("Too long.", path=("input", "name"), limit=80)
    member = ValidationError.of(error)
    assert (member.message, member.code.name, member.path) == ("Too long.", "BAD_USER_INPUT", ["input", "name"])


def test_a_domain_error_keeps_its_facts() -> None:
    error = kernel.InvalidInputError("Too long.", path=("input", "name"), limit=80)
    assert presented(GraphQLError("x", original_error=error)) == {
        "message": "Too long.",
        "code": "BAD_USER_INPUT",
        "path": ["input", "name"],
        "details": {"limit": 80},
    }
    down = presented(GraphQLError("x", original_error=kernel.UnavailableError("Later.")))
    assert down == {"message": "Later.", "code": "UNAVAILABLE", "retryable": True}


@pytest.mark.parametrize(
    "error",
    [
        GraphQLError("secret", original_error=RuntimeError("secret")),
        GraphQLError("secret", path=["a"]),
        GraphQLError("secret", original_error=GraphQLError("secret", original_error=KeyError("secret"))),
        GraphQLError("secret", original_error=TimeoutError("secret"), path=["a", 0]),
    ],
    ids=repr,
)
def test_bugs_are_masked(error: GraphQLError) -> None:
    presented_error = presented(error)
    assert presented_error["code"] == "INTERNAL_SERVER_ERROR"
    assert len(str(presented_error["errorId"])) == 32
    assert "secret" not in str(error.formatted)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GraphQLError("Variable '$x' has invalid value: 7."), "Variable '$x' has invalid value: 7."),
        (GraphQLError("Argument 'n' has invalid value: null.", path=["f"]), "Argument 'n' has invalid value: null."),
        (GraphQLError("No. Did you mean 'SECRET'?"), "No."),
        (StrawberryInputCoercionError("Not a date."), "Not a date."),
        (GraphQLError("x" * 1_000), "x" * 299 + "…"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_input_is_told_without_suggestions_and_cut(error: GraphQLError, message: str) -> None:
    assert presented(error) == {"message": message, "code": "BAD_USER_INPUT"}


def test_presenting_twice_changes_nothing_and_ten_errors_are_enough() -> None:
    errors = [GraphQLError("x", original_error=RuntimeError("y")) for _ in range(50)]
    publish(errors, LIMITS)
    first = [error.formatted for error in errors]
    publish(errors, LIMITS)
    assert [error.formatted for error in errors] == first
    assert len(errors) == 10


def test_a_bug_outside_of_graphql_is_masked_alike() -> None:
    masked = internal(RuntimeError("secret"))
    assert (masked.extensions or {})["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in str(masked.formatted)
