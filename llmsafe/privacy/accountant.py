"""ε of a Poisson-subsampled Gaussian, add-or-remove-one adjacency, and the σ for a wanted ε.

Three accountants, each an upper bound:

``prv``  numerical composition of privacy loss variables (Gopi, Lee and Wutschitz,
         arXiv:2106.02848), as in Opacus; the default. Where its arithmetic cannot be trusted
         (see :func:`epsilon`) the RDP bound, which is larger, takes its place.
``pld``  privacy loss distributions of Google's dp-accounting: the independent cross-check
         (``pip install llmsafe[pld]``). Takes the worse of adding and removing.
``rdp``  Rényi composition (Mironov, Talwar and Zhang, arXiv:1908.10530; conversion of Balle et
         al., arXiv:1905.09982, Theorem 21): loose, never fails.

The Gaussian-limit (GDP) accountant is not offered: it states too small an ε.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Literal, get_args

from llmsafe.errors import InputError, SetupError

Accountant = Literal["prv", "pld", "rdp"]

# Below this δ the round-off of a float64 FFT (about 1e-16 a point) is no longer negligible.
_SMALLEST_PRV_DELTA = 1e-10
_MOST_GRID_POINTS = 2**21
_LARGEST_PRV_ERROR = 0.5
# Opacus exponentiates the whole grid in float64.
_LARGEST_EXPONENT = 700.0
_SMALLEST_SIGMA = 1e-3
_LARGEST_SIGMA = 1e4


def epsilon(
    *,
    noise_multiplier: float,
    sampling_probability: float,
    steps: int,
    delta: float,
    accountant: Accountant = "prv",
) -> float:
    """ε at ``delta`` after ``steps`` releases of a Poisson-sampled, Gaussian-noised sum.

    Args:
        noise_multiplier: noise standard deviation over clip norm, σ. 0 gives ``inf``.
        sampling_probability: chance of each unit to be in a step, 0 < q ≤ 1.
        steps: how many times the mechanism ran. 0 gives 0.
        delta: 0 < δ < 1.
        accountant: see the module.

    Returns:
        An upper bound on ε. ``prv`` includes its own numerical error (0.01, less for small and
        more for very large ε). It returns the RDP bound, never less than the truth, when δ is
        below 1e-10, when ε is so large that the grid would not fit in memory, or when Opacus
        gives up; q = 1 is computed exactly (Balle and Wang, arXiv:1805.06530, Theorem 8).

    Raises:
        InputError: a value out of range.
        SetupError: ``pld`` without dp-accounting installed.
    """
    _check(noise_multiplier, sampling_probability, steps, delta, accountant)
    if steps == 0:
        return 0.0
    if noise_multiplier == 0:
        return math.inf
    match accountant:
        case "prv":
            return _prv(noise_multiplier, sampling_probability, steps, delta)
        case "pld":
            return _pld(noise_multiplier, sampling_probability, steps, delta)
        case "rdp":
            return _rdp(noise_multiplier, sampling_probability, steps, delta)


def noise_multiplier_for(
    *,
    epsilon: float,
    sampling_probability: float,
    steps: int,
    delta: float,
    accountant: Accountant = "prv",
) -> float:
    """The smallest σ whose ε does not exceed the target, to five significant digits.

    Guarantees ε(σ) ≤ target, and ε(σ) ≥ 0.99 target unless σ is at its floor of 0.001 or the
    target is so large that ``prv`` gives way to ``rdp`` there. ε falls as σ grows: the cheap RDP
    bound brackets σ, then a false-position search in logarithms takes a handful of evaluations.

    Raises:
        InputError: the target is not positive and finite, or no σ ≤ 10,000 reaches it.
        SetupError: ``pld`` without dp-accounting installed.
    """
    target = epsilon
    if not (0 < target < math.inf):
        raise InputError(f"epsilon {target} has no noise multiplier; give a positive, finite one")
    _check(1.0, sampling_probability, steps, delta, accountant)
    if steps == 0:
        raise InputError("steps 0 releases nothing and needs no noise; give at least one step")

    def rdp(sigma: float) -> float:
        return _rdp(sigma, sampling_probability, steps, delta)

    def reach(sigma: float) -> float:
        return _dispatch(accountant, sigma, sampling_probability, steps, delta)

    high = _rdp_bracket(rdp, target)
    if rdp(high) > target and reach(_LARGEST_SIGMA) > target:
        raise InputError(
            f"epsilon {target:g} is out of reach at delta {delta:g} with {steps} steps of "
            f"sampling probability {sampling_probability:g}: no noise multiplier up to "
            f"{_LARGEST_SIGMA:,.0f} suffices; ask for a larger epsilon or delta"
        )
    reached = reach(high)
    while reached > target:
        high *= 2
        reached = reach(high)
    low, over = high, reached
    while over <= target:
        if low <= _SMALLEST_SIGMA:
            return low
        high, reached = low, over
        low = max(0.8 * low, _SMALLEST_SIGMA)
        over = reach(low)
    return _round_up(_false_position(reach, target, (low, over), (high, reached)))


def _rdp_bracket(rdp: Callable[[float], float], target: float) -> float:
    """A σ near the smallest with ``rdp(σ) ≤ target``, or where that bound stops falling."""
    sigma = 1.0
    while rdp(sigma) > target and rdp(2 * sigma) < 0.9 * rdp(sigma):
        sigma *= 2
    while sigma > _SMALLEST_SIGMA and rdp(0.9 * sigma) <= target:
        sigma *= 0.9
    return sigma


def _false_position(
    reach: Callable[[float], float],
    target: float,
    below: tuple[float, float],
    above: tuple[float, float],
) -> float:
    """σ in (below, above] with 0.998 target ≤ ε(σ) ≤ target; pairs are (σ, ε)."""
    (low, over), (high, reached) = below, above
    while reached < 0.998 * target and high - low > 1e-7 * high:
        share = 0.5
        if math.isfinite(over) and reached > 0:
            share = math.log(over / (0.999 * target)) / math.log(over / reached)
        # Keep a tenth of the interval from either end, so that it always shrinks.
        share = min(max(share, 0.1), 0.9)
        sigma = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        value = reach(sigma)
        if value <= target:
            high, reached = sigma, value
        else:
            low, over = sigma, value
    return high


def _round_up(sigma: float) -> float:
    """Five significant digits, upwards: a σ that can be typed again and never weakens ε."""
    digits = 4 - math.floor(math.log10(sigma))
    return math.ceil(sigma * 10**digits) / 10**digits if digits >= 0 else float(math.ceil(sigma))


def _dispatch(accountant: Accountant, sigma: float, q: float, steps: int, delta: float) -> float:
    return epsilon(
        noise_multiplier=sigma,
        sampling_probability=q,
        steps=steps,
        delta=delta,
        accountant=accountant,
    )


def _check(sigma: float, q: float, steps: int, delta: float, accountant: str) -> None:
    if not (0 <= sigma < math.inf):
        raise InputError(f"noise multiplier {sigma} must be zero or positive, and finite")
    if not (0 < q <= 1):
        raise InputError(
            f"sampling probability {q} must be above 0 and at most 1; "
            "it is units per step / population"
        )
    if steps < 0:
        raise InputError(f"steps {steps} cannot be negative")
    if not (0 < delta < 1):
        raise InputError(
            f"delta {delta} must lie between 0 and 1; a usual choice is below 1/population"
        )
    if accountant not in get_args(Accountant):
        offered = ", ".join(get_args(Accountant))
        raise InputError(f"accountant {accountant!r} is not offered; choose from {offered}")


def _prv(sigma: float, q: float, steps: int, delta: float) -> float:
    if q == 1:
        return _gaussian(math.sqrt(steps) / sigma, delta)
    rdp = _rdp(sigma, q, steps, delta)
    if delta < _SMALLEST_PRV_DELTA or not math.isfinite(rdp):
        return rdp
    delta_error = delta / 1000
    # The grid spans ±(ε + 3) in cells of error / √(T ln(12/δ')/2) (arXiv:2106.02848, Theorem 5.5).
    reach = _rdp(sigma, q, steps, delta_error / 4) + 3
    points_times_error = 2 * reach * math.sqrt(steps * math.log(12 / delta_error) / 2)
    # A hundredth of ε, no more than 0.01 while the grid allows; it must not grow with σ, or the
    # search over σ would meet a bump.
    error = max(min(0.01, rdp / 100), points_times_error / _MOST_GRID_POINTS)
    if not (error < _LARGEST_PRV_ERROR and reach < _LARGEST_EXPONENT):
        return rdp
    from opacus.accountants import PRVAccountant

    prv = PRVAccountant()
    prv.history = [(sigma, q, steps)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = float(prv.get_epsilon(delta, eps_error=error, delta_error=delta_error))
    except (RuntimeError, ValueError, OverflowError, IndexError):
        return rdp
    # Both are upper bounds, so the smaller one holds; a negative or NaN value is a breakdown.
    return min(value, rdp) if value >= 0 else rdp


def _rdp(sigma: float, q: float, steps: int, delta: float) -> float:
    from opacus.accountants import RDPAccountant

    rdp = RDPAccountant()
    rdp.history = [(sigma, q, steps)]
    try:
        with warnings.catch_warnings():
            # "Optimal order is the largest alpha": loose, still a bound.
            warnings.simplefilter("ignore")
            value = float(rdp.get_epsilon(delta))
    except (ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(value) else max(value, 0.0)


def _pld(sigma: float, q: float, steps: int, delta: float) -> float:
    try:
        from dp_accounting import dp_event
        from dp_accounting.pld import PLDAccountant
    except ImportError as error:
        raise SetupError(
            "accountant pld needs the package dp-accounting; pip install llmsafe[pld]"
        ) from error
    pld = PLDAccountant()
    event = dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma))
    pld.compose(event, steps)
    return float(pld.get_epsilon(delta))


def _gaussian(mu: float, delta: float) -> float:
    """Exact ε of a Gaussian mechanism of sensitivity over deviation ``mu``, by bisection."""
    from scipy.special import log_ndtr

    def excess(candidate: float) -> float:
        first = log_ndtr(mu / 2 - candidate / mu)
        second = candidate + log_ndtr(-mu / 2 - candidate / mu)
        return math.exp(first) * -math.expm1(min(second - first, 0.0)) - delta

    low, high = 0.0, 1.0
    if excess(low) <= 0:
        return 0.0
    while excess(high) > 0:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high
