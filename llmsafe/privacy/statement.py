"""The privacy statement: what is claimed, on which assumptions, and what is not covered."""

from __future__ import annotations

import math
import textwrap

from llmsafe.artifacts import PrivacyStatement
from llmsafe.errors import EvidenceError
from llmsafe.privacy import accountant
from llmsafe.privacy.plan import NoiseLevel, Plan

COVERS: tuple[str, ...] = (
    "the adapter weights in release/, every step of their training, and anything computed from "
    "them alone: text they generate, a merged model, further training on other data",
)
NOT_COVERED: tuple[str, ...] = (
    "everything in vault/: exact counts, un-noised losses, canary secrets, scores, mappings",
    "the choice of hyperparameters, if settings were compared on the private notes",
    "figures of an audit, which are computed on the members themselves",
    "what the scrubber decided to remove or keep",
    "other runs on the same notes: their epsilons add up",
    "the declared population, units per step and steps: they are treated as public",
    "what notes of other people say about a patient (relatives, shared events)",
)
_STAMPS = {
    "test": "NOT PRIVATE: seeded test noise can be subtracted by anyone who knows the seed",
    "none": "NOT PRIVATE: no noise is added; epsilon is infinite",
}


def make_statement(
    plan: Plan, *, charges: int, noise: NoiseLevel | None = None
) -> PrivacyStatement:
    """The claim for a run that charged ``charges`` steps with noise of level ``noise``.

    ``noise`` is the level that was really used; it defaults to the plan's.

    ε is computed from the charges in the ledger, not from the plan: steps redone after a crash
    count twice. Noise ``none`` or ``test`` claims nothing (``private`` false, ε ``None``).

    Raises:
        EvidenceError: the noise that was used contradicts the plan, or no step was charged.
    """
    noise = noise or plan.noise
    if charges < 1:
        raise EvidenceError("no step was charged; nothing was trained and nothing can be stated")
    if (noise == "none") != (plan.noise_multiplier == 0):
        raise EvidenceError(
            f"noise level {noise!r} contradicts the plan's noise multiplier "
            f"{plan.noise_multiplier:g}; train again with the plan's noise"
        )
    reached = _epsilon(plan, charges)
    private = noise in ("standard", "secure") and math.isfinite(reached)
    not_covered = list(NOT_COVERED)
    if private and charges < plan.steps:
        not_covered.append(
            f"stopping after {charges} of {plan.steps} planned steps, if that was decided on "
            f"private figures such as losses: then the whole plan's {plan.epsilon:.4g} holds"
        )
    if not private:
        not_covered.insert(0, _STAMPS.get(noise, _STAMPS["none"]))
    return PrivacyStatement(
        private=private,
        epsilon=reached if private else None,
        delta=plan.delta,
        unit=plan.unit,
        sampling_probability=plan.sampling_probability,
        population=plan.population,
        units_per_step=plan.units_per_step,
        steps=charges,
        noise_multiplier=plan.noise_multiplier,
        clip_norm=plan.clip_norm,
        noise=noise,
        covers=list(COVERS) if private else [],
        not_covered=not_covered,
    )


def render(subject: PrivacyStatement | Plan) -> str:
    """The statement in words, for people: printed before any compute and kept with the release."""
    if isinstance(subject, Plan):
        title = "Privacy plan"
        statement = make_statement(subject, charges=subject.steps)
    else:
        title, statement = "Privacy statement", subject
    lines = [title, *_claim(statement), "", *_settings(statement)]
    for heading, items in (
        ("Covers", statement.covers),
        (
            "Does not cover",
            [item for item in statement.not_covered if item not in _STAMPS.values()],
        ),
    ):
        if items:
            lines += ["", f"{heading}:"]
            for item in items:
                lines += textwrap.wrap(item, 92, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def _epsilon(plan: Plan, charges: int) -> float:
    if charges == plan.steps:
        return plan.epsilon
    return accountant.epsilon(
        noise_multiplier=plan.noise_multiplier,
        sampling_probability=plan.sampling_probability,
        steps=charges,
        delta=plan.delta,
        accountant=plan.accountant,
    )


def _claim(statement: PrivacyStatement) -> list[str]:
    if not statement.private or statement.epsilon is None:
        return [f"  {statement.not_covered[0]}", "  Nothing is claimed. Do not release this model."]
    from llmsafe.stats import dp_tpr_ceiling  # brings scipy, which planning itself does not need

    epsilon, delta, unit = statement.epsilon, statement.delta, statement.unit
    tpr = float(dp_tpr_ceiling(0.01, epsilon, delta))
    words = (
        "Whatever anyone sees of the released weights would have been at most "
        f"{math.exp(min(epsilon, 700.0)):,.4g} times as likely, or as unlikely, had one {unit} "
        f"not been in the data, apart from a chance of {delta:.3g}. An attacker who wrongly "
        f"accuses 1 in 100 outsiders identifies at most {100 * tpr:.4g} in 100 of the {unit}s "
        "who were in it; guessing identifies 1."
    )
    if tpr > 0.5:
        words += (
            " At this epsilon the guarantee alone rules out little: rely on it together with "
            "the audit, which measures what leaks."
        )
    headline = f"  epsilon {epsilon:.4g} at delta {delta:.3g}, per {unit}"
    return [headline, "", *textwrap.wrap(words, 92, initial_indent="  ", subsequent_indent="  ")]


def _settings(statement: PrivacyStatement) -> list[str]:
    unit = "all notes of one patient"
    if statement.unit == "note":
        unit = "one note (a patient with k notes has k times the epsilon, and a larger delta)"
    rows = {
        "unit": f"{statement.unit}: {unit}",
        "adjacency": "add or remove one unit",
        "sampling": f"Poisson: each of {statement.population:,} units joins each step with "
        f"probability {statement.sampling_probability:.6g}",
        "units per step": f"{statement.units_per_step:g} expected; the constant divisor",
        "steps": f"{statement.steps:,}",
        "noise multiplier": f"{statement.noise_multiplier:g}, at clip norm {statement.clip_norm:g}",
        "noise level": statement.noise,
        "accountant": statement.accountant,
    }
    return [f"  {name:<18}{value}" for name, value in rows.items()]
