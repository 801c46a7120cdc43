"""Patches of agents, and choices of tools: no database."""

from uuid import uuid4

import pytest

from nexent_gql.domains.agents.policy import AgentDraft, AgentPatch, apply_draft, merge_patch
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.tools.errors import UnknownToolError
from nexent_gql.domains.tools.service import check_choice, page_tools, tool_id
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.patch import UNSET, set_or
from nexent_gql.ports.engine import AgentKind
from tests.support.toolbox import BuiltinTools

MODEL = uuid4()


def agent() -> Agent:
    return Agent(
        tenant_id=uuid4(),
        created_by=uuid4(),
        name="Helper",
        description="Good",
        instructions="Be brief.",
        model_id=MODEL,
        kind=AgentKind.CODE,
        max_steps=3,
        tool_names=["wait"],
    )


def test_an_empty_patch_changes_nothing() -> None:
    assert merge_patch(agent(), AgentPatch()) == AgentDraft(
        name="Helper",
        description="Good",
        instructions="Be brief.",
        model_id=MODEL,
        kind=AgentKind.CODE,
        max_steps=3,
        tool_names=("wait",),
    )


def test_none_clears_or_brings_the_default_back() -> None:
    patch = AgentPatch(description=None, instructions=None, model_id=None, max_steps=None, tool_names=None)
    assert merge_patch(agent(), patch) == AgentDraft(name="Helper", kind=AgentKind.CODE)


def test_either_keeps_none_and_falsy_values() -> None:
    assert set_or(UNSET, 3) == 3
    assert set_or(0, 3) == 0
    assert set_or(None, 3) is None


def test_a_refused_draft_writes_no_tools() -> None:
    row = agent()
    with pytest.raises(UnknownToolError) as refusal:
        apply_draft(row, AgentDraft(name="Helper", tool_names=("wait", "fly")), {"wait"})
    assert refusal.value.path == ("toolNames", "1")
    assert row.tool_names == ["wait"]


def test_a_tool_that_the_agent_has_may_be_gone() -> None:
    row = agent()
    apply_draft(row, merge_patch(row, AgentPatch(name="Renamed")), ())
    assert (row.name, row.tool_names) == ("Renamed", ["wait"])


def test_a_choice_has_each_tool_once_and_not_too_many() -> None:
    assert check_choice(["c", "a"], {"a", "b", "c"}, "toolNames") == ["c", "a"]
    with pytest.raises(InvalidInputError) as refusal:
        check_choice(["a", "a"], {"a"}, "toolNames")
    assert refusal.value.path == ("toolNames", "1")
    with pytest.raises(InvalidInputError, match="at most 50"):
        check_choice([str(number) for number in range(51)], {str(number) for number in range(51)}, "toolNames")


def test_ids_of_tools_are_the_same_everywhere() -> None:
    assert str(tool_id("calculator")) == "d1d67e8e-0da6-5e9d-a018-fb886a9764c8"
    page = page_tools(BuiltinTools().offered, PageRequest(size=1))
    assert [tool.name for tool in page.rows] == ["current_time"]
    assert (page.has_next, page.has_previous) == (True, False)
