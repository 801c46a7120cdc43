"""Parts of content, and their JSON form."""

from dataclasses import fields
from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.kernel.json import Json, JsonObject, dumps, loads
from nexent_gql.ports.content import (
    ContentPart,
    ImagePart,
    OpaquePart,
    Origin,
    ReasoningPart,
    TextPart,
    UnknownPart,
    decode_parts,
    encode_parts,
    join_text,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**53), 2**53)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = cast("st.SearchStrategy[JsonObject]", st.dictionaries(TEXT, JSON, max_size=4))
ORIGINS = st.builds(Origin, TEXT, TEXT, TEXT)
KINDS = [kind for kind in get_args(ContentPart) if kind is not UnknownPart]
UNKNOWN = OBJECTS.map(lambda item: UnknownPart({**item, "type": "of a newer release"}))


def part_of(kind: type[ContentPart]) -> st.SearchStrategy[ContentPart]:
    if kind is OpaquePart:
        return st.builds(OpaquePart, ORIGINS, TEXT, OBJECTS)
    given_fields = {field.name: _value_of(str(field.type)) for field in fields(kind)}
    return st.builds(kind, **given_fields)


def _value_of(annotation: str) -> st.SearchStrategy[object]:
    kinds: dict[str, st.SearchStrategy[object]] = {"str": TEXT, "int": INTEGERS, "UUID": st.uuids()}
    name = next(name for name in kinds if name in annotation)
    return st.none() | kinds[name] if "None" in annotation else kinds[name]


PARTS = st.lists(st.one_of(*map(part_of, KINDS), UNKNOWN), max_size=5).map(tuple)


@given(PARTS)
def test_parts_survive_storage(parts: tuple[ContentPart, ...]) -> None:
    assert decode_parts(loads(dumps(encode_parts(parts)))) == parts


@given(JSON | st.lists(OBJECTS | st.fixed_dictionaries({"type": st.sampled_from(["text", "image", "opaque"])})))
def test_whatever_is_stored_can_be_read_and_is_written_back(stored: Json) -> None:
    objects = [item for item in stored if isinstance(item, dict)] if isinstance(stored, list) else []
    parts = decode_parts(stored)
    assert len(parts) == len(objects)
    assert encode_parts(part for part in parts if isinstance(part, UnknownPart)) == [
        item for item, part in zip(objects, parts, strict=True) if isinstance(part, UnknownPart)
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "file", "file_id": "no id", "name": "a", "media_type": "b", "size_bytes": 1},
        {"type": "citation", "label": "1", "title": "t", "quote": "q", "page": True},
        {"type": "opaque", "origin": "openai", "kind": "k", "data": {}},
    ],
)
def test_a_part_that_does_not_fit_its_type_is_kept_as_unknown(item: JsonObject) -> None:
    assert decode_parts([item]) == (UnknownPart(item),)


def test_absent_fields_are_not_stored_and_new_fields_are_ignored() -> None:
    assert encode_parts([ImagePart("image/png", url="https://example.com/a.png")]) == [
        {"type": "image", "media_type": "image/png", "url": "https://example.com/a.png"}
    ]
    assert decode_parts([{"type": "text", "text": "a", "language": "en"}]) == (TextPart("a"),)


def test_the_text_of_parts_is_their_text_alone() -> None:
    parts = (TextPart("a "), ReasoningPart("hm"), ImagePart("image/png", data="AA=="), TextPart("b"))
    assert join_text(parts) == "a b"
