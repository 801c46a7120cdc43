"""What providers were seen to refuse, so that it is not offered to them again."""

import re
from collections import OrderedDict
from collections.abc import Collection

from nexent_gql.adapters.llm_openai.errors import loaded, reason_of
from nexent_gql.adapters.llm_openai.wire import REFUSABLE, Quirk
from nexent_gql.kernel.json import Json
from nexent_gql.ports.llm import ModelEndpoint

REFUSAL = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra (?:inputs|fields)|not (?:permitted|allowed)",
    re.IGNORECASE,
)
STATUSES = {400, 422}


class Quirks:
    """Remembers refused parameters by base URL and model; the least used are forgotten beyond `size`."""

    def __init__(self, size: int = 1_000) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, str], frozenset[Quirk]] = OrderedDict()

    def of(self, endpoint: ModelEndpoint) -> frozenset[Quirk]:
        """Return what the endpoint refuses."""
        return self._known.get((endpoint.base_url, endpoint.model), frozenset())

    def add(self, endpoint: ModelEndpoint, quirk: Quirk) -> None:
        """Remember a refusal."""
        place = (endpoint.base_url, endpoint.model)
        self._known[place] = self._known.pop(place, frozenset()) | {quirk}
        while len(self._known) > self._size:
            self._known.popitem(last=False)


def refused_parameter(status: int, body: bytes, sent: Collection[str]) -> Quirk | None:
    """Return the parameter that a refusal is about, if it was sent and one can do without it."""
    if status not in STATUSES:
        return None
    told = loaded(body)
    reason = reason_of(told)
    if not REFUSAL.search(reason):
        return None
    named = parameter_of(told)
    return next((name for name in REFUSABLE if name in sent and (name == named or mentions(reason, name))), None)


def parameter_of(told: Json) -> str:
    """Return the parameter that OpenAI's form of error names."""
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("param")) if isinstance(error, dict) else ""


def mentions(reason: str, name: str) -> bool:
    """Tell whether a sentence is about a parameter; names that are plain words must be quoted."""
    pattern = rf"\b{name}\b" if "_" in name else rf"['\"`]{name}['\"`]"
    return re.search(pattern, reason) is not None
