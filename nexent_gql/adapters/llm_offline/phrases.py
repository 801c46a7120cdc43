"""What the offline model says in words of its own, in English and Chinese."""

from dataclasses import dataclass

from nexent_gql.adapters.llm_offline.words import is_chinese


@dataclass(frozen=True, slots=True)
class Phrases:
    """The fixed phrases of one language; fields in braces are filled in."""

    who: str
    fallback: str
    hello: str
    first: str
    nothing_before: str
    before: str
    again: str
    talked: str
    given: str
    told: str
    result: str
    failed: str
    code: str
    computed: str
    using: str
    answering: str
    thinking: str
    no_topic: str
    untitled: str
    empty: str
    no_output: str


ENGLISH = Phrases(
    who="I am the built-in offline model. No model provider is connected, so I work only with what is in this "
    "conversation: I can recall what you said, quote texts you give me, use the tools I am offered, and write at any "
    "length so that you can watch an answer arrive.",
    fallback="I am the built-in offline model, and nothing I was given answers this. You said: “{question}” Connect a "
    "model provider for real answers. Until then, ask me what you said first, give me a sum, or ask for a "
    "long answer.",
    hello="Hello! ",
    first="The first thing you said was: “{text}”",
    nothing_before="This is your first message, so there is nothing before it.",
    before="Just before this you said: “{text}”",
    again="I said: {text}",
    talked="So far you said: {texts}",
    given="In what I was given it says: {text}",
    told="You told me: {text}",
    result="`{tool}` says: {output}",
    failed="That did not work: {output}",
    code="The result is: {output}",
    computed="{sum} = {value}",
    using="I will use {tools}.",
    answering="I can answer now.",
    thinking="The question is: “{question}” I know of {texts} texts and {tools} tools, and there are {earlier} earlier "
    "messages. {decision}",
    no_topic="nothing in particular",
    untitled="New conversation",
    empty="You sent an empty message. Ask me something.",
    no_output="(no output)",
)

CHINESE = Phrases(
    who="我是内置的离线模型。目前没有连接任何模型服务，所以我只能使用这个对话里的内容：我可以回忆你说过的话、引用你提供的文字、"
    "调用提供给我的工具，也可以写任意长度的文字，让你看到回答如何逐步出现。",
    fallback="我是内置的离线模型，我得到的内容里没有这个问题的答案。你说的是：“{question}”要得到真正的回答，请连接一个模型服务。"
    "在那之前，你可以问我你最先说了什么、让我算一道题，或者让我写一篇长文。",
    hello="你好！",
    first="你最先说的是：“{text}”",
    nothing_before="这是你的第一条消息，前面没有别的内容。",
    before="在这之前你说的是：“{text}”",
    again="我说的是：{text}",
    talked="到目前为止你说过：{texts}",
    given="我得到的内容里写着：{text}",
    told="你告诉过我：{text}",
    result="`{tool}` 的结果是：{output}",
    failed="没有成功：{output}",
    code="结果是：{output}",
    computed="{sum} = {value}",
    using="我将使用 {tools}。",
    answering="现在可以回答了。",
    thinking="问题是：“{question}”我有 {texts} 段文字、{tools} 个工具，前面有 {earlier} 条消息。{decision}",
    no_topic="一些小事",
    untitled="新对话",
    empty="你发来的消息是空的。请问我一个问题。",
    no_output="（没有输出）",
)


def phrases_for(text: str) -> Phrases:
    """Return the phrases of the language that a text is written in."""
    return CHINESE if is_chinese(text) else ENGLISH
