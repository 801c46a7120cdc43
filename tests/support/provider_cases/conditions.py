"""The conditions of a case: paths into a request, and what must hold of the values found there."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import cast

from nexent_gql.kernel.json import Json, JsonObject

Condition = JsonObject
_PART = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


def holds(request: JsonObject, conditions: Condition | Sequence[Condition]) -> bool:
    """Tell whether all conditions hold of a request `{path, headers, body}`."""
    if isinstance(conditions, dict):
        conditions = [conditions]
    return all(_holds(request, condition) for condition in conditions)


def values_at(value: Json, path: str) -> list[Json]:
    """Return all values that a path leads to; null counts as nothing."""
    values = [value]
    for name, selector in _PART.findall(path):
        values = [inner for each in values for inner in _step(each, name, selector)]
    return [each for each in values if each is not None]


def _holds(request: JsonObject, condition: Condition) -> bool:
    if "not" in condition:
        return not holds(request, cast("JsonObject", condition["not"]))
    if "any" in condition:
        return any(holds(request, each) for each in cast("list[JsonObject]", condition["any"]))
    values = values_at(request, str(condition["path"]))
    checks = [(name, expected) for name, expected in condition.items() if name != "path"]
    return all(_CHECKS[name](values, expected) for name, expected in checks)


def _step(value: Json, name: str, selector: str) -> Iterator[Json]:
    if name:
        if isinstance(value, dict):
            yield value.get(name)
    elif isinstance(value, list):
        yield from _selected(value, selector)


def _selected(items: list[Json], selector: str) -> Iterator[Json]:
    if selector == "*":
        yield from items
    elif selector.startswith("?"):
        yield from (item for item in items if all(_matches(item, test) for test in selector[1:].split("&")))
    else:
        index = int(selector)
        yield from items[index : index + 1 or None]


def _matches(item: Json, test: str) -> bool:
    if not isinstance(item, dict):
        return False
    if test.startswith("!"):
        return not item.get(test[1:])
    name, equals, expected = test.partition("=")
    return str(item.get(name)) == expected if equals else bool(item.get(name))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _contains(values: list[Json], expected: Json) -> bool:
    return all(any(str(part) in _text(value) for value in values) for part in _as_list(expected))


def _is_object(value: Json) -> bool:
    try:
        return isinstance(json.loads(str(value)), dict)
    except (TypeError, ValueError):
        return False


_CHECKS: dict[str, Callable[[list[Json], Json], bool]] = {
    "exists": lambda values, expected: bool(values) is expected,
    "absent": lambda values, expected: (not values) is expected,
    "equals": lambda values, expected: bool(values) and all(value == expected for value in values),
    "some_equals": lambda values, expected: any(value == expected for value in values),
    "count": lambda values, expected: len(values) == expected,
    "contains": _contains,
    "not_contains": lambda values, expected: not any(_contains(values, part) for part in _as_list(expected)),
    "each_has": lambda values, expected: all(isinstance(value, dict) and value.get(str(expected)) for value in values),
    "none_blank": lambda values, _: all(_text(value).strip() for value in values),
    "no_pair": lambda values, expected: not any([*pair] in _as_list(expected) for pair in pairwise(values)),
    "json_object": lambda values, _: all(map(_is_object, values)),
    "chars_at_most": lambda values, expected: sum(len(_text(value)) for value in values) <= cast("int", expected),
}
