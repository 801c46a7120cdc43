"""Tool calls out of fragments whose ids and indexes cannot be trusted."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import uuid4

from nexent_gql.adapters.llm_http.json_text import JsonObjectText
from nexent_gql.kernel.json import Json, JsonObject, dumps
from nexent_gql.ports.llm import ModelProtocolError, ToolCallChunk

MAX_CALLS = 128
STANDARD_FIELDS = ("index", "id", "type", "function")


@dataclass(slots=True)
class OpenCall:
    """A call in the making: what the provider calls it, and what it is called from here on."""

    index: int
    id: str
    wire_id: str
    wire_index: int | None
    name: str = ""
    arguments: JsonObjectText = field(default_factory=JsonObjectText)
    fields: JsonObject = field(default_factory=JsonObject)


class CallAssembler:
    """Numbers the calls of one answer from 0 and gives each an id of its own.

    Seen in the wild: no index, the same index for all, no id, the same id twice, an id on every fragment, a new id on
    every fragment, arguments as an object, and a name in two pieces or twice.

    Args:
        tool_names: The tools that were offered; they distinguish a split name from a second call.
    """

    def __init__(self, tool_names: Collection[str] = ()) -> None:
        self.calls: list[OpenCall] = []
        self._tool_names = tool_names

    def fragment(self, piece: JsonObject) -> ToolCallChunk | None:
        """Read one fragment; None when it has nothing new.

        Raises:
            ModelProtocolError: Arguments came before a name, or there are too many calls.
        """
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        name, id_ = function.get("name"), piece.get("id")
        name, id_ = name if isinstance(name, str) else "", id_ if isinstance(id_, str) else ""
        index = piece.get("index")
        arguments = arguments_of(function.get("arguments"))
        call = self._call(index if isinstance(index, int) else None, id_, name, arguments)
        call.fields |= {key: value for key, value in piece.items() if key not in STANDARD_FIELDS and value is not None}
        call.arguments.add(arguments)
        is_first = not call.name
        name = "" if name == call.name and not is_first else name
        call.name += name
        if not call.name:
            if arguments:
                raise nameless()
            return None
        if is_first:
            return ToolCallChunk(call.index, call.id, name, arguments)
        return ToolCallChunk(call.index, name=name, arguments=arguments) if name or arguments else None

    def finish(self) -> list[ToolCallChunk]:
        """Give calls without arguments an empty object.

        Raises:
            ModelProtocolError: A call never got a name.
        """
        if not all(call.name for call in self.calls):
            raise nameless()
        return [ToolCallChunk(call.index, arguments="{}") for call in self.calls if call.arguments.is_empty]

    def _call(self, index: int | None, id_: str, name: str, arguments: str) -> OpenCall:
        call = self._find(index, id_)
        if call is None and self.calls and self._continues_last(index, id_, name):
            call = self.calls[-1]
            call.wire_index = index if call.wire_index is None else call.wire_index
        if call is None or self._begins_anew(call, id_, name, arguments):
            if len(self.calls) == MAX_CALLS:
                raise ModelProtocolError("The model called too many tools at once. Try again.", limit=MAX_CALLS)
            call = OpenCall(len(self.calls), self._free_id(id_), id_, index)
            self.calls.append(call)
        return call

    def _continues_last(self, index: int | None, id_: str, name: str) -> bool:
        """Tell whether a fragment that points at no call belongs to the last one."""
        last = self.calls[-1]
        if index is None:
            return not name
        return last.wire_index is None and not id_ and not last.arguments.is_whole

    def _find(self, index: int | None, id_: str) -> OpenCall | None:
        if index is not None:
            return next((call for call in reversed(self.calls) if call.wire_index == index), None)
        if id_:
            return next((call for call in reversed(self.calls) if call.wire_id == id_), None)
        return self.calls[-1] if self.calls else None

    def _free_id(self, id_: str) -> str:
        used_ids = {call.id for call in self.calls}
        return id_ if id_ and id_ not in used_ids else f"call_{uuid4().hex[:16]}"

    def _begins_anew(self, call: OpenCall, id_: str, name: str, arguments: str) -> bool:
        """Tell whether a fragment that points at `call` is in truth the first one of another call."""
        if not name or not call.name:
            return False
        if id_ not in {"", call.wire_id}:
            return not (call.name + name in self._tool_names and call.arguments.is_empty)
        if call.arguments.is_whole:
            return bool(arguments) or name in self._tool_names
        return call.arguments.is_empty and name != call.name and {call.name, name} <= {*self._tool_names}


def nameless() -> ModelProtocolError:
    """Return the error of a call that does not say whom it calls."""
    return ModelProtocolError("The model called a tool without naming it. Try again, or use another model.")


def arguments_of(value: Json) -> str:
    """Return arguments as text, also when they came as an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()
