"""Numbers in words and figures."""

from __future__ import annotations

import random

from llmsafe.synthetic.draw import chance

WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)  # fmt: skip


def number_word(rng: random.Random, number: int) -> str:
    """`three` or `3`; figures above twelve."""
    return WORDS[number] if number < len(WORDS) and chance(rng, 0.6) else str(number)


def amount(value: float) -> str:
    """A dose: no trailing zero, thousands with a comma."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def span_of_days(rng: random.Random, days: int) -> str:
    """`3 days`, `two weeks`, `5 months`, as one would say it."""
    for size, unit in ((365, "year"), (30, "month"), (7, "week"), (1, "day")):
        count = round(days / size)
        if days >= size * (2 if size > 1 else 1) or size == 1:
            count = max(1, count)
            return f"{number_word(rng, count)} {unit}{'' if count == 1 else 's'}"
    return "a while"
