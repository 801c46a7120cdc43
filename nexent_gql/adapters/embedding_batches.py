"""Divides texts into the batches that a provider accepts."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.llm import ModelEndpoint

DEFAULT_SIZE = 64
MAX_BATCH_TOKENS = 50_000
"""Estimated; OpenAI accepts 300,000 in one request, most local servers as much as they can do in a minute."""
LEARNED_FOR_S = 3_600.0
_MAX_ENDPOINTS = 1_000


def by_size(texts: Sequence[str], size: int, max_tokens: int = MAX_BATCH_TOKENS) -> list[tuple[str, ...]]:
    """Return batches of at most `size` texts and `max_tokens` tokens; a longer text is a batch of its own."""
    batches: list[tuple[str, ...]] = []
    batch: list[str] = []
    tokens = 0
    for text in texts:
        added = estimate_text_tokens(text)
        if batch and (len(batch) >= size or tokens + added > max_tokens):
            batches.append(tuple(batch))
            batch, tokens = [], 0
        batch.append(text)
        tokens += added
    return [*batches, tuple(batch)] if batch else batches


class LearnedSizes:
    """Remembers for an hour, by base URL and model, that smaller batches than usual were accepted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def of(self, endpoint: ModelEndpoint) -> int:
        """Return the size of batches for an endpoint."""
        size = endpoint.profile.batch_size or DEFAULT_SIZE
        learned, expires_at = self._entries.get((endpoint.base_url, endpoint.model), (size, 0.0))
        return min(size, learned) if expires_at > self._clock() else size

    def learn(self, endpoint: ModelEndpoint, size: int) -> None:
        """Remember what was accepted, if it is less than what would be tried."""
        if size < self.of(endpoint):
            self._entries[endpoint.base_url, endpoint.model] = (size, self._clock() + LEARNED_FOR_S)
            while len(self._entries) > _MAX_ENDPOINTS:
                self._entries.popitem(last=False)
