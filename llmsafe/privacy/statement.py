"""The privacy statement: what is claimed, on which assumptions, and what is not covered."""

from __future__ import annotations

import math
import textwrap

from llmsafe.artifacts import PrivacyStatement
from llmsafe.errors import EvidenceError
from llmsafe.privacy.plan import NoiseLevel, Plan

COVERS: tuple[str, ...] = (
    "LoRA training, every step of it: the adapter weights in release/ and anything computed from "
    "them alone, such as text they generate, a merged model, further training on other data",
    "the split: whether a {unit} is trained on or held out hangs on that {unit}'s id alone and "
    "costs nothing; who was held out had no part in the weights",
    "the canaries: invented {unit}s, planted by coins that look at no note",
)
NOT_COVERED: tuple[str, ...] = (
    "the audit: audit.json, audit.html and the figures of it in the model card are computed on "
    "the members themselves, without noise, although they lie in release/",
    "the scrubber: it reads every note; what it removed, kept, counted or replaced is not noised, "
    "and scrubbed notes are as private as the notes",
    "everything in vault/: exact counts, un-noised losses and gradient norms, the split, canary "
    "secrets, scores, mappings, checkpoints of the optimiser, the corpus itself",
    "the declared constants (population, units per step, cap, steps, delta, clip norm): they are "
    "treated as public, and are no longer when they were counted or tuned on the notes",
    "the choice of hyperparameters, if settings were compared on the private notes",
    "other runs on the same notes, released or not: their epsilons add up; "
    "llmsafe check RUN RUN ... adds them",
    "that a run was made, stopped, refused or repeated, and how much time and memory it took",
    "what the base model and its tokeniser had seen before",
    "what notes of other people say about a patient (relatives, shared events)",
)
_STAMPS = {
    "test": "NOT PRIVATE: seeded test noise can be subtracted by anyone who knows the seed",
    "none": "NOT PRIVATE: no noise is added; epsilon is infinite",
}


def make_statement(plan: Plan, *, charges: int, noise: NoiseLevel) -> PrivacyStatement:
    """The claim for a run that charged ``charges`` steps with noise of level ``noise``.

    ``noise`` is the level that was really used: ask the source that drew it
    (:attr:`llmsafe.privacy.noise.NoiseSource.level`), not the plan. A run planned with ``test``
    noise, whose draws are seeded as well, stays a test whatever noise it used.

    ε is computed from the charges in the ledger, not from the plan: steps redone after a crash
    count twice. Noise ``none`` or ``test`` claims nothing (``private`` false, ε ``None``).

    Raises:
        EvidenceError: the noise that was used contradicts the plan, or no step was charged.
    """
    if charges < 1:
        raise EvidenceError("no step was charged; nothing was trained and nothing can be stated")
    if (noise == "none") != (plan.noise_multiplier == 0):
        raise EvidenceError(
            f"noise level {noise!r} contradicts the plan's noise multiplier "
            f"{plan.noise_multiplier:g}; train again with the plan's noise"
        )
    noise = "test" if plan.noise == "test" else noise
    reached = plan.epsilon if charges == plan.steps else plan.epsilon_after(charges)
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
        max_units_per_step=plan.max_units_per_step,
        covers=[item.format(unit=plan.unit) for item in COVERS] if private else [],
        not_covered=not_covered,
    )


def render(subject: PrivacyStatement | Plan) -> str:
    """The statement in words, for people: printed before any compute and kept with the release."""
    if isinstance(subject, Plan):
        title = "Privacy plan"
        statement = make_statement(subject, charges=subject.steps, noise=subject.noise)
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
        "cap on a draw": _cap(statement),
        "steps": f"{statement.steps:,}",
        "noise multiplier": f"{statement.noise_multiplier:g}, at clip norm {statement.clip_norm:g}",
        "noise level": statement.noise,
        "accountant": statement.accountant,
    }
    return [f"  {name:<18}{value}" for name, value in rows.items() if value]


def _cap(statement: PrivacyStatement) -> str:
    if statement.max_units_per_step is None:
        return ""
    return (
        f"{statement.max_units_per_step:,} units (larger draws are cut at random), for at most "
        f"{statement.population:,} in all"
    )
