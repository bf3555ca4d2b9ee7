"""Refusing arguments that no statistic is defined for: name the value, the rule, the way out."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmsafe.errors import InputError

FloatArray = NDArray[np.float64]


def check_count(name: str, value: SupportsIndex, low: int, high: int | None = None) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} {value!r} is not a whole number: give a count") from None
    if number < low or (high is not None and number > high):
        rule = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InputError(f"{name} {number} must be {rule}: check the counts given")
    return number


def check_number(name: str, value: float, low: float, high: float) -> float:
    number = float(value)
    if not low <= number <= high:  # also refuses NaN
        raise InputError(f"{name} {number:g} must be in [{low:g}, {high:g}]: give such a number")
    return number


def check_confidence(value: float) -> float:
    number = float(value)
    if not 0.0 < number < 1.0:
        raise InputError(f"confidence {number:g} must be inside (0, 1): give e.g. 0.95")
    return number


def check_bound_confidence(value: float) -> float:
    number = check_number("confidence", value, 0.5, 1.0)
    if number == 1.0:
        raise InputError("confidence 1.0 certifies nothing: give a value in [0.5, 1), e.g. 0.95")
    return number


def check_one_run(
    canaries: SupportsIndex, guesses: SupportsIndex, correct: SupportsIndex
) -> tuple[int, int, int]:
    m = check_count("canaries", canaries, 0)
    r = check_count("guesses", guesses, 0, m)
    return m, r, check_count("correct", correct, 0, r)


def check_numbers(name: str, values: ArrayLike, high: float) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.all((array >= 0.0) & (array <= high)):
        raise InputError(f"{name} must lie in [0, {high:g}] everywhere: correct or drop the rest")
    return array


def check_scores(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}: give a flat, non-empty array")
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(
            f"{name} holds {bad} of {array.size} values that are not finite: "
            "fix the score that makes them; dropping them would bias the audit"
        )
    return array
