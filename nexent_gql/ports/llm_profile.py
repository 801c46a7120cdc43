"""What a model can do, and what it is asked by default."""

from dataclasses import dataclass
from enum import StrEnum


class ReasoningEffort(StrEnum):
    """How much a model should reason before it answers."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Verbosity(StrEnum):
    """How detailed an answer should be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What a model can do; None is unknown, and is treated as if the model could.

    The last three are what to ask of it; None leaves them to the provider.

    Attributes:
        context_window_tokens: Input and output together.
        max_output_tokens: The longest answer.
        has_tools: Calls tools.
        has_json_schema: Follows a JSON Schema for the whole answer.
        has_vision: Reads images.
        has_parallel_tools: Calls several tools at once; it is asked not to where this is False.
        has_sampling: Takes `temperature`.
        has_stop: Takes stop sequences.
        dimensions: Length of the vectors of an embedding model.
        max_input_tokens: The longest text that an embedding or reranking model reads.
        batch_size: The most texts of one request to such a model.
        temperature: Of requests that do not name one.
    """

    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    has_tools: bool | None = None
    has_json_schema: bool | None = None
    has_vision: bool | None = None
    has_sampling: bool | None = None
    has_stop: bool | None = None
    dimensions: int | None = None
    max_input_tokens: int | None = None
    batch_size: int | None = None
    has_parallel_tools: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    temperature: float | None = None


UNKNOWN_PROFILE = ModelProfile()
