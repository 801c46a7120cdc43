"""Tools of several providers under unique names, and how a run stores them."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.errors import ToolsUnavailableError
from nexent_gql.kernel.json import dumps, loads_object
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.tools import OfferedTool, Tool, ToolAnnotations, ToolDefinition
from nexent_gql.toolkit import StaticTools
from tests.support.toolbox import NamedTool, call_context, tool_service

ACTOR = Principal(tenant_id=uuid4(), user_id=uuid4(), role=Role.DEVELOPER)


class Source(StaticTools):
    """A provider of tools with these names, which counts how often it is asked."""

    def __init__(self, name: str, *names: str) -> None:
        super().__init__(name, [NamedTool(each) for each in names])
        self.agent_ids: list[UUID | None] = []

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        self.agent_ids.append(agent_id)
        return await super().tools(actor, agent_id)


async def test_a_name_that_is_taken_gets_its_providers_name() -> None:
    tools = await ToolCatalog([NamedTool("wait")], [Source("a", "wait", "b"), Source("c", "b")]).find_all(ACTOR)
    assert [(tool.name, tool.provider, tool.definition.name) for tool in tools.values()] == [
        ("wait", "builtin", "wait"),
        ("a_wait", "a", "wait"),
        ("b", "a", "b"),
        ("c_b", "c", "b"),
    ]


async def test_a_call_reaches_the_provider_that_the_tool_was_from() -> None:
    first, second = Source("a", "b"), Source("c", "b")
    tools = ToolCatalog([], [first, second])
    offered = (await tools.find_all(ACTOR))["c_b"]
    assert await tools.bind(offered, call_context()) is second.by_name["b"]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ToolCatalog([NamedTool("a"), NamedTool("a")]), "two tools of builtin"),
        (lambda: ToolCatalog([], [Source("a"), Source("a")]), "two providers"),
        (lambda: ToolCatalog([], [Source("builtin")]), "two providers"),
    ],
)
def test_an_installation_that_contradicts_itself_does_not_start(build: object, words: str) -> None:
    assert callable(build)
    with pytest.raises(ValueError, match=words):
        build()


class Odd(NamedTool):
    """A tool whose texts come from anywhere."""

    def __init__(
        self, name: str, description: str = "", schema: dict[str, object] | None = None, timeout_s: float = 1
    ) -> None:
        super().__init__(name)
        parameters = loads_object(dumps(schema or {"type": "object"}))
        self.definition = ToolDefinition(name, description, parameters, timeout_s=timeout_s)


@pytest.mark.parametrize(
    "tool",
    [
        Odd(""),
        Odd("with blank"),
        Odd("x" * 65),
        Odd("名"),
        Odd("line\n"),
        Odd("final_answer"),
        Odd("python"),
        Odd("long", description="x" * 10_001),
        Odd("text", schema={"type": "string"}),
        Odd("large", schema={"type": "object", "title": "x" * 32_768}),
        Odd("slow", timeout_s=3_601),
        Odd("never", timeout_s=float("nan")),
    ],
)
async def test_what_breaks_a_limit_is_left_out(tool: NamedTool) -> None:
    provider = StaticTools("a", [NamedTool("before"), tool, NamedTool("behind")])
    assert list(await ToolCatalog([], [provider]).find_all(ACTOR)) == ["before", "behind"]


async def test_providers_are_asked_once_for_many_names_and_never_for_built_in_ones() -> None:
    source = Source("a", *map(str, "bcd"))
    service = tool_service(source)
    assert [*(await service.get_by_name(ACTOR, ["b", "x", "d"]))] == ["b", "d"]
    assert source.agent_ids == [None]
    agent_id = uuid4()
    assert [tool.name for tool in await service.offer(ACTOR, agent_id, ["d", "x", "b"])] == ["d", "b"]
    assert source.agent_ids == [None, agent_id]


class Silent(StaticTools):
    """A provider that does not answer."""

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        del actor, agent_id
        await asyncio.sleep(60)
        return ()


async def test_a_provider_that_does_not_answer_is_named() -> None:
    tools = ToolCatalog([NamedTool("wait")], [Silent("far away", [])], provider_timeout_s=0.05)
    with pytest.raises(ToolsUnavailableError) as error:
        await tools.find_all(ACTOR)
    assert (error.value.details, error.value.retryable) == ({"provider": "far away"}, True)


def test_what_a_run_stores_is_what_it_reads() -> None:
    definition = ToolDefinition(
        "search",
        "Finds.",
        {"type": "object", "properties": {"q": {"type": "string"}}},
        annotations=ToolAnnotations(is_read_only=True, is_destructive=True, needs_approval=True),
        timeout_s=2.5,
        version="7",
        binding={"server": "s"},
    )
    offered = OfferedTool("a_search", "a", definition)
    assert OfferedTool.from_json(loads_object(dumps(offered.to_json()))) == offered
    newer = loads_object(dumps(offered.to_json() | {"later": 1}))
    assert OfferedTool.from_json(newer) == offered
    assert OfferedTool.from_json({"name": "a", "provider": "p"}).definition.timeout_s == 30
