"""The plan of a private run: noise, sampling and accounting in one frozen object.

It is made from public numbers alone, before any note is read, so nothing in it can leak. Sampler,
noise and accountant all read their settings here and cannot disagree.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from llmsafe.errors import InputError
from llmsafe.files import sha256_json
from llmsafe.notes import UnitKind
from llmsafe.privacy import accountant, feasible
from llmsafe.privacy.truncation import overflow_probability, smallest_cap

NoiseLevel = Literal["test", "standard", "secure", "none"]
ADJACENCY = "add-or-remove-one"
SAMPLING = "poisson"


@dataclass(frozen=True)
class Plan:
    """Public settings of a run. ``epsilon`` is what ``noise_multiplier`` really gives.

    Args:
        epsilon: ε after all ``steps``; ``inf`` means no noise and no claim.
        population: declared number of privacy units, a public constant.
        units_per_step: expected units in a draw; the constant the noisy sum is divided by.
        sampling_probability: ``units_per_step / population``.
        noise_multiplier: noise standard deviation over ``clip_norm``.
        max_units_per_step: a larger draw is cut to a random subset of this size; ``None`` for no
            cap. ε and δ then hold for a corpus of at most ``population`` units
            (:func:`check_population`).
    """

    epsilon: float
    delta: float
    population: int
    units_per_step: float
    steps: int
    noise_multiplier: float
    sampling_probability: float
    clip_norm: float
    unit: UnitKind
    noise: NoiseLevel
    accountant: accountant.Accountant = "prv"
    max_units_per_step: int | None = None

    @property
    def divisor(self) -> float:
        """The public constant that turns the noisy sum into a mean."""
        return self.units_per_step

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on the clipped *sum*: σ × clip norm."""
        return self.noise_multiplier * self.clip_norm

    def epsilon_after(self, steps: int, which: accountant.Accountant | None = None) -> float:
        """ε of the first ``steps`` steps at the plan's δ, by the plan's accountant or another.

        Raises:
            InputError: see :func:`llmsafe.privacy.accountant.epsilon`.
            SetupError: ``pld`` without dp-accounting installed.
        """
        return accountant.composed_epsilon(
            [self.steps_taken(steps)], delta=self.delta, accountant=which or self.accountant
        )

    def steps_taken(self, steps: int) -> accountant.Steps:
        """``steps`` steps of this plan, as the accountant takes them."""
        overflow = overflow_probability(
            self.population, self.sampling_probability, self.max_units_per_step
        )
        return accountant.Steps(self.noise_multiplier, self.sampling_probability, steps, overflow)

    def as_json(self) -> dict[str, Any]:
        """Every setting, with adjacency and sampling; an infinite ε becomes ``None``."""
        fields = asdict(self)
        if math.isinf(self.epsilon):
            fields["epsilon"] = None
        return fields | {"adjacency": ADJACENCY, "sampling": SAMPLING}

    def digest(self) -> str:
        """``sha256:<hex>`` that changes with any setting."""
        return sha256_json(self.as_json())


def make_plan(
    *,
    delta: float,
    population: int,
    units_per_step: float,
    steps: int,
    unit: UnitKind,
    clip_norm: float = 1.0,
    noise: NoiseLevel = "standard",
    epsilon: float | None = None,
    noise_multiplier: float | None = None,
    max_units_per_step: int | None = None,
) -> Plan:
    """A checked plan from ε (σ is searched) or from σ (ε is computed).

    ``epsilon=inf`` or ``noise_multiplier=0`` is the non-private control: σ = 0, noise ``none``.
    Otherwise the plan's ε is recomputed from its σ and never exceeds the one asked for.

    δ above 1/population is refused: a mechanism that publishes one whole record, chosen at
    random, would satisfy (0, 1/population), so such a δ promises nothing.

    An ε is out of reach when it needs more noise than anything can be learned under
    (:func:`llmsafe.privacy.feasible.largest_noise`); a cap on the draws when it costs more than a
    tenth of δ. Either message names the numbers that would do. A σ that is given is not judged.

    Raises:
        InputError: a setting out of range, both or neither of ε and σ, an ε out of reach, or a
            cap that is too small.
    """
    if (epsilon is None) == (noise_multiplier is None):
        given = "neither" if epsilon is None else "both"
        raise InputError(f"{given} of epsilon and noise multiplier given; give exactly one")
    _check(delta, population, units_per_step, steps, clip_norm, noise)
    q = units_per_step / population
    overflow = overflow_probability(population, q, max_units_per_step)
    if epsilon is not None:
        if math.isnan(epsilon) or epsilon <= 0:
            raise InputError(
                f"epsilon {epsilon} must be positive; 'inf' is the non-private control"
            )
        noise_multiplier = 0.0
        if math.isfinite(epsilon):
            wish = feasible.Wish(epsilon, delta, population, units_per_step, steps)
            noise_multiplier = _noise_for(wish, overflow, max_units_per_step)
    assert noise_multiplier is not None
    if noise_multiplier and noise == "none":
        raise InputError(
            f"noise 'none' contradicts the noise multiplier {noise_multiplier:g}; "
            "ask for epsilon inf, or choose noise standard or secure"
        )
    plan = Plan(
        epsilon=math.inf,
        delta=delta,
        population=population,
        units_per_step=units_per_step,
        steps=steps,
        noise_multiplier=noise_multiplier,
        sampling_probability=q,
        clip_norm=clip_norm,
        unit=unit,
        noise=noise if noise_multiplier else "none",
        max_units_per_step=max_units_per_step,
    )
    try:
        return replace(plan, epsilon=plan.epsilon_after(steps))
    except accountant.CapCostsTooMuch as error:
        raise _cap_too_small(plan, error) from error


def check_population(plan: Plan, units: int) -> None:
    """Refuse a corpus of more units than declared when draws are capped.

    Without a cap the guarantee does not hang on the declared population. With one it does: a
    larger corpus overflows the cap more often than was accounted for.

    Raises:
        InputError: ``units`` exceeds the plan's population and the plan has a cap.
    """
    if plan.max_units_per_step is not None and units > plan.population:
        raise InputError(
            f"the corpus holds more {plan.unit}s than the {plan.population:,} declared, and "
            f"max units per step {plan.max_units_per_step:,} was accounted for that many; "
            "declare a population that is large enough, or leave the cap out"
        )


def _noise_for(wish: feasible.Wish, overflow: float, cap: int | None) -> float:
    """The σ for a wish, or a refusal that says what would do."""
    if not feasible.within_reach(wish):
        most = feasible.largest_noise(wish.units_per_step, wish.steps)
        raise accountant.OutOfReach(
            f"epsilon {wish.epsilon:g} at delta {wish.delta:g} is out of reach with "
            f"{wish.units_per_step:g} of {wish.population:,} units per step and {wish.steps:,} "
            f"steps: no noise multiplier up to {most:,.5g} gives it, and a larger one drowns "
            f"whatever could be learned; all else as it is, {feasible.ways_out(wish)} would do"
        )
    q = wish.units_per_step / wish.population
    try:
        return accountant.noise_multiplier_for(
            epsilon=wish.epsilon,
            sampling_probability=q,
            steps=wish.steps,
            delta=wish.delta,
            overflow=overflow,
        )
    except accountant.CapCostsTooMuch as error:
        least = smallest_cap(
            wish.population, q, steps=wish.steps, delta=wish.delta, epsilon=wish.epsilon
        )
        raise _cap_refusal(cap, least, error) from error


def _cap_too_small(plan: Plan, error: InputError) -> InputError:
    # With nine tenths of δ the plain mechanism has at least the ε of any cap that is admitted.
    most = accountant.epsilon(
        noise_multiplier=plan.noise_multiplier,
        sampling_probability=plan.sampling_probability,
        steps=plan.steps,
        delta=(1 - accountant.LARGEST_CAP_SHARE) * plan.delta,
    )
    least = smallest_cap(
        plan.population,
        plan.sampling_probability,
        steps=plan.steps,
        delta=plan.delta,
        epsilon=most,
    )
    return _cap_refusal(plan.max_units_per_step, least, error)


def _cap_refusal(cap: int | None, least: int, error: InputError) -> InputError:
    return accountant.CapCostsTooMuch(
        f"max units per step {cap} is too small: {str(error).rsplit(':', 1)[0]}; the smallest "
        f"that would do is {least}"
    )


def steps_from_epochs(epochs: float, population: int, units_per_step: float) -> int:
    """Steps after which each unit was drawn ``epochs`` times in expectation, rounded up.

    Raises:
        InputError: a value that is not positive.
    """
    for name, value in (
        ("epochs", epochs),
        ("population", population),
        ("units per step", units_per_step),
    ):
        if not (0 < value < math.inf):
            raise InputError(f"{name} {value} must be positive and finite")
    # Guards against 3 × 1000 / 10 = 300.00000000000006 becoming 301.
    return max(1, math.ceil(epochs * population / units_per_step - 1e-9))


def _check(
    delta: float,
    population: int,
    units_per_step: float,
    steps: int,
    clip_norm: float,
    noise: str,
) -> None:
    if population < 1:
        raise InputError(f"population {population} must be at least one unit")
    if not (0 < units_per_step <= population):
        raise InputError(
            f"units per step {units_per_step:g} must be above 0 and at most the population "
            f"{population}; it is the expected size of a draw"
        )
    if steps < 1:
        raise InputError(f"steps {steps} must be at least 1")
    if not (0 < delta < 1):
        raise InputError(
            f"delta {delta:g} must lie between 0 and 1; choose one well below 1/population: "
            f"{_advised_delta(population)} would do"
        )
    if delta > 1 / population:
        raise InputError(
            f"delta {delta:g} exceeds 1/population = {1 / population:.2g}: publishing one random "
            f"record outright would satisfy it; {_advised_delta(population)} would do"
        )
    if not (0 < clip_norm < math.inf):
        raise InputError(f"clip norm {clip_norm} must be positive and finite")
    if noise not in get_args(NoiseLevel):
        raise InputError(
            f"noise {noise!r} is no level; choose from {', '.join(get_args(NoiseLevel))}"
        )


def _advised_delta(population: int) -> str:
    """A tenth of 1/population, one digit, downwards."""
    share = 0.1 / population
    digits = -math.floor(math.log10(share))
    return f"{math.floor(share * 10**digits) / 10**digits:g}"
