"""Which tools a question calls for."""

import re
from collections.abc import Callable, Sequence

from nexent_gql.adapters.llm_offline.arguments import arguments_for
from nexent_gql.adapters.llm_offline.arithmetic import sum_in
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

INTENTS: tuple[tuple[Callable[[str], object], re.Pattern[str]], ...] = (
    (sum_in, re.compile(r"calc|math|arith", re.IGNORECASE)),
    (TIME.search, re.compile(r"time|date|clock|now", re.IGNORECASE)),
    (WAIT.search, re.compile(r"wait|sleep|slow|delay", re.IGNORECASE)),
)
"""A sign in the question, and the names of the tools that it calls for."""
WORDS_IN_COMMON = 2


def planned(scene: Scene) -> Sequence[Use]:
    """Return all calls that the question is worth, in the order of the tools."""
    asked = [tool for tool in scene.tools if is_named(tool, scene.question) or is_meant(tool, scene.question)]
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


def is_named(tool: ToolSpec, question: str) -> bool:
    """Tell whether the question has the tool's name, also as separate words."""
    name = tool.name.lower()
    return any(
        re.search(rf"(?<!\w){re.escape(form)}(?!\w)", question.lower()) for form in {name, name.replace("_", " ")}
    )


def is_meant(tool: ToolSpec, question: str) -> bool:
    """Tell whether the question shows a sign that calls for tools of such a name."""
    return any(names.search(tool.name) and sign(question) for sign, names in INTENTS)


def closest(tools: Sequence[ToolSpec], question: str) -> Sequence[ToolSpec]:
    """Return the tool whose description has most words in common with the question, if it has enough."""
    wanted = terms_of(question)
    shared = [(len(wanted & terms_of(f"{tool.name.replace('_', ' ')} {tool.description}")), tool) for tool in tools]
    most, tool = max(shared, key=lambda pair: pair[0], default=(0, None))
    return [tool] if tool is not None and most >= WORDS_IN_COMMON else []
