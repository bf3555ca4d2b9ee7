"""Accountants against oracle values, a naive integral, a closed form, and each other."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import integrate, stats

from llmsafe.errors import InputError, SetupError
from llmsafe.privacy.accountant import epsilon, noise_multiplier_for

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
    with pytest.raises(InputError, match="out of reach"):
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
