"""What the rules decide: something to say, or tools to use."""

from dataclasses import dataclass

from nexent_gql.kernel.json import JsonObject


@dataclass(frozen=True, slots=True)
class Say:
    """An answer in words; `code` computes it, for code agents."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A tool to call."""

    tool: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class UseTools:
    """Tools to call at once."""

    uses: tuple[Use, ...]


Reply = Say | UseTools
