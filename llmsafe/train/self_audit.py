"""The engine examines itself on this machine: statistics of its parts, and ε of whole runs.

Each question has an answer with figures. The audits are those of
:mod:`llmsafe.train.gradient_canaries`; every other statistic alarms on a right build with
probability about ALPHA.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from llmsafe.errors import LlmsafeError
from llmsafe.privacy.accountant import epsilon
from llmsafe.privacy.noise import gaussian_source, system_generator
from llmsafe.privacy.plan import NoiseLevel
from llmsafe.train.gradient_canaries import (
    DELTA,
    ONE_STEP,
    RESUMED,
    SMALL_DRAWS,
    VOCABULARY,
    Engine,
    Outcome,
    Scenario,
    audit,
    random_unit,
    tiny_engine,
)
from llmsafe.train.sampling import poisson_draw
from llmsafe.train.units import TokenUnit

ALPHA = 1e-6
QUESTIONS = 11


@dataclass(frozen=True)
class Finding:
    """One question to the engine and its answer; ``detail`` gives the figures."""

    name: str
    ok: bool
    detail: str


def self_test(progress: Callable[[str], None] = lambda name: None) -> list[Finding]:
    """Every question to the engine on this machine, in a fixed order; about twenty seconds.

    ``progress`` is told the name of each question before it is looked into. A question ends in a
    finding whatever happens; only a defect nobody foresaw raises.
    """
    coins, draws = np.random.default_rng(), system_generator()
    findings: list[Finding] = []
    with tiny_engine() as engine:
        for name, question in _questions(engine, coins, draws).items():
            progress(name)
            try:
                ok, detail = question()
            except LlmsafeError as error:
                ok, detail = False, str(error)
            findings.append(Finding(name, ok, detail))
    return findings


_Answer = tuple[bool, str]


def _questions(
    engine: Engine, coins: np.random.Generator, draws: torch.Generator
) -> dict[str, Callable[[], _Answer]]:
    def audited(scenario: Scenario) -> Outcome:
        source = gaussian_source("standard")
        return audit(engine, scenario, coins=coins, draws=draws, noise=source)

    levels: tuple[NoiseLevel, ...] = ("test", "standard", "secure")
    return {
        "training: every trainable tensor moves": lambda: training_moves(engine),
        "clipping: one unit moves the sum by at most C": lambda: sensitivity(engine),
        "ranks: together they make the update of one": lambda: ranks_agree(engine),
        "draws: Poisson": lambda: draws_are_poisson(draws),
        **{
            f"noise: planned deviation, level {level}": functools.partial(
                noise_deviation, engine, level
            )
            for level in levels
        },
        f"audit: {ONE_STEP.name}": lambda: _holds(audited(ONE_STEP)),
        f"audit: {ONE_STEP.name}, without noise": lambda: _is_found(
            audit(engine, ONE_STEP, coins=coins, draws=draws, noise=None)
        ),
        f"audit: {SMALL_DRAWS.name}": lambda: _holds(audited(SMALL_DRAWS)),
        f"audit: {RESUMED.name}": lambda: _remembers(audited(RESUMED)),
    }


def _holds(outcome: Outcome) -> _Answer:
    return outcome.epsilon_lower <= outcome.claimed, str(outcome)


def _is_found(outcome: Outcome) -> _Answer:
    """The positive control: an audit that misses absent noise proves nothing by its silence."""
    return outcome.epsilon_lower > outcome.claimed, f"{outcome}; the audit must find this"


def _remembers(outcome: Outcome) -> _Answer:
    forgetful = epsilon(
        noise_multiplier=RESUMED.noise_multiplier,
        sampling_probability=RESUMED.sampling_probability,
        steps=RESUMED.steps - cast(int, RESUMED.resume_at),
        delta=DELTA,
    )
    return (
        forgetful < outcome.epsilon_lower <= outcome.claimed,
        f"{outcome}; charges forgotten at the resume would claim {forgetful:.2f} and be found",
    )


def training_moves(engine: Engine) -> _Answer:
    """One AdamW step on a private gradient without noise moves every trainable tensor."""
    trainable = [p for p in engine.model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trainable]
    for parameter in trainable:
        parameter.grad = None
    plan = ONE_STEP.plan(engine.clip_norm)
    engine.release(engine.canaries, range(20), plan, None, world=1)
    without = sum(p.grad is None or not bool(p.grad.any()) for p in trainable)
    torch.optim.AdamW(engine.parameters, lr=1e-3, weight_decay=0.0).step()
    still = sum(torch.equal(old, new) for old, new in zip(before, trainable, strict=True))
    with torch.no_grad():
        for old, parameter in zip(before, trainable, strict=True):
            parameter.copy_(old)
    return (
        not without and not still,
        f"{len(trainable)} tensors, {without} without a gradient, {still} that did not move",
    )


def sensitivity(engine: Engine) -> _Answer:
    """‖G(S ∪ j) − G(S)‖ ≤ C (1 + 1e-4) for adversarial units j, and 0 for one that is not finite.

    Twelve equal units in S add up what one unit does to the others; C is their own norm.
    """
    tokens = torch.Generator().manual_seed(1)
    poisoned = VOCABULARY - 1
    repeated = TokenUnit("repeated", ((7, 8, 9, 10, 11, 12),))
    rows = tuple(row for i in range(12) for row in random_unit(f"r{i}", 20, tokens).rows)
    adversaries = (
        random_unit("long", 200, tokens),
        random_unit("one target", 2, tokens),
        TokenUnit("one token, over and over", ((5,) * 50,)),
        TokenUnit("many rows", rows),
        TokenUnit("a copy", repeated.rows),
        TokenUnit("empty", ()),
    )
    clip_norm = float(engine.clipped([repeated], math.inf).norm())
    worst = 0.0
    for others in ((), engine.canaries[:8], (repeated,) * 12):
        for bound in (clip_norm, engine.clip_norm):
            without = engine.clipped(others, bound).double()
            for extra in adversaries:
                moved = engine.clipped((*others, extra), bound).double() - without
                worst = max(worst, float(moved.norm()) / bound)
    others = engine.canaries[:8]
    embedding = cast(Any, engine.model).get_input_embeddings().weight
    kept = embedding[poisoned].detach().clone()
    clean = engine.clipped(others, clip_norm).double()
    with torch.no_grad():
        embedding[poisoned] = math.nan
    spoilt = engine.clipped((*others, TokenUnit("nan", ((3, poisoned, 4),))), clip_norm).double()
    with torch.no_grad():
        embedding[poisoned] = kept
    from_nan = float((spoilt - clean).norm()) / clip_norm
    return (
        worst <= 1 + 1e-4 and from_nan <= 1e-4,
        f"at most {worst:.6f} C; {from_nan:.1g} C by a unit that is not finite",
    )


def ranks_agree(engine: Engine) -> _Answer:
    """One to three ranks leave the clipped sum over the divisor, also of an empty draw."""
    plan = ONE_STEP.plan(engine.clip_norm)
    worst = 0.0
    for draw in (range(40), range(2), ()):
        alone = engine.clipped([engine.canaries[i] for i in draw], plan.clip_norm).double()
        alone /= plan.divisor
        for world in (1, 2, 3):
            shared = engine.release(engine.canaries, draw, plan, None, world=world)
            worst = max(worst, float((shared - alone).norm() / alone.norm().clamp(min=1e-30)))
    return worst <= 1e-4, f"relative difference at most {worst:.1g}"


def draws_are_poisson(draws: torch.Generator) -> _Answer:
    """Counts and sizes are binomial, pairs of units and of steps are independent.

    Chi-square of the 64 units' counts and of the draw sizes; the largest of all pairs' joint
    counts against its binomial law (Bonferroni); the total and the joint counts of successive
    steps by their normal laws. Each at ALPHA.
    """
    population, rounds, q = 64, 2000, 0.1
    seen = torch.zeros(rounds, population, dtype=torch.float64)
    for row in seen:
        row[poisson_draw(population, q, draws)] = 1.0
    counts, sizes = seen.sum(0), seen.sum(1)
    chi_counts = float((counts - rounds * q).square().sum()) / (rounds * q * (1 - q))
    chi_sizes = float((sizes - population * q).square().sum()) / (population * q * (1 - q))
    pairs = population * (population - 1) // 2
    most = float(torch.triu(seen.T @ seen, diagonal=1).max())
    together = pairs * float(cast(float, special.bdtrc(most - 1, rounds, q * q)))
    total = (float(counts.sum()) - rounds * population * q) / math.sqrt(
        rounds * population * q * (1 - q)
    )
    following = float((seen[1:] * seen[:-1]).sum()) - (rounds - 1) * population * q * q
    # Var Σ x_t x_{t+1} per unit and step: q²(1 − q²) + 2 (q³ − q⁴).
    variance = (rounds - 1) * population * (q**2 * (1 - q**2) + 2 * (q**3 - q**4))
    following /= math.sqrt(variance)
    ok = (
        _chi_square_fits(chi_counts, population)
        and _chi_square_fits(chi_sizes, rounds)
        and together > ALPHA
        and all(math.erfc(abs(z) / math.sqrt(2)) > ALPHA for z in (total, following))
    )
    return ok, (
        f"{rounds} draws: variance of counts {chi_counts / population:.2f} and of sizes "
        f"{chi_sizes / rounds:.2f} of a Poisson draw's, a pair together at most {most:.0f} times "
        f"({rounds * q * q:.0f} expected), z {total:.1f} of the total, {following:.1f} between "
        "successive draws"
    )


def noise_deviation(engine: Engine, level: NoiseLevel) -> _Answer:
    """Empty draws release noise of deviation σC/divisor, 100,000 coordinates, never twice.

    Two ranks. The variance of all coordinates finds a σ that is 2 % off; that of the steps' sum
    finds noise which repeats or cancels between steps.
    """
    plan = SMALL_DRAWS.plan(engine.clip_norm)
    source = gaussian_source(level, seed=0 if level == "test" else None)
    steps = math.ceil(100_000 / engine.gradients.size)
    released = [engine.release((), (), plan, source, world=2) for _ in range(steps)]
    unit = torch.stack(released) / (plan.noise_std / plan.divisor)
    chi = float(unit.square().sum())
    chi_sum = float(unit.sum(0).square().sum()) / steps
    distinct = len({tuple(vector.tolist()) for vector in unit})
    return (
        _chi_square_fits(chi, unit.numel())
        and _chi_square_fits(chi_sum, unit.shape[1])
        and distinct == steps,
        f"{math.sqrt(chi / unit.numel()):.4f} of the planned deviation over {unit.numel():,} "
        f"coordinates; {math.sqrt(chi_sum / unit.shape[1]):.3f} for the sum of {steps} steps; "
        f"{distinct} distinct vectors",
    )


def _chi_square_fits(value: float, freedom: int) -> bool:
    tails = (special.chdtr(freedom, value), special.chdtrc(freedom, value))
    return min(float(cast(float, tail)) for tail in tails) > ALPHA / 2
