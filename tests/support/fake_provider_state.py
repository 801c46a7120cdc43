"""What a fake provider knows: its scripts, and a record of every request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from nexent_gql.adapters.llm_messages import RESULTS_READ
from nexent_gql.kernel.json import Json, JsonObject
from tests.support.fake_provider_http import Connection, HttpRequest
from tests.support.fake_provider_steps import Script, Step, Text

OBSERVATIONS = ("Observation:", "Error:", "Call id:")


@dataclass
class Record:
    """One request as the provider saw it; times are Unix seconds.

    `client_closed_at` is set when the client went away before the answer was whole; `path` is without its query.
    `reported_tokens` is the sum of the counts that were sent.
    """

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: JsonObject
    opened_at: float
    script: str = ""
    turn: int = -1
    first_byte_at: float | None = None
    finished_at: float | None = None
    client_closed_at: float | None = None
    reported_tokens: int | None = None

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model"))

    @property
    def messages(self) -> list[JsonObject]:
        """The messages of the request."""
        return messages_of(self.body)


@dataclass
class State:
    """Scripts by order of registration (a later one wins), requests, and open connections."""

    scripts: list[Script] = field(default_factory=list[Script])
    records: list[Record] = field(default_factory=list[Record])
    connections: list[Connection] = field(default_factory=list[Connection])

    def register(self, script: Script) -> None:
        """Add a script; one of the same name is replaced."""
        self.scripts = [*(other for other in self.scripts if other.name != script.name), script]

    def record(self, request: HttpRequest, body: JsonObject, opened_at: float) -> Record:
        """Keep a request."""
        number = len(self.records)
        record = Record(number, request.method, request.path, request.headers, body, opened_at)
        self.records.append(record)
        return record

    def choose(self, body: JsonObject) -> Script:
        """Pick the script of a request: by content, else by model name, else an echo.

        A request for a conversation's title, which every run brings with it, has an answer of its own unless a script
        asks for it by `system_contains`.
        """
        user, system = content_of(body, "user"), content_of(body, "system")
        title = "tools" not in body and ASKS_FOR_TITLE.search(system) is not None
        for script in reversed(self.scripts):
            by_content = script.system_contains or (script.user_contains and not title)
            if by_content and (script.user_contains or "") in user and (script.system_contains or "") in system:
                return script
        if title:
            return TITLE
        named = (script for script in reversed(self.scripts) if script.name == body.get("model"))
        return next((script for script in named if not (script.user_contains or script.system_contains)), echo(user))


ASKS_FOR_TITLE = re.compile(r"\btitle\b.*\bconversation\b|\bconversation\b.*\btitle\b", re.IGNORECASE | re.DOTALL)
TITLE = Script("title", [[Text("A fitting title")]])


def echo(user: str) -> Script:
    """Answer with what was said."""
    return Script("echo", [[Text(f"You said: {user}")]] * 50)


def messages_of(body: JsonObject) -> list[JsonObject]:
    """Return the messages that are objects."""
    messages = body.get("messages")
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def text_of(content: Json) -> str:
    """Return a message's text, given as a string or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def is_question(message: JsonObject) -> bool:
    """Tell a user's message from a tool's output that a code agent sends as one."""
    return message.get("role") == "user" and not text_of(message.get("content")).startswith(OBSERVATIONS)


def content_of(body: JsonObject, role: str) -> str:
    """Return the text of the last message of `role`; of the user, the last question."""
    texts = [
        text_of(message.get("content"))
        for message in messages_of(body)
        if message.get("role") == role and (role != "user" or is_question(message))
    ]
    return texts[-1] if texts else ""


def turn_of(script: Script, body: JsonObject) -> int:
    """Count the assistant's messages that the script's turns have already given."""
    messages = messages_of(body)
    start = 0
    if script.turn_by == "last_user":
        start = max((at for at, message in enumerate(messages) if is_question(message)), default=0)
    return sum(
        message.get("role") == "assistant" and message.get("content") != RESULTS_READ for message in messages[start:]
    )


def steps_of(script: Script, turn: int) -> Sequence[Step] | None:
    """Return the steps of a turn, or None when the script has no such turn."""
    return script.turns[turn] if turn < len(script.turns) else None
