"""Tool calls out of fragments whose ids and indexes cannot be trusted."""

from dataclasses import dataclass, field
from uuid import uuid4

from nexent_gql.kernel.json import Json, JsonObject, dumps, loads_object
from nexent_gql.ports.llm import ModelProtocolError, ToolCallChunk

MAX_CALLS = 128


@dataclass(slots=True)
class OpenCall:
    """A call in the making: what the provider calls it, and what it is called from here on."""

    index: int
    id: str
    wire_id: str
    wire_index: int | None
    named: bool = False
    arguments: list[str] = field(default_factory=list[str])

    @property
    def complete(self) -> bool:
        """Whether the arguments so far are a whole JSON object."""
        try:
            loads_object("".join(self.arguments))
        except ValueError:
            return False
        return True


class CallAssembler:
    """Numbers the calls of one answer from 0 and gives each an id of its own.

    Seen in the wild: no index, the same index for all, no id, the same id twice, an id on every fragment, a new id on
    every fragment, and arguments as an object.
    """

    def __init__(self) -> None:
        self.calls: list[OpenCall] = []

    def fragment(self, piece: JsonObject) -> ToolCallChunk | None:
        """Read one fragment; None when it says nothing new.

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
        if arguments:
            call.arguments.append(arguments)
        if call.named:
            return ToolCallChunk(call.index, arguments=arguments) if arguments else None
        call.named = bool(name)
        if arguments and not name:
            raise nameless()
        return ToolCallChunk(call.index, call.id, name, arguments) if name else None

    def finish(self) -> list[ToolCallChunk]:
        """Give calls without arguments an empty object.

        Raises:
            ModelProtocolError: A call never got a name.
        """
        if not all(call.named for call in self.calls):
            raise nameless()
        return [ToolCallChunk(call.index, arguments="{}") for call in self.calls if not call.arguments]

    def _call(self, index: int | None, id_: str, name: str, arguments: str) -> OpenCall:
        known = self._known(index, id_)
        if known is None and index is None and not name and self.calls:
            return self.calls[-1]
        if known is None or begins_anew(known, id_, name, arguments):
            if len(self.calls) == MAX_CALLS:
                raise ModelProtocolError("The model called too many tools at once. Try again.", limit=MAX_CALLS)
            known = OpenCall(len(self.calls), self._free_id(id_), id_, index)
            self.calls.append(known)
        return known

    def _known(self, index: int | None, id_: str) -> OpenCall | None:
        if index is not None:
            return next((call for call in reversed(self.calls) if call.wire_index == index), None)
        if id_:
            return next((call for call in reversed(self.calls) if call.wire_id == id_), None)
        return self.calls[-1] if self.calls else None

    def _free_id(self, id_: str) -> str:
        taken = {call.id for call in self.calls}
        return id_ if id_ and id_ not in taken else f"call_{uuid4().hex[:16]}"


def begins_anew(known: OpenCall, id_: str, name: str, arguments: str) -> bool:
    """Tell whether a fragment that points at `known` is in truth the first one of another call."""
    if not name or not known.named:
        return False
    return (id_ not in {"", known.wire_id}) or (bool(arguments) and known.complete)


def nameless() -> ModelProtocolError:
    """Return the error of a call that does not say whom it calls."""
    return ModelProtocolError("The model called a tool without naming it. Try again, or use another model.")


def arguments_of(value: Json) -> str:
    """Return arguments as text, also when they came as an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()
