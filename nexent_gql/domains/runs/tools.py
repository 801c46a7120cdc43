"""The tool `read_file`, which reads the documents that are attached to a conversation."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from pydantic import Field

from nexent_gql.db.session import Database
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.files.texts import FileTextService
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.content import FilePart
from nexent_gql.ports.engine import AgentKind, RunSpec
from nexent_gql.ports.tools import OfferedTool, Tool, ToolCallContext, ToolDefinition
from nexent_gql.toolkit import READ_ONLY, Arguments, ToolFailure, TypedTool, UnlistedTools

PROVIDER = "conversation"
READ_FILE = "read_file"
MAX_READ_CHARS = 20_000
_PAGES = re.compile(r"(\d{1,6})(?:\s*-\s*(\d{1,6}))?")
_DESCRIPTION = (
    "Reads a file that the user attached to this conversation. Returns at most "
    f"{MAX_READ_CHARS:,} characters; the first line has the position to continue at."
)


class ReadFileArguments(Arguments):
    """Arguments of `read_file`."""

    file: str = Field(description="Name of the file, or its number.")
    pages: str | None = Field(
        default=None, description='Pages, slides or sheets by number, such as "3" or "3-5". Without it, from `start`.'
    )
    start: int = Field(default=0, ge=0, description="Characters to skip from the beginning of the file or `pages`.")


@dataclass(frozen=True, slots=True)
class _Unit:
    kind: str
    number: int
    start: int
    end: int


class ConversationTools(UnlistedTools):
    """Implements `ToolProvider`. Runs have the tool when documents are attached to their conversation."""

    name = PROVIDER

    def __init__(self, db: Database, texts: FileTextService) -> None:
        self._db = db
        self._texts = texts

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        del context
        return _read_file_tool(self._read) if definition.name == READ_FILE else None

    async def _read(self, arguments: ReadFileArguments, context: ToolCallContext) -> str:
        actor = Principal(tenant_id=context.tenant_id, user_id=context.user_id, role=Role.MEMBER)
        files = await self._files(context)
        part = _choose(files, arguments.file)
        info = (await self._texts.infos(actor, [part.file_id])).get(part.file_id)
        if info is None:
            raise ToolFailure(f"The text of {part.name} is not available now.")
        if info.code is not None:
            raise ToolFailure(f"{part.name} has no text: {info.message}")
        start, end, where = 0, info.char_count, part.name
        if arguments.pages is not None:
            units = _units(await self._texts.structure(actor, part.file_id))
            start, end = _range(units, arguments.pages, part.name)
            where = f"{part.name}, {units[0].kind.lower()} {arguments.pages}"
        first = min(start + arguments.start, end)
        last = min(first + MAX_READ_CHARS, end)
        text = await self._texts.part(actor, part.file_id, first, last)
        if text is None:
            raise ToolFailure(f"{part.name} was deleted.")
        rest = "" if last == end else f" There is more: go on with start={last - start}."
        return f"({where}: characters {first - start:,} to {last - start:,} of {end - start:,}.{rest})\n{text}"

    async def _files(self, context: ToolCallContext) -> list[FilePart]:
        """Return the documents of the run's conversation, in the order in which they were attached."""
        async with self._db.read(context.tenant_id) as session:
            run = await RunRepository(session, context.tenant_id, context.user_id).get(context.run_id)
            if run is None:
                return []
            writer = ConversationWriter(session, context.tenant_id, context.user_id)
            messages = await writer.history(run.question_id)
        parts = (part for message in messages for part in message.content if isinstance(part, FilePart))
        return list({part.file_id: part for part in parts}.values())


def with_read_file(spec: RunSpec) -> RunSpec:
    """Offer `read_file` to a run, unless its model may not be able to call tools."""
    can_call = spec.tools or spec.kind is AgentKind.CODE or spec.route.profile.has_tools
    if not can_call or spec.route.profile.has_tools is False:
        return spec
    names = {tool.name for tool in spec.tools}
    name = READ_FILE if READ_FILE not in names else f"{PROVIDER}_{READ_FILE}"
    if name in names:
        return spec
    return replace(spec, tools=(*spec.tools, OfferedTool(name, PROVIDER, _DEFINITION)))


async def _unbound(_arguments: ReadFileArguments, _context: ToolCallContext) -> str:
    raise ToolFailure("The tool belongs to no conversation.")


def _read_file_tool(
    run: Callable[[ReadFileArguments, ToolCallContext], Awaitable[str]],
) -> TypedTool[ReadFileArguments]:
    return TypedTool(READ_FILE, _DESCRIPTION, ReadFileArguments, run, annotations=READ_ONLY)


def _choose(files: Sequence[FilePart], name: str) -> FilePart:
    matches = [part for part in files if part.name.casefold() == name.strip().casefold()]
    if not matches and name.strip().isdecimal() and 1 <= int(name) <= len(files):
        matches = [files[int(name) - 1]]
    if matches:
        return matches[-1]
    names = ", ".join(f"{number}: {part.name}" for number, part in enumerate(files, 1)) or "none"
    raise ToolFailure(f"No such file is attached; there are: {names}.")


def _units(structure: JsonObject) -> list[_Unit]:
    """Return the pages, slides or sheets of a text; those inside attachments are read by `start`."""
    units = [
        _Unit(str(unit["kind"]), cast("int", unit["number"]), cast("int", unit["start"]), cast("int", unit["end"]))
        for unit in cast("list[JsonObject]", structure.get("units") or [])
    ]
    return [unit for unit in units if unit.kind != "ATTACHMENT"]


def _range(units: Sequence[_Unit], pages: str, name: str) -> tuple[int, int]:
    if not units:
        raise ToolFailure(f"{name} has no pages; leave `pages` out.")
    match = _PAGES.fullmatch(pages.strip())
    if match is None:
        raise ToolFailure('Give `pages` as "3" or "3-5".')
    first, last = int(match[1]), int(match[2] or match[1])
    selection = [unit for unit in units if first <= unit.number <= last]
    if not selection:
        numbers = f"{units[0].number} to {units[-1].number}"
        raise ToolFailure(f"{name} has no text there; {units[0].kind.lower()}s are {numbers}.")
    return min(unit.start for unit in selection), max(unit.end for unit in selection)


_DEFINITION = _read_file_tool(_unbound).definition
