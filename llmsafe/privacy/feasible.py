"""What would do instead, when a plan cannot reach its ε: numbers that were computed, not guessed.

Every figure returned was confirmed by the accountant that plans are made with. To find it in
little time the search walks on the Gaussian limit (Dong, Roth and Su, arXiv:1905.02383), which is
never used to state an ε: it can be too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from llmsafe.errors import InputError
from llmsafe.privacy import accountant

# The limit understates ε by a few percent at most where σ is large; confirmed afterwards.
_MARGIN = 0.97
_TRIES = 3
_LARGEST_POPULATION = 10**12


@dataclass(frozen=True)
class Wish:
    """The public numbers of a plan whose ε is asked for."""

    epsilon: float
    delta: float
    population: int
    units_per_step: float
    steps: int


def largest_noise(units_per_step: float, steps: int) -> float:
    """The largest σ with which a run can learn anything: units per step × √steps.

    If every unit drawn pulled its full clip norm C in one direction at every step, the sum of all
    updates would be ``steps · units_per_step · C``; the noise of all steps together has the
    deviation ``√steps · σ · C`` in every single coordinate. Above this σ it is the larger one.
    """
    return min(accountant.LARGEST_SIGMA, units_per_step * math.sqrt(steps))


def within_reach(wish: Wish, noise: Callable[[float, int], float] = largest_noise) -> bool:
    """Whether some admitted σ gives the ε wished for (ε falls as σ grows: the largest decides)."""
    # The cheap bound settles nearly every wish.
    return any(_confirmed(wish, noise, which) <= wish.epsilon for which in ("rdp", "prv"))


def ways_out(wish: Wish, noise: Callable[[float, int], float] = largest_noise) -> str:
    """Which ε, steps, units per step or population would do, each with all else as it is.

    Args:
        noise: the largest σ that is admitted for (units per step, steps).

    Returns:
        For example ``epsilon 0.31, or 12 steps, or a population of 48,000``, for "would do".
    """
    smallest = _confirmed(wish, noise)
    found = [f"epsilon {_up(smallest)}"] if math.isfinite(smallest) else []
    if (steps := _most_steps(wish, noise)) is not None:
        found.append(f"{steps:,} steps")
    if (units := _units_per_step(wish, noise)) is not None:
        found.append(f"{units:,} units per step")
    if (population := _smallest_population(wish, noise)) is not None:
        found.append(f"a population of {population:,}")
    return ", or ".join(found) or "no other epsilon, steps, units per step or population alone"


def _most_steps(wish: Wish, noise: Callable[[float, int], float]) -> int | None:
    def change(steps: int) -> Wish:
        return Wish(wish.epsilon, wish.delta, wish.population, wish.units_per_step, steps)

    return _search(wish, change, noise, 1, wish.steps, smallest=False)


def _smallest_population(wish: Wish, noise: Callable[[float, int], float]) -> int | None:
    def change(population: int) -> Wish:
        return Wish(wish.epsilon, wish.delta, population, wish.units_per_step, wish.steps)

    # δ must stay below 1/population.
    end = min(_LARGEST_POPULATION, math.floor(1 / wish.delta))
    return _search(wish, change, noise, wish.population, end, smallest=True)


def _units_per_step(wish: Wish, noise: Callable[[float, int], float]) -> int | None:
    """More units where that admits more noise than it costs, else fewer."""

    def change(units: int) -> Wish:
        return Wish(wish.epsilon, wish.delta, wish.population, float(units), wish.steps)

    now = math.ceil(wish.units_per_step)
    more = _search(wish, change, noise, now, wish.population, smallest=True)
    if more is not None:
        return more
    return _search(wish, change, noise, 1, math.floor(wish.units_per_step), smallest=False)


def _search(
    wish: Wish,
    change: Callable[[int], Wish],
    noise: Callable[[float, int], float],
    low: int,
    high: int,
    *,
    smallest: bool,
) -> int | None:
    """The outermost number in [low, high] that does, to two digits; ``None`` if none does.

    Assumes that what does lies at the ``high`` end (``smallest``) or else at the ``low`` end.
    """
    if low >= high:
        return None
    good, bad = (high, low) if smallest else (low, high)

    def does(number: int) -> bool:
        return _limit(change(number), noise) <= _MARGIN * wish.epsilon

    if not does(good):
        return None
    while abs(good - bad) > max(1, good // 100):
        middle = round(math.sqrt(good * bad)) if min(good, bad) > 0 else (good + bad) // 2
        if middle in (good, bad):
            middle = (good + bad) // 2
        good, bad = (middle, bad) if does(middle) else (good, middle)
    for _ in range(_TRIES):
        tidy = _tidy(good, up=smallest)
        good = tidy if low <= tidy <= high else good
        if _confirmed(change(good), noise) <= wish.epsilon:
            return good
        good = min(high, math.ceil(1.3 * good)) if smallest else max(low, math.floor(0.7 * good))
    return None


def _confirmed(
    wish: Wish,
    noise: Callable[[float, int], float],
    which: accountant.Accountant = "prv",
) -> float:
    try:
        return accountant.epsilon(
            noise_multiplier=noise(wish.units_per_step, wish.steps),
            sampling_probability=wish.units_per_step / wish.population,
            steps=wish.steps,
            delta=wish.delta,
            accountant=which,
        )
    except InputError:
        return math.inf


def _limit(wish: Wish, noise: Callable[[float, int], float]) -> float:
    sigma = noise(wish.units_per_step, wish.steps)
    q = wish.units_per_step / wish.population
    if sigma < 0.05:  # e^{1/σ²} leaves float64
        return math.inf
    mu = q * math.sqrt(wish.steps * math.expm1(sigma**-2))
    if q == 1:
        mu = math.sqrt(wish.steps) / sigma
    return accountant.gaussian_epsilon(mu, wish.delta)


def _tidy(number: int, *, up: bool) -> int:
    """Two significant digits, upwards or downwards."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return (math.ceil if up else math.floor)(number / unit) * unit


def _up(epsilon: float) -> str:
    """Two significant digits, upwards."""
    if epsilon <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(epsilon))
    return f"{math.ceil(epsilon * 10**digits) / 10**digits:g}"
