"""Exposure beyond what sampling can see: a skew-normal fitted to losses, and whether it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import InputError
from llmsafe.stats.checks import FloatArray, check_confidence, check_count, check_scores

_FEWEST = 50
_MOST_TESTED = 2000
_LARGEST_SKEWNESS = 0.995  # the family ends at 0.99527, the half-normal
_TAIL = 1e-6  # below, Phi(z) - 2 T(z, a) has lost half of its digits


@dataclass(frozen=True)
class Extrapolation:
    """Exposure of one secret by extrapolation, in bits, with what it rests on.

    ``low`` and ``high`` hold the error of the fit alone, given that the losses are skew-normal.
    ``p_value`` is small when the sampled losses are not skew-normal; the bits then mean nothing.
    A large one says that the *bulk* fits: that the tail does too stays an assumption. On a space
    of 10^9 digit codes the bits were right to 15 % up to 12, and 5 too low at 20, since a sum of
    bounded losses has a thinner far tail than any skew-normal.
    """

    bits: float
    low: float
    high: float
    p_value: float
    fit: SkewNormal


@dataclass(frozen=True)
class SkewNormal:
    """Density 2/scale phi(z) Phi(shape z), z = (loss - location) / scale."""

    location: float
    scale: float
    shape: float

    def exposure(self, loss: float) -> float:
        """-log2 P[a random secret's loss is at most ``loss``], without underflow in the tail."""
        z = float(check_scores("canary_loss", [(loss - self.location) / self.scale])[0])
        return -_log_cdf(z, self.shape) / math.log(2)


def exposure_by_extrapolation(
    canary_loss: float,
    sampled_losses: ArrayLike,
    rng: np.random.Generator | None = None,
    replicates: int = 199,
    confidence: float = 0.95,
) -> Extrapolation:
    """Exposure in bits against the whole space, from a skew-normal fitted to a sample of it.

    ``sampled_losses`` [samples, at least 50]: losses of secrets drawn uniformly from the space and
    never planted, sums over tokens. The fit is by maximum likelihood.

    The goodness of fit is Kolmogorov-Smirnov with a parametric bootstrap: ``replicates`` samples
    are drawn from the fit, fitted anew, and their distances compared. The tabulated p-value takes
    the curve as given; a curve fitted to the same losses lies closer, so it would hardly ever
    reject. Above 2000 losses a random 2000 are tested. The interval is read off the same
    replicates, reflected in the logarithm; it held in 85 to 95 % of simulations at 95 %. Above 2000
    losses it is wider than it had to be. ``rng`` draws the replicates; left out, they are the
    same at every call.

    Raises InputError for fewer than 50 losses, all equal ones, or values that are not finite.
    Sources: Carlini et al. 2019 (arXiv 1802.08232), section 4.3, for the extrapolation; Stute,
    Gonzalez Manteiga, Presedo Quindimil 1993, "Bootstrap based goodness-of-fit-tests".
    """
    check_scores("canary_loss", [canary_loss])
    losses = check_scores("sampled_losses", sampled_losses)
    if losses.size < _FEWEST or np.ptp(losses) == 0.0:
        raise InputError(
            f"sampled_losses holds {losses.size} values, {np.unique(losses).size} of them "
            f"different: give at least {_FEWEST} that vary, or take the exact rank"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    count = check_count("replicates", replicates, 19)
    fit = _fit(losses)
    tested, curve = losses, fit
    if losses.size > _MOST_TESTED:
        tested = rng.choice(losses, _MOST_TESTED, replace=False)
        curve = _fit(tested)
    distance = _distance(tested, curve)
    tail = (1 - check_confidence(confidence)) / 2
    further = 0
    exposures: list[float] = []
    for _ in range(count):
        drawn = _draw(curve, tested.size, rng)
        again = _fit(drawn)
        further += _distance(drawn, again) >= distance
        exposures.append(again.exposure(canary_loss))
    bits = fit.exposure(canary_loss)
    # By what factor refits miss the curve they were drawn from, this fit may miss the truth. The
    # plain percentiles point the other way and miss twice as often.
    factors = np.maximum(exposures, 1e-12) / max(curve.exposure(canary_loss), 1e-12)
    least, most = (float(q) for q in np.quantile(factors, [tail, 1 - tail]))
    return Extrapolation(
        bits=bits,
        low=min(bits / most, bits),
        high=max(bits / least, bits),
        p_value=(1 + further) / (1 + count),
        fit=fit,
    )


def _fit(losses: FloatArray) -> SkewNormal:
    """Maximum likelihood over mean, deviation and skewness.

    In location, scale and shape the likelihood is flat at shape 0 and can run away to an infinite
    shape; in these three it is regular, and the skewness is kept inside its range.
    """
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

    mean, deviation = float(losses.mean()), float(losses.std())
    x = (losses - mean) / deviation

    def cost(point: FloatArray) -> float:
        location, scale, shape = _direct(*(float(p) for p in point))
        z = (x - location) / scale
        logs = cast(FloatArray, special.log_ndtr(shape * z))
        return math.log(scale) + float(np.mean(z * z / 2 - logs))

    skewness = max(-0.9, min(0.9, float(np.mean(x**3))))
    start = np.array([0.0, 0.0, math.atanh(skewness / _LARGEST_SKEWNESS)])
    bounds = [(-3.0, 3.0), (-3.0, 3.0), (-4.0, 4.0)]
    found = optimize.minimize(cost, start, method="L-BFGS-B", bounds=bounds)
    location, scale, shape = _direct(*(float(p) for p in found.x))
    return SkewNormal(mean + deviation * location, deviation * scale, shape)


def _direct(mean: float, log_deviation: float, squashed: float) -> tuple[float, float, float]:
    """Mean, log deviation and atanh of the scaled skewness -> location, scale, shape.

    Source: Azzalini 1985, "A class of distributions which includes the normal ones".
    """
    skewness = _LARGEST_SKEWNESS * math.tanh(squashed)
    ratio = math.copysign((2 * abs(skewness) / (4 - math.pi)) ** (1 / 3), skewness)
    centre = ratio / math.hypot(1.0, ratio)  # mean of the standard form
    scale = math.exp(log_deviation) / math.sqrt(1 - centre * centre)
    lean = centre * math.sqrt(math.pi / 2)
    return mean - scale * centre, scale, lean / math.sqrt(1 - lean * lean)


def _draw(fit: SkewNormal, size: int, rng: np.random.Generator) -> FloatArray:
    """|Z0| and Z1 mixed by the shape are skew-normal (Azzalini 1986)."""
    folded, free = np.abs(rng.standard_normal(size)), rng.standard_normal(size)
    return fit.location + fit.scale * (fit.shape * folded + free) / math.hypot(1.0, fit.shape)


def _distance(losses: FloatArray, fit: SkewNormal) -> float:
    """Kolmogorov-Smirnov distance between the losses and the fitted distribution."""
    z = (np.sort(losses) - fit.location) / fit.scale
    cdf = _cdf(z, fit.shape)
    steps = np.arange(losses.size + 1) / losses.size
    return float(max(np.max(steps[1:] - cdf), np.max(cdf - steps[:-1])))


def _cdf(z: FloatArray, shape: float) -> FloatArray:
    return cast(FloatArray, special.ndtr(z) - 2 * special.owens_t(z, shape))


def _log_cdf(z: float, shape: float) -> float:
    direct = float(_cdf(np.array([z]), shape)[0])
    if direct > _TAIL:
        return min(0.0, math.log(direct))

    def log_density(points: FloatArray) -> FloatArray:
        logs = cast(FloatArray, special.log_ndtr(shape * points))
        return logs - points * points / 2 + math.log(2) - math.log(2 * math.pi) / 2

    # The density is log-concave: left of z it falls at least as fast as an exponential with its
    # slope at z, so that Gauss-Laguerre on that exponential converges at once.
    logs = float(cast(float, special.log_ndtr(shape * z)))
    hazard = math.exp(-((shape * z) ** 2) / 2 - math.log(2 * math.pi) / 2 - logs)
    slope = shape * hazard - z
    nodes, weights = cast("tuple[FloatArray, FloatArray]", special.roots_laguerre(60))
    here = float(log_density(np.array([z]))[0])
    inside = np.exp(log_density(z - nodes / slope) - here + nodes)
    return here - math.log(slope) + math.log(float(np.sum(weights * inside)))
