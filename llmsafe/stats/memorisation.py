"""Exposure of a secret in bits, and samples needed to extract one."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
from numpy.typing import ArrayLike

from llmsafe.errors import InputError
from llmsafe.stats.checks import check_count, check_number, check_scores
from llmsafe.stats.intervals import Interval, binomial_interval, mean_interval


def exposure(canary_loss: float, reference_losses: ArrayLike) -> float:
    """Exposure of a canary in bits: log2 |R| - log2 rank, R = the references and the canary.

    ``reference_losses`` [references] are losses of secrets drawn like the canary's and never
    planted (lower = better remembered, sums over tokens). The rank counts a tie as half. The most
    exposed canary has log2 |R| bits, the least 0; a canary never seen has
    :func:`exposure_null_mean` on average.
    Source: Carlini et al. 2019 (arXiv 1802.08232), exposure by sampled references.
    """
    references = check_scores("reference_losses", reference_losses)
    loss = float(check_scores("canary_loss", [canary_loss])[0])
    below = int(np.sum(references < loss))
    ties = int(np.sum(references == loss))
    return math.log2(references.size + 1) - math.log2(1 + below + ties / 2)


def exposure_exact(rank: float, space: int) -> float:
    """Exposure in bits of a secret whose rank among *all* possible ones is known.

    log2 ``space`` - log2 ``rank``; ``rank`` counts from 1 = the model's favourite, a tie as half;
    ``space`` is how many secrets of this form there are, of any size. The values lie in
    [0, log2 space] and need no interval: nothing was sampled. Raises InputError unless
    1 <= rank <= space.
    Source: Carlini et al. 2019 (arXiv 1802.08232), Definition 1.
    """
    size = check_count("space", space, 1)
    if not 1 <= rank <= size:
        raise InputError(f"rank {rank} must be between 1 and {size}: check both counts")
    return max(0.0, math.log2(size) - math.log2(rank))


def exposure_by_sampling(
    canary_loss: float,
    sampled_losses: ArrayLike,
    confidence: float = 0.95,
    space: int | None = None,
) -> Interval:
    """Exposure in bits against the whole space of secrets, from losses of a random sample of it.

    ``sampled_losses`` [samples] belong to secrets drawn uniformly from the space and never
    planted. The exposure is -log2 of the share of the space that the model likes as much, and the
    interval is the exact binomial one of this share: its low end counts ties against the canary,
    its high end for it. ``value`` is :func:`exposure` among the samples, hence finite. When *no
    sample is below* the canary ``high`` is ``inf`` (or log2 ``space``, if given): the sample shows
    that the exposure is at least ``low`` and no more than that; a larger sample, the exact rank or
    :func:`llmsafe.stats.exposure_by_extrapolation` would show more.
    Source: Carlini et al. 2019 (arXiv 1802.08232), section 4.3.
    """
    value = exposure(canary_loss, sampled_losses)
    samples = check_scores("sampled_losses", sampled_losses)
    below = int(np.sum(samples < canary_loss))
    not_above = int(np.sum(samples <= canary_loss))
    share_low = binomial_interval(below, samples.size, confidence).low
    share_high = binomial_interval(not_above, samples.size, confidence).high
    top = math.inf if space is None else math.log2(check_count("space", space, 1))
    low = min(-math.log2(share_high), top)
    high = min(-math.log2(share_low), top) if share_low > 0.0 else top
    return Interval(min(max(value, low), high), low, high)


def exposure_null_mean(references: int) -> float:
    """Mean exposure in bits of a canary the model never saw, against ``references`` secrets.

    Its rank is uniform on 1..|R|, |R| = references + 1, so the mean is log2 |R| - log2(|R|!) / |R|;
    it grows to 1 / ln 2 = 1.4427 bits, from below. Ties make the truth a little smaller.
    """
    size = check_count("references", references, 1) + 1
    return (math.log(size) - math.lgamma(size + 1) / size) / math.log(2)


def exposure_excess(
    exposures: ArrayLike,
    references: int,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Mean exposure in bits above that of canaries never seen, with its interval.

    ``exposures`` [canaries], each against ``references`` secrets. The interval is
    :func:`mean_interval` on [0, log2 |R|], shifted. It treats canaries as independent; when all
    are ranked among the *same* references, have several times more references than canaries.
    """
    top = math.log2(check_count("references", references, 1) + 1)
    mean = mean_interval(exposures, 0.0, top, confidence, rng)
    null = exposure_null_mean(references)
    return Interval(mean.value - null, mean.low - null, mean.high - null)


def samples_to_extract(p_z: float, p: float) -> int | float:
    """The smallest n with 1 - (1 - p_z)^n >= p: samples to see a secret with probability p.

    ``p_z`` in [0, 1] is the chance that one sample emits the secret, ``p`` in (0, 1). Exact: the
    arguments are read as the decimals they print as, so (0.1, 0.19) gives 2, and p_z may be as
    small as 5e-324. Only ``p_z == 0`` (also: a probability that underflowed) has no such n and
    returns ``math.inf``, which orders after every count. Raises InputError outside those ranges.
    Source: Hayes et al. 2024 (arXiv 2410.19482), (n, p)-discoverable extraction.
    """
    p_z = check_number("p_z", p_z, 0.0, 1.0)
    p = check_number("p", p, 0.0, 1.0)
    if p in (0.0, 1.0):
        raise InputError(f"p {p:g} is met by no sample or never: give a probability inside (0, 1)")
    if p_z == 0.0:
        return math.inf
    if p_z == 1.0:
        return 1
    single, wanted = Decimal(repr(p_z)), Decimal(repr(p))
    small = -wanted.adjusted()
    with localcontext() as context:
        context.prec = 60 - single.adjusted() + small  # 1 - p_z exact, the ratio to 1e-58
        ratio = (1 - wanted).ln() / (1 - single).ln()
        nearest = ratio.to_integral_value()
        if abs(ratio - nearest) < Decimal(10) ** -(50 + small):
            return int(nearest)  # equality: the logarithms' last digit must not add a sample
        return int(ratio.to_integral_value(rounding=ROUND_CEILING))
