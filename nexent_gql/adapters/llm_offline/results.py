"""Answers from what tools gave back."""

from collections.abc import Sequence

from nexent_gql.adapters.llm_offline.extract import best_sentences
from nexent_gql.adapters.llm_offline.phrases import phrases_for
from nexent_gql.adapters.llm_offline.replies import Use
from nexent_gql.adapters.llm_offline.scene import Result, Scene
from nexent_gql.kernel.json import Json, loads_object

MAX_CHARS = 800


def told_by(scene: Scene, plan: Sequence[Use]) -> str:
    """Put all results into words, one a paragraph."""
    uses = [*plan, *([None] * len(scene.results))]
    return "\n\n".join(one(scene, result, use) for result, use in zip(scene.results, uses, strict=False))


def one(scene: Scene, result: Result, use: Use | None) -> str:
    """Put one result into words; a sum is shown with its value, a long text by what matters of it."""
    phrases = phrases_for(scene.question)
    output = shortened(scene.question, result.output) or phrases.no_output
    if result.failed:
        return phrases.failed.format(output=output)
    tool = result.tool or (use.tool if use else "")
    expression = expression_of(result, use)
    if expression and len(output.split()) == 1:
        return phrases.computed.format(sum=expression, value=output)
    return phrases.result.format(tool=tool, output=output) if tool else phrases.code.format(output=output)


def expression_of(result: Result, use: Use | None) -> str:
    """Return the sum that was worked out, if it was one."""
    value: Json = use.arguments.get("expression") if use and not result.arguments else None
    if result.arguments:
        try:
            value = loads_object(result.arguments).get("expression")
        except ValueError:
            value = None
    return value if isinstance(value, str) else ""


def shortened(question: str, output: str) -> str:
    """Return an output, or of a long one the sentences that fit the question, or its beginning."""
    if len(output) <= MAX_CHARS:
        return output
    return " ".join(best_sentences(question, [output])) or f"{output[:MAX_CHARS]}…"
