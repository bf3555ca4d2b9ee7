from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from llmsafe.errors import InputError
from llmsafe.privacy.accountant import epsilon
from llmsafe.privacy.feasible import Wish, largest_noise, ways_out, within_reach
from llmsafe.privacy.plan import check_population, make_plan, steps_from_epochs

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
        "noise": "secure", "accountant": "rdp", "max_units_per_step": 90,
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
        ({"epsilon": 1.0, "delta": 1e-3}, "one random record outright would satisfy it; 2e-05 w"),
        ({"epsilon": 1.0, "population": 0}, "population"),
        ({"epsilon": 1.0, "units_per_step": 5001}, "at most the population 5000"),
        ({"epsilon": 1.0, "units_per_step": 0}, "units per step"),
        ({"epsilon": 1.0, "steps": 0}, "steps"),
        ({"epsilon": 1.0, "clip_norm": 0.0}, "clip norm"),
        ({"epsilon": 1.0, "clip_norm": math.inf}, "clip norm"),
        ({"epsilon": 1.0, "noise": "none"}, "contradicts"),
        ({"epsilon": 1.0, "noise": "quiet"}, "no level"),
        ({"noise_multiplier": -0.5}, "noise multiplier"),
        ({"epsilon": 1.0, "max_units_per_step": 0}, "max units per step 0"),
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


CAPPED = {
    "delta": 6.8e-6, "population": 100_000, "units_per_step": 1024, "steps": 292, "unit": "patient",
}  # fmt: skip


def test_a_generous_cap_costs_next_to_nothing():
    plain = make_plan(**CAPPED, noise_multiplier=0.8)
    capped = make_plan(**CAPPED, noise_multiplier=0.8, max_units_per_step=1280)
    assert plain.epsilon <= capped.epsilon <= plain.epsilon + 1e-4
    assert capped.as_json()["max_units_per_step"] == 1280
    assert capped.epsilon_after(292) == capped.epsilon
    assert capped.epsilon_after(100) < capped.epsilon


@pytest.mark.parametrize("given", [{"epsilon": 2.0}, {"noise_multiplier": 0.8}])
def test_a_cap_that_eats_delta_is_refused_and_the_smallest_that_would_do_does(given):
    with pytest.raises(InputError, match="max units per step 1100 is too small") as refused:
        make_plan(**CAPPED, **given, max_units_per_step=1100)
    least = int(str(refused.value).rsplit(" ", 1)[1])
    plan = make_plan(**CAPPED, **given, max_units_per_step=least)
    assert plan.epsilon <= given.get("epsilon", 2.2)
    # And it is the smallest, give or take the two that the margin on ε may cost.
    with pytest.raises(InputError, match="the smallest that would do is"):
        make_plan(**CAPPED, **given, max_units_per_step=least - 3)


def test_from_epsilon_and_back_with_a_cap():
    plan = make_plan(**CAPPED, epsilon=2, max_units_per_step=1232)
    assert 1.98 <= plan.epsilon <= 2
    again = make_plan(**CAPPED, noise_multiplier=plan.noise_multiplier, max_units_per_step=1232)
    assert again == plan
    uncapped = make_plan(**CAPPED, epsilon=2)
    assert plan.noise_multiplier > uncapped.noise_multiplier  # the cap is paid for


def test_a_control_may_have_a_cap():
    plan = make_plan(**BASE, epsilon=math.inf, max_units_per_step=10)
    assert (plan.epsilon, plan.max_units_per_step) == (math.inf, 10)


def test_a_cap_needs_a_corpus_of_at_most_the_declared_size():
    capped = make_plan(**BASE, noise_multiplier=1.0, max_units_per_step=150)
    check_population(capped, 5000)
    with pytest.raises(InputError, match="more patients than the 5,000 declared"):
        check_population(capped, 5001)
    check_population(make_plan(**BASE, noise_multiplier=1.0), 50_000)


OUT_OF_REACH = [
    ({"delta": 1e-3, "population": 45, "units_per_step": 8, "steps": 40}, 0.01),
    ({"delta": 1e-5, "population": 5000, "units_per_step": 50, "steps": 40}, 1e-4),
    # Here σ stops at 10,000, so that fewer steps or units do.
    ({"delta": 1e-6, "population": 500_000, "units_per_step": 100_000, "steps": 4000}, 1e-3),
]


@pytest.mark.parametrize(("setting", "target"), OUT_OF_REACH)
def test_a_plan_out_of_reach_says_what_would_do_and_it_does(setting, target):
    with pytest.raises(InputError, match="out of reach") as refused:
        make_plan(**setting, unit="patient", epsilon=target)
    words = str(refused.value).rsplit("all else as it is, ", 1)[1].removesuffix(" would do")
    offers = words.split(", or ")
    assert offers[0].startswith("epsilon ")
    for offer in offers:
        number = float(next(w for w in offer.split() if w[0].isdigit()).replace(",", ""))
        name = next(n for n in ("epsilon", "steps", "units", "population") if n in offer)
        name = {"units": "units_per_step"}.get(name, name)
        value = number if name in ("epsilon", "units_per_step") else int(number)
        changed = Wish(**({**setting, "epsilon": target} | {name: value}))
        assert within_reach(changed), offer
        if name != "units_per_step":  # slow, and confirmed above
            plan = make_plan(**({**setting, "epsilon": target, "unit": "patient"} | {name: value}))
            assert plan.epsilon <= changed.epsilon


def test_what_would_do_is_not_far_more_than_what_is_needed():
    setting, target = OUT_OF_REACH[0]
    words = ways_out(Wish(epsilon=target, **setting))
    smallest = float(words.split()[1].rstrip(","))
    assert not within_reach(Wish(epsilon=0.9 * smallest, **setting))
    population = int(words.rsplit(" ", 1)[1].replace(",", ""))
    fewer = setting | {"population": round(0.7 * population)}
    assert not within_reach(Wish(epsilon=target, **fewer))


def test_the_largest_noise_grows_with_the_signal():
    assert largest_noise(8, 1) == 8
    assert largest_noise(8, 100) == 80
    assert largest_noise(1e6, 100) == 1e4


def test_planning_imports_no_heavy_library():
    code = (
        "import sys, llmsafe.privacy, llmsafe.privacy.plan, llmsafe.privacy.statement, "
        "llmsafe.privacy.ledger, llmsafe.privacy.accountant, llmsafe.privacy.budget; "
        "print([m for m in ('torch', 'opacus', 'scipy', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
