"""What came of a case, and how it is judged by what the case expects."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.graphql_client import text_of
from tests.support.provider_cases.conditions import holds
from tests.support.provider_cases.provider import Request

Data = dict[str, Any]


@dataclass
class Outcome:
    """What a client and the provider saw; `requests` are those of the last entry of the conversation.

    Attributes:
        closed_after_s: From the stop until the provider saw its connection closed.
    """

    events: list[Data] = field(default_factory=list[Data])
    run: Data | None = None
    title: str | None = None
    title_source: str | None = None
    check: Data | None = None
    is_searchable: bool | None = None
    accepted: bool | None = None
    seconds: float = 0
    closed_after_s: float | None = None
    requests: Sequence[Request] = ()
    title_requests: Sequence[Request] = ()
    unforeseen: Sequence[str] = ()

    def of(self, kind: str) -> list[Data]:
        """Return the events of a kind."""
        return [event for event in self.events if event["__typename"] == kind]

    @property
    def failure(self) -> Data:
        """The failure of the last run; empty when there is none."""
        error = self.run["error"] if self.run else next((event["error"] for event in self.of("RunFinished")), None)
        return cast("Data", error or {})

    @property
    def text(self) -> str:
        """The stored answer."""
        return self.run["message"]["text"] if self.run else ""

    @property
    def code(self) -> str:
        """What was taken for code."""
        ran = [event["arguments"].get("code", "") for event in self.of("ToolCallStarted") if event["name"] == "python"]
        return "\n".join([*(event["text"] for event in self.of("CodeDelta")), *ran])

    def facts(self) -> Data:
        """Return what expectations are about, by their names."""
        usage = cast("Data", (self.run or {}).get("usage") or {})
        finished = self.of("RunFinished")
        return {
            "status": self.run["status"] if self.run else (finished[-1]["status"] if finished else None),
            "text": self.text,
            "error_code": self.failure.get("code", ""),
            "retryable": self.failure.get("retryable"),
            "message": self.failure.get("message", ""),
            "reason": json.dumps(self.failure, ensure_ascii=False),
            "usage": {"input": usage.get("inputTokens"), "output": usage.get("outputTokens")},
            "tool_outputs": [event["output"] for event in self.of("ToolOutput")],
            "step_errors": "\n".join(event["errorMessage"] or "" for event in self.of("StepFinished")),
            "reasoning": "".join(event["text"] for event in self.of("ReasoningDelta")),
            "code": self.code,
            "title": self.title,
            "title_source": self.title_source,
            "found": self.is_searchable,
            "accepted": self.accepted,
        }


def faults_of(outcome: Outcome, expected: Data) -> list[str]:
    """Return what is not as it should be, a line each."""
    return [*_always(outcome), *(line for name, value in expected.items() for line in _judge(outcome, name, value))]


def _always(outcome: Outcome) -> Iterator[str]:
    for body in outcome.unforeseen:
        yield f"unforeseen request: {body}"
    if outcome.run and text_of(outcome.events) != outcome.text:
        yield f"the streamed text {text_of(outcome.events)!r} is not the stored one {outcome.text!r}"


def _judge(outcome: Outcome, name: str, expected: object) -> Iterator[str]:
    special = _SPECIAL.get(name)
    if special is not None:
        if not special(outcome, expected):
            yield f"{name}: expected {expected!r}, not {_seen(outcome, name)}"
    elif not _is_like(outcome.facts()[name], expected):
        yield f"{name}: expected {expected!r}, not {outcome.facts()[name]!r}; failure {outcome.failure}"


def _seen(outcome: Outcome, name: str) -> str:
    if name.startswith(("requests", "history")):
        return f"{len(outcome.requests)} requests, the last {outcome.requests[-1:]!r}; failure {outcome.failure}"
    return f"{outcome.of('ToolCallStarted')} {outcome.seconds} {outcome.closed_after_s} {outcome.check}"


def _is_like(value: object, expected: object) -> bool:
    if isinstance(expected, dict):
        return all(_compare(value, name, each) for name, each in cast("Data", expected).items())
    if isinstance(expected, list):
        return value in expected
    if isinstance(expected, str) and isinstance(value, str):
        return value.strip() == expected.strip()
    return value == expected


def _compare(value: object, name: str, expected: object) -> bool:
    if isinstance(value, dict):
        return cast("Data", value).get(name) == expected
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _COMPARISONS[name](text, expected)


def _each(expected: object) -> list[str]:
    return cast("list[str]", expected if isinstance(expected, list) else [expected])


_COMPARISONS: dict[str, Callable[[str, Any], bool]] = {
    "contains": lambda text, expected: all(part in text for part in _each(expected)),
    "contains_any": lambda text, expected: any(part.casefold() in text.casefold() for part in expected),
    "not_contains": lambda text, expected: not any(part in text for part in _each(expected)),
    "one_of": lambda text, expected: text.strip() in expected,
    "matches": lambda text, expected: re.search(expected, text) is not None,
    "not_matches": lambda text, expected: re.search(expected, text) is None,
    "not_blank": lambda text, expected: bool(text.strip()) is expected,
    "chars_at_least": lambda text, expected: len(text) >= expected,
    "chars_at_most": lambda text, expected: len(text) <= expected,
}


def _are_called(outcome: Outcome, expected: list[Any]) -> bool:
    calls = outcome.of("ToolCallStarted")
    names = [call["name"] for call in calls]
    if names != [each if isinstance(each, str) else each["name"] for each in expected]:
        return False
    pairs = zip(calls, expected, strict=True)
    return all(isinstance(each, str) or call["arguments"] == each["arguments"] for call, each in pairs)


def _was_sent(outcome: Outcome, expected: list[Data]) -> bool:
    for each in expected:
        condition = dict(each)
        which = condition.pop("request", -1)
        requests = outcome.title_requests if which == "title" else outcome.requests
        request = requests[which - 1 if isinstance(which, int) and which > 0 else -1]
        if not holds(request.content, condition):
            return False
    return True


def _is_checked(outcome: Outcome, expected: Data) -> bool:
    check = outcome.check or {}
    facts = {"ok": check.get("ok"), "code": check.get("code"), "reason": json.dumps(check, ensure_ascii=False)}
    return all(_is_like(facts[name], value) for name, value in expected.items())


_SPECIAL: dict[str, Callable[[Outcome, Any], bool]] = {
    "tools_called": _are_called,
    "history_sent": _was_sent,
    "check": _is_checked,
    "requests_at_most": lambda outcome, expected: len(outcome.requests) <= expected,
    "requests_at_least": lambda outcome, expected: len(outcome.requests) >= expected,
    "title_requests_at_most": lambda outcome, expected: len(outcome.title_requests) <= expected,
    "seconds_at_most": lambda outcome, expected: outcome.seconds <= expected,
    "connection_closed_within_s": lambda outcome, expected: (
        outcome.closed_after_s is not None and outcome.closed_after_s <= expected
    ),
}
