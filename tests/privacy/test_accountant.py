"""Accountants against oracle values, a naive integral, a closed form, and each other."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import integrate, stats

from llmsafe.errors import InputError, SetupError
from llmsafe.privacy.accountant import (
    CapCostsTooMuch,
    OutOfReach,
    Steps,
    composed_epsilon,
    epsilon,
    gaussian_epsilon,
    noise_multiplier_for,
)
from llmsafe.privacy.truncation import overflow_probability, smallest_cap

# (noise multiplier, PLD, PRV, RDP) at q 0.01024, 292 steps, δ 6.8e-6.
ORACLES = [
    (0.8, 2.1378, 2.1481, 2.7477),
    (0.6, 5.1891, 5.1996, 6.2924),
    (1.2, 0.7536, 0.7637, 0.9925),
]
SETTING = {"sampling_probability": 0.01024, "steps": 292, "delta": 6.8e-6}


def naive_epsilon(sigma: float, q: float, delta: float) -> float:
    """One step by definition: δ(ε) = ∫ max(0, P − e^ε Q), both directions, ε by bisection."""
    grid = np.linspace(-12 * sigma, 12 * sigma + 1, 40001)
    plain = stats.norm.pdf(grid, 0, sigma)
    mixture = (1 - q) * plain + q * stats.norm.pdf(grid, 1, sigma)

    def delta_at(eps: float) -> float:
        excess = (mixture - math.exp(eps) * plain, plain - math.exp(eps) * mixture)
        return max(float(integrate.simpson(np.maximum(0, one), x=grid)) for one in excess)

    low, high = 0.0, 30.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_at(middle) > delta else (low, middle)
    return high


@pytest.mark.parametrize(("sigma", "pld", "prv", "rdp"), ORACLES)
def test_reproduces_the_oracle_values(sigma, pld, prv, rdp):
    assert epsilon(noise_multiplier=sigma, **SETTING) == pytest.approx(prv, abs=0.02)
    assert epsilon(noise_multiplier=sigma, **SETTING, accountant="rdp") == pytest.approx(
        rdp, abs=0.002
    )
    pytest.importorskip("dp_accounting")
    assert epsilon(noise_multiplier=sigma, **SETTING, accountant="pld") == pytest.approx(
        pld, abs=0.002
    )


def test_one_step_equals_the_naive_integral():
    for sigma, q, delta in [(1.0, 0.3, 1e-3), (0.7, 0.05, 1e-5)]:
        naive = naive_epsilon(sigma, q, delta)
        setting = {"sampling_probability": q, "steps": 1, "delta": delta}
        ours = epsilon(noise_multiplier=sigma, **setting)
        # The naive value is good to 0.001 (grid), ours adds at most its own 0.01.
        assert naive - 0.001 <= ours <= naive + 0.012
        # Negative control: σ understated by a tenth would be seen.
        assert (
            not naive - 0.001 <= epsilon(noise_multiplier=0.9 * sigma, **setting) <= naive + 0.012
        )


def test_no_subsampling_is_the_exact_gaussian_mechanism():
    for sigma, steps, delta in [(1.0, 1, 1e-5), (5.0, 100, 1e-5), (0.5, 30, 1e-8), (200.0, 1, 0.1)]:
        eps = epsilon(noise_multiplier=sigma, sampling_probability=1, steps=steps, delta=delta)
        mu = math.sqrt(steps) / sigma
        at = stats.norm.cdf(mu / 2 - eps / mu) - math.exp(
            eps + stats.norm.logcdf(-mu / 2 - eps / mu)
        )
        if eps == 0:
            assert at <= delta
        else:
            assert at == pytest.approx(delta, rel=1e-4)
    # The numerical accountant meets the closed form as q → 1.
    near = epsilon(noise_multiplier=2, sampling_probability=1 - 1e-9, steps=10, delta=1e-5)
    exact = epsilon(noise_multiplier=2, sampling_probability=1, steps=10, delta=1e-5)
    assert exact <= near <= exact + 0.02


@pytest.mark.parametrize(
    ("sigma", "q", "steps", "delta"),
    [
        (1.0, 0.01, 500, 2e-10),  # δ near the round-off of the FFT
        (1.0, 0.01, 500, 0.1),
        (100.0, 0.01, 1000, 1e-5),  # tiny ε
        (1.0, 0.3, 8, 1e-6),
        (0.4, 0.02, 50, 1e-6),  # large ε
        (0.5, 1e-4, 20_000, 1e-6),  # many steps
        (0.8, 0.999, 4, 1e-5),
    ],
)
def test_prv_lies_between_pld_and_rdp(sigma, q, steps, delta):
    pytest.importorskip("dp_accounting")
    setting = {"noise_multiplier": sigma, "sampling_probability": q, "steps": steps, "delta": delta}
    prv, rdp = epsilon(**setting), epsilon(**setting, accountant="rdp")
    pld = epsilon(**setting, accountant="pld")
    assert pld <= prv + 1e-4
    assert prv <= min(rdp, pld + 0.015 + 0.02 * (steps > 10_000))


def test_where_prv_breaks_down_the_rdp_bound_stands_in():
    for sigma, q, steps, delta in [
        (0.1, 0.01, 500, 1e-5),  # Opacus: inf after a minute and a half
        (0.01, 0.01, 1, 1e-5),
        (1.0, 0.01, 500, 1e-12),
        (0.001, 1e-6, 10, 1e-5),
    ]:
        setting = {
            "noise_multiplier": sigma, "sampling_probability": q, "steps": steps, "delta": delta
        }  # fmt: skip
        assert epsilon(**setting) == epsilon(**setting, accountant="rdp")


def test_edges():
    assert epsilon(noise_multiplier=0, **SETTING) == math.inf
    assert epsilon(noise_multiplier=1, sampling_probability=0.1, steps=0, delta=1e-5) == 0


def test_epsilon_falls_with_noise_and_grows_with_steps():
    def at(sigma=0.8, steps=100, q=0.02):
        return epsilon(noise_multiplier=sigma, sampling_probability=q, steps=steps, delta=1e-5)

    by_sigma = [at(sigma=s) for s in (0.5, 0.8, 2.0, 10.0)]
    assert by_sigma == sorted(by_sigma, reverse=True)
    assert at(steps=50) < at(steps=100) < at(steps=101)
    assert at(q=0.01) < at(q=0.02)


@pytest.mark.parametrize(
    ("target", "q", "steps"), [(0.05, 0.01, 200), (1, 0.05, 500), (8, 0.064, 30), (40, 0.2, 4)]
)
def test_noise_multiplier_reaches_its_target_from_below(target, q, steps):
    setting = {"sampling_probability": q, "steps": steps, "delta": 1e-5}
    sigma = noise_multiplier_for(epsilon=target, **setting)
    assert 0.99 * target <= epsilon(noise_multiplier=sigma, **setting) <= target
    assert float(f"{sigma:.5g}") == sigma  # it can be typed again


def test_noise_multiplier_for_the_other_accountants():
    rdp = noise_multiplier_for(epsilon=2.7477, **SETTING, accountant="rdp")
    assert rdp == pytest.approx(0.8, rel=0.01)


@pytest.mark.parametrize("target", [0, -1, math.inf, math.nan])
def test_impossible_targets_are_refused(target):
    with pytest.raises(InputError, match="positive, finite"):
        noise_multiplier_for(epsilon=target, **SETTING)


def test_out_of_reach_target_says_so():
    with pytest.raises(OutOfReach, match="out of reach"):
        noise_multiplier_for(epsilon=1e-9, sampling_probability=0.01, steps=10, delta=1e-9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"noise_multiplier": -1.0}, "noise multiplier"),
        ({"noise_multiplier": math.nan}, "noise multiplier"),
        ({"sampling_probability": 0.0}, "sampling probability"),
        ({"sampling_probability": 1.1}, "sampling probability"),
        ({"steps": -1}, "steps"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"accountant": "gdp"}, "not offered"),
        ({"overflow": 1.5}, "no probability"),
    ],
)
def test_bad_values_are_named(change, word):
    with pytest.raises(InputError, match=word):
        epsilon(**({"noise_multiplier": 1.0} | SETTING | change))


def test_missing_dp_accounting_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "dp_accounting"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(SetupError, match=r"pip install llmsafe\[pld\]"):
        epsilon(noise_multiplier=1, **SETTING, accountant="pld")


# --- several runs -------------------------------------------------------------------------------

RUNS = [Steps(0.8, 0.01024, 292), Steps(1.2, 0.02, 100), Steps(3.0, 1.0, 5), Steps(0.6, 1e-3, 2000)]


def test_gaussians_without_sampling_add_their_squares():
    parts = [Steps(4.0, 1.0, 3), Steps(2.0, 1.0, 1), Steps(10.0, 1.0, 50)]
    mu = math.sqrt(3 / 16 + 1 / 4 + 50 / 100)
    total = composed_epsilon(parts, delta=1e-5)
    assert total == pytest.approx(gaussian_epsilon(mu, 1e-5), rel=1e-9)
    # Negative controls: adding the μ instead of their squares, or forgetting a part, is seen.
    wrong = gaussian_epsilon(math.sqrt(3) / 4 + 1 / 2 + math.sqrt(50) / 10, 1e-5)
    assert abs(total - wrong) > 0.5
    assert composed_epsilon(parts[1:], delta=1e-5) < total - 0.1
    pytest.importorskip("dp_accounting")
    assert composed_epsilon(parts, delta=1e-5, accountant="pld") == pytest.approx(total, abs=2e-3)


def test_runs_of_different_noise_and_sampling_compose_as_pld_says():
    pytest.importorskip("dp_accounting")
    for parts, delta in ((RUNS[:2], 1e-8), (RUNS, 1e-5)):
        prv = composed_epsilon(parts, delta=delta)
        pld = composed_epsilon(parts, delta=delta, accountant="pld")
        assert pld <= prv + 1e-4
        assert prv <= min(pld + 0.012, composed_epsilon(parts, delta=delta, accountant="rdp"))


def test_composition_is_what_it_should_be_at_its_edges():
    one = composed_epsilon(RUNS[:1], delta=1e-5)
    assert one == epsilon(noise_multiplier=0.8, sampling_probability=0.01024, steps=292, delta=1e-5)
    # The same run in two pieces, in any order, with an empty ledger beside it.
    pieces = [Steps(0.8, 0.01024, 92), Steps(1.0, 0.5, 0), Steps(0.8, 0.01024, 200)]
    assert composed_epsilon(pieces, delta=1e-5) == one
    both = composed_epsilon(RUNS[:2], delta=1e-5)
    assert composed_epsilon(RUNS[1::-1], delta=1e-5) == pytest.approx(both, abs=1e-6)
    assert one < both < one + composed_epsilon(RUNS[1:2], delta=1e-5)
    assert composed_epsilon([], delta=1e-5) == 0
    assert composed_epsilon([*RUNS, Steps(0.0, 0.1, 1)], delta=1e-5) == math.inf


# --- draws with a cap ---------------------------------------------------------------------------


def test_the_overflow_is_the_binomial_tail_of_the_larger_neighbour():
    def tail(n: int, q: float, cap: int) -> float:
        return math.fsum(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(cap + 1, n + 1))

    for population, q, cap in [(20, 0.3, 8), (100, 0.1, 25), (60, 0.5, 59), (9, 0.9, 8)]:
        exact = tail(population + 1, q, cap)
        assert overflow_probability(population, q, cap) == pytest.approx(exact, rel=1e-10)
        assert exact > tail(population, q, cap)  # so it holds for the declared corpus as well
    assert overflow_probability(20, 0.3, None) == 0
    assert overflow_probability(20, 0.3, 21) == 0
    with pytest.raises(InputError, match="at least 1"):
        overflow_probability(20, 0.3, 0)


def test_the_smallest_cap_is_the_smallest():
    setting = {"steps": 100, "delta": 1e-5, "epsilon": 3.0}
    least = smallest_cap(2000, 0.02, **setting)

    def cost(cap: int) -> float:
        return 100 * overflow_probability(2000, 0.02, cap) * (1 + math.exp(3.0))

    assert cost(least) <= 1e-6 < cost(least - 1)


def naive_capped_epsilon(sigma: float, q: float, steps: int, delta: float, omega: float) -> float:
    """The smallest ε of a fine grid with δ₀(ε) + (1 + e^ε) Ω ≤ δ, δ₀ of one Gaussian (q = 1)."""
    assert q == 1
    mu, eps = math.sqrt(steps) / sigma, np.arange(0, 20, 1e-4)
    plain = stats.norm.cdf(mu / 2 - eps / mu) - np.exp(eps + stats.norm.logcdf(-mu / 2 - eps / mu))
    return float(eps[np.argmax(plain + (1 + np.exp(eps)) * omega <= delta)])


def test_a_cap_is_paid_for_as_the_definition_says():
    for sigma, steps, delta, overflow in [
        (1.0, 1, 1e-3, 2e-6), (5.0, 40, 1e-5, 5e-11), (2.0, 3, 1e-5, 0.0), (0.5, 1, 1e-3, 1e-9),
    ]:  # fmt: skip
        setting = {"noise_multiplier": sigma, "sampling_probability": 1, "steps": steps}
        naive = naive_capped_epsilon(sigma, 1, steps, delta, steps * overflow)
        ours = epsilon(**setting, delta=delta, overflow=overflow)
        assert ours == pytest.approx(naive, abs=2e-4)
        assert ours >= epsilon(**setting, delta=delta)
    with pytest.raises(CapCostsTooMuch, match="at most 10%"):
        epsilon(noise_multiplier=1.0, sampling_probability=1, steps=1, delta=1e-3, overflow=1e-4)


@pytest.mark.parametrize(("cap", "close"), [(1280, 0.0105), (1230, 0.03)])
def test_capped_draws_against_the_truncated_mechanism_of_dp_accounting(cap, close):
    dp_event = pytest.importorskip("dp_accounting").dp_event
    from dp_accounting.pld import PLDAccountant

    if not hasattr(dp_event, "TruncatedSubsampledGaussianDpEvent"):
        pytest.skip("this dp-accounting has no truncated event")
    # Its data set counts the unit whose privacy is at stake: the larger of the two neighbours.
    event = dp_event.TruncatedSubsampledGaussianDpEvent(100_001, 0.01024, cap, 0.8)
    theirs = PLDAccountant().compose(event, 292).get_epsilon(6.8e-6)
    overflow = overflow_probability(100_000, 0.01024, cap)
    ours = epsilon(noise_multiplier=0.8, **SETTING, overflow=overflow)
    # 0.01 of it is what PRV adds for its numerical error, cap or no cap.
    assert theirs <= ours <= theirs + close
    if cap == 1280:
        pld = epsilon(noise_multiplier=0.8, **SETTING, overflow=overflow, accountant="pld")
        assert pld == pytest.approx(theirs, abs=1e-5)


def test_a_cap_is_seen_to_matter():
    """One step, cap 1, noiseless in effect: the truncated draw itself tells of its neighbour.

    With two units of which each is drawn surely, the cap lets one through; a plain Poisson bound
    that forgets the overflow would call this as private as no truncation. Ours refuses.
    """
    overflow = overflow_probability(1, 1.0, 1)
    assert overflow == 1.0
    with pytest.raises(CapCostsTooMuch):
        epsilon(
            noise_multiplier=5.0, sampling_probability=1.0, steps=1, delta=1e-5, overflow=overflow
        )


def test_noise_for_a_capped_run_reaches_its_target_from_below():
    overflow = overflow_probability(100_000, 0.01024, 1240)
    for target in (0.5, 2.0, 6.0):
        try:
            sigma = noise_multiplier_for(epsilon=target, **SETTING, overflow=overflow)
        except CapCostsTooMuch:
            assert target == 6.0
            continue
        reached = epsilon(noise_multiplier=sigma, **SETTING, overflow=overflow)
        assert 0.99 * target <= reached <= target
