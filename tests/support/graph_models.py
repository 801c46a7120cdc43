"""A model that reads sentences such as "Acme owns Globex." and writes the facts of each passage."""

import json
import re

from nexent_gql.ports.llm import ChatRequest
from tests.support.scripted_models import Answer

_PASSAGE = re.compile(r"^(\d+)\. <<<\n(.*?)\n>>>$", re.DOTALL | re.MULTILINE)
_SENTENCE = re.compile(r"(\w+) (owns|supplies|employs|alias) (\w+)")


def passages_of(request: ChatRequest) -> list[str]:
    """Return the passages that a request asks about."""
    return [match[2] for match in _PASSAGE.finditer(request.messages[-1].text)]


def graph_answer(request: ChatRequest) -> Answer:
    """Answer a request for facts: a sentence with "alias" gives one thing two names."""
    return [json.dumps({"passages": [_facts(*each) for each in enumerate(passages_of(request), 1)]})]


def _facts(number: int, passage: str) -> dict[str, object]:
    entities: list[object] = []
    relations: list[object] = []
    for source, verb, target in _SENTENCE.findall(passage):
        if verb == "alias":
            entities.append({"name": source, "kind": "company", "aliases": [target]})
        else:
            entities += [{"name": name, "kind": "company", "aliases": []} for name in (source, target)]
            relations.append({"source": source, "label": verb, "target": target})
    return {"number": number, "entities": entities, "relations": relations}
