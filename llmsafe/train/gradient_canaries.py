"""ε of the engine itself, measured from below in whole runs on a tiny model.

Three runs with *gradient canaries* (Nasr et al. 2023, arXiv:2302.07956, section 4): every canary is
a unit of random tokens, in the run or not by its own fair coin. The adversary is as strong as the
guarantee allows: it sees every noisy gradient, and knows every canary's clipped gradient, for the
weights stay where they are. Isotropic noise is whitened by nothing but a scale, so least squares
on the canaries' gradients is the whitened projection: an unbiased estimate of how often each
canary was drawn. The right guesses among a number fixed beforehand bound ε from below (Steinke,
Nasr and Jagielski 2023, arXiv:2305.08846, Theorem 5.2); where that bound exceeds the ε which the
statement claims for the charges in the ledger, the engine is wrong.

Coins, draws and noise come from the operating system, so no two audits are the same. On a right
build an audit raises a false alarm with probability at most 1 - CONFIDENCE by the theorem, which
holds against the worst mechanism that is (ε, δ)-DP; against the Gaussian mechanism itself the
chance is below 1e-7 in each run.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from llmsafe.errors import EvidenceError
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.noise import NoiseSource
from llmsafe.privacy.plan import Plan, make_plan
from llmsafe.privacy.statement import make_statement
from llmsafe.stats import epsilon_one_run, epsilon_one_run_ceiling
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.sampling import poisson_draw, share_of_rank
from llmsafe.train.step import clipped_sum, private_step
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit

CONFIDENCE = 0.999
# The bound loses about 2 · coins · δ of its error probability of 0.001: δ must be far below that.
DELTA = 1e-7
CANARIES = 500
VOCABULARY = 512
TOKENS_PER_BATCH = 4096


@dataclass(frozen=True)
class Scenario:
    """A run to audit, repeated ``runs`` times with fresh coins.

    The coins of all repetitions belong to one audit: each coin touches one repetition only, so
    together they are (ε, δ)-DP in every coin, like each alone (parallel composition).
    ``guess_in`` and ``guess_out`` canaries of the highest and lowest scores are guessed planted
    and withheld. The ledger is closed and resumed before step ``resume_at``; ``world`` processes
    share each draw.
    """

    name: str
    noise_multiplier: float
    sampling_probability: float
    steps: int
    runs: int
    guess_in: int
    guess_out: int
    resume_at: int | None = None
    world: int = 1

    def plan(self, clip_norm: float) -> Plan:
        """The plan of each repetition; its population is the number of canaries, in or not."""
        return make_plan(
            noise_multiplier=self.noise_multiplier,
            delta=DELTA,
            population=CANARIES,
            units_per_step=self.sampling_probability * CANARIES,
            steps=self.steps,
            unit="patient",
            clip_norm=clip_norm,
        )


# One look at all units: wrong noise, clip or divisor show at once.
ONE_STEP = Scenario("one step of all units", 2.0, 1.0, 1, runs=2, guess_in=250, guess_out=250,
                    world=2)  # fmt: skip
# A drawn unit adds so little noise-free evidence a step that only a draw which repeats gives it
# away: about 100 of 4,000 coins, of which 60 are named.
SMALL_DRAWS = Scenario("many small draws", 2.0, 0.05, 100, runs=8, guess_in=60, guess_out=0,
                       resume_at=50)  # fmt: skip
# All evidence lies before the resume, and a ledger that forgets it claims one step.
RESUMED = Scenario("a resumed run", 4.0, 1.0, 64, runs=1, guess_in=75, guess_out=75, resume_at=63)


@dataclass(frozen=True)
class Outcome:
    """What an audit claims, measures, and could have measured at most."""

    claimed: float
    epsilon_lower: float
    ceiling: float
    canaries: int
    guesses: int
    correct: int

    def __str__(self) -> str:
        return (
            f"ε ≥ {self.epsilon_lower:.2f} measured (at most {self.ceiling:.2f} measurable), "
            f"{self.claimed:.2f} claimed; {self.correct} of {self.guesses} guesses right, "
            f"{self.canaries} coins"
        )


@dataclass(frozen=True)
class Engine:
    """A tiny LoRA model under the real per-unit gradients, and its canaries.

    ``clip_norm`` is a tenth of the smallest canary norm: every canary has exactly that norm once
    clipped. ``solver`` is float64 [canaries, parameters]: times a gradient sum, the least-squares
    estimate of each canary's multiplicity in it; ``deviation`` [canaries] is that estimate's
    standard deviation under unit noise.
    """

    model: nn.Module
    loss: NextTokenLoss
    gradients: UnitGradients
    canaries: tuple[TokenUnit, ...]
    clip_norm: float
    solver: Tensor
    deviation: Tensor

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The LoRA matrices, in the order of a flat gradient."""
        return self.gradients.parameters

    def clipped(self, units: Sequence[TokenUnit], clip_norm: float) -> Tensor:
        """The engine's clipped sum over ``units``."""
        total, _ = clipped_sum(
            self.loss,
            self.gradients,
            units,
            clip_norm=clip_norm,
            tokens_per_batch=TOKENS_PER_BATCH,
            pad=0,
        )
        return total

    def release(
        self,
        units: Sequence[TokenUnit],
        draw: Sequence[int],
        plan: Plan,
        noise: NoiseSource | None,
        *,
        world: int,
        charge: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """What ``world`` ranks leave in ``.grad`` after one private step: float64 [parameters].

        The ranks run in turn, the leader last, so that its all-reduce finds every other's part.
        """
        parts: list[Tensor] = []

        def all_reduce(part: Tensor) -> Tensor:
            parts.append(part)
            return torch.stack(parts).sum(0)

        for rank in reversed(range(world)):
            private_step(
                self.loss,
                self.gradients,
                [units[index] for index in share_of_rank(draw, units, rank, world)],
                plan=plan,
                charge=charge if rank == 0 else lambda: None,
                noise_source=noise if rank == 0 else None,
                all_reduce=all_reduce,
                tokens_per_batch=TOKENS_PER_BATCH,
                pad=0,
            )
        left = (p.new_zeros(p.shape) if p.grad is None else p.grad for p in self.parameters)
        return torch.cat([gradient.flatten() for gradient in left]).double()


@contextmanager
def tiny_engine() -> Generator[Engine, None, None]:
    """Build the model (fixed seed, torch's global generator untouched) and canaries."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = tiny_model()
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    tokens = torch.Generator().manual_seed(0)
    canaries = tuple(random_unit(f"canary-{i}", 8, tokens) for i in range(CANARIES))
    try:
        _, report = clipped_sum(
            loss, gradients, canaries, clip_norm=1.0, tokens_per_batch=TOKENS_PER_BATCH, pad=0
        )
        clip_norm = 0.1 * float(report.norms.min())
        blank = torch.zeros(0, dtype=torch.float64)
        engine = Engine(model, loss, gradients, canaries, clip_norm, blank, blank)
        matrix = torch.stack([engine.clipped([one], clip_norm).double() for one in canaries])
        inverse = torch.linalg.inv(matrix @ matrix.T)
        deviation = inverse.diagonal().sqrt()
        yield Engine(model, loss, gradients, canaries, clip_norm, inverse @ matrix, deviation)
    finally:
        gradients.detach()


def audit(
    engine: Engine,
    scenario: Scenario,
    *,
    coins: np.random.Generator,
    draws: torch.Generator,
    noise: NoiseSource | None,
) -> Outcome:
    """Run ``scenario`` as the recipe would and measure ε.

    ``noise`` ``None`` adds none, whatever the plan says: the control that the audit must find.
    The claim is made from the charges in the ledger as for any run; of several repetitions the
    largest counts.

    Raises:
        EvidenceError: a run that claims nothing, or whose updates are not finite.
    """
    plan = scenario.plan(engine.clip_norm)
    scores: list[Tensor] = []
    planted: list[Tensor] = []
    claimed = 0.0
    for _ in range(scenario.runs):
        coin = torch.from_numpy(coins.random(CANARIES) < 0.5)
        total, of_this_run = _run(engine, scenario, plan, coin, draws, noise)
        claimed = max(claimed, of_this_run)
        expected = scenario.sampling_probability * scenario.steps
        scores.append((engine.solver @ total - expected / 2) / engine.deviation)
        planted.append(coin)
    order = torch.cat(scores).argsort()
    coin = torch.cat(planted)[order]
    correct = int(coin[len(coin) - scenario.guess_in :].sum())
    correct += int((~coin[: scenario.guess_out]).sum())
    guesses = scenario.guess_in + scenario.guess_out
    return Outcome(
        claimed,
        epsilon_one_run(len(coin), guesses, correct, DELTA, CONFIDENCE),
        epsilon_one_run_ceiling(len(coin), guesses, DELTA, CONFIDENCE),
        len(coin),
        guesses,
        correct,
    )


def _run(
    engine: Engine,
    scenario: Scenario,
    plan: Plan,
    coin: Tensor,
    draws: torch.Generator,
    noise: NoiseSource | None,
) -> tuple[Tensor, float]:
    """One run over the planted canaries: the sum of what it released, and the ε it claims."""
    units = [one for one, planted in zip(engine.canaries, coin.tolist(), strict=True) if planted]
    total = torch.zeros(engine.gradients.size, dtype=torch.float64)
    with tempfile.TemporaryDirectory(prefix="llmsafe-") as folder:
        path = Path(folder) / "vault" / "ledger.jsonl"
        ledger = Ledger.create(path, plan)
        for step in range(plan.steps):
            if step == scenario.resume_at:
                ledger.close()
                ledger = Ledger.resume(path, plan, applied=step)
            draw = poisson_draw(len(units), plan.sampling_probability, draws)
            total += plan.divisor * engine.release(
                units,
                draw,
                plan,
                noise,
                world=scenario.world,
                charge=functools.partial(ledger.charge, step),
            )
        ledger.close()
        statement = make_statement(
            plan, charges=ledger.charges, noise=noise.level if noise else plan.noise
        )
    if statement.epsilon is None or not bool(torch.isfinite(total).all()):
        raise EvidenceError(
            f"{scenario.name}: the run claims epsilon {statement.epsilon} and its updates "
            f"{'are' if bool(torch.isfinite(total).all()) else 'are not'} finite; both must be "
            "finite numbers to be audited: the engine is wrong on this machine"
        )
    return total, statement.epsilon


def random_unit(name: str, length: int, tokens: torch.Generator) -> TokenUnit:
    # The last token is kept out: the test of units that are not finite poisons it.
    row = torch.randint(1, VOCABULARY - 1, (length,), generator=tokens)
    return TokenUnit(name, (tuple(row.tolist()),))


def tiny_model() -> nn.Module:
    """A random one-layer Llama with 8,000 LoRA parameters, whose unit gradients hardly overlap."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            initializer_range=0.3,
        )
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear"
    )
    model = get_peft_model(base, lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # zero at first, and with it the gradient of A
                parameter.normal_(0, 0.1)
    return model.eval()
