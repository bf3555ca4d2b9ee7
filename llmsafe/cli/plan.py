"""``llmsafe plan``: σ, steps and the privacy statement, from public numbers alone."""

from __future__ import annotations

from typing import Annotated

import typer

from llmsafe.cli.common import emit_json, say
from llmsafe.errors import InputError


def plan(
    delta: Annotated[
        float, typer.Option("--delta", help="Chance that the epsilon fails; below 1/population.")
    ],
    population: Annotated[
        int, typer.Option("--population", help="Declared number of patients (or notes).")
    ],
    units_per_step: Annotated[
        float, typer.Option("--units-per-step", help="Expected patients (or notes) in a step.")
    ],
    epsilon: Annotated[
        float | None, typer.Option("--epsilon", help="Wanted epsilon; inf is the control.")
    ] = None,
    noise_multiplier: Annotated[
        float | None, typer.Option("--noise-multiplier", help="Ask for the epsilon of this sigma.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of training.")] = None,
    epochs: Annotated[
        float | None, typer.Option("--epochs", help="Instead of steps: expected draws of a unit.")
    ] = None,
    max_units_per_step: Annotated[
        int | None,
        typer.Option("--max-units-per-step", help="Cap: cut larger draws to a random subset."),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", help="What is protected: patient or note.")
    ] = "patient",
    clip_norm: Annotated[
        float, typer.Option("--clip-norm", help="Bound on a unit's gradient.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Data on stdout.")] = False,
) -> None:
    """Compute noise, steps and the privacy statement. Reads no note and needs no GPU.

    Every number is public: choose them before looking at the notes. An epsilon that cannot be
    reached, or a cap that is too small, is refused with the numbers that would do.

    \b
    Examples:
      llmsafe plan --epsilon 8 --delta 1e-5 --population 2000 --units-per-step 64 --steps 300
      llmsafe plan --epsilon 2 --delta 1e-6 --population 90000 --units-per-step 1024 --epochs 3
      llmsafe plan --noise-multiplier 0.8 --delta 6.8e-6 --population 100000 \\
          --units-per-step 1024 --steps 292 --json
      llmsafe plan --epsilon 8 --delta 1e-6 --population 100000 --units-per-step 1024 \\
          --steps 300 --max-units-per-step 1280
    """
    if (steps is None) == (epochs is None):
        given = "neither" if steps is None else "both"
        raise InputError(f"{given} of --steps and --epochs given; give exactly one")
    if (epsilon is None) == (noise_multiplier is None):
        given = "neither" if epsilon is None else "both"
        raise InputError(f"{given} of --epsilon and --noise-multiplier given; give exactly one")
    if unit not in ("patient", "note"):
        raise InputError(f"unit {unit!r} is unknown; choose patient or note")
    from llmsafe.privacy.plan import make_plan, steps_from_epochs
    from llmsafe.privacy.statement import render

    if steps is None:
        assert epochs is not None
        steps = steps_from_epochs(epochs, population, units_per_step)
    made = make_plan(
        delta=delta,
        population=population,
        units_per_step=units_per_step,
        steps=steps,
        unit=unit,
        clip_norm=clip_norm,
        epsilon=epsilon,
        noise_multiplier=noise_multiplier,
        max_units_per_step=max_units_per_step,
    )
    if as_json:
        say(render(made))
        emit_json(made.as_json())
    else:
        print(render(made), end="")
    if made.noise_multiplier > made.units_per_step:
        say(
            f"warning: the noise multiplier {made.noise_multiplier:g} exceeds the "
            f"{made.units_per_step:g} units of a step: in every coordinate the noise of a step is "
            "larger than the mean gradient can be. Expect to learn little; more steps do not help "
            "at the same epsilon, a larger population or epsilon does"
        )
