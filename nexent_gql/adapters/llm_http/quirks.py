"""What providers were seen to refuse, so that it is not offered to them again for a while."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from nexent_gql.adapters.llm_http.errors import loaded, reason_of
from nexent_gql.kernel.json import Json
from nexent_gql.ports.llm import ModelEndpoint

Quirk = str
"""A parameter that a provider was seen to refuse; requests to it are written without it."""

KEPT_S = 3_600.0
REFUSAL = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra (?:inputs|fields)|not (?:permitted|allowed)"
    r"|deprecated|不支持|未知参数|无效参数",
    re.IGNORECASE,
)
STATUSES = {400, 422}
_SPECIFIC = {"temperature", "dimensions"}
"""Names of parameters that stand for nothing else in a provider's sentence."""
_SAMPLING: frozenset[Quirk] = frozenset({"temperature"})
_STOP: frozenset[Quirk] = frozenset({"stop", "stop_sequences"})
_JSON_SCHEMA: frozenset[Quirk] = frozenset({"response_format", "output_config", "text"})


class Quirks:
    """Remembers refused parameters by base URL and model for `kept_s` seconds; the least used go beyond `size`.

    A refusal expires because one wrong reply must not disable a parameter of an endpoint for good.
    """

    def __init__(
        self, size: int = 1_000, *, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._kept_s = kept_s
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], dict[Quirk, float]] = OrderedDict()

    def of(self, endpoint: ModelEndpoint) -> frozenset[Quirk]:
        """Return what the endpoint refuses."""
        place = (endpoint.base_url, endpoint.model)
        entry = self._entries.get(place)
        if entry is None:
            return frozenset()
        self._entries.move_to_end(place)
        now = self._clock()
        return frozenset([quirk for quirk, expires_at in entry.items() if expires_at > now])

    def add(self, endpoint: ModelEndpoint, quirk: Quirk) -> None:
        """Remember a refusal."""
        place = (endpoint.base_url, endpoint.model)
        entry = self._entries.pop(place, {})
        self._entries[place] = entry | {quirk: self._clock() + self._kept_s}
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)


def unsupported_of(endpoint: ModelEndpoint) -> frozenset[Quirk]:
    """Return what the provider's entry and the model's profile say that it does not take, in all dialects' names."""
    profile, unsupported = endpoint.profile, endpoint.unsupported
    for ability, names in (
        (profile.has_sampling, _SAMPLING),
        (profile.has_stop, _STOP),
        (profile.has_json_schema, _JSON_SCHEMA),
    ):
        if ability is False:
            unsupported |= names
    return unsupported


def refused_parameter(status: int, body: bytes, fields: Collection[str], refusable: Sequence[Quirk]) -> Quirk | None:
    """Return the parameter that a refusal is about, if it was sent and one can do without it."""
    if status not in STATUSES:
        return None
    answer = loaded(body)
    reason = reason_of(answer)
    if not REFUSAL.search(reason):
        return None
    named = parameter_of(answer).partition(".")[0]  # "reasoning.effort" is sent within "reasoning"
    return next((name for name in refusable if name in fields and (name == named or mentions(reason, name))), None)


def parameter_of(answer: Json) -> str:
    """Return the parameter that OpenAI's form of error names."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("param")) if isinstance(error, dict) else ""


def mentions(reason: str, name: str) -> bool:
    """Tell whether a sentence is about a parameter; names that are plain words must be quoted."""
    pattern = rf"\b{name}\b" if "_" in name or name in _SPECIFIC else rf"['\"`]{name}['\"`]"
    return re.search(pattern, reason) is not None
