"""ε of Poisson-subsampled Gaussians, add-or-remove-one adjacency, and the σ for a wanted ε.

:func:`epsilon` is for one run, :func:`composed_epsilon` for several of different noise and
sampling on one corpus. Three accountants, each an upper bound:

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
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from llmsafe.errors import InputError, SetupError

Accountant = Literal["prv", "pld", "rdp"]
_Part = tuple[float, float, int]

# Below this δ the round-off of a float64 FFT (about 1e-16 a point) is no longer negligible.
_SMALLEST_PRV_DELTA = 1e-10
_MOST_GRID_POINTS = 2**21
_LARGEST_PRV_ERROR = 0.5
# PLD rounds each step's loss up to its grid, so it may pass PRV by a little where q is tiny.
SECOND_TOLERANCE = 0.02
# Above this ε (by RDP) its grid does not fit in memory.
LARGEST_PLD = 100.0
# The cap on a draw may cost at most this share of δ: what is left then hardly moves ε.
LARGEST_CAP_SHARE = 0.1
# Opacus exponentiates the whole grid in float64.
LARGEST_EXPONENT = 700.0
_SMALLEST_SIGMA = 1e-3
LARGEST_SIGMA = 1e4


class OutOfReach(InputError):
    """No admissible noise gives the ε that is asked for."""


class CapCostsTooMuch(InputError):
    """A cap on the draws eats more of δ than :data:`LARGEST_CAP_SHARE`."""


@dataclass(frozen=True)
class Steps:
    """``count`` releases of one Poisson-subsampled Gaussian.

    Args:
        noise_multiplier: σ, see :func:`epsilon`.
        sampling_probability: q.
        count: number of releases.
        overflow: chance of one draw to exceed its cap, 0 without a cap
            (:func:`llmsafe.privacy.truncation.overflow_probability`).
    """

    noise_multiplier: float
    sampling_probability: float
    count: int
    overflow: float = 0.0


def epsilon(
    *,
    noise_multiplier: float,
    sampling_probability: float,
    steps: int,
    delta: float,
    accountant: Accountant = "prv",
    overflow: float = 0.0,
) -> float:
    """ε at ``delta`` after ``steps`` releases of a Poisson-sampled, Gaussian-noised sum.

    Args:
        noise_multiplier: noise standard deviation over clip norm, σ. 0 gives ``inf``.
        sampling_probability: chance of each unit to be in a step, 0 < q ≤ 1.
        steps: how many times the mechanism ran. 0 gives 0.
        delta: 0 < δ < 1.
        accountant: see the module.
        overflow: chance of a draw to exceed its cap (see :func:`composed_epsilon`).

    Returns:
        An upper bound on ε. ``prv`` includes its own numerical error (0.01, less for small and
        more for very large ε). It returns the RDP bound, never less than the truth, when δ is
        below 1e-10, when ε is so large that the grid would not fit in memory, or when Opacus
        gives up; q = 1 is computed exactly (Balle and Wang, arXiv:1805.06530, Theorem 8).

    Raises:
        InputError: a value out of range, or a cap that eats δ.
        SetupError: ``pld`` without dp-accounting installed.
    """
    parts = [Steps(noise_multiplier, sampling_probability, steps, overflow)]
    return composed_epsilon(parts, delta=delta, accountant=accountant)


def composed_epsilon(
    parts: Iterable[Steps],
    *,
    delta: float,
    accountant: Accountant = "prv",
    cap_share: float = LARGEST_CAP_SHARE,
) -> float:
    """ε at ``delta`` of everything in ``parts`` together, in any order, even chosen adaptively.

    Privacy losses are composed, not (ε, δ) pairs: ``delta`` is the δ of the total, whatever each
    part was planned for.

    **Caps.** A draw above its cap is cut to a random subset. Let M be the mechanism with caps, M₀
    the same without, and D, D' neighbours. Run both on the same draws and the same noise: they
    differ only if some draw exceeds its cap, which has at most the probability
    Ω = Σ count · overflow on D as on D' (union bound over the steps). So for every event E

        P[M(D) ∈ E] ≤ P[M₀(D) ∈ E] + Ω
                    ≤ e^ε P[M₀(D') ∈ E] + δ₀ + Ω
                    ≤ e^ε (P[M(D') ∈ E] + Ω) + δ₀ + Ω,

    that is δ = δ₀(ε) + (1 + e^ε) Ω, where δ₀ belongs to the plain Poisson draws (the inequality
    of Chua et al., arXiv:2411.04205). This is solved for the smallest ε, which is refused where
    the second term exceeds ``cap_share`` of δ: a tenth for a plan.

    Raises:
        CapCostsTooMuch: see above; an ``InputError``.
        InputError: a value out of range.
        SetupError: ``pld`` without dp-accounting installed.
    """
    used = list(parts)
    for part in used:
        _check(
            part.noise_multiplier, part.sampling_probability, part.count, delta, accountant,
            part.overflow,
        )  # fmt: skip
    used = [part for part in used if part.count]
    if not used:
        return 0.0
    if any(part.noise_multiplier == 0 for part in used):
        return math.inf
    omega = sum(part.count * part.overflow for part in used)
    counts: Counter[tuple[float, float]] = Counter()
    for part in used:
        counts[part.noise_multiplier, part.sampling_probability] += part.count
    history = [(sigma, q, count) for (sigma, q), count in counts.items()]

    def plain(at: float) -> float:
        match accountant:
            case "prv":
                return _prv(history, at)
            case "pld":
                return _pld(history, at)
            case "rdp":
                return _rdp(history, at)

    # ε ↦ plain(δ − cost(ε)) grows, so iterating from below stays below the smallest solution, and
    # a value that the map does not raise any more is one that holds. The map's slope is far below
    # a half, hence another stride like the last one is enough to step over the end.
    reached = plain(delta)
    while math.isfinite(reached):
        left = delta_without_caps(delta, omega, reached, cap_share)
        if left == delta:
            break
        now = plain(left)
        if now <= reached:
            break
        reached = now + (now - reached) if now - reached < 1e-6 * now else now
    return reached


def delta_without_caps(
    delta: float, omega: float, epsilon: float, share: float = LARGEST_CAP_SHARE
) -> float:
    """δ₀ = δ − (1 + e^ε) Ω, what the caps leave for the plain mechanism at ``epsilon``.

    Raises:
        CapCostsTooMuch: the caps take more than ``share`` of ``delta``.
    """
    cost = omega * (1 + math.exp(min(epsilon, LARGEST_EXPONENT)))
    if cost > share * delta:
        raise CapCostsTooMuch(
            f"cutting draws at their cap costs {cost:.2g} of delta {delta:g} at epsilon "
            f"{epsilon:.4g}; at most {share:.0%} of it may go there: use a larger cap, or none"
        )
    return delta - cost


def noise_multiplier_for(
    *,
    epsilon: float,
    sampling_probability: float,
    steps: int,
    delta: float,
    accountant: Accountant = "prv",
    overflow: float = 0.0,
) -> float:
    """The smallest σ whose ε does not exceed the target, to five significant digits.

    Guarantees ε(σ) ≤ target, and ε(σ) ≥ 0.99 target unless σ is at its floor of 0.001 or the
    target is so large that ``prv`` gives way to ``rdp`` there. ε falls as σ grows: the cheap RDP
    bound brackets σ, then a false-position search in logarithms takes a handful of evaluations.

    Raises:
        OutOfReach: no σ ≤ 10,000 reaches the target; an ``InputError``.
        CapCostsTooMuch: at the target a cap eats δ; an ``InputError``.
        InputError: the target is not positive and finite, or another value is out of range.
        SetupError: ``pld`` without dp-accounting installed.
    """
    target = epsilon
    if not (0 < target < math.inf):
        raise InputError(f"epsilon {target} has no noise multiplier; give a positive, finite one")
    _check(1.0, sampling_probability, steps, delta, accountant, overflow)
    if steps == 0:
        raise InputError("steps 0 releases nothing and needs no noise; give at least one step")
    # A mechanism that keeps the target at this δ without caps keeps it at `delta` with them.
    left = delta_without_caps(delta, steps * overflow, target)
    if left < delta:
        target *= 1 - 1e-5  # solving for ε from σ may end above the smallest solution by 1e-7

    def rdp(sigma: float) -> float:
        return _rdp([(sigma, sampling_probability, steps)], left)

    def reach(sigma: float) -> float:
        parts = [Steps(sigma, sampling_probability, steps)]
        return composed_epsilon(parts, delta=left, accountant=accountant)

    high = _rdp_bracket(rdp, target)
    reached = reach(high)
    while reached > target:
        if high >= LARGEST_SIGMA:
            raise OutOfReach(
                f"epsilon {epsilon:g} is out of reach at delta {delta:g} with {steps} steps of "
                f"sampling probability {sampling_probability:g}: no noise multiplier up to "
                f"{LARGEST_SIGMA:,.0f} suffices; ask for a larger epsilon or delta"
            )
        high = min(2 * high, LARGEST_SIGMA)
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


def _check(
    sigma: float, q: float, steps: int, delta: float, accountant: str, overflow: float
) -> None:
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
    if not (0 <= overflow <= 1):
        raise InputError(f"overflow {overflow} is no probability; it lies between 0 and 1")
    if accountant not in get_args(Accountant):
        offered = ", ".join(get_args(Accountant))
        raise InputError(f"accountant {accountant!r} is not offered; choose from {offered}")


def _prv(history: Sequence[_Part], delta: float) -> float:
    # Gaussians without subsampling compose exactly into one: the squares of 1/σ add up.
    square = sum(steps / sigma**2 for sigma, q, steps in history if q == 1)
    sampled = [part for part in history if part[1] < 1]
    if not sampled:
        return gaussian_epsilon(math.sqrt(square), delta)
    if square:
        sampled.append((1 / math.sqrt(square), 1.0, 1))
    rdp = _rdp(history, delta)
    if delta < _SMALLEST_PRV_DELTA or not math.isfinite(rdp):
        return rdp
    delta_error = delta / 1000
    steps = sum(part[2] for part in sampled)
    # The grid spans ±(ε + 3) in cells of error / √(T ln(12/δ')/2) (arXiv:2106.02848, Theorem 5.5).
    reach = _rdp(sampled, delta_error / 4) + 3
    points_times_error = 2 * reach * math.sqrt(steps * math.log(12 / delta_error) / 2)
    # A hundredth of ε, no more than 0.01 while the grid allows; it must not grow with σ, or the
    # search over σ would meet a bump.
    error = max(min(0.01, rdp / 100), points_times_error / _MOST_GRID_POINTS)
    if not (error < _LARGEST_PRV_ERROR and reach < LARGEST_EXPONENT):
        return rdp
    from opacus.accountants import PRVAccountant

    prv = PRVAccountant()
    prv.history = sampled
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = float(prv.get_epsilon(delta, eps_error=error, delta_error=delta_error))
    except (RuntimeError, ValueError, OverflowError, IndexError):
        return rdp
    # Both are upper bounds, so the smaller one holds; a negative or NaN value is a breakdown.
    return min(value, rdp) if value >= 0 else rdp


def _rdp(history: Sequence[_Part], delta: float) -> float:
    from opacus.accountants import RDPAccountant

    rdp = RDPAccountant()
    rdp.history = list(history)
    try:
        with warnings.catch_warnings():
            # "Optimal order is the largest alpha": loose, still a bound.
            warnings.simplefilter("ignore")
            value = float(rdp.get_epsilon(delta))
    except (ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(value) else max(value, 0.0)


def _pld(history: Sequence[_Part], delta: float) -> float:
    try:
        from dp_accounting import dp_event
        from dp_accounting.pld import PLDAccountant
    except ImportError as error:
        raise SetupError(
            "accountant pld needs the package dp-accounting; pip install llmsafe[pld]"
        ) from error
    pld = PLDAccountant()
    for sigma, q, steps in history:
        pld.compose(dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma)), steps)
    return float(pld.get_epsilon(delta))


def gaussian_epsilon(mu: float, delta: float) -> float:
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
