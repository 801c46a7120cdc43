"""Arguments for a tool, from its JSON Schema and the words of the question."""

import re
from collections.abc import Iterator

from nexent_gql.adapters.llm_offline.arithmetic import sum_in
from nexent_gql.kernel.json import Json, JsonObject

QUOTED = re.compile(r"\"([^\"]+)\"|'([^']{2,})'|“([^”]+)”|「([^」]+)」|《([^》]+)》|`([^`]+)`")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
URL = re.compile(r"https?://[^\s<>\"'）)]+")
ZONE = re.compile(r"\b(?:[A-Z][a-z]+/[A-Z][A-Za-z_]+|UTC|GMT)\b")
PLACES = (
    (re.compile(r"beijing|shanghai|china|北京|上海|中国", re.IGNORECASE), "Asia/Shanghai"),
    (re.compile(r"tokyo|japan|东京|日本", re.IGNORECASE), "Asia/Tokyo"),
    (re.compile(r"london|伦敦", re.IGNORECASE), "Europe/London"),
    (re.compile(r"paris|巴黎", re.IGNORECASE), "Europe/Paris"),
    (re.compile(r"berlin|柏林", re.IGNORECASE), "Europe/Berlin"),
    (re.compile(r"new york|纽约", re.IGNORECASE), "America/New_York"),
    (re.compile(r"san francisco|los angeles|california|旧金山|洛杉矶", re.IGNORECASE), "America/Los_Angeles"),
    (re.compile(r"india|delhi|mumbai|印度", re.IGNORECASE), "Asia/Kolkata"),
    (re.compile(r"sydney|悉尼", re.IGNORECASE), "Australia/Sydney"),
)


def arguments_for(schema: JsonObject, question: str) -> JsonObject:
    """Fill the required properties, and those others that the question has a value for."""
    properties = schema.get("properties")
    required = schema.get("required")
    numbers = iter(NUMBER.findall(question))
    filled: JsonObject = {}
    for name, about in properties.items() if isinstance(properties, dict) else ():
        about_object = about if isinstance(about, dict) else {}
        value = told(name, about_object, question, numbers)
        if value is None and isinstance(required, list) and name in required:
            value = default(about_object, question)
        if value is not None:
            filled[name] = value
    return filled


def told(name: str, about: JsonObject, question: str, numbers: Iterator[str]) -> Json:
    """Return the value that the question names for a property, or None."""
    choices = about.get("enum")
    if isinstance(choices, list):
        return next((choice for choice in choices if str(choice).lower() in question.lower()), None)
    match kind_of(about):
        case "integer" | "number" as kind:
            number = next(numbers, None)
            return None if number is None else int(float(number)) if kind == "integer" else float(number)
        case "string":
            return told_text(name.lower(), question)
        case _:
            return None


def told_text(name: str, question: str) -> str | None:
    """Return the text that the question holds for a property of this name, or None."""
    if "expr" in name or "formula" in name or "calc" in name:
        return sum_in(question)
    if "zone" in name or name == "tz":
        zone = ZONE.search(question)
        return zone[0] if zone else next((zone for place, zone in PLACES if place.search(question)), None)
    if "url" in name or "link" in name:
        url = URL.search(question)
        return url[0] if url else None
    quoted = QUOTED.search(question)
    return next(filter(None, quoted.groups())) if quoted else None


def default(about: JsonObject, question: str) -> Json:
    """Return a sensible value of the right type."""
    choices = about.get("enum")
    if "default" in about:
        return about["default"]
    if isinstance(choices, list) and choices:
        return choices[0]
    match kind_of(about):
        case "integer" | "number":
            least = about.get("minimum")
            return least if isinstance(least, int | float) else 1
        case "array":
            items = about.get("items")
            return [default(items if isinstance(items, dict) else {}, question)]
        case kind:
            return {"boolean": True, "object": arguments_for(about, question)}.get(kind, question)


def kind_of(about: JsonObject) -> str:
    """Return a property's type; of several, the first that is not null."""
    kind = about.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "string")
    options = about.get("anyOf")
    if kind is None and isinstance(options, list):
        return next(
            (kind_of(each) for each in options if isinstance(each, dict) and each.get("type") != "null"), "string"
        )
    return str(kind or "string")
