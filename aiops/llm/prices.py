"""What tokens cost, as decimal text in AIOPS_CURRENCY: a fraction of a cent must not get lost."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from aiops.llm.values import Price

MILLION = Decimal(1_000_000)
PLACES = Decimal("0.000001")


def cost(price: Price, *, input_tokens: int, output_tokens: int) -> str | None:
    """Return the cost, to a millionth; None when a price is not known."""
    if price.into is None or price.out is None:
        return None
    exact = (price.into * input_tokens + price.out * output_tokens) / MILLION
    return str(exact.quantize(PLACES))


def total(costs: Iterable[str | None]) -> str | None:
    """Return the sum of the costs that are known; None when none is."""
    known = [Decimal(one) for one in costs if one is not None]
    return str(sum(known, Decimal(0))) if known else None
