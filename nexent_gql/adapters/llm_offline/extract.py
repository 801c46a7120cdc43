"""Answers that are sentences of the given texts."""

from collections.abc import Iterable

from nexent_gql.adapters.llm_offline.words import sentences_of, terms_of

ENOUGH = 0.5
MAX_SENTENCES = 3
MAX_CHARS = 600


def best_sentences(question: str, texts: Iterable[str]) -> list[str]:
    """Return up to three sentences that have at least half of what the question is about, in the order of the texts."""
    wanted = terms_of(question)
    if not wanted:
        return []
    seen: dict[str, float] = {}
    for text in texts:
        for sentence in sentences_of(text):
            if not sentence.endswith(("?", "？")):
                seen.setdefault(sentence, len(wanted & terms_of(sentence)) / len(wanted))
    best = max(seen.values(), default=0.0)
    if best < ENOUGH:
        return []
    return [sentence[:MAX_CHARS] for sentence, score in seen.items() if score >= max(ENOUGH, best - 0.1)][
        :MAX_SENTENCES
    ]
