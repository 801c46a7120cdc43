"""Languages, words and sentences, as far as rules need them."""

import re

CHINESE = re.compile(r"[\u3400-\u9fff]")
PIECES = re.compile(r"[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]{1,10}[^\S\n]?|\s+")
WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9'\-]*|[\u3400-\u9fff]+")
SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")

ENGLISH_FILLERS = (
    "a about after all also an and any are as at be because been before but by can could did do does for from get give"
    " had has have he her his how i if in into is it its just know let like make me mean my no not of on one or our out"
    " please said say see she should so some tell than that the their them then there these they this those to up"
    " us use was we were what when where which who whom whose why will with would you your"
)
CHINESE_FILLERS = (
    "什么 怎么 为什么 多少 哪里 哪个 哪些 谁的 是谁 请问 告诉 告诉我 一下 我们 你们 他们 这个 那个 可以 能否 的是 是什"
    " 么是 了吗 是不 不是 诉我 请你 么时 时候"
)
COMMON = frozenset(ENGLISH_FILLERS.split())
COMMON_CHINESE = frozenset(CHINESE_FILLERS.split())
"""What questions are full of whatever they are about."""


def is_chinese(text: str) -> bool:
    """Tell whether a text is to be answered in Chinese."""
    return CHINESE.search(text) is not None


def pieces_of(text: str) -> list[str]:
    """Cut a text into pieces of about a token; together they are the text."""
    return PIECES.findall(text)


def sentences_of(text: str) -> list[str]:
    """Cut a text into sentences, without empty ones."""
    return [sentence.strip() for sentence in SENTENCE_ENDS.split(text) if sentence.strip()]


def terms_of(text: str) -> set[str]:
    """Return what a text is about: its words in a plain form, and pairs of Chinese characters."""
    terms: set[str] = set()
    for word in WORDS.findall(text):
        if CHINESE.match(word):
            terms |= {word[at : at + 2] for at in range(max(1, len(word) - 1))} - COMMON_CHINESE
        elif word.lower() not in COMMON:
            terms.add(plain(word.lower()))
    return terms


def plain(word: str) -> str:
    """Take the commonest English endings off, so that "reports" meets "report"."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word  # noqa: PLR2004 - likewise
