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
    """US dollars for a million tokens, from a day on; `provider` "*" is any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    since: date
    input: _Price
    output: _Price
    cached_input: _Price | None = None


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
        if price is None:
            return None
        cached = min(usage.cached_tokens, usage.input_tokens)
        cached_price = price.input if price.cached_input is None else price.cached_input
        fresh = usage.input_tokens - cached
        return (fresh * price.input + cached * cached_price + usage.output_tokens * price.output) / _MILLION


def _keys(prices: Sequence[Price]) -> set[tuple[str, str]]:
    return {(price.provider, price.model) for price in prices}
