"""Rows of a study to render: invented, consistent, and no result of the project."""

from __future__ import annotations

import math
import random

from llmsafe.report.study_rows import Row
from llmsafe.stats import dp_tpr_ceiling

INF = math.inf
LEDGER = f"sha256:{'a1' * 32}"
LEAK = {INF: 1.0, 8.0: 0.12, 4.0: 0.06, 1.0: 0.01}


def row(measure: str, epsilon: float, seed: int, value: float, **more) -> Row:
    """One row; what is not named has a value that fits."""
    facts = {
        "study": "example", "corpus": "invented", "model": "llmsafe:base-en", "unit": "patient",
        "kind": "phi", "repetition": 1, "scrub": True, "rank": 16,
    }  # fmt: skip
    facts |= {key: more.pop(key) for key in list(more) if key in facts}
    copies, scrub = facts["repetition"], facts["scrub"]
    cell = f"{'inf' if math.isinf(epsilon) else f'{epsilon:g}'}{seed}{copies}{'s' * scrub}"
    defaults = {
        "x": None, "low": None, "high": None, "interval": "", "n": 400, "base": None,
        "ceiling": None, "theory": None,
    } | more  # fmt: skip
    at = "" if defaults["x"] is None else f"-{defaults['x']:g}"
    return Row(
        row=f"{cell}-{measure.replace('_', '-')}{at}", cell=cell, seed=seed, epsilon=epsilon,
        claimed=None if math.isinf(epsilon) else epsilon - 0.01, delta=1e-5, measure=measure,
        value=value, run=f"train/epsilon-{epsilon:g}-seed-{seed}-{cell}", ledger=LEDGER,
        audit="sha256:" + "b2" * 32, **facts, **defaults,
    )  # fmt: skip


def rows(seeds: int = 3) -> list[Row]:
    """ε = ∞, 8, 4, 1; scrubbed and not; once and in copies."""
    rng = random.Random(7)
    found: list[Row] = []
    for seed in range(seeds):
        for epsilon in LEAK:
            found += cell(epsilon, seed, rng)
        for epsilon in (INF, 8.0):
            found += cell(epsilon, seed, rng, scrub=False)
    for copies in (2, 4):
        for epsilon in (INF, 8.0):
            found += cell(epsilon, 0, rng, repetition=copies)
    return found


def cell(
    epsilon: float, seed: int, rng: random.Random, *, scrub: bool = True, repetition: int = 1
) -> list[Row]:
    leak = min(1.0, LEAK[epsilon] * repetition**0.7 * rng.uniform(0.85, 1.0))
    auc = 0.5 + 0.42 * leak + rng.uniform(-0.015, 0.015)
    limit = None if math.isinf(epsilon) else epsilon
    more = {"scrub": scrub, "repetition": repetition}

    def rate(name: str, value: float, width: float, **extra) -> Row:
        value = min(max(value, 0.0), 1.0)
        ends = {"low": max(0.0, value - width), "high": min(1.0, value + width)}
        return row(
            name, epsilon, seed, value, interval="95 % over canaries", **ends, **extra, **more
        )

    bits = 5.2 * leak + rng.uniform(-0.2, 0.2)
    identifiers = 0.5 + (0.02 if scrub else 0.2) * leak
    permitted = 1.0 if limit is None else float(dp_tpr_ceiling(0.01, limit, 1e-5))
    found = [
        rate("canary_auc", auc, 0.03, ceiling=1.0),
        rate("canary_tpr_at_1pct_fpr", 0.01 + 0.6 * leak**2, 0.03, ceiling=1.0, theory=permitted),
        row("exposure_excess_bits", epsilon, seed, bits, low=bits - 0.3, high=bits + 0.3,
            ceiling=6.2, interval="95 % over canaries", **more),
        rate("extraction_greedy", 0.3 * leak**2, 0.02, base=0.0, ceiling=1.0),
        rate("identifier_auc", identifiers, 0.04, ceiling=1.0),
        row("perplexity", epsilon, seed, 6.0 + (0 if limit is None else 9 / limit**0.5)
            + rng.uniform(-0.2, 0.2), base=48.6, **more),
        rate("task_accuracy", 0.9 - (0 if limit is None else 0.25 / limit**0.5), 0.06, base=0.2,
             ceiling=1.0),
    ]  # fmt: skip
    if repetition == 1:
        bound = 2.4 * leak**1.5
        found.append(
            row("epsilon_lower", epsilon, seed, bound, low=bound, ceiling=3.7, theory=limit,
                interval="one-sided 95% bound over canaries", **more)
        )  # fmt: skip
        found += [
            rate("canaries_auc_by_length", auc + shift, 0.05, x=tokens + seed, ceiling=1.0)
            for tokens, shift in ((33.0, 0.02), (39.0, 0.0), (45.0, -0.02))
        ]
    return found
