"""The canary game: secrets planted by fair coins, guessed from the scores.

Planted canaries and their withheld twins come from one distribution and differ by a coin alone,
so whatever tells them apart is what the model learned from training on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from llmsafe.artifacts import (
    Bound,
    CanaryManifest,
    CanarySummary,
    Exposure,
    Histogram,
    Membership,
    Rate,
)
from llmsafe.audit.membership import Scores, attacks, judge_attack, scores_of
from llmsafe.audit.scores import Row
from llmsafe.stats import (
    epsilon_one_run,
    epsilon_one_run_ceiling,
    epsilon_one_run_gdp,
    epsilon_one_run_gdp_ceiling,
    exposure,
    exposure_excess,
    exposure_null_mean,
    one_run_guesses,
)

CONFIDENCE = 0.95
DEFAULT_DELTA = 1e-5
"""δ of a bound when no privacy statement names one."""
ONE_RUN = "one-run (arXiv 2305.08846, Theorem 5.2)"
ONE_RUN_GAUSSIAN = "one-run, f-DP (arXiv 2410.22235)"
_BINS = 30


def guesses_of(canaries: int) -> int:
    """Number of guesses of the one-run game: half of the canaries, whatever the scores.

    Fixed by the design alone. Choosing it on the scores would report ε > 0 on pure noise in a
    fifth of all audits (see :func:`llmsafe.stats.one_run_guesses`).
    """
    return canaries // 2


def canary_membership(
    planted: Sequence[Row], withheld: Sequence[Row], *, has_base: bool
) -> list[Membership]:
    """Every attack on the canaries, the primary one first."""
    return [
        judge_attack(
            name, "canaries", scores_of(attack, planted), scores_of(attack, withheld),
            primary=index == 0,
        )
        for index, (name, attack) in enumerate(attacks(has_base).items())
    ]  # fmt: skip


def one_run_bounds(
    planted: Scores, withheld: Scores, *, attack: str, delta: float, rng: np.random.Generator
) -> list[Bound]:
    """Lower bounds on ε from one training run: the highest and lowest scores are guessed.

    Valid if each canary was planted by its own fair coin and is one privacy unit, planted once.
    The first holds for any mechanism and is the one that judges. The second takes the mechanism
    to have a Gaussian trade-off curve, as DP-SGD of many steps nearly has, and proves more.
    """
    scores = np.concatenate([planted, withheld])
    coins = np.repeat([True, False], [planted.size, withheld.size])
    guesses = guesses_of(scores.size)
    correct = one_run_guesses(scores, coins, guesses, rng)
    design = scores.size, guesses
    bound = Bound(
        method=ONE_RUN,
        assumption="independent fair coins, one unit per canary, guesses fixed beforehand",
        attack=attack,
        delta=delta,
        confidence=CONFIDENCE,
        canaries=scores.size,
        guesses=guesses,
        correct=correct,
        epsilon_lower=epsilon_one_run(*design, correct, delta, CONFIDENCE),
        ceiling=epsilon_one_run_ceiling(*design, delta, CONFIDENCE),
    )
    gaussian = {
        "method": ONE_RUN_GAUSSIAN,
        "assumption": f"{bound.assumption}; a Gaussian trade-off curve",
        "family": "gaussian",
        "epsilon_lower": epsilon_one_run_gdp(*design, correct, delta, CONFIDENCE),
        "ceiling": epsilon_one_run_gdp_ceiling(*design, delta, CONFIDENCE),
    }
    return [bound, bound.model_copy(update=gaussian)]


def summary(
    manifest: CanaryManifest, planted: Scores, withheld: Scores, *, attack: str
) -> CanarySummary:
    """The design of the game and the histogram of its scores."""
    edges = np.histogram_bin_edges(np.concatenate([planted, withheld]), bins=_BINS)
    return CanarySummary(
        manifest_id=manifest.manifest_id,
        kind=manifest.kind,
        count=planted.size + withheld.size,
        planted=planted.size,
        withheld=withheld.size,
        probability=manifest.probability,
        attack=attack,
        scores=Histogram(
            edges=[float(edge) for edge in edges],
            planted=[int(n) for n in np.histogram(planted, edges)[0]],
            withheld=[int(n) for n in np.histogram(withheld, edges)[0]],
        ),
    )


def secret_loss(row: Row) -> float:
    """Minus the log-probability of the secret given the text before it, summed over its tokens."""
    assert row.secret is not None
    return -float(row.target.slice(*row.secret).logp.sum(dtype=np.float64))


def measure_exposure(planted: Sequence[Row], withheld: Sequence[Row]) -> Exposure | None:
    """Exposure of the planted secrets among the withheld ones, by the target's loss alone.

    Not calibrated by the base model: exposure says how soon a guesser who has only the model
    would come upon the secret (Carlini et al. 2019, arXiv 1802.08232). Secrets cut off by the
    token limit are left out; ``None`` without a planted or a withheld one.
    """
    losses = np.array([secret_loss(row) for row in planted if row.secret])
    references = np.array([secret_loss(row) for row in withheld if row.secret])
    if losses.size == 0 or references.size == 0:
        return None
    bits = np.array([exposure(float(value), references) for value in losses])
    excess = exposure_excess(bits, references.size, CONFIDENCE)
    # Canaries share their references, whose own chance the interval over canaries leaves out.
    shared = 1.96 * _reference_error(losses, references)
    low = excess.value - math.hypot(excess.value - excess.low, shared)
    high = excess.value + math.hypot(excess.high - excess.value, shared)
    return Exposure(
        canaries=losses.size,
        references=references.size,
        mean_bits=float(bits.mean()),
        max_bits=float(bits.max()),
        ceiling_bits=math.log2(references.size + 1),
        null_mean_bits=exposure_null_mean(references.size),
        excess_bits=Rate(value=excess.value, low=low, high=high),
    )


def _reference_error(losses: Scores, references: Scores) -> float:
    """Standard error of the mean exposure from the draw of the references, by the jackknife."""
    n = references.size
    if n < 2:
        return math.log2(n + 1)
    influence = np.zeros(n)
    for loss in losses:
        # What leaving out each reference takes off the rank of this canary; a tie counts half.
        step = (references < loss) + (references == loss) / 2
        rank = 1 + step.sum()
        influence += np.log2(rank / (rank - step)) / losses.size
    return math.sqrt((n - 1) / n * float(np.sum((influence - influence.mean()) ** 2)))
