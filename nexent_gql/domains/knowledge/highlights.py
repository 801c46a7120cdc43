"""Marks the words of a question in a passage."""

from collections.abc import Collection

import regex

from nexent_gql.kernel.search import WORD_CLASS, Highlight, fold_with_positions

MAX_HIGHLIGHTS = 50


def highlights(text: str, terms: Collection[str]) -> tuple[Highlight, ...]:
    """Return where a text has one of the terms of `ScoreParts.terms`, in order, joined where they overlap."""
    if not terms:
        return ()
    pattern = regex.compile("|".join(_pattern(term) for term in sorted(terms, key=len, reverse=True)), regex.V1)
    folded, positions = fold_with_positions(text)
    joined: list[Highlight] = []
    for match in pattern.finditer(folded, overlapped=True):
        start, end = positions[match.start()], positions[match.end() - 1] + 1
        if joined and start <= joined[-1].end:
            joined[-1] = Highlight(joined[-1].start, max(joined[-1].end, end))
        elif len(joined) == MAX_HIGHLIGHTS:
            break
        else:
            joined.append(Highlight(start, end))
    return tuple(joined)


def _pattern(term: str) -> str:
    is_word = regex.fullmatch(rf"(?:{WORD_CLASS}|[-._/:])+", term, regex.V1) is not None
    return rf"(?<!{WORD_CLASS}){regex.escape(term)}(?!{WORD_CLASS})" if is_word else regex.escape(term)
