"""What calls cost: prices by provider, model and date, read from data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nexent_gql.ports.llm import Usage

_MILLION = Decimal(1_000_000)
_VERSION = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-latest)$")
_Price = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class Price(BaseModel):
    """US dollars for a million tokens, from a day on; `provider` "*" is any.

    `cached_input` is the price of tokens read from the provider's cache, `cache_write` of those written to it; each is
    that of the input where it is None. `reasoning` is that of the output where it is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    since: date
    input: _Price
    output: _Price
    cached_input: _Price | None = None
    cache_write: _Price | None = None
    reasoning: _Price | None = None

    def cost(self, usage: Usage) -> Decimal:
        """Return what a call costs in US dollars; parts that exceed the whole are cut."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        cache_writes = min(usage.cache_write_tokens, usage.input_tokens - cached)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        parts = (
            (usage.input_tokens - cached - cache_writes, self.input),
            (cached, _first(self.cached_input, self.input)),
            (cache_writes, _first(self.cache_write, self.input)),
            (usage.output_tokens - reasoning, self.output),
            (reasoning, _first(self.reasoning, self.output)),
        )
        return sum((tokens * price for tokens, price in parts), Decimal()) / _MILLION


_PRICES = TypeAdapter(list[Price])


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices; of those for the same model, the newest that is not in the future counts."""

    prices: Sequence[Price]

    @classmethod
    def load(cls, overrides: Path | None = None) -> Self:
        """Read the prices of this release; those of the file `overrides`, of the same form, go before them.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not of this form.
        """
        own = _PRICES.validate_json(files(__package__ or "").joinpath("prices.json").read_bytes())
        theirs = [] if overrides is None else _PRICES.validate_json(overrides.read_bytes())
        return cls([*theirs, *[price for price in own if (price.provider, price.model) not in _keys(theirs)]])

    def find(self, provider: str, model: str, day: date) -> Price | None:
        """Return the price of a model on a day; one with a date or "-latest" at its end costs as the one without."""
        for name in dict.fromkeys((model, _VERSION.sub("", model))):
            matching = [price for price in self.prices if price.provider in {provider, "*"} and price.model == name]
            if valid := [price for price in matching if price.since <= day]:
                return max(valid, key=lambda price: price.since)
        return None

    def cost(self, provider: str, model: str, day: date, usage: Usage) -> Decimal | None:
        """Return what a call costs in US dollars; None without a price."""
        price = self.find(provider, model, day)
        return None if price is None else price.cost(usage)


def _first(price: Decimal | None, default: Decimal) -> Decimal:
    return default if price is None else price


def _keys(prices: Sequence[Price]) -> set[tuple[str, str]]:
    return {(price.provider, price.model) for price in prices}
