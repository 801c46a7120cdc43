"""A query completed by plans gives byte for byte what graphql-core gives, also where fields fail."""

import asyncio
import gc
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from typing import Annotated, cast

import pytest
import strawberry
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strawberry import relay
from structlog.testing import capture_logs

from nexent_gql.api.context import Context, Info, many, one
from nexent_gql.api.encoding import encode
from nexent_gql.api.related import related
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.api.schema.permissions import Public, SignedIn
from nexent_gql.api.schema.relay import Connection, Edge, connection
from nexent_gql.api.selections.core import build_execution
from nexent_gql.api.selections.query import Plans, QueryExecutor
from nexent_gql.api.settings import ApiLimits
from nexent_gql.api.transport.answers import members
from nexent_gql.kernel.errors import NotFoundError, UnavailableError
from nexent_gql.kernel.page import Page
from nexent_gql.services import Services
from tests.support.compiled import compiled_of
from tests.support.direct_graphql import run_query
from tests.support.generated_documents import composite, selections

NO_SERVICES = cast("Services", None)
CALLS: list[int] = []
BATCHES: list[list[int]] = []
COUNTS: list[int] = []
PLANTED: list[int] = []
BUGS: list[Exception] = []


@strawberry.type(description="A leaf of the tree.")
class Leaf:
    key: strawberry.Private[int]
    text: str = strawberry.field(description="What it says.")


@one
async def branch_by_key(context: Context, keys: Sequence[int]) -> Mapping[int, "Branch"]:  # noqa: ARG001 - no service needed
    BATCHES.append(list(keys))
    return {key: branch(key) for key in keys if key}


@strawberry.type(description="A branch.")
class Branch:
    key: strawberry.Private[int]
    name: str = strawberry.field(description="Its name; broken ones have none.")
    size: int | None = strawberry.field(description="Its size; broken ones do not fit.")

    twin: "Branch | None" = related(branch_by_key, "key", description="One like it; the first has none.")

    @strawberry.field(description="Where it grows.")
    async def parent(self, info: Info) -> "Branch | None":
        return await info.context.loaders[branch_by_key].load(self.key // 2)

    @strawberry.field(description="What grows on it.")
    async def branches(self, info: Info) -> list["Branch"]:
        return list(await info.context.loaders[branches_of].load(self.key))

    @strawberry.field(description="A leaf, or a branch.")
    async def thing(self, info: Info) -> Annotated["Leaf | Branch", strawberry.union("Thing")] | None:
        return Leaf(key=1, text="leaf") if self.key % 2 else await info.context.loaders[branch_by_key].load(self.key)

    @strawberry.field(description="Fails on every fifth.")
    async def weak(self) -> str | None:
        await asyncio.sleep(0)
        CALLS.append(self.key)
        return fragile(self.key)

    @strawberry.field(description="Fails once for each bug.")
    async def flaky(self) -> str:
        if BUGS:
            raise BUGS.pop()
        return "well"

    @strawberry.field(description="Fails on every fifth, and takes its branch with it.")
    def brittle(self) -> str:
        return fragile(self.key)

    @strawberry.field(description="For those who are signed in.", permission_classes=[SignedIn])
    def hidden(self) -> str | None:
        return "hidden"

    @strawberry.field(description="Its key, times something.")
    def times(self, factor: int = 2) -> int:
        return self.key * factor


def fragile(key: int) -> str:
    if key and key % 5 == 0:
        raise NotFoundError(f"Number {key} broke.")
    return f"whole {key}"


def branch(key: int) -> Branch:
    """Every seventh lacks its name, every eleventh is too large."""
    return Branch(
        key=key,
        name=cast("str", None if key and key % 7 == 0 else f"b{key}"),
        size=2**33 if key and key % 11 == 0 else key,
    )


@many
async def branches_of(context: Context, keys: Sequence[int]) -> Mapping[int, Sequence[Branch]]:  # noqa: ARG001 - as above
    BATCHES.append(list(keys))
    return {key: [branch(key * 2), branch(key * 2 + 1)] for key in keys if key < 30}


@one
async def twig_by_key(context: Context, keys: Sequence[int]) -> Mapping[int, Branch]:  # noqa: ARG001 - as above
    BATCHES.append(list(keys))
    raise UnavailableError("Twigs are out of reach.")


@strawberry.type(description="What can't be loaded.")
class Thicket(relay.Node):
    id: relay.NodeID[int]
    twig: Branch | None = related(twig_by_key, "id", description="Never there.")

    @strawberry.field(description="Never there either.")
    async def other_twig(self, info: Info) -> Branch | None:
        return await info.context.loaders[twig_by_key].load(self.id + 1)


@strawberry.type(description="A root.")
class Trunk(relay.Node):
    id: relay.NodeID[int]
    first: Branch = strawberry.field(description="Its first branch.")


@strawberry.type
class Forest:
    @strawberry.field(description="Branches.", permission_classes=[Public])
    async def all(self, start: int, count: int = 3) -> list[Branch]:
        return [branch(key) for key in range(start, start + count)]

    @strawberry.field(description="Trunks, paged.", permission_classes=[Public])
    def trunks(self, start: int) -> Connection[Trunk]:
        async def count() -> int:
            return 3

        page = Page((start, start + 1), (), has_next=True, has_previous=False)
        page_of_trunks = connection(Page((), (), has_next=page.has_next, has_previous=False), trunk, count)
        page_of_trunks.edges = [Edge(cursor=f"c{key}", node=trunk(key)) for key in page.rows]
        return page_of_trunks

    @strawberry.field(description="Thickets, which nobody can count.", permission_classes=[Public])
    def thickets(self) -> Connection[Thicket]:
        async def count() -> int:
            COUNTS.append(1)
            raise UnavailableError("The store is out of reach.")

        page = Page((1, 2), (), has_next=False, has_previous=False)
        page_of_thickets = connection(
            Page((), (), has_next=False, has_previous=False), lambda key: Thicket(id=key), count
        )
        page_of_thickets.edges = [Edge(cursor=f"c{key}", node=Thicket(id=key)) for key in page.rows]
        return page_of_thickets


@strawberry.type
class Planting:
    @strawberry.mutation(description="Adds a branch.", permission_classes=[Public])
    async def plant(self, key: int) -> Branch:
        PLANTED.append(key)
        return branch(key)


def trunk(key: int) -> Trunk:
    return Trunk(id=key, first=branch(key))


@cache
def forest() -> ApiSchema:
    module = SchemaModule(queries=(Forest,), mutations=(Planting,), types=(Leaf, Thicket))
    return ApiSchema.of([module], ApiLimits(depth=30, aliases=50))


async def _run(document: str, *, planned: bool, variables: Mapping[str, object]) -> tuple[bytes, Plans]:
    prepared = forest().documents.prepare(document)
    assert not prepared.errors, prepared.errors
    (operation,) = prepared.operations
    execution = build_execution(forest().core, operation.document, None, variables, Context(NO_SERVICES), QueryExecutor)
    plans = operation.plans
    if not planned:
        execution = build_execution(forest().core, operation.document, None, variables, Context(NO_SERVICES))
    result = await run_query(execution, plans)
    while left := asyncio.all_tasks() - {asyncio.current_task()}:  # graphql-core lets the siblings of a lost field end
        await asyncio.gather(*left, return_exceptions=True)
    return encode(members(result)), plans


def answer(document: str, variables: Mapping[str, object], *, planned: bool) -> bytes:
    return asyncio.run(_run(document, planned=planned, variables=variables))[0]


@pytest.fixture
def collected() -> Generator[None]:
    """Collect what graphql-core dropped while the test is still about it."""
    yield
    gc.collect()


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")  # graphql-core cancels siblings
@pytest.mark.parametrize("root", ["all(start: $start)", "trunks(start: $start)"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_selection_gives_the_bytes_of_graphql_core(root: str, data: st.DataObject) -> None:
    type_ = composite(forest().core, "Branch" if root.startswith("all") else "TrunkConnection")
    inner = data.draw(selections(forest().core, type_, [], 5))
    used = "used: __typename @include(if: $yes) @skip(if: $no)"
    document = f"query ($start: Int!, $yes: Boolean = true, $no: Boolean!) {{ {root} {{ {inner} {used} }} }}"
    assume(not forest().documents.prepare(document).errors)
    values = {"start": data.draw(st.integers(0, 40)), "yes": data.draw(st.booleans()), "no": data.draw(st.booleans())}
    planned, by_core = (answer(document, values, planned=planned) for planned in (True, False))
    assert planned == by_core


def test_relations_of_a_level_load_in_one_batch() -> None:
    BATCHES.clear()
    response, plans = asyncio.run(
        _run("{ all(start: 4) { name branches { name parent { name } } } }", planned=True, variables={})
    )
    assert b"errors" not in response
    assert BATCHES == [[4, 5, 6], [4, 5, 6]]
    assert all(compiled_of(plans))


@pytest.mark.parametrize(("start", "calls"), [(1, [1, 2, 3]), (3, [3, 4, 5, 3, 4, 5])])
def test_resolvers_run_again_only_where_something_failed(start: int, calls: list[int]) -> None:
    document = f"{{ all(start: {start}) {{ weak }} }}"
    CALLS.clear()
    planned = answer(document, {}, planned=True)
    assert calls == CALLS
    assert planned == answer(document, {}, planned=False)


@pytest.mark.parametrize("start", [1, 5])
def test_a_mutation_and_what_it_returns_run_once(start: int) -> None:
    CALLS.clear()
    PLANTED.clear()
    document = f"mutation {{ plant(key: {start}) {{ weak brittle branches {{ weak }} }} }}"
    planned, plans = asyncio.run(_run(document, planned=True, variables={}))
    assert (PLANTED, compiled_of(plans)) == ([start], [])
    assert len(CALLS) == len(set(CALLS))
    assert planned == answer(document, {}, planned=False)


def test_a_bug_of_the_first_run_is_logged() -> None:
    BUGS.append(RuntimeError("a bug that does not show itself again"))
    with capture_logs() as logs:
        answered = answer("{ all(start: 1, count: 1) { flaky } }", {}, planned=True)
    assert (answered, BUGS) == (b'{"data":{"all":[{"flaky":"well"}]}}', [])
    assert [(entry["event"], str(entry["exc_info"])) for entry in logs] == [
        ("graphql.operation_repeated", "a bug that does not show itself again")
    ]


@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")  # graphql-core cancels siblings
def test_a_store_that_does_not_answer_is_asked_once() -> None:
    BATCHES.clear()
    COUNTS.clear()
    document = "{ thickets { totalCount edges { node { twig { name } otherTwig { name } } } } }"
    answered = answer(document, {}, planned=True)
    assert b"out of reach" in answered
    assert sorted(key for batch in BATCHES for key in batch) == [1, 2, 3]
    assert COUNTS == [1]


def test_permissions_and_arguments_below_the_root_are_kept() -> None:
    document = "query ($n: Int!) { all(start: 1, count: 1) { hidden times(factor: $n) } }"
    for factor in (3, 4):
        planned = answer(document, {"n": factor}, planned=True)
        assert b"UNAUTHENTICATED" in planned or b"Sign in first" in planned
        assert f'"times":{factor}'.encode() in planned
        assert planned == answer(document, {"n": factor}, planned=False)


def test_what_is_related_is_loaded_once_for_all_objects() -> None:
    BATCHES.clear()
    document = "{ all(start: 0) { twin { name parent { twin { size } } } } }"
    planned = answer(document, {}, planned=True)
    assert BATCHES == [[0, 1, 2]]
    assert planned == answer(document, {}, planned=False)


def test_a_cancelled_field_takes_no_load_from_others() -> None:
    async def load_twice() -> Branch | None:
        context = Context(NO_SERVICES)
        loader = context.loaders[branch_by_key]
        lost = asyncio.ensure_future(loader.load(3))
        waiting = asyncio.ensure_future(loader.load(3))
        await asyncio.sleep(0)
        lost.cancel()
        return await waiting

    assert asyncio.run(load_twice()) == branch(3)
