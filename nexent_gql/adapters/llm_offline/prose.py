"""Long texts, so that one can watch an answer arrive."""

import re
from itertools import count

from nexent_gql.adapters.llm_offline.phrases import phrases_for
from nexent_gql.adapters.llm_offline.words import is_chinese, pieces_of

LENGTH = re.compile(r"(\d{1,6})[\s-]?(?:words?|tokens?|个?字|个?词)")
ASKED = re.compile(
    r"\b(?:long|lengthy|detailed) (?:answer|text|reply|response|story|essay)\b|\b(?:story|essay|poem|article)\b"
    r"|长(?:一点|篇)?的?(?:回答|文字|文章|故事|文)|故事|文章|散文|作文|长文",
    re.IGNORECASE,
)
TOPIC = re.compile(
    r"\b(?:about|on|of) ((?:an? |the )?[^.?!,\n]{2,60})|关于(.{1,30}?)(?:的|[。，？！]|$)", re.IGNORECASE
)
USUAL_WORDS = 300
MAX_WORDS = 5_000
SHORT_WORDS = 80
SENTENCES_A_PART = 5

ENGLISH = (
    "This is a text about {topic}, and it was written without a model provider.",
    "It began on an ordinary morning, when nobody was thinking of {topic} at all.",
    "Someone opened a window, the light fell across the table, and a question was written down.",
    "The question was short, but every answer to it seemed to lead somewhere else.",
    "There were old notes, a few numbers, and a map with one corner missing.",
    "Whoever looked closely could see that the pieces belonged together.",
    "For a while nothing happened, which is how most good things begin.",
    "Then a small detail changed, and with it the whole picture of {topic}.",
    "People came by, read a line or two, and went on in better spirits.",
    "By the evening the table was full, and the question had become a plan.",
    "The plan was simple: take one step, look around, and take the next.",
)
CHINESE = (
    "这是一篇关于{topic}的文字，写作时没有连接任何模型服务。",
    "那是一个普通的早晨，谁也没有想到{topic}。",
    "有人打开窗户，阳光落在桌上，一个问题被写了下来。",
    "问题很短，但每个答案似乎都通向别处。",
    "桌上有旧笔记、几个数字，还有一张缺了一角的地图。",
    "仔细看的人会发现，这些碎片本来就属于一起。",
    "有一阵子什么也没有发生，而好事大多这样开始。",
    "后来一个小小的细节变了，{topic}的全貌也随之改变。",
    "路过的人读上一两行，又愉快地继续赶路。",
    "到了傍晚，桌子已经摆满，问题变成了计划。",
    "计划很简单：走一步，看一看，再走下一步。",
)


def length_asked(question: str) -> int | None:
    """Return how many words (or Chinese characters) a question asks for; None when it asks for no long text."""
    number = LENGTH.search(question)
    if number:
        return max(1, min(MAX_WORDS, int(number[1])))
    return USUAL_WORDS if ASKED.search(question) else None


def write(question: str, words: int) -> str:
    """Write about what the question names, in its language, in parts with headings."""
    chinese = is_chinese(question)
    found = TOPIC.search(LENGTH.sub("", question))
    topic = next(filter(None, found.groups()), "") if found else ""
    topic = topic.strip() or phrases_for(question).no_topic
    sentences = CHINESE if chinese else ENGLISH
    text: list[str] = []
    left = words
    for number in count():
        if words > SHORT_WORDS and number % SENTENCES_A_PART == 0:
            part = number // SENTENCES_A_PART + 1
            text.append(f"\n\n## {'第' if chinese else 'Part '}{part}{'部分' if chinese else ''}\n\n")
        sentence = sentences[number % len(sentences)].format(topic=topic)
        taken = first_words(sentence, left, chinese=chinese)
        left -= len(taken) if chinese else len(taken.split())
        text.append(taken if chinese else f"{taken} ")
        if left <= 0:
            return "".join(text).strip()
    raise AssertionError  # `count` does not end


def first_words(sentence: str, words: int, *, chinese: bool) -> str:
    """Return a sentence, or as much of it as is still wanted."""
    if chinese:
        return sentence[:words]
    return " ".join(sentence.split()[:words])


def count_tokens(text: str) -> int:
    """Return about how many tokens a model would count."""
    return len(pieces_of(text))
