from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from llmsafe.errors import InputError
from llmsafe.privacy.accountant import epsilon
from llmsafe.privacy.plan import make_plan, steps_from_epochs

BASE = {"delta": 1e-5, "population": 5000, "units_per_step": 50, "steps": 40, "unit": "patient"}


def test_from_epsilon_and_back():
    plan = make_plan(**BASE, epsilon=2)
    assert 1.98 <= plan.epsilon <= 2
    again = make_plan(**BASE, noise_multiplier=plan.noise_multiplier)
    assert again == plan
    assert plan.sampling_probability == 0.01
    assert plan.divisor == 50
    assert plan.epsilon == epsilon(
        noise_multiplier=plan.noise_multiplier, sampling_probability=0.01, steps=40, delta=1e-5
    )


def test_control_has_no_noise():
    for given in ({"epsilon": math.inf}, {"noise_multiplier": 0.0}):
        plan = make_plan(**BASE, **given)
        assert (plan.noise, plan.noise_multiplier, plan.noise_std) == ("none", 0, 0)
        assert plan.epsilon == math.inf
        assert plan.as_json()["epsilon"] is None


def test_json_has_the_promised_keys():
    data = make_plan(**BASE, noise_multiplier=1.0).as_json()
    promised = "noise_multiplier epsilon delta sampling_probability steps accountant unit adjacency"
    assert set(promised.split()) <= set(data)
    assert data["adjacency"] == "add-or-remove-one"


def test_digest_changes_with_every_setting():
    plan = make_plan(**BASE, noise_multiplier=1.0)
    changes = {
        "epsilon": 9.0, "delta": 2e-5, "population": 5001, "units_per_step": 51.0, "steps": 41,
        "noise_multiplier": 1.01, "sampling_probability": 0.02, "clip_norm": 2.0, "unit": "note",
        "noise": "secure", "accountant": "rdp",
    }  # fmt: skip
    assert set(changes) == set(asdict(plan))
    digests = {replace(plan, **{name: value}).digest() for name, value in changes.items()}
    assert len(digests | {plan.digest()}) == len(changes) + 1
    assert plan.digest() == make_plan(**BASE, noise_multiplier=1.0).digest()


def test_plan_is_frozen():
    with pytest.raises(FrozenInstanceError):
        make_plan(**BASE, noise_multiplier=1.0).steps = 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "neither"),
        ({"epsilon": 1.0, "noise_multiplier": 1.0}, "both"),
        ({"epsilon": 0.0}, "positive"),
        ({"epsilon": math.nan}, "positive"),
        ({"epsilon": 1.0, "delta": 0.0}, "between 0 and 1"),
        ({"epsilon": 1.0, "delta": 1.0}, "between 0 and 1"),
        ({"epsilon": 1.0, "delta": 1e-3}, "one random record outright"),
        ({"epsilon": 1.0, "population": 0}, "population"),
        ({"epsilon": 1.0, "units_per_step": 5001}, "at most the population 5000"),
        ({"epsilon": 1.0, "units_per_step": 0}, "units per step"),
        ({"epsilon": 1.0, "steps": 0}, "steps"),
        ({"epsilon": 1.0, "clip_norm": 0.0}, "clip norm"),
        ({"epsilon": 1.0, "clip_norm": math.inf}, "clip norm"),
        ({"epsilon": 1.0, "noise": "none"}, "contradicts"),
        ({"epsilon": 1.0, "noise": "quiet"}, "no level"),
        ({"noise_multiplier": -0.5}, "noise multiplier"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(InputError, match=words):
        make_plan(**(BASE | change))


def test_steps_from_epochs():
    assert steps_from_epochs(3, 1000, 10) == 300
    assert steps_from_epochs(1, 1000, 64) == 16  # 15.625, rounded up
    assert steps_from_epochs(0.001, 1000, 64) == 1
    for bad in ((0, 10, 1), (1, 0, 1), (1, 10, 0), (math.inf, 10, 1)):
        with pytest.raises(InputError, match="positive"):
            steps_from_epochs(*bad)


def test_planning_imports_no_heavy_library():
    code = (
        "import sys, llmsafe.privacy, llmsafe.privacy.plan, llmsafe.privacy.statement, "
        "llmsafe.privacy.ledger, llmsafe.privacy.accountant; "
        "print([m for m in ('torch', 'opacus', 'scipy', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
