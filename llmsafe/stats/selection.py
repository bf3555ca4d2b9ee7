"""How many guesses, which threshold: rules that may look at the scores, and what looking costs.

The best of several bounds on the same scores is no bound at their confidence: on pure noise it
reports leakage in a fifth of all audits. Here every rule has one of three licences: the choice is
fixed by the design alone, or every choice of a grid fixed by the design is tested at its share of
the error probability (Bonferroni), or the choice is made on other trials than those it judges.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmsafe.errors import InputError
from llmsafe.stats.bounds import epsilon_clopper_pearson, epsilon_one_run
from llmsafe.stats.checks import (
    FloatArray,
    check_bound_confidence,
    check_confidence,
    check_count,
    check_scores,
)
from llmsafe.stats.fdp import epsilon_one_run_gdp

Sides = Literal["both", "top"]
"""``both``: the highest scores are guessed planted, the lowest withheld; ``top``: only the former.
"""
Family = Literal["dp", "gdp"]
"""Whose claims are refuted: any (epsilon, delta)-DP mechanism's, or any Gaussian mechanism's."""

_FEWEST_GUESSES = 16
_GRID_STEP = 4


@dataclass(frozen=True)
class OneRun:
    """A bound from one run: ``correct`` of ``guesses`` right, corrected for ``choices`` tries."""

    guesses: int
    correct: int
    epsilon_lower: float
    ceiling: float
    choices: int


@dataclass(frozen=True)
class RepeatedRuns:
    """A bound from repeated runs: a run is called a member's when its score >= ``threshold``.

    ``false_positives`` (or the misses) is the number that the rule allowed; ties may make the
    observed one smaller, which the bound does not use.
    """

    threshold: float
    true_positives: int
    positives: int
    false_positives: int
    negatives: int
    epsilon_lower: float
    ceiling: float
    choices: int


def one_run_guesses(
    scores: ArrayLike,
    included: ArrayLike,
    guesses: int,
    rng: np.random.Generator,
    *,
    sides: Sides = "both",
) -> int:
    """Number of right guesses when the extremes of ``scores`` are guessed and the rest is left.

    ``scores`` [canaries], higher = more likely planted; ``included`` [canaries], the coins. The
    top ceil(guesses / 2) are guessed planted, the bottom floor(guesses / 2) withheld; with
    ``sides="top"`` all guesses are the top's. Equal scores are ordered by ``rng``, never by
    position: canaries listed planted-first would otherwise be "found" by constant scores.

    The number of guesses must be fixed beforehand (or on other scores). Picking the one with the
    best bound on the same scores is invalid without the correction of :func:`one_run_search`.
    """
    return _right_guesses(_ranked_coins(scores, included, rng), sides)(guesses)


def guess_grid(canaries: int) -> tuple[int, ...]:
    """The numbers of guesses tried by default: canaries / 2, / 8, / 32, ... down to 16.

    Fixed by the number of canaries alone. Half of them certify the most when all leak, few when
    few do. Steps of four, since each further choice costs every other one confidence: with
    20,000 canaries the five choices lose 6 % of the ceiling and gain 80 % over half alone where
    planting shifts the score by one standard deviation.
    """
    count = max(1, check_count("canaries", canaries, 1) // 2)
    grid = [count]
    while count // _GRID_STEP >= _FEWEST_GUESSES:
        count //= _GRID_STEP
        grid.append(count)
    return tuple(grid)


def one_run_sweep(
    scores: ArrayLike,
    included: ArrayLike,
    delta: float,
    confidence: float,
    rng: np.random.Generator,
    grid: Sequence[int] | None = None,
    *,
    sides: Sides = "both",
    family: Family = "dp",
) -> tuple[OneRun, ...]:
    """One bound for each number of guesses in ``grid``, all of them valid at once.

    Arguments as for :func:`one_run_guesses`; each of the k choices is tested at error
    probability (1 - confidence) / k (Bonferroni), so the largest may be quoted. ``grid`` must
    not depend on these scores; by default it is :func:`guess_grid`, and ``grid=[n]`` is the
    uncorrected bound with n guesses fixed beforehand. ``family="gdp"`` assumes a Gaussian
    mechanism, see :func:`llmsafe.stats.epsilon_one_run_gdp`.

    Raises InputError for an empty grid, counts out of range, and scores that are not finite.
    """
    planted = _ranked_coins(scores, included, rng)
    m = planted.size
    counts = sorted({check_count("guesses", g, 1, m) for g in _given(grid, guess_grid(m))})
    right = _right_guesses(planted, sides)
    each = 1 - (1 - check_bound_confidence(confidence)) / len(counts)
    bound = epsilon_one_run_gdp if family == "gdp" else epsilon_one_run
    return tuple(
        OneRun(
            guesses=r,
            correct=right(r),
            epsilon_lower=bound(m, r, right(r), delta, each),
            ceiling=bound(m, r, r, delta, each),
            choices=len(counts),
        )
        for r in counts
    )


def one_run_search(
    scores: ArrayLike,
    included: ArrayLike,
    delta: float,
    confidence: float,
    rng: np.random.Generator,
    grid: Sequence[int] | None = None,
    *,
    sides: Sides = "both",
    family: Family = "dp",
) -> OneRun:
    """The largest bound of :func:`one_run_sweep`, valid at ``confidence`` though it was chosen.

    ``ceiling`` is the largest over the grid: what all right guesses would have certified. Of
    equal bounds the one with the higher ceiling is returned.
    """
    sweep = one_run_sweep(
        scores, included, delta, confidence, rng, grid, sides=sides, family=family
    )
    return best_of(sweep)


def best_of(sweep: Sequence[OneRun]) -> OneRun:
    """The largest bound of a sweep, with the largest ceiling of all: :func:`one_run_search`."""
    best = max(sweep, key=lambda one: (one.epsilon_lower, one.ceiling))
    return dataclasses.replace(best, ceiling=max(one.ceiling for one in sweep))


def error_grid(trials: int) -> tuple[int, ...]:
    """The numbers of errors allowed by default among ``trials``: 0, 1, 4, 16, ... up to half."""
    most = check_count("trials", trials, 1) // 2
    powers = [_GRID_STEP**j for j in range(most.bit_length()) if _GRID_STEP**j <= most]
    return (0, *powers)


def clopper_pearson_search(
    positive_scores: ArrayLike,
    negative_scores: ArrayLike,
    delta: float,
    confidence: float = 0.95,
    grid: Sequence[int] | None = None,
) -> RepeatedRuns:
    """Lower bound on epsilon from repeated runs, over thresholds set by how many may err.

    ``positive_scores`` [runs with the unit], ``negative_scores`` [runs without it], independent.
    For each k in ``grid`` (default :func:`error_grid` of either side) two thresholds are tried:
    just above the (k+1)-th largest negative, and at the (k+1)-th smallest positive. Every one is
    tested at its Bonferroni share of ``1 - confidence``.

    A threshold that is an order statistic of one group costs nothing beyond that: the true error
    rate of this group above its (k+1)-th largest score is Beta(k+1, n-k), whose quantile is the
    Clopper-Pearson bound of k errors, and given the threshold the other group's count is
    binomial. Ties only make the error rate smaller.

    Raises InputError for scores that are not finite, an empty grid and counts out of range.
    """
    positives = np.sort(check_scores("positive_scores", positive_scores))
    negatives = np.sort(check_scores("negative_scores", negative_scores))
    above = _error_counts(grid, negatives.size)
    below = _error_counts(grid, positives.size)
    choices = len(above) + len(below)
    each = 1 - (1 - check_confidence(confidence)) / choices

    def bound(hits: int, false: int) -> float:
        return epsilon_clopper_pearson(hits, positives.size, false, negatives.size, delta, each)

    best = RepeatedRuns(math.inf, 0, positives.size, 0, negatives.size, 0.0, 0.0, choices)
    ceiling = max(
        *(bound(positives.size, k) for k in above), *(bound(positives.size - k, 0) for k in below)
    )
    tries = [_cut_by_negatives(positives, negatives, k) for k in above]
    tries += [_cut_by_positives(positives, negatives, k) for k in below]
    for threshold, hits, false in tries:
        epsilon = bound(hits, false)
        if epsilon > best.epsilon_lower:
            best = dataclasses.replace(
                best,
                threshold=threshold,
                true_positives=hits,
                false_positives=false,
                epsilon_lower=epsilon,
            )
    return dataclasses.replace(best, ceiling=ceiling)


def _ranked_coins(
    scores: ArrayLike, included: ArrayLike, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """The coins from the lowest score to the highest, equal scores in random order."""
    values = check_scores("scores", scores)
    coins = np.asarray(included)
    if coins.shape != values.shape:
        raise InputError(
            f"included has shape {coins.shape} and scores {values.shape}: give one coin per score"
        )
    if not np.all((coins == 0) | (coins == 1)):
        raise InputError("included must hold booleans: True where the canary was planted")
    return coins.astype(bool)[np.lexsort((rng.random(values.size), values))]


def _right_guesses(planted: NDArray[np.bool_], sides: Sides) -> Callable[[int], int]:
    """Number of guesses -> how many are right, in constant time each."""
    among_lowest = np.concatenate([[0], np.cumsum(planted)])

    def right(guesses: int) -> int:
        count = check_count("guesses", guesses, 0, planted.size)
        bottom = count // 2 if sides == "both" else 0
        top = count - bottom
        hits = among_lowest[-1] - among_lowest[planted.size - top]
        return int(hits + bottom - among_lowest[bottom])

    return right


def _given(grid: Sequence[int] | None, default: tuple[int, ...]) -> Sequence[int]:
    if grid is None:
        return default
    if len(grid) == 0:
        raise InputError("grid is empty: give at least one count, or leave it out")
    return grid


def _error_counts(grid: Sequence[int] | None, trials: int) -> list[int]:
    counts = _given(grid, error_grid(trials))
    return sorted({check_count("grid", k, 0, trials - 1) for k in counts})


def _cut_by_negatives(
    positives: FloatArray, negatives: FloatArray, false: int
) -> tuple[float, int, int]:
    """Sorted scores -> the threshold just above the (false + 1)-th largest negative, its counts."""
    threshold = float(np.nextafter(negatives[negatives.size - 1 - false], math.inf))
    hits = positives.size - int(np.searchsorted(positives, threshold, side="left"))
    return threshold, hits, false


def _cut_by_positives(
    positives: FloatArray, negatives: FloatArray, missed: int
) -> tuple[float, int, int]:
    """Sorted scores -> the threshold at the (missed + 1)-th smallest positive, its counts."""
    threshold = float(positives[missed])
    false = negatives.size - int(np.searchsorted(negatives, threshold, side="left"))
    return threshold, positives.size - missed, false
