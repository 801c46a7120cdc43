"""A tiny domain with every kind of field, to test the machinery of the API without services."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, many, one
from nexent_gql.api.schema.errors import Error, ForbiddenError, NotFoundError, ValidationError, common
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.api.schema.permissions import Public, SignedIn, role_at_least
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, node_id, page_request
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.kernel.errors import ConflictError, DomainError, InvalidInputError
from nexent_gql.kernel.errors import NotFoundError as MissingError
from nexent_gql.kernel.page import Cursor, Page, PageRequest, page_of
from nexent_gql.kernel.principal import Role

BATCHES: list[list[UUID]] = []
COUNTS: list[int] = []
CANCELLED: list[str] = []


def forget() -> None:
    """Forget what earlier tests did."""
    for counter in (BATCHES, COUNTS, CANCELLED):
        counter.clear()


@dataclass(frozen=True)
class Row:
    id: UUID
    at: datetime
    name: str


ROWS = [Row(UUID(int=n), datetime(2026, 1, 1, 0, 0, n, tzinfo=UTC), f"toy {n}") for n in range(1, 31)]


class BusyError(ConflictError):
    """The toy is in use."""

    code = "CONFLICT"


class BrokenToyError(InvalidInputError):
    """Nobody mapped this one: its family's member stands for it."""


@strawberry.type(description="A toy.")
class Toy(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Its name.")

    @strawberry.field(description="Toys beside it.")
    async def neighbours(self, info: Info) -> list["Toy"]:
        return list(await info.context.loaders[neighbours_of].load(self.id))

    @strawberry.field(description="All toys, again.")
    def toys(self, first: First = None) -> Connection["Toy"]:
        return toy_page(page_request(first, None, None, None))

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(id=row.id, name=row.name)


@one
async def toy_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Toy]:
    assert context.actor
    BATCHES.append(list(ids))
    await asyncio.sleep(0)
    return {row.id: Toy.of(row) for row in ROWS if row.id in ids}


@many
async def neighbours_of(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Toy]]:
    assert context.loaders
    BATCHES.append(list(ids))
    await asyncio.sleep(0)
    return {id: [Toy.of(row) for row in ROWS if abs(row.id.int - id.int) == 1] for id in ids if id.int < 30}


async def count_toys() -> int:
    COUNTS.append(len(ROWS))
    return len(ROWS)


def toy_page(request: PageRequest) -> Connection[Toy]:
    """Cut a page as a repository would."""
    rows = [r for r in ROWS if request.after is None or r.id > request.after.id]
    rows = [r for r in rows if request.before is None or r.id < request.before.id]
    if request.backward:
        rows.reverse()
    page: Page[Row] = page_of(rows[: request.size + 1], request, lambda row: Cursor(at=row.at, id=row.id))
    return connection(page, Toy.of, count=count_toys)


@strawberry.type(description="The toy is in use.")
class ToyBusyError(Error):
    holder: str = strawberry.field(description="Who has it.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), holder=str(error.details["holder"]))


@strawberry.input(description="What to break.")
class BreakToyInput:
    id: strawberry.ID = strawberry.field(description="The toy.")
    how: str = strawberry.field(description="busy, forbidden, missing, rule, conflict, bug, or slow.")


@strawberry.type(description="It is broken.")
class BreakToyPayload:
    toy: Toy = strawberry.field(description="The toy.")


BreakToyResult = Annotated[
    BreakToyPayload | ToyBusyError | ForbiddenError | NotFoundError | ValidationError,
    strawberry.union("BreakToyResult", description="What became of it."),
]


def fail(how: str) -> None:
    match how:
        case "busy":
            raise BusyError("Ada plays with it.", holder="Ada")
        case "missing":
            raise MissingError("There is no such toy.")
        case "rule":
            raise BrokenToyError("It is broken already.", path=("id",), times=3)
        case "conflict":
            raise ConflictError("Not now.", since="today")
        case "bug":
            raise RuntimeError("postgres://ada:secret@db/toys went away")
        case _:
            return


@strawberry.input(one_of=True, description="Which toy.")
class ToyChoice:
    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="By its id.")
    name: strawberry.Maybe[str] = strawberry.field(description="By its name.")


@strawberry.type
class ToyQueries:
    @strawberry.field(description="Says what was chosen.", permission_classes=[Public])
    def choose(self, by: ToyChoice) -> str:
        return f"name {by.name.value}" if by.name else f"id {by.id.value if by.id else None}"

    @strawberry.field(description="Toys, oldest first.", permission_classes=[SignedIn])
    async def toys(
        self, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Toy]:
        return toy_page(page_request(first, after, last, before))

    @strawberry.field(description="Says hello.", permission_classes=[Public])
    def hello(self, name: str = "you") -> str:
        return f"Hello {name}"

    @strawberry.field(description="Fails.", permission_classes=[Public])
    def broken(self, how: str) -> str | None:
        fail(how)
        return None

    @strawberry.field(description="Sleeps.", permission_classes=[Public])
    async def sleep(self, seconds: float) -> bool:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            CANCELLED.append("sleep")
            raise
        return True

    @strawberry.field(description="For administrators.", permission_classes=[role_at_least(Role.ADMIN)])
    def secret(self) -> str:
        return "42"

    @strawberry.field(description="The time of a moment.", permission_classes=[Public])
    def moment(self, at: datetime) -> datetime:
        return at


@strawberry.type
class ToyMutations:
    @strawberry.mutation(description="Break a toy.", permission_classes=[role_at_least(Role.DEVELOPER)])
    async def break_toy(self, input: BreakToyInput) -> BreakToyResult:
        key = node_id(input.id, "Toy", "id")
        fail(input.how)
        return BreakToyPayload(toy=Toy(id=key, name=input.how))

    @strawberry.mutation(description="Read files.", permission_classes=[Public])
    async def read_files(self, files: list[UploadedFile], label: str = "") -> list[str]:
        contents = [await file.read("files", max_bytes=2_000_000) for file in files]
        return [f"{label}{file.name} {len(content)}" for file, content in zip(files, contents, strict=True)]

    @strawberry.mutation(description="Nap.", permission_classes=[Public])
    async def nap(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        CANCELLED.append("napped")
        return True


@strawberry.interface(description="Something that happened.")
class ToyEvent:
    cursor: str = strawberry.field(description="Where it stands.")


@strawberry.type(description="A tick.")
class Tick(ToyEvent):
    n: int = strawberry.field(description="Counts from 1.")


@strawberry.type
class ToySubscriptions:
    @strawberry.subscription(description="Counts.", permission_classes=[SignedIn])
    async def ticks(self, upto: int, every_s: float = 0.0, fail_at: int = 0) -> AsyncGenerator[ToyEvent]:
        try:
            for n in range(1, upto + 1):
                await asyncio.sleep(every_s)
                if n == fail_at:
                    fail("bug")
                yield Tick(cursor=str(n), n=n)
        finally:
            CANCELLED.append("ticks")

    @strawberry.subscription(description="A toy, again and again.", permission_classes=[SignedIn])
    async def toy_changes(self, id: strawberry.ID, times: int) -> AsyncGenerator[Toy]:
        key = node_id(id, "Toy", "id")
        for n in range(times):
            yield Toy(id=key, name=f"change {n}")


MODULE = SchemaModule(
    queries=(ToyQueries,),
    mutations=(ToyMutations,),
    subscriptions=(ToySubscriptions,),
    types=(Tick,),
    nodes={Toy: toy_by_id},
    errors={BusyError: ToyBusyError},
)
