"""Turns what a model writes about passages into facts that the passages support: pure functions."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import regex

from nexent_gql.kernel.search import WORD_CLASS, fold
from nexent_gql.kernel.text import visible_line

MAX_ENTITIES = 30
MAX_RELATIONS = 40
MAX_ALIASES = 5
MAX_NAME_CHARS = 100
MAX_KIND_CHARS = 40
MAX_LABEL_CHARS = 60
ALIAS_LABEL = "is also called"
_FENCE = re.compile(r"\A\s*```\w*\s*|\s*```\s*\Z")
_WORD = regex.compile(WORD_CLASS, regex.V1)


class MalformedAnswerError(Exception):
    """The answer is not the JSON that was requested."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity that a passage names."""

    key: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Relation:
    """How a passage relates two entities; an alias means that both name one entity."""

    source_key: str
    target_key: str
    label: str
    is_alias: bool = False


@dataclass(slots=True)
class Facts:
    """What a passage supports."""

    mentions: dict[str, Mention] = field(default_factory=dict[str, Mention])
    relations: dict[Relation, None] = field(default_factory=dict[Relation, None])


def name_key(name: str) -> str:
    """Return a name as names are compared: entities whose names differ in case, width or spaces are one."""
    return fold(visible_line(name, max_chars=MAX_NAME_CHARS))


def read_answer(answer: str, contents: Sequence[str]) -> list[Facts]:
    """Return the facts of each passage, in the order of the passages.

    A fact is kept only if its names stand in the passage as whole words. Whatever else the model writes, and what
    exceeds the limits of a passage, is left out.

    Raises:
        MalformedAnswerError: The answer is no such JSON, or leaves out a passage.
    """
    by_number = {number: passage for passage in _passages(answer) if (number := passage.get("number")) is not None}
    try:
        return [_facts(by_number[number], content) for number, content in enumerate(contents, 1)]
    except KeyError:
        raise MalformedAnswerError from None


def _passages(answer: str) -> list[dict[str, object]]:
    try:
        value: object = json.loads(_FENCE.sub("", answer), strict=False)
    except (ValueError, RecursionError):
        raise MalformedAnswerError from None
    passages = _list(value, "passages")
    return [
        passage
        for each in passages
        if isinstance(each, dict) and isinstance((passage := cast("dict[str, object]", each)).get("number"), int)
    ]


def _facts(passage: dict[str, object], content: str) -> Facts:
    facts, folded = Facts(), fold(content)
    for entity in _list(passage, "entities")[:MAX_ENTITIES]:
        _add_entity(facts, entity, folded)
    for relation in _list(passage, "relations")[:MAX_RELATIONS]:
        _add_relation(facts, relation)
    return facts


def _add_entity(facts: Facts, value: object, folded: str) -> None:
    mention = _mention(_text(value, "name"), _text(value, "kind"), folded)
    if mention is None:
        return
    facts.mentions.setdefault(mention.key, mention)
    for alias in _aliases(value):
        other = _mention(alias, mention.kind, folded)
        if other is not None and other.key != mention.key:
            facts.mentions.setdefault(other.key, other)
            source, target = sorted((mention.key, other.key))
            facts.relations[Relation(source, target, ALIAS_LABEL, is_alias=True)] = None


def _add_relation(facts: Facts, value: object) -> None:
    source, target = name_key(_text(value, "source")), name_key(_text(value, "target"))
    label = visible_line(_text(value, "label"), max_chars=MAX_LABEL_CHARS)
    is_alias = any(
        Relation(first, second, ALIAS_LABEL, is_alias=True) in facts.relations
        for first, second in ((source, target), (target, source))
    )
    if label and source != target and not is_alias and source in facts.mentions and target in facts.mentions:
        facts.relations[Relation(source, target, label)] = None


def _mention(name: str, kind: str, folded: str) -> Mention | None:
    """Return a name that a folded text has; None if it has not."""
    line = visible_line(name, max_chars=MAX_NAME_CHARS)
    key = fold(line)
    if not key or not _has_name(folded, key):
        return None
    return Mention(key, line, visible_line(kind, max_chars=MAX_KIND_CHARS))


def _has_name(folded: str, key: str) -> bool:
    """Return whether a text has a name that is not a part of a longer word; scripts without spaces have no words."""
    start = folded.find(key)
    while start >= 0:
        end = start + len(key)
        if not _joins(folded[max(0, start - 1) : start], key[0]) and not _joins(folded[end : end + 1], key[-1]):
            return True
        start = folded.find(key, start + 1)
    return False


def _joins(neighbor: str, edge: str) -> bool:
    return bool(neighbor and _WORD.match(neighbor) and _WORD.match(edge))


def _list(value: object, name: str) -> list[object]:
    items = cast("dict[str, object]", value).get(name, []) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise MalformedAnswerError
    return cast("list[object]", items)


def _text(value: object, name: str) -> str:
    text = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""


def _aliases(value: object) -> Iterator[str]:
    aliases = cast("dict[str, object]", value).get("aliases") if isinstance(value, dict) else None
    if isinstance(aliases, list):
        yield from (alias for alias in cast("list[object]", aliases)[:MAX_ALIASES] if isinstance(alias, str))
