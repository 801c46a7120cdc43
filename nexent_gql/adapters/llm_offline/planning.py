"""Which tools a question calls for."""

import re
from collections.abc import Callable, Sequence

from nexent_gql.adapters.llm_offline.arguments import arguments_for
from nexent_gql.adapters.llm_offline.arithmetic import OPERATOR, sum_in
from nexent_gql.adapters.llm_offline.replies import Use
from nexent_gql.adapters.llm_offline.scene import Scene
from nexent_gql.adapters.llm_offline.words import terms_of
from nexent_gql.ports.llm import ToolSpec

TIME = re.compile(
    r"\bwhat(?:'s| is)? (?:the )?(?:current )?(?:time|date|day)\b|\bwhat day\b|\btime is it\b|\bcurrent (?:time|date)\b"
    r"|\btoday'?s? date\b|几点|什么时间|当前时间|现在.{0,4}时间|几号|什么日期|今天.{0,4}(?:日期|星期)|星期几",
    re.IGNORECASE,
)
WAIT = re.compile(r"\bwait\b|\bsleep\b|\bslow\b|\btake your time\b|等待|等一|慢", re.IGNORECASE)
ONE_BY_ONE = re.compile(r"\bthen\b|\bafter that\b|\bafterwards\b|然后|接着|之后再", re.IGNORECASE)


def sum_at(question: str) -> int | None:
    """Return where a sum stands in the question."""
    if sum_in(question) is None:
        return None
    sign = OPERATOR.search(question)
    return sign.start() if sign else len(question)


def found_at(words: re.Pattern[str]) -> Callable[[str], int | None]:
    """Return a function that tells where words stand in a question."""

    def place(question: str) -> int | None:
        found = words.search(question)
        return found.start() if found else None

    return place


INTENTS: tuple[tuple[Callable[[str], int | None], re.Pattern[str]], ...] = (
    (sum_at, re.compile(r"(?:^|_)(?:calc|math|arith)", re.IGNORECASE)),
    (found_at(TIME), re.compile(r"(?:^|_)(?:time|date|clock|now)(?:_|$)", re.IGNORECASE)),
    (found_at(WAIT), re.compile(r"(?:^|_)(?:wait|sleep|slow|delay)", re.IGNORECASE)),
)
"""Where the sign for a tool stands in the question, and the names of the tools that it calls for."""
WORDS_IN_COMMON = 2


def planned(scene: Scene) -> Sequence[Use]:
    """Return all calls that the question is worth, in the order in which it speaks of them."""
    places = [(place_of(tool, scene.question), tool) for tool in scene.tools]
    asked = [
        tool for _, tool in sorted(((at, tool) for at, tool in places if at is not None), key=lambda pair: pair[0])
    ]
    if not asked:
        asked = closest(scene.tools, scene.question)
    return [Use(tool.name, arguments_for(tool.parameters, scene.question)) for tool in asked]


def due(scene: Scene) -> Sequence[Use]:
    """Return the calls to make now: all at once, or the next one when the question names an order."""
    uses = planned(scene)
    done = len(scene.results)
    if ONE_BY_ONE.search(scene.question):
        return uses[done : done + 1]
    return () if done else uses


def place_of(tool: ToolSpec, question: str) -> int | None:
    """Return where the question names the tool or shows a sign that calls for it; None: nowhere."""
    name = re.escape(tool.name.lower())
    named = re.search(rf"(?<!\w)(?:{name}|{name.replace('_', ' ')})(?!\w)", question.lower())
    if named:
        return named.start()
    places = (sign(question) for sign, names in INTENTS if names.search(tool.name))
    return next((place for place in places if place is not None), None)


def closest(tools: Sequence[ToolSpec], question: str) -> Sequence[ToolSpec]:
    """Return the tool whose description has most words in common with the question, if it has enough."""
    wanted = terms_of(question)
    shared = [(len(wanted & terms_of(f"{tool.name.replace('_', ' ')} {tool.description}")), tool) for tool in tools]
    most, tool = max(shared, key=lambda pair: pair[0], default=(0, None))
    return [tool] if tool is not None and most >= WORDS_IN_COMMON else []
