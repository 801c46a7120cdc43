"""What a real server refuses in a request, so that a wrong history fails in tests as it would in life."""

from itertools import pairwise

from nexent_gql.kernel.json import JsonObject
from tests.support.fake_provider_state import messages_of, text_of

ROLES = {"system", "developer", "user", "assistant", "tool"}


def complaint(body: JsonObject) -> str | None:
    """Say what is wrong with a chat completion request, or None."""
    messages = messages_of(body)
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "you must provide a model parameter"
    if body.get("stream") is not True:
        return "this server only streams: set 'stream' to true"
    if not messages:
        return "'messages' must be a list of at least one message"
    wrong = [str(message.get("role")) for message in messages if message.get("role") not in ROLES]
    if wrong:
        return f"invalid role {wrong[0]!r}"
    return complaint_about_calls(messages) or complaint_about_turns(messages) or complaint_about_tools(body)


def complaint_about_turns(messages: list[JsonObject]) -> str | None:
    """Roles take turns, no answer is blank, and an answer stands between a tool's result and the user."""
    turns = [message for message in messages if message["role"] not in {"system", "developer"}]
    for message in turns:
        if message["role"] == "assistant" and not message.get("tool_calls") and not text_of(message["content"]).strip():
            return "an assistant message must not be empty"
    roles = [str(message["role"]) for message in turns]
    wrong = {("user", "user"), ("assistant", "assistant"), ("tool", "user")} & set(pairwise(roles))
    return f"roles must take turns: {sorted(wrong)}" if wrong else None


def complaint_about_calls(messages: list[JsonObject]) -> str | None:
    """Every call is answered by a tool message right behind it, and every tool message answers a call."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            id_ = str(message.get("tool_call_id"))
            if id_ not in open_calls:
                return f"a 'tool' message answers call {id_!r}, which the message before it did not make"
            open_calls.remove(id_)
            continue
        if open_calls:
            return f"tool calls {sorted(open_calls)} were not answered by 'tool' messages"
        calls = message.get("tool_calls")
        open_calls = (
            {str(call.get("id")) for call in calls if isinstance(call, dict)} if isinstance(calls, list) else set()
        )
    return f"tool calls {sorted(open_calls)} were not answered by 'tool' messages" if open_calls else None


def complaint_about_tools(body: JsonObject) -> str | None:
    """`tool_choice` needs tools, tools need names."""
    tools = body.get("tools")
    if tools is None:
        return "'tool_choice' is only allowed with 'tools'" if "tool_choice" in body else None
    if not isinstance(tools, list) or not tools:
        return "'tools' must be a list of at least one tool"
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            return "every tool needs a function with a name"
    return None
