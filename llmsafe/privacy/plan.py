"""The plan of a private run: noise, sampling and accounting in one frozen object.

It is made from public numbers alone, before any note is read, so nothing in it can leak. Sampler,
noise and accountant all read their settings here and cannot disagree.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from llmsafe.artifacts import sha256_json
from llmsafe.errors import InputError
from llmsafe.notes import UnitKind
from llmsafe.privacy import accountant

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

    @property
    def divisor(self) -> float:
        """The public constant that turns the noisy sum into a mean."""
        return self.units_per_step

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on the clipped *sum*: σ × clip norm."""
        return self.noise_multiplier * self.clip_norm

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
) -> Plan:
    """A checked plan from ε (σ is searched) or from σ (ε is computed).

    ``epsilon=inf`` or ``noise_multiplier=0`` is the non-private control: σ = 0, noise ``none``.
    Otherwise the plan's ε is recomputed from its σ and never exceeds the one asked for.

    δ above 1/population is refused: a mechanism that publishes one whole record, chosen at
    random, would satisfy (0, 1/population), so such a δ promises nothing.

    Raises:
        InputError: a setting out of range, both or neither of ε and σ, or an ε out of reach.
    """
    if (epsilon is None) == (noise_multiplier is None):
        given = "neither" if epsilon is None else "both"
        raise InputError(f"{given} of epsilon and noise multiplier given; give exactly one")
    _check(delta, population, units_per_step, steps, clip_norm, noise)
    q = units_per_step / population
    if epsilon is not None:
        if math.isnan(epsilon) or epsilon <= 0:
            raise InputError(
                f"epsilon {epsilon} must be positive; 'inf' is the non-private control"
            )
        noise_multiplier = 0.0
        if math.isfinite(epsilon):
            noise_multiplier = accountant.noise_multiplier_for(
                epsilon=epsilon, sampling_probability=q, steps=steps, delta=delta
            )
    assert noise_multiplier is not None
    if noise_multiplier and noise == "none":
        raise InputError(
            f"noise 'none' contradicts the noise multiplier {noise_multiplier:g}; "
            "ask for epsilon inf, or choose noise standard or secure"
        )
    reached = accountant.epsilon(
        noise_multiplier=noise_multiplier, sampling_probability=q, steps=steps, delta=delta
    )
    return Plan(
        epsilon=reached,
        delta=delta,
        population=population,
        units_per_step=units_per_step,
        steps=steps,
        noise_multiplier=noise_multiplier,
        sampling_probability=q,
        clip_norm=clip_norm,
        unit=unit,
        noise=noise if noise_multiplier else "none",
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
            f"delta {delta:g} must lie between 0 and 1; choose one well below 1/population "
            f"= {1 / population:.2g}"
        )
    if delta > 1 / population:
        raise InputError(
            f"delta {delta:g} exceeds 1/population = {1 / population:.2g}: publishing one random "
            "record outright would satisfy it; choose a smaller delta"
        )
    if not (0 < clip_norm < math.inf):
        raise InputError(f"clip norm {clip_norm} must be positive and finite")
    if noise not in get_args(NoiseLevel):
        raise InputError(
            f"noise {noise!r} is no level; choose from {', '.join(get_args(NoiseLevel))}"
        )
