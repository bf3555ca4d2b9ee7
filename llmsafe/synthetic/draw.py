"""Random draws built on `Random.random` alone.

`random.Random.random()` is the one method whose sequence Python promises to keep for a seed, so
everything here is derived from it: the same seed gives the same bytes on every Python version.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def derive(*parts: object) -> random.Random:
    """A generator seeded by the parts (hashed as one string), independent of any other."""
    return random.Random("/".join(str(part) for part in parts))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """One item, uniformly."""
    return items[int(rng.random() * len(items))]


def chance(rng: random.Random, probability: float) -> bool:
    """True with the given probability."""
    return rng.random() < probability


def integer(rng: random.Random, low: int, high: int) -> int:
    """A whole number in [low, high], both ends included."""
    return low + int(rng.random() * (high - low + 1))


def between(rng: random.Random, low: float, high: float) -> float:
    """A real number in [low, high)."""
    return low + rng.random() * (high - low)


def sample(rng: random.Random, items: Sequence[T], count: int) -> list[T]:
    """Up to `count` distinct positions of `items`, in random order."""
    pool = list(items)
    size = len(pool)
    count = min(count, size)
    for i in range(count):
        j = i + int(rng.random() * (size - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:count]


def weighted(rng: random.Random, items: Sequence[T], weights: Sequence[float]) -> T:
    """One item, with probability proportional to its weight."""
    mark = rng.random() * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        mark -= weight
        if mark < 0:
            return item
    return items[-1]


def digits(rng: random.Random, count: int) -> str:
    """`count` random decimal digits, the first of them not zero."""
    return str(integer(rng, 1, 9)) + "".join(str(int(rng.random() * 10)) for _ in range(count - 1))
