"""Amounts of money in US dollars."""

from decimal import Decimal


def usd_text(amount: Decimal) -> str:
    """Return an amount as people and clients read it: without an exponent or trailing zeros, such as 0.0123."""
    return f"{amount.normalize():f}"
