"""The self-audit: silent on the right build, loud at every planted bug.

The bugs are planted here, in the very functions that training calls; the product has no switch
for any of them. Coins, draws and noise come from the operating system, as in the product: the
chances of a false alarm and of a missed bug are below 1e-6 each.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch

import llmsafe.train.gradient_canaries as gradient_canaries
import llmsafe.train.self_audit as self_audit
import llmsafe.train.step as step_module
from llmsafe.errors import EvidenceError
from llmsafe.privacy import noise as noise_module
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.noise import gaussian_source, system_generator
from llmsafe.train.gradient_canaries import ONE_STEP, RESUMED, SMALL_DRAWS, audit, tiny_engine
from llmsafe.train.sampling import poisson_draw
from llmsafe.train.self_audit import (
    QUESTIONS,
    draws_are_poisson,
    noise_deviation,
    ranks_agree,
    self_test,
    sensitivity,
    training_moves,
)
from llmsafe.train.unit_gradients import ClippedSum, UnitGradients


@pytest.fixture(scope="module")
def engine():
    state = torch.get_rng_state()
    with tiny_engine() as built:
        assert torch.equal(state, torch.get_rng_state())
        yield built


@pytest.fixture
def ready(engine, monkeypatch):
    """The self-test without the seconds it takes to build the engine."""
    monkeypatch.setattr(self_audit, "tiny_engine", lambda: nullcontext(engine))


def measured(engine, scenario):
    return audit(
        engine, scenario, coins=np.random.default_rng(), draws=system_generator(),
        noise=gaussian_source("standard"),
    )  # fmt: skip


# --- the right build ------------------------------------------------------------------------------


def test_the_right_build_passes_every_question(ready):
    asked: list[str] = []
    findings = self_test(asked.append)
    assert [finding.name for finding in findings if not finding.ok] == []
    assert [finding.name for finding in findings] == asked
    assert len(asked) == QUESTIONS
    assert all(finding.detail for finding in findings)


def test_without_noise_the_adversary_reads_off_every_multiplicity(engine):
    """The solver against the truth: exact for any draw, also with a canary drawn twice."""
    drawn = [3, 77, 77, 410]
    total = engine.clipped([engine.canaries[i] for i in drawn], engine.clip_norm)
    expected = torch.zeros(len(engine.canaries), dtype=torch.float64)
    expected.index_add_(0, torch.tensor(drawn), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(engine.solver @ total.double(), expected, rtol=0, atol=1e-3)


def test_the_adversary_knows_its_own_error(engine):
    """``deviation`` is the estimate's standard deviation under unit noise, and near its optimum.

    No unbiased estimate of one canary among others beats 1 / clip norm.
    """
    noise = torch.randn(400, engine.gradients.size, generator=torch.Generator().manual_seed(0))
    spread = (engine.solver.float() @ noise.T).square().mean(1).sqrt()
    ratio = spread / engine.deviation.float()
    assert float((ratio - 1).abs().max()) < 5 / math.sqrt(800)
    assert float(engine.deviation.min()) * engine.clip_norm >= 1.0
    assert float(engine.deviation.mean()) * engine.clip_norm < 1.2


def test_every_canary_is_clipped_to_the_same_norm(engine):
    norms = [float(engine.clipped([one], engine.clip_norm).norm()) for one in engine.canaries[:20]]
    assert norms == pytest.approx([engine.clip_norm] * 20, rel=1e-4)


# --- bugs whose runs claim less than they leak ----------------------------------------------------


def no_noise(monkeypatch):
    source = noise_module._TorchSource
    monkeypatch.setattr(source, "sample", lambda self, n, std: torch.zeros(n, dtype=torch.float64))


def noise_divided_twice(monkeypatch):
    real = step_module.private_gradient

    def planted(total, *, noise, divisor, all_reduce):
        noise = None if noise is None else noise / divisor
        return real(total, noise=noise, divisor=divisor, all_reduce=all_reduce)

    monkeypatch.setattr(step_module, "private_gradient", planted)


def clip_after_averaging(monkeypatch):
    real = step_module.clipped_sum

    def planted(loss, gradients, units, *, clip_norm, **rest):
        total, report = real(loss, gradients, units, clip_norm=math.inf, **rest)
        mean = total / max(1, len(units))
        clipped = mean * min(1.0, clip_norm / max(float(mean.norm()), 1e-30))
        return clipped * len(units), report

    monkeypatch.setattr(step_module, "clipped_sum", planted)


def resume_that_resets(monkeypatch):
    def planted(cls, path, plan, *, applied=0):
        path.unlink()
        ledger = cls.create(path, plan)
        ledger._last_step = applied  # else the ledger itself refuses the next step's number
        return ledger

    monkeypatch.setattr(Ledger, "resume", classmethod(planted))


def one_draw_for_all_steps(monkeypatch):
    drawn: list[list[int]] = []

    def planted(population, probability, generator):
        call = len(drawn)
        first = call - call % SMALL_DRAWS.steps
        drawn.append(poisson_draw(population, probability, generator))
        return drawn[first]

    monkeypatch.setattr(gradient_canaries, "poisson_draw", planted)


@pytest.mark.parametrize(
    ("plant", "scenario"),
    [
        (no_noise, ONE_STEP),
        (noise_divided_twice, ONE_STEP),
        (clip_after_averaging, ONE_STEP),
        (resume_that_resets, RESUMED),
        (one_draw_for_all_steps, SMALL_DRAWS),
    ],
)
def test_a_planted_bug_leaks_more_than_is_claimed(engine, monkeypatch, plant, scenario):
    plant(monkeypatch)
    outcome = measured(engine, scenario)
    assert outcome.claimed < outcome.epsilon_lower <= outcome.ceiling
    ok, detail = (self_audit._remembers if scenario is RESUMED else self_audit._holds)(outcome)
    assert not ok
    assert f"{outcome.claimed:.2f} claimed" in detail


def test_an_audit_that_cannot_find_absent_noise_fails_the_self_test(engine, monkeypatch):
    """The positive control: with an adversary that guesses blindly its silence means nothing."""
    blind = self_audit.Engine(
        engine.model, engine.loss, engine.gradients, engine.canaries, engine.clip_norm,
        torch.randn_like(engine.solver), engine.deviation,
    )  # fmt: skip
    outcome = audit(
        blind, ONE_STEP, coins=np.random.default_rng(), draws=system_generator(), noise=None
    )
    assert not self_audit._is_found(outcome)[0]


def test_an_error_is_a_finding(ready, monkeypatch):
    def refuses(cls, path, plan, *, applied=0):
        raise EvidenceError("the ledger is gone")

    real = self_audit._questions
    kept = f"audit: {SMALL_DRAWS.name}"
    monkeypatch.setattr(Ledger, "resume", classmethod(refuses))
    monkeypatch.setattr(self_audit, "_questions", lambda *a: {kept: real(*a)[kept]})
    [finding] = self_test()
    assert (finding.name, finding.ok, finding.detail) == (kept, False, "the ledger is gone")


def test_a_run_that_cannot_be_audited_is_no_pass(engine, monkeypatch):
    """Scores that are NaN, or a statement that claims nothing, must not read as a small ε."""
    with monkeypatch.context() as patch:
        patch.setattr(
            noise_module._TorchSource, "sample", lambda self, n, std: torch.full((n,), math.nan)
        )
        with pytest.raises(EvidenceError, match="are not finite"):
            measured(engine, ONE_STEP)
    with pytest.raises(EvidenceError, match="epsilon None"):
        audit(
            engine, ONE_STEP, coins=np.random.default_rng(), draws=system_generator(),
            noise=gaussian_source("test", seed=0),
        )  # fmt: skip


# --- bugs that another question finds -------------------------------------------------------------


def wrong_deviation(factor, monkeypatch):
    real = noise_module._TorchSource.sample
    monkeypatch.setattr(
        noise_module._TorchSource, "sample", lambda self, n, std: real(self, n, factor * std)
    )


def replayed_noise(monkeypatch):
    state = torch.Generator().manual_seed(3).get_state()

    def planted(self, n, std):
        generator = torch.Generator()
        generator.set_state(state)
        return torch.randn(n, generator=generator, dtype=torch.float64) * std

    monkeypatch.setattr(noise_module._TorchSource, "sample", planted)


@pytest.mark.parametrize(
    "plant", [partial(wrong_deviation, f) for f in (math.sqrt(0.5), 0.97, 1.03)] + [replayed_noise]
)
def test_noise_that_is_not_the_planned_is_found(engine, monkeypatch, plant):
    """√½: what two ranks that each add their share of the variance, and forget one, leave."""
    plant(monkeypatch)
    assert not noise_deviation(engine, "standard")[0]


def local_shards_with_one_seed(population, probability, generator):
    half = population // 2
    local = poisson_draw(half, probability, generator)
    return [*local, *(index + half for index in local)]


def fixed_size(population, probability, generator):
    order = torch.randperm(population, generator=generator)
    return order[: round(probability * population)].tolist()


class Epochs:
    """Shuffled epochs in slices of varying size: every unit once in each epoch."""

    def __init__(self):
        self.rest: list[int] = []

    def __call__(self, population, probability, generator):
        size = len(poisson_draw(population, probability, generator))
        if len(self.rest) < size:
            self.rest += torch.randperm(population, generator=generator).tolist()
        taken, self.rest = self.rest[:size], self.rest[size:]
        return sorted(set(taken))


class Sticky:
    """Every second draw repeats the one before."""

    def __init__(self):
        self.last: list[int] | None = None

    def __call__(self, population, probability, generator):
        if self.last is not None:
            repeated, self.last = self.last, None
            return repeated
        self.last = poisson_draw(population, probability, generator)
        return self.last


@pytest.mark.parametrize("planted", [local_shards_with_one_seed, fixed_size, Epochs(), Sticky()])
def test_draws_that_are_not_poisson_are_found(monkeypatch, planted):
    monkeypatch.setattr(self_audit, "poisson_draw", planted)
    assert not draws_are_poisson(system_generator())[0]


def test_a_draw_of_another_probability_is_found(monkeypatch):
    monkeypatch.setattr(self_audit, "poisson_draw", lambda n, q, g: poisson_draw(n, 1.1 * q, g))
    assert not draws_are_poisson(system_generator())[0]


def test_ranks_that_draw_the_same_or_drop_a_unit_are_found(engine, monkeypatch):
    def drops_one(draw, units, rank, world):
        return draw[rank + 1 :: world]

    for share in (lambda draw, *_: list(draw), drops_one):
        monkeypatch.setattr(gradient_canaries, "share_of_rank", share)
        assert not ranks_agree(engine)[0]


def test_units_that_are_not_clipped_or_not_finite_are_found(engine, monkeypatch):
    real = UnitGradients.close

    def unclipped(self, clip_norm):
        return real(self, math.inf)

    def poisoned(self, clip_norm):
        bad = ~torch.isfinite(self._buffer).all(1)
        closed = real(self, clip_norm)
        return ClippedSum(closed.total + (math.nan if bool(bad.any()) else 0.0), closed.norms)

    for planted in (unclipped, poisoned):
        monkeypatch.setattr(UnitGradients, "close", planted)
        assert not sensitivity(engine)[0]


def test_a_loss_shared_over_the_tokens_of_a_batch_is_found(engine, monkeypatch):
    """The usual mean over all tokens of a batch, scaled back by its number of units."""
    real = engine.loss.__class__.__call__

    def shared(self, input_ids, weights):
        targets = int((weights > 0).sum())
        counts = (weights > 0).sum(1, keepdim=True)
        return real(self, input_ids, weights * counts * len(input_ids) / targets)

    monkeypatch.setattr(engine.loss.__class__, "__call__", shared)
    assert not sensitivity(engine)[0]


def test_a_stale_parameter_is_found(engine, monkeypatch):
    def skips_one(self, gradient):
        parts = gradient.split([p.numel() for p in self.parameters])
        for parameter, part in list(zip(self.parameters, parts, strict=True))[1:]:
            parameter.grad = part.view_as(parameter)

    kept = engine.gradients.parameters
    stale = [*kept[:-1], torch.nn.Parameter(kept[-1].detach().clone())]
    with monkeypatch.context() as patch:
        patch.setattr(engine.gradients, "parameters", stale)
        assert not training_moves(engine)[0]
    monkeypatch.setattr(UnitGradients, "assign", skips_one)
    assert not training_moves(engine)[0]
