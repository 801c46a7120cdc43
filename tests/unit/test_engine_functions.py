"""Tools as Python functions."""

import pytest

from nexent_gql.adapters.engine_smolagents.functions import WrongArgumentsError, functions_of
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.tools import OfferedTool, ToolDefinition


def offered(name: str, description: str, parameters: JsonObject) -> OfferedTool:
    return OfferedTool(name, "tests", ToolDefinition(name, description, parameters))


SEARCH = offered(
    "search",
    'Find """things""".',
    {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "default": 5, "description": "How many."},
            "query": {"type": "string", "description": "What for."},
            "exact": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        },
        "required": ["query"],
    },
)


def test_declares_a_tool_as_a_function() -> None:
    (search,) = functions_of([SEARCH]).values()
    assert search.declaration() == (
        "def search(query: str, limit: int = 5, exact: object = None) -> str:\n"
        "    \"\"\"Find '''things'''.\n"
        "    query: What for.\n"
        '    limit: How many."""'
    )


@pytest.mark.parametrize(
    ("positional", "named", "arguments"),
    [
        (["a"], {}, {"query": "a"}),
        (["a", 2], {}, {"query": "a", "limit": 2}),
        ([], {"query": "a", "exact": True}, {"query": "a", "exact": True}),
        (["a"], {"unknown": 1}, {"query": "a", "unknown": 1}),
        ([], {}, {}),
    ],
)
def test_binds_arguments_in_the_order_of_the_declaration(
    positional: list[Json], named: JsonObject, arguments: JsonObject
) -> None:
    assert functions_of([SEARCH])["search"].bind(positional, named) == arguments


@pytest.mark.parametrize(
    ("positional", "named", "words"),
    [(["a", 1, True, 4], {}, "takes 3 arguments, and 4 were given"), (["a"], {"query": "b"}, "two values for query")],
)
def test_refuses_what_does_not_fit(positional: list[Json], named: JsonObject, words: str) -> None:
    with pytest.raises(WrongArgumentsError, match=words):
        functions_of([SEARCH])["search"].bind(positional, named)


def test_gives_every_tool_a_name_of_its_own() -> None:
    names = ["a-b", "a.b", "a_b", "1st", "class", "ok"]
    functions = functions_of([offered(name, "", {"type": "object"}) for name in names])
    assert list(functions) == ["a_b", "a_b_", "a_b__", "_1st", "_class", "ok"]
    assert [function.spec.name for function in functions.values()] == names
    assert functions["ok"].declaration() == 'def ok() -> str:\n    """"""'
