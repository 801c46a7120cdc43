"""The rules, in order; the first that has a reply gives it."""

import re
from collections.abc import Callable

from nexent_gql.adapters.llm_offline import prose
from nexent_gql.adapters.llm_offline.arguments import arguments_for
from nexent_gql.adapters.llm_offline.arithmetic import sum_in, value_of
from nexent_gql.adapters.llm_offline.extract import best_sentences
from nexent_gql.adapters.llm_offline.phrases import phrases_for
from nexent_gql.adapters.llm_offline.planning import due, planned
from nexent_gql.adapters.llm_offline.replies import Reply, Say, Use, UseTools
from nexent_gql.adapters.llm_offline.results import told_by
from nexent_gql.adapters.llm_offline.scene import Scene
from nexent_gql.adapters.llm_offline.titles import asks_for_title, title_of

Rule = Callable[[Scene], Reply | None]

HELLO = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|你好|您好|嗨)\b|^(?:你好|您好|嗨)", re.IGNORECASE
)
WHO = re.compile(
    r"\b(?:who|what) are you\b|\b(?:what|which) (?:ai |language )?model\b|\byour name\b|\bwhat can you do\b"
    r"|你是谁|你是什么|(?:什么|哪个)模型|你叫什么|你能做什么|你会什么",
    re.IGNORECASE,
)
FIRST = re.compile(
    r"\bwhat (?:did|have) i (?:say|said|ask|asked|write|tell you) (?:at )?first\b"
    r"|\bmy first (?:message|question)\b|\bfirst thing i (?:said|asked|wrote)\b"
    r"|我(?:最先|最开始|一开始|第一次|首先).{0,6}(?:说|问)|我的?第一(?:句|个|条)",
    re.IGNORECASE,
)
TALKED = re.compile(
    r"\bwhat (?:have|did) (?:we|i) (?:talk|talked|discuss|discussed|say so far)\b"
    r"|\bsummari[sz]e (?:our|the|this) (?:conversation|chat)\b|我们.{0,6}(?:聊|谈|说)了?(?:些|过)?什么|总结.{0,6}对话",
    re.IGNORECASE,
)
BEFORE = re.compile(
    r"\bwhat did i (?:just )?(?:say|ask|write)\b|\bmy (?:last|previous) (?:message|question)\b"
    r"|\brepeat what i (?:said|asked)\b"
    r"|我(?:刚才|刚刚|之前|上一).{0,6}(?:说|问)",
    re.IGNORECASE,
)
AGAIN = re.compile(r"\brepeat (?:that|your)\b|\bsay that again\b|再说一遍|重复一?[遍下]", re.IGNORECASE)
SHORT_HELLO_CHARS = 30


def entitle(scene: Scene) -> Reply | None:
    """Give a title when the system asks for one."""
    return Say(title_of(scene.asked)) if asks_for_title(scene.system) else None


def use_tools(scene: Scene) -> Reply | None:
    """Call the tools that fit the question and were not called yet."""
    uses = due(scene)
    return UseTools(tuple(uses)) if uses else None


def tell_results(scene: Scene) -> Reply | None:
    """Answer from what tools or code gave back."""
    return Say(told_by(scene, planned(scene))) if scene.results else None


def obey(scene: Scene) -> Reply | None:
    """Call some tool when one must be called and the answer has no tool of its own."""
    if scene.request.tool_choice != "required" or scene.final is not None or scene.code or not scene.tools:
        return None
    tool = scene.tools[0]
    return UseTools((Use(tool.name, arguments_for(tool.parameters, scene.question)),))


def note_emptiness(scene: Scene) -> Reply | None:
    """Say so when nothing was asked."""
    return None if scene.asked else Say(phrases_for(scene.system).empty)


def remember(scene: Scene) -> Reply | None:
    """Recall what was said before."""
    phrases, question, earlier = phrases_for(scene.question), scene.question, scene.earlier
    if AGAIN.search(question) and scene.answered:
        return Say(phrases.again.format(text=scene.answered[-1]))
    if not any(words.search(question) for words in (FIRST, TALKED, BEFORE)):
        return None
    if not earlier:
        return Say(phrases.nothing_before)
    if FIRST.search(question):
        return Say(phrases.first.format(text=earlier[0]))
    if TALKED.search(question):
        return Say(phrases.talked.format(texts="".join(f"\n- {text}" for text in earlier)))
    return Say(phrases.before.format(text=earlier[-1]))


def introduce(scene: Scene) -> Reply | None:
    """Say who this is, also to somebody who says hello."""
    phrases = phrases_for(scene.question)
    if WHO.search(scene.question):
        return Say(phrases.who)
    if HELLO.search(scene.question) and len(scene.question) < SHORT_HELLO_CHARS:
        return Say(phrases.hello + phrases.who)
    return None


def write_at_length(scene: Scene) -> Reply | None:
    """Write a long text."""
    words = prose.length_asked(scene.question)
    return None if words is None else Say(prose.write(scene.question, words))


def compute(scene: Scene) -> Reply | None:
    """Work out a sum."""
    expression = sum_in(scene.question)
    value = value_of(expression) if expression else None
    if not expression or not value:
        return None
    text = phrases_for(scene.question).computed.format(sum=expression, value=value)
    return Say(text, code=f'result = {expression}\nfinal_answer(f"{expression} = {{result}}")')


def quote(scene: Scene) -> Reply | None:
    """Answer with sentences of the given texts."""
    found = best_sentences(scene.question, scene.texts)
    if not found:
        return None
    phrases = phrases_for(scene.question)
    told = all(any(sentence in text for text in scene.earlier) for sentence in found)
    return Say((phrases.told if told else phrases.given).format(text=" ".join(f"“{sentence}”" for sentence in found)))


def admit(scene: Scene) -> Reply | None:
    """Say that there is nothing to answer from."""
    return Say(phrases_for(scene.question).fallback.format(question=scene.question[:300]))


RULES: tuple[Rule, ...] = (
    entitle,
    note_emptiness,
    use_tools,
    tell_results,
    obey,
    remember,
    introduce,
    write_at_length,
    compute,
    quote,
    admit,
)


def decide(scene: Scene) -> Reply:
    """Return the reply of the first rule that has one."""
    return next(reply for reply in (rule(scene) for rule in RULES) if reply is not None)
