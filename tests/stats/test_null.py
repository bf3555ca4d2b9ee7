"""Scores that know nothing: every rule on offer must stay silent in 95 % of the audits.

2,000 audits a rule. The level is judged with an exact binomial tolerance, and the rules that look
at the scores without paying for it are there as negative controls.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from llmsafe.stats import (
    clopper_pearson_search,
    epsilon_one_run,
    mu_one_run,
    one_run_guesses,
    one_run_search,
)

AUDITS = 2000
CANARIES = 160
FINE_GRID = range(10, CANARIES + 1, 10)


def noise_audits(seed, canaries=CANARIES):
    """Scores, coins and a generator: what the coins did cannot be seen in the scores."""
    rng = np.random.default_rng(seed)
    for _ in range(AUDITS):
        yield rng.normal(size=canaries), rng.random(canaries) < 0.5, rng


@cache
def bound_without_delta(canaries, guesses, correct, confidence=0.95):
    return epsilon_one_run(canaries, guesses, correct, 0.0, confidence)


@cache
def mu_bound(canaries, guesses, correct):
    return mu_one_run(canaries, guesses, correct)


def searched(family, sides, grid):
    """epsilon > 0 does not depend on delta under GDP until delta covers mu: 1e-12 never does."""
    delta = 0.0 if family == "dp" else 1e-12

    def rule(scores, coins, rng):
        found = one_run_search(scores, coins, delta, 0.95, rng, grid, sides=sides, family=family)
        return found.epsilon_lower

    return rule


def repeated(rule):
    return lambda scores, coins, rng: rule(scores[coins], scores[~coins], rng).epsilon_lower


RULES = {
    "half, fixed": lambda s, c, rng: bound_without_delta(
        CANARIES, CANARIES // 2, one_run_guesses(s, c, CANARIES // 2, rng)
    ),
    "default grid": searched("dp", "both", None),
    "both sides": searched("dp", "both", (80, 40, 20, 10)),
    "top": searched("dp", "top", (80, 40, 20, 10)),
    "many choices": searched("dp", "both", tuple(FINE_GRID)),
    "gdp, half, fixed": searched("gdp", "both", (CANARIES // 2,)),
    "gdp, both sides": searched("gdp", "both", (40, 10)),
    "gdp, top": searched("gdp", "top", (40, 10)),
    "clopper-pearson": repeated(lambda p, n, rng: clopper_pearson_search(p, n, 0.0)),
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_holds_the_level(name, at_most):
    rule = RULES[name]
    found = sum(rule(*audit) > 0 for audit in noise_audits(seed=list(RULES).index(name)))
    assert at_most(found, AUDITS, 0.05)


def test_null_simulation_holds_the_level(at_most):
    canaries, guesses = 200, 60
    found = 0
    for scores, coins, rng in noise_audits(seed=11, canaries=canaries):
        correct = one_run_guesses(scores, coins, guesses, rng)
        found += bound_without_delta(canaries, guesses, correct) > 0
    assert at_most(found, AUDITS, 0.05)
    assert found > 0.01 * AUDITS  # the test is not simply asleep


def test_choosing_the_guesses_on_the_same_scores_breaks_the_level():
    """Negative control: the best of a grid, as if it had been the only one."""
    found = sum(
        any(
            bound_without_delta(CANARIES, g, one_run_guesses(scores, coins, g, rng)) > 0
            for g in FINE_GRID
        )
        for scores, coins, rng in noise_audits(seed=12)
    )
    assert found > 0.15 * AUDITS


def test_choosing_the_guesses_breaks_the_level_of_the_gaussian_bound_too(at_most):
    found = sum(
        any(mu_bound(CANARIES, g, one_run_guesses(scores, coins, g, rng)) > 0 for g in FINE_GRID)
        for scores, coins, rng in noise_audits(seed=12)
    )
    assert not at_most(found, AUDITS, 0.05)
