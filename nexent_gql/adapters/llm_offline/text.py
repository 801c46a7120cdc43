"""Words, tokens and passages of English and Chinese text."""

import re
from collections.abc import Iterable

MAX_PASSAGES = 3
MAX_PASSAGE_CHARS = 600
_MIN_COVERAGE = 0.5
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_TOKEN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]{1,10}[^\S\n]?|\s+")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9'-]*|[\u3400-\u9fff]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_SOURCE = re.compile(r"^\[(\d{1,4})\] [^\n]*\n", re.MULTILINE)
_STOP_WORDS = (
    "a an and are at be by can did do does for from had has have how i in is it me my of on or tell that the this to"
    " was we were what when where which who why will with you your 什么 怎么 多少 哪里 哪个 请问 告诉 我们 是谁"
)


def is_chinese(text: str) -> bool:
    """Return whether a text is to be answered in Chinese."""
    return _CHINESE.search(text) is not None


def tokens_of(text: str) -> list[str]:
    """Split a text into pieces of about one token; joined they are the text."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """Return about how many tokens a model would count."""
    return len(tokens_of(text))


def terms_of(text: str) -> set[str]:
    """Return the words that a text is about, without plural endings, and pairs of Chinese characters."""
    terms: set[str] = set()
    for word in _WORD.findall(text.lower()):
        if is_chinese(word):
            terms.update(word[start : start + 2] for start in range(max(1, len(word) - 1)))
        else:
            terms.add(word.removesuffix("'s").removesuffix("s").removesuffix("e"))
    return terms.difference(_STOP_WORDS.split())


def numbered_sources(output: str) -> list[tuple[str, str]]:
    """Return the numbered passages in the output of a tool, each as its number and its text without the title line."""
    blocks = _SOURCE.split(output)[1:]
    return [(label, text) for label, text in zip(blocks[::2], blocks[1::2], strict=False) if text.strip()]


def best_passages(question: str, texts: Iterable[str], *, min_coverage: float = _MIN_COVERAGE) -> list[str]:
    """Return the sentences that cover most of the question's terms, by default at least half.

    Questions and headings are no answers.
    """
    terms = terms_of(question)
    coverage: dict[str, float] = {}
    for sentence in (part.strip() for text in texts for part in _SENTENCE_END.split(text)):
        if terms and sentence and not sentence.endswith(("?", "？")) and not sentence.startswith("# "):
            coverage.setdefault(sentence[:MAX_PASSAGE_CHARS], len(terms & terms_of(sentence)) / len(terms))
    best = max(coverage.values(), default=0.0)
    if best < min_coverage:
        return []
    return [sentence for sentence, score in coverage.items() if score == best][:MAX_PASSAGES]
