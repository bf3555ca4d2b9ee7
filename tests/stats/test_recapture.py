"""Capture and recapture: the closed form, coverage by simulation, and what it supposes."""

from __future__ import annotations

import numpy as np
import pytest

from llmsafe.errors import InputError
from llmsafe.stats import missed_by_both


def test_chapmans_estimate() -> None:
    # Chapman 1951: (n1 + 1)(n2 + 1)/(m + 1) - 1 in all, less those that were seen.
    both, one, two = 40, 8, 5
    everything = (both + one + 1) * (both + two + 1) / (both + 1) - 1
    assert missed_by_both(both, one, two).value == pytest.approx(everything - (both + one + two))


def test_what_both_found_leaves_nothing_but_keeps_an_interval() -> None:
    missed = missed_by_both(20, 0, 0)
    assert (missed.value, missed.low) == (0.0, 0.0)
    assert missed_by_both(5, 2, 3).high > missed_by_both(500, 2, 3).high > 0


def test_searches_that_never_agree_bound_nothing() -> None:
    assert missed_by_both(0, 0, 4).high == float("inf")
    assert missed_by_both(0, 7, 4).high > 1000


def coverage(things: int, first: float, second: float, shared: float, seed: int) -> float:
    """Share of 400 searches whose interval holds the number missed; ``shared`` of the things are
    hard for both."""
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(400):
        easy = rng.random(things) >= shared
        one = (rng.random(things) < first) & easy
        two = (rng.random(things) < second) & easy
        seen = int((one & two).sum()), int((one & ~two).sum()), int((two & ~one).sum())
        interval = missed_by_both(*seen)
        held += interval.low <= int((~one & ~two).sum()) <= interval.high
    return held / 400


@pytest.mark.parametrize(
    ("things", "first", "second"), [(30, 0.6, 0.7), (200, 0.95, 0.8), (2000, 0.98, 0.97)]
)
def test_the_interval_holds_when_searches_are_independent(
    things: int, first: float, second: float
) -> None:
    assert coverage(things, first, second, 0.0, seed=1) >= 0.95


def test_hard_cases_that_both_miss_are_not_seen() -> None:
    # The negative control, and the reason why the manifest calls it the least to expect.
    assert coverage(2000, 0.98, 0.97, 0.05, seed=2) < 0.05


def test_counts_are_checked() -> None:
    with pytest.raises(InputError, match="both -1"):
        missed_by_both(-1, 0, 0)
