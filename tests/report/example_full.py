"""An audit with everything that can be measured, made from one of the smaller examples.

The figures are invented, as in ``example.py``; bounds, intervals and means follow from counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmsafe.artifacts import (
    Audit,
    Bound,
    BoundPoint,
    Exposure,
    Extraction,
    ExtractionPoint,
    ExtrapolatedExposure,
    Generated,
    Membership,
    PhiLeak,
    Rate,
    SampledExposure,
    Scoring,
    SearchedExposure,
)
from llmsafe.stats import (
    binomial_interval,
    epsilon_clopper_pearson,
    epsilon_one_run,
    epsilon_one_run_ceiling,
    epsilon_one_run_gdp,
    epsilon_one_run_gdp_ceiling,
)

DELTA = 1e-5
ATTACKS = {
    **{"base_difference": 1.0, "ez": 1.15, "wbc": 1.05, "loss": 0.8, "zlib": 0.7, "min_k": 0.6},
    **{"min_k_pp": 0.65, "lowercase": 0.3, "recall": 0.5, "neighbourhood": 0.75},
    **{"lira_offline": 0.95, "lira_online": 1.2, "rmia": 1.1},
}
"""The thirteen attacks, and how much of the headline attack's shift each has."""
POPULATIONS = (("canaries", 1.0, 500), ("patients", 0.5, 260), ("notes", 0.3, 900))
NOTHING, LITTLE, MUCH = 0.0, 0.15, 0.9


def full(audit: Audit, example, *, shift: float, leak: float = LITTLE) -> Audit:
    """``audit`` with every field filled; ``leak`` is the share of secrets that are given away."""
    bounds = [*searched_bounds(leak), repeated_runs(leak)]
    return audit.model_copy(
        update={
            "membership": memberships(example, shift),
            "bounds": bounds,
            "exposure": exposure(audit.exposure, leak),
            "extraction": [
                audit.extraction[0],
                sampled(512, 488, leak),
                candidates(40, leak),
                generated_copies(1000, near=round(40 * leak)),
            ],
            "phi": identifiers(leak),
            "generated": Generated(
                texts=1000,
                tokens=214_330,
                base_texts=1000,
                prompts="the beginning of a note: BOS and nothing else",
                sampler="temperature 1, top-k 40",
            ),
            "scoring": Scoring(
                texts=4000,
                tokens=1_004_122,
                passes={"scores": 2.0, "lowercase": 1.0, "recall": 1.0, "neighbourhood": 10.0},
                seconds=412.6,
            ),
            "unmeasured": [],
        }
    )


def memberships(example, shift: float) -> list[Membership]:
    """Every attack on canaries, patients and notes."""
    return [
        example.membership(
            attack, population, share * part * shift, n, primary=attack == "base_difference"
        )
        for population, part, n in POPULATIONS
        for attack, share in ATTACKS.items()
    ]


def searched_bounds(leak: float) -> list[Bound]:
    """A search over three numbers of guesses, for any mechanism and for Gaussian ones."""
    right = {
        500: 250 + round(250 * leak),
        125: 63 + round(62 * leak**0.5),
        31: 16 + round(15 * leak**0.3),
    }
    families = {
        "dp": (epsilon_one_run, epsilon_one_run_ceiling, "one run", "independent fair coins"),
        "gaussian": (
            epsilon_one_run_gdp,
            epsilon_one_run_gdp_ceiling,
            "one run, f-DP",
            "the same, and a Gaussian trade-off curve",
        ),
    }
    each = 1 - 0.05 / len(right)
    found: list[Bound] = []
    for family, (lower, ceiling, method, assumption) in families.items():
        curve = [
            BoundPoint(
                guesses=guesses,
                correct=correct,
                epsilon_lower=lower(1000, guesses, correct, DELTA, each),
                ceiling=ceiling(1000, guesses, DELTA, each),
            )
            for guesses, correct in sorted(right.items())
        ]
        best = max(curve, key=lambda point: (point.epsilon_lower, point.ceiling))
        found.append(
            Bound(
                method=f"{method}, best of {len(curve)} numbers of guesses",
                design="one-run",
                assumption=f"{assumption}, one unit per canary",
                attack="base_difference",
                delta=DELTA,
                confidence=0.95,
                canaries=1000,
                guesses=best.guesses,
                correct=best.correct,
                epsilon_lower=best.epsilon_lower,
                ceiling=max(point.ceiling for point in curve),
                family=family,  # type: ignore[arg-type]
                choices=len(curve),
                curve=curve,
            )
        )
    return found


def repeated_runs(leak: float) -> Bound:
    """Two hundred trainings, half with the canary."""
    hits, false = round(5 + 92 * leak**0.6), 4
    each = 1 - 0.05 / 8
    return Bound(
        method="Clopper-Pearson over repeated runs",
        design="repeated-runs",
        assumption="independent trainings by the same settings",
        attack="loss",
        delta=DELTA,
        confidence=0.95,
        canaries=200,
        guesses=200,
        correct=hits + 100 - false,
        epsilon_lower=epsilon_clopper_pearson(hits, 100, false, 100, DELTA, each),
        ceiling=epsilon_clopper_pearson(100, 100, 0, 100, DELTA, each),
        choices=8,
    )


def exposure(old: Exposure | None, leak: float) -> Exposure:
    """The old exposure with a curve, samples, an extrapolation and a search."""
    assert old is not None
    ceiling = old.ceiling_bits
    bits = [ceiling * i / 80 for i in range(81)]
    share = [(1 - leak) * 2**-x + leak * (1 - (x / ceiling) ** 3 * 0.5) for x in bits]
    curve = [(x, max(y, 1 / old.canaries)) for x, y in zip(bits, share, strict=True)]
    mean = 1.44 + 12 * leak
    return old.model_copy(
        update={
            "curve": curve,
            "sampled": SampledExposure(
                secrets=300,
                samples=4096,
                beyond=round(300 * leak * 0.6),
                mean_bits=1.44 + 8 * leak,
                mean_low=1.41 + 7.6 * leak,
                mean_high=1.49 + 8.5 * leak if leak < MUCH else math.inf,
                null_mean_bits=1.44,
                excess_bits=Rate(value=8 * leak, low=8 * leak - 0.3, high=8 * leak + 0.35),
                base_mean_bits=1.47,
                withheld_mean_bits=1.39,
                extrapolated=ExtrapolatedExposure(
                    secrets=round(300 * leak * 0.6),
                    fitting=round(300 * leak * 0.5),
                    mean_bits=17.2,
                    mean_low=15.8,
                    mean_high=19.1,
                ),
            ),
            "searched": SearchedExposure(
                secrets=40,
                closed=37,
                space_bits=29.9,
                mean_low=mean,
                mean_high=mean + 0.4,
                null_mean_bits=1.44,
                excess_bits=Rate(value=mean - 1.24, low=mean - 2.1, high=mean - 0.4),
                base_mean_low=1.52,
                base_mean_high=1.52,
                withheld_mean_low=1.36,
                withheld_mean_high=1.41,
            ),
        }
    )


def sampled(planted: int, withheld: int, leak: float) -> Extraction:
    """Extraction by 100 samples, and the curve to a million."""
    grid = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    points = [
        ExtractionPoint(
            n=n,
            extracted=round(planted * leak * (i / 12) ** 1.2),
            base_extracted=round(planted * 0.03 * (i / 12) ** 4),
            withheld_extracted=round(withheld * 0.04 * (i / 12) ** 4),
        )
        for i, n in enumerate(grid)
    ]
    at = points[grid.index(100)]
    return Extraction(
        method="sampled",
        about="canaries",
        what="canary secrets, given the text before them, in 100 samples",
        tried=planted,
        extracted=at.extracted,
        rate=exact(at.extracted, planted),
        base_extracted=at.base_extracted,
        withheld_tried=withheld,
        withheld_extracted=at.withheld_extracted,
        sampler="temperature 1, top-k 40",
        probability=0.5,
        curve=points,
    )


def candidates(tried: int, leak: float) -> Extraction:
    """The true secret among a hundred of its form."""
    points = [
        ExtractionPoint(
            n=n,
            extracted=round(tried * min(1.0, leak + n / 100)),
            base_extracted=round(tried * n / 100),
            withheld_extracted=round(tried * n / 100),
            chance=n / 100,
        )
        for n in (1, 3, 10)
    ]
    return Extraction(
        method="candidates",
        about="canaries",
        what="canary secrets told from others of their form",
        tried=tried,
        extracted=points[0].extracted,
        rate=exact(points[0].extracted, tried),
        base_extracted=points[0].base_extracted,
        withheld_tried=tried,
        withheld_extracted=points[0].withheld_extracted,
        chance=0.01,
        curve=points,
    )


def generated_copies(texts: int, *, near: int) -> Extraction:
    return Extraction(
        method="generated",
        about="notes",
        match="near",
        what="generated texts with 50 tokens of a training note, but for 5 edits",
        tried=texts,
        extracted=near,
        rate=exact(near, texts),
        base_extracted=0,
        withheld_tried=None,
        withheld_extracted=None,
        boilerplate=11,
    )


def identifiers(leak: float) -> list[PhiLeak]:
    counts: Sequence[tuple[str, int, int, int, int, int]] = (
        ("NAME", 2140, 9, 37, 35, 412),
        ("DATE", 4871, 4, 18, 18, 903),
        ("LOCATION", 1204, 11, 6, 5, 88),
        ("PHONE", 1105, 0, 0, 0, 140),
        ("MRN", 1000, 0, 0, 0, 171),
    )
    return [
        PhiLeak(
            category=category,
            in_corpus=present,
            missed_by_scrubber=missed,
            emitted_by_model=ours + round(present * leak**2 * 0.1),
            emitted_by_base=base,
            counted="values",
            generated_by_model=shaped,
            generated_by_base=round(0.9 * shaped),
        )
        for category, present, missed, ours, base, shaped in counts
    ]


def exact(successes: int, trials: int) -> Rate:
    found = binomial_interval(successes, trials)
    return Rate(value=found.value, low=found.low, high=found.high)
