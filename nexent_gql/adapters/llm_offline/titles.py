"""Short titles from a user's text."""

import re

from nexent_gql.adapters.llm_offline.phrases import phrases_for
from nexent_gql.adapters.llm_offline.words import is_chinese

ASKED = re.compile(
    r"\b(?:write|give|generate|create|suggest|make)\b[^.]{0,40}\btitle\b|(?:写|生成|起|拟)[^。]{0,10}标题",
    re.IGNORECASE,
)
LEADING = re.compile(
    r"^(?:(?:please|hi|hello|hey|can you|could you|would you|tell me|i want to know"
    r"|请问?|你好|帮我|告诉我)[,，!！.\s]*)+",
    re.IGNORECASE,
)
MAX_WORDS = 6
MAX_CHINESE_CHARS = 16
MAX_CHARS = 60


def asks_for_title(system: str) -> bool:
    """Tell whether the system text wants nothing but a title."""
    return ASKED.search(system) is not None


def title_of(asked: str) -> str:
    """Return the first words of what the user said, without polite openings."""
    said = asked.partition("User:")[2].partition("\n\nAssistant:")[0] or asked
    line = " ".join(said.split())[:500]
    line = (LEADING.sub("", line) or line).strip(" \"'“”.?!。？！")
    if is_chinese(line):
        return line[:MAX_CHINESE_CHARS].rstrip("，、")
    title = " ".join(line.split()[:MAX_WORDS])[:MAX_CHARS].rstrip(",;:")
    return title[:1].upper() + title[1:] if title else phrases_for(asked).untitled
