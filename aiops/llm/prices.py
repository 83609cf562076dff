"""What tokens cost, as decimal text in AIOPS_CURRENCY: a fraction of a cent must not get lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from aiops.llm.values import Price

MILLION = Decimal(1_000_000)
PLACES = Decimal("0.000001")
COUNTED = ("input_tokens", "output_tokens")


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


class Spending:
    """The tokens of one run; those of each model, of which a fallback is another, at its own price."""

    def __init__(self, earlier: Mapping[str, Any] | None = None) -> None:
        """``earlier``: the summary of what the run had used before people were asked about a call."""
        self._earlier = earlier
        self._used: dict[Price, dict[str, int]] = {}

    def add(self, price: Price, used: Mapping[str, int]) -> None:
        """Count the tokens of one model call: input_tokens and output_tokens."""
        counted = self._used.setdefault(price, dict.fromkeys(COUNTED, 0))
        for name in COUNTED:
            counted[name] += used.get(name, 0)

    def summary(self, price: Price) -> dict[str, int | str | None]:
        """Return input_tokens, output_tokens and cost: None if a price is not known; ``price`` if nothing was used."""
        used = self._used or {price: dict.fromkeys(COUNTED, 0)}
        costs = [cost(each, **tokens) for each, tokens in used.items()]
        sums = {name: sum(tokens[name] for tokens in used.values()) for name in COUNTED}
        if self._earlier is not None:
            sums = {name: count + self._earlier[name] for name, count in sums.items()}
            costs.append(self._earlier["cost"])
        return {**sums, "cost": None if None in costs else total(costs)}
