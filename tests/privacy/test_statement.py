from __future__ import annotations

import math
from dataclasses import replace

import pytest

from llmsafe.artifacts import PrivacyStatement
from llmsafe.errors import EvidenceError
from llmsafe.privacy.accountant import epsilon
from llmsafe.privacy.noise import gaussian_source
from llmsafe.privacy.plan import make_plan
from llmsafe.privacy.statement import make_statement, render
from llmsafe.stats import dp_tpr_ceiling

BASE = {"delta": 1e-5, "population": 5000, "units_per_step": 50, "steps": 40, "unit": "patient"}


@pytest.fixture(scope="module")
def plan():
    return make_plan(**BASE, noise_multiplier=0.9)


def test_epsilon_follows_the_charges(plan):
    for charges in (10, 40, 47):
        statement = make_statement(plan, charges=charges, noise="standard")
        assert statement.steps == charges
        assert statement.private
        assert statement.epsilon == epsilon(
            noise_multiplier=0.9, sampling_probability=0.01, steps=charges, delta=1e-5
        )
    assert make_statement(plan, charges=47, noise="standard").epsilon > plan.epsilon
    early = make_statement(plan, charges=10, noise="standard")
    assert any("stopping after 10 of 40" in item for item in early.not_covered)


def test_nothing_is_claimed_without_private_noise(plan):
    control = make_plan(**BASE, epsilon=math.inf)
    for statement in (
        make_statement(control, charges=40, noise="none"),
        make_statement(plan, charges=40, noise="test"),
        # Planned as a test, its draws were seeded as well: better noise does not mend that.
        make_statement(replace(plan, noise="test"), charges=40, noise="secure"),
    ):
        assert not statement.private
        assert statement.epsilon is None
        assert statement.covers == []
        assert statement.not_covered[0].startswith("NOT PRIVATE")
        text = render(statement)
        assert "NOT PRIVATE" in text
        assert "Do not release" in text
        assert "times as likely" not in text


def test_contradictions_are_refused(plan):
    with pytest.raises(EvidenceError, match="contradicts"):
        make_statement(plan, charges=40, noise="none")
    with pytest.raises(EvidenceError, match="no step was charged"):
        make_statement(plan, charges=0, noise="standard")
    control = make_plan(**BASE, epsilon=math.inf)
    with pytest.raises(EvidenceError, match="contradicts"):
        make_statement(control, charges=40, noise="standard")


def test_text_names_everything_a_claim_needs(plan):
    for text in (render(plan), render(make_statement(plan, charges=40, noise="standard"))):
        for word in (
            f"epsilon {plan.epsilon:.4g}", "delta 1e-05", "per patient", "add or remove one",
            "Poisson", "0.01", "5,000", "0.9", "prv", "standard", "release/", "vault/",
            "hyperparameters", "scrubber", "audit", "add up",
        ):  # fmt: skip
            assert word in text, word
        assert f"{math.exp(plan.epsilon):,.4g} times as likely" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 100
    note = render(make_plan(**(BASE | {"unit": "note"}), noise_multiplier=0.9))
    assert "k notes has k times the epsilon" in note
    assert "rules out little" in render(make_plan(**BASE, noise_multiplier=0.4))


def test_the_level_is_that_of_the_noise_that_was_used(plan):
    assert make_statement(plan, charges=40, noise="secure").noise == "secure"
    assert make_statement(replace(plan, noise="secure"), charges=40, noise="standard").noise == (
        "standard"
    )
    source = gaussian_source("test", seed=0)
    assert not make_statement(plan, charges=40, noise=source.level).private


def test_a_cap_is_stated_and_paid_for(plan):
    capped = make_plan(**BASE, noise_multiplier=0.9, max_units_per_step=95)
    statement = make_statement(capped, charges=40, noise="standard")
    assert (statement.max_units_per_step, statement.epsilon) == (95, capped.epsilon)
    assert make_statement(capped, charges=47, noise="standard").epsilon > capped.epsilon
    assert capped.epsilon > plan.epsilon
    for text in (render(capped), render(statement)):
        assert "95 units (larger draws are cut at random), for at most 5,000 in all" in text
    assert "cap on a draw" not in render(plan)
    assert PrivacyStatement.model_validate_json(statement.to_json()) == statement


def test_everything_that_read_the_notes_is_listed(plan):
    statement = make_statement(plan, charges=40, noise="standard")
    covered, rest = " ".join(statement.covers), " ".join(statement.not_covered)
    for word in ("LoRA training", "the split", "canaries"):
        assert word in covered, word
    for word in (
        "scrubber", "audit", "vault/", "declared constants", "cap", "hyperparameters",
        "other runs", "llmsafe check RUN", "base model",
    ):  # fmt: skip
        assert word in rest, word
    assert "{unit}" not in covered + rest
    note = make_plan(**(BASE | {"unit": "note"}), noise_multiplier=0.9)
    assert "that note's id" in " ".join(make_statement(note, charges=1, noise="secure").covers)


def test_the_largest_tpr_under_a_claim():
    assert dp_tpr_ceiling(0.01, 0.0, 0.0) == pytest.approx(0.01)
    assert dp_tpr_ceiling(0.01, 1.0, 0.0) == pytest.approx(math.e / 100)
    assert dp_tpr_ceiling(0.01, 800.0, 0.0) == 1.0
    # Randomised response attains the bound, so it is not loose: at its corner
    # (FPR, TPR) = (1/(1+e^ε), e^ε/(1+e^ε)).
    for eps in (0.5, 2.0, 5.0):
        fpr = 1 / (1 + math.exp(eps))
        assert dp_tpr_ceiling(fpr, eps, 0.0) == pytest.approx(1 - fpr)
    # A Gaussian mechanism that is (ε, δ)-private never passes it.
    from scipy.stats import norm

    sigma = 1.3
    eps = epsilon(noise_multiplier=sigma, sampling_probability=1, steps=1, delta=1e-3)
    for fpr in (1e-3, 1e-2, 0.1, 0.4):
        power = norm.cdf(norm.ppf(fpr) + 1 / sigma)
        assert power <= dp_tpr_ceiling(fpr, eps, 1e-3) + 1e-9
