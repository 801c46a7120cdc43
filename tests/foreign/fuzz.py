"""Hooks of schemathesis: who asks, and which servers may be called; `SCHEMATHESIS_HOOKS` names this module."""

import os
from collections.abc import Callable
from typing import Protocol, cast

import graphql
import schemathesis
from hypothesis import strategies as st

NOBODY_LISTENS = "http://127.0.0.1:1024/v1"


class _Operation(Protocol):
    label: str


class _Case(Protocol):
    operation: _Operation


class _Request(Protocol):
    headers: dict[str, str]


class _Schemathesis(Protocol):
    """What is used of the package, with types."""

    def hook(self, function: Callable[..., object]) -> object: ...


class _Scalars(Protocol):
    def scalar(self, name: str, strategy: st.SearchStrategy[graphql.ValueNode]) -> None: ...


register = cast("_Schemathesis", schemathesis).hook
cast("_Scalars", schemathesis.graphql).scalar("Upload", st.text().map(lambda text: graphql.StringValueNode(value=text)))


@register
def before_call(context: object, case: _Case, kwargs: dict[str, object]) -> None:
    """Let one user sign out, and another one do all the rest."""
    del context
    if case.operation.label == "Mutation.signOut":
        kwargs["auth"] = _as_the_leaver


def _as_the_leaver(request: _Request) -> _Request:
    request.headers["Authorization"] = f"Bearer {os.environ['FUZZ_LEAVER_TOKEN']}"
    return request


@register
def map_body(context: object, body: graphql.DocumentNode) -> graphql.DocumentNode:
    """Let providers that are left to the default be on this machine."""
    del context
    return graphql.visit(body, _ProvidersOnThisMachine())


class _ProvidersOnThisMachine(graphql.Visitor):
    """Names an address wherever the settings of a model have none."""

    def leave_object_value(self, node: graphql.ObjectValueNode, *_: object) -> graphql.ObjectValueNode | None:
        """Set `baseUrl`."""
        fields = [field for field in node.fields if not _is_default(field)]
        names = {field.name.value for field in node.fields}
        if not names & {"dialect", "baseUrl"} or any(field.name.value == "baseUrl" for field in fields):
            return None
        address = graphql.ObjectFieldNode(
            name=graphql.NameNode(value="baseUrl"), value=graphql.StringValueNode(value=NOBODY_LISTENS)
        )
        return graphql.ObjectValueNode(fields=(*fields, address))


def _is_default(field: graphql.ObjectFieldNode) -> bool:
    return field.name.value == "baseUrl" and isinstance(field.value, graphql.NullValueNode)
