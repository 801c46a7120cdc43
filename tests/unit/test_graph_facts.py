"""What is kept of a model's answer about passages."""

import json
from collections.abc import Mapping, Sequence

import pytest

from nexent_gql.domains.knowledge.graph_expansion import possible_names
from nexent_gql.domains.knowledge.graph_facts import (
    MAX_ENTITIES,
    MAX_LABEL_CHARS,
    MAX_RELATIONS,
    Facts,
    MalformedAnswerError,
    Mention,
    Relation,
    name_key,
    read_answer,
)

PASSAGE = "Acme Corp., also called ACME\nGroup, bought Globex in Zürich. 云帆科技收购了蓝海公司。"


def answer(*passages: Mapping[str, object]) -> str:
    return json.dumps({"passages": [{"number": number, **each} for number, each in enumerate(passages, 1)]})


def entity(name: object, kind: object = "company", aliases: object = ()) -> Mapping[str, object]:
    return {"name": name, "kind": kind, "aliases": aliases}


def relation(source: object, label: object, target: object) -> Mapping[str, object]:
    return {"source": source, "label": label, "target": target}


def read(passage: Mapping[str, object], content: str = PASSAGE) -> Facts:
    (facts,) = read_answer(answer(passage), [content])
    return facts


def test_entities_and_relations_are_kept_whose_names_stand_in_the_passage() -> None:
    facts = read(
        {
            "entities": [entity("Acme Corp."), entity("globex"), entity("ＺÜＲＩＣＨ", "city"), entity("Initech")],
            "relations": [relation("ACME CORP.", "bought", "Globex"), relation("Initech", "owns", "Globex")],
        }
    )
    assert list(facts.mentions) == ["acme corp.", "globex", "zürich"]
    assert facts.mentions["globex"] == Mention("globex", "globex", "company")
    assert list(facts.relations) == [Relation("acme corp.", "globex", "bought")]


def test_another_name_in_the_passage_is_an_alias_and_no_relation_besides() -> None:
    facts = read(
        {
            "entities": [entity("Acme Corp.", aliases=["ACME Group", "The Company", 7, "Acme Corp."])],
            "relations": [relation("ACME Group", "is", "Acme Corp.")],
        }
    )
    assert list(facts.mentions) == ["acme corp.", "acme group"]
    assert list(facts.relations) == [Relation("acme corp.", "acme group", "is also called", is_alias=True)]


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [("AI", False), ("Paris", True), ("Par", False), ("云帆科技", True), ("蓝海", True), ("C++", True), ("", False)],
)
def test_a_name_is_a_whole_word_where_words_have_spaces(name: str, *, is_kept: bool) -> None:
    facts = read({"entities": [entity(name)]}, "He said that Paris uses C++. 云帆科技收购了蓝海公司。")
    assert bool(facts.mentions) is is_kept


def test_limits_hold_for_each_passage() -> None:
    names = [f"N{number}" for number in range(100)]
    pairs = [(source, target) for source in names[:20] for target in names[:20]]
    facts = read(
        {
            "entities": [entity(name, "k" * 500) for name in names],
            "relations": [relation(source, "l" * 500, target) for source, target in pairs],
        },
        " ".join(names),
    )
    assert len(facts.mentions) == MAX_ENTITIES
    assert 0 < len(facts.relations) <= MAX_RELATIONS
    assert all(len(each.label) == MAX_LABEL_CHARS for each in facts.relations)


HOSTILE: Sequence[Mapping[str, object]] = [
    {"entities": [None, 1, "x", [0], {"x": 1}, {"name": None}, {"name": {"a": 1}}, {"name": "\x00\u202e"}]},
    {"entities": [entity("Globex", ["x"], {"a": "b"})], "relations": [None, {"x": 1}, relation([0], {"x": 1}, 3)]},
    {"entities": [entity("Globex", "\x1b[31mred\x00")], "relations": [relation("Globex", "\u202e", "Globex")]},
]


@pytest.mark.parametrize("passage", HOSTILE)
def test_anything_else_is_left_out(passage: Mapping[str, object]) -> None:
    facts = read(passage)
    assert not facts.relations
    assert all(mention.kind in {"", "red"} for mention in facts.mentions.values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't do that.",
        "[]",
        '{"passages": {}}',
        '{"passages": []}',
        '{"passages": [{"number": 2, "entities": []}]}',
        '{"passages": [{"number": 1, "entities": "x"}]}',
        "[" * 100_000,
    ],
)
def test_an_answer_without_a_passage_is_malformed(text: str) -> None:
    with pytest.raises(MalformedAnswerError):
        read_answer(text, [PASSAGE])


def test_each_passage_has_its_own_facts_in_any_order_and_a_fence_is_allowed() -> None:
    passages = [
        {"number": 2, "entities": [entity("Two")]},
        {"number": 1, "entities": [entity("One"), entity("Two")]},
        {"number": 9, "entities": [entity("Two")]},
    ]
    text = f"```json\n{json.dumps({'passages': passages})}\n```"
    assert [list(facts.mentions) for facts in read_answer(text, ["One.", "Two."])] == [["one"], ["two"]]


def test_names_are_compared_without_case_width_and_spaces() -> None:
    assert name_key(" Ａcme \n CORP ") == name_key("acme corp") == "acme corp"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Who owns Acme?", "acme"),
        ("What is ACME's\n head  office?", "acme"),
        ("Where is the Bank of New York (Mellon)?", "bank of new york"),
        ("Is C++ fast?", "c++"),
        ("\u4e91\u5e06\u79d1\u6280\u7684\u603b\u90e8\u5728\u54ea\u91cc?", "\u4e91\u5e06\u79d1\u6280"),
    ],
)
def test_a_question_has_every_name_that_stands_in_it(question: str, name: str) -> None:
    assert name in set(possible_names(question))


@pytest.mark.parametrize("question", ["", "?!", "a" * 2_000, "a " * 1_000, "\u4e91" * 2_000])
def test_a_question_has_a_limited_number_of_names(question: str) -> None:
    assert len(list(possible_names(question))) < 3_000
