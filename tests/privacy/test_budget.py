"""Totals over real ledgers: closed form, second accountant, and every way to forget a charge."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from llmsafe.artifacts import Lineage, LineageStep, Split
from llmsafe.canary import make_canaries, make_manifest
from llmsafe.privacy.accountant import Steps, composed_epsilon, epsilon, gaussian_epsilon
from llmsafe.privacy.budget import Budget, compose, find_runs, read_charges
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.plan import Plan, make_plan
from llmsafe.privacy.statement import make_statement

FULL = {"delta": 1e-5, "population": 1000, "units_per_step": 1000, "steps": 4, "unit": "patient"}
SOME = {"delta": 1e-5, "population": 1000, "units_per_step": 20, "steps": 6, "unit": "patient"}


def make_run(
    run: Path,
    plan: Plan,
    *,
    charges: int | None = None,
    released: bool = True,
    corpus: str = "sha256:corpus",
    source: str | None = None,
    planned: bool = True,
) -> Path:
    """A run folder with a true ledger; the lineage is as training writes it."""
    charges = plan.steps if charges is None else charges
    with Ledger.create(run / "vault/ledger.jsonl", plan) as ledger:
        for step in range(charges):
            ledger.charge(step)
    steps = []
    if source:
        steps.append(
            LineageStep(step="scrub", version="0", inputs={"corpus": source},
                        outputs={"corpus": corpus})
        )  # fmt: skip
    settings = {"plan": plan.digest()} | ({"planned": plan.as_json()} if planned else {})
    steps.append(
        LineageStep(step="train", version="0", inputs={"corpus": corpus}, outputs={},
                    settings=settings)
    )  # fmt: skip
    Lineage(steps=steps).save(run / "vault/lineage.json", private=True)
    if released:
        statement = make_statement(plan, charges=charges, noise=plan.noise)
        statement.save(run / "release/privacy.json")
    return run


def total(folder: Path) -> Budget:
    (budget,) = compose(read_charges(run) for run in find_runs(folder))
    return budget


def test_gaussians_on_one_corpus_add_their_squares(tmp_path):
    for name, sigma in (("a", 4.0), ("b", 8.0)):
        make_run(tmp_path / name, make_plan(**FULL, noise_multiplier=sigma))
    budget = total(tmp_path)
    exact = gaussian_epsilon(math.sqrt(4 / 16 + 4 / 64), 1e-5)
    assert budget.epsilon == pytest.approx(exact, rel=1e-9)
    assert (budget.delta, budget.unit, budget.problems) == (1e-5, "patient", ())
    # Negative control: a total that forgets the earlier run is smaller, and would be seen.
    assert gaussian_epsilon(math.sqrt(4 / 16), 1e-5) < exact - 0.1
    shutil.rmtree(tmp_path / "b")
    assert total(tmp_path).epsilon < exact - 0.1


def test_every_ledger_counts_set_aside_or_unfinished(tmp_path):
    plan, other = make_plan(**SOME, noise_multiplier=1.2), make_plan(**SOME, noise_multiplier=0.9)
    run = make_run(tmp_path / "run", plan)
    make_run(run / "earlier-1", other)
    make_run(run / "earlier-2", plan, charges=3, released=False)
    budget = total(tmp_path)
    parts = [Steps(1.2, 0.02, 9), Steps(0.9, 0.02, 6)]
    assert budget.epsilon == pytest.approx(composed_epsilon(parts, delta=1e-5), rel=1e-9)
    assert budget.epsilon > max(charges.epsilon for charges in budget.counted)
    assert budget.epsilon < sum(charges.epsilon for charges in budget.counted)
    assert [charges.released for charges in budget.counted] == [True, True, False]
    assert budget.second == pytest.approx(budget.epsilon, abs=0.03)


def test_a_charge_torn_by_a_crash_counts(tmp_path):
    run = make_run(
        tmp_path / "run", make_plan(**SOME, noise_multiplier=1.2), charges=3, released=False
    )
    with (run / "vault/ledger.jsonl").open("ab") as file:
        file.write(b'{"kind":"char')
    assert read_charges(run).steps == Steps(1.2, 0.02, 4)


def test_the_delta_of_a_total_is_the_smallest(tmp_path):
    make_run(tmp_path / "a", make_plan(**SOME, noise_multiplier=1.2))
    make_run(tmp_path / "b", make_plan(**(SOME | {"delta": 1e-7}), noise_multiplier=1.2))
    budget = total(tmp_path)
    assert budget.delta == 1e-7
    assert budget.epsilon == epsilon(
        noise_multiplier=1.2, sampling_probability=0.02, steps=12, delta=1e-7
    )


def test_capped_runs_pay_for_their_caps(tmp_path):
    for name, cap in (("a", 47), ("b", 48), ("c", None)):
        make_run(tmp_path / name, make_plan(**SOME, noise_multiplier=1.2, max_units_per_step=cap))
    budget = total(tmp_path)
    plain = epsilon(noise_multiplier=1.2, sampling_probability=0.02, steps=18, delta=1e-5)
    assert plain < budget.epsilon < 1.05 * plain
    overflows = [charges.steps.overflow for charges in budget.counted]
    assert overflows[0] > overflows[1] > overflows[2] == 0
    cost = 6 * sum(overflows) * (1 + math.exp(budget.epsilon))
    left = epsilon(noise_multiplier=1.2, sampling_probability=0.02, steps=18, delta=1e-5 - cost)
    assert budget.epsilon == pytest.approx(left, rel=1e-5)


def test_a_corpus_and_its_scrubbed_form_are_one(tmp_path):
    plan = make_plan(**SOME, noise_multiplier=1.2)
    make_run(tmp_path / "raw", plan, corpus="sha256:raw")
    make_run(tmp_path / "other", plan, corpus="sha256:other")
    make_run(tmp_path / "scrubbed", plan, corpus="sha256:scrubbed", source="sha256:raw")
    budgets = compose(read_charges(run) for run in find_runs(tmp_path))
    found = {tuple(c.run.name for c in budget.counted): budget.corpora for budget in budgets}
    assert found == {
        ("other",): ("sha256:other",),
        ("raw", "scrubbed"): ("sha256:raw", "sha256:scrubbed"),
    }


def with_members(run: Path, *members: str) -> Path:
    Split(unit="patient", members=list(members), held_out=[]).save(run / "vault/split.json")
    return run


def test_the_same_patients_under_another_digest_are_one(tmp_path):
    """A corpus that grew, or was written anew, has another digest."""
    plan = make_plan(**SOME, noise_multiplier=1.2)
    with_members(make_run(tmp_path / "a", plan, corpus="sha256:one"), "p1", "p2")
    with_members(make_run(tmp_path / "b", plan, corpus="sha256:two"), "p2", "p3")
    with_members(make_run(tmp_path / "c", plan, corpus="sha256:three"), "p4")
    budgets = compose(read_charges(run) for run in find_runs(tmp_path))
    assert [len(budget.counted) for budget in budgets] == [2, 1]
    assert budgets[0].epsilon > 1.1 * budgets[1].epsilon


def test_canaries_of_one_seed_do_not_join_two_corpora(tmp_path):
    plan = make_plan(**SOME, noise_multiplier=1.2)
    made = make_canaries(count=4, kind="phi", seed=0)
    manifest = make_manifest(
        made, kind="phi", seed=0, probability=0.5, lang="en", corpus_digest="sha256:x"
    )
    for name, corpus, patient in (("a", "sha256:one", "p1"), ("b", "sha256:two", "p2")):
        run = with_members(
            make_run(tmp_path / name, plan, corpus=corpus),
            patient, *(canary.patient_id for canary in manifest.canaries),
        )  # fmt: skip
        manifest.save(run / "vault/canaries.json")
    budgets = compose(read_charges(run) for run in find_runs(tmp_path))
    assert [len(budget.counted) for budget in budgets] == [1, 1]


def test_a_run_may_join_two_groups(tmp_path):
    plan = make_plan(**SOME, noise_multiplier=1.2)
    make_run(tmp_path / "a", plan, corpus="sha256:1")
    make_run(tmp_path / "b", plan, corpus="sha256:2")
    make_run(tmp_path / "c", plan, corpus="sha256:2", source="sha256:1")
    assert len(total(tmp_path).counted) == 3


@pytest.mark.parametrize(
    "change", [{"noise_multiplier": 0.0}, {"noise_multiplier": 1.2, "noise": "test"}]
)
def test_runs_without_private_noise_stand_apart(tmp_path, change):
    make_run(tmp_path / "mine", make_plan(**SOME, noise_multiplier=1.2))
    make_run(tmp_path / "control", make_plan(**SOME, **change))
    budget = total(tmp_path)
    assert [c.run.name for c in budget.apart] == ["control"]
    assert budget.apart[0].epsilon is None
    assert budget.epsilon == budget.counted[0].epsilon
    assert budget.problems == ()


def test_only_runs_without_private_noise_have_no_total(tmp_path):
    make_run(tmp_path / "control", make_plan(**SOME, noise_multiplier=0.0))
    budget = total(tmp_path)
    assert (budget.epsilon, budget.counted, budget.problems) == (None, (), ())


def rewrite(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def loosen_plan(run: Path) -> None:
    def change(data):
        data["steps"][-1]["settings"]["planned"]["noise"] = "secure"

    rewrite(run / "vault/lineage.json", change)


DAMAGES = {
    "ledger edited": (
        lambda run: (run / "vault/ledger.jsonl").write_text(
            (run / "vault/ledger.jsonl").read_text().replace("1.2", "9.9")
        ),
        "hash does not match",
    ),
    "ledger gone": (lambda run: (run / "vault/ledger.jsonl").unlink(), "its ledger is gone"),
    "lineage gone": (lambda run: (run / "vault/lineage.json").unlink(), "no lineage tells which"),
    "plan edited": (loosen_plan, "not those of the ledger"),
    "statement of another run": (
        lambda run: rewrite(run / "release/privacy.json", lambda data: data.update(steps=2)),
        "not of its ledger",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_no_total_where_evidence_is_missing(tmp_path, name):
    damage, words = DAMAGES[name]
    plan = make_plan(**SOME, noise_multiplier=1.2)
    make_run(tmp_path / "good", plan)
    damage(make_run(tmp_path / "bad", plan))
    budgets = compose(read_charges(run) for run in find_runs(tmp_path))
    (spoilt,) = [budget for budget in budgets if any(c.run.name == "bad" for c in budget.counted)]
    assert spoilt.epsilon is None
    assert words in spoilt.problems[0]


def test_an_unfinished_run_that_names_no_plan_gives_no_total(tmp_path):
    make_run(
        tmp_path / "run", make_plan(**SOME, noise_multiplier=1.2), released=False, planned=False
    )
    budget = total(tmp_path)
    assert budget.epsilon is None
    assert "noise level" in budget.problems[0]
    # A finished one has its statement.
    make_run(tmp_path / "two/run", make_plan(**SOME, noise_multiplier=1.2), planned=False)
    assert total(tmp_path / "two").epsilon is not None


def test_patients_and_notes_do_not_add(tmp_path):
    make_run(tmp_path / "a", make_plan(**SOME, noise_multiplier=1.2))
    make_run(tmp_path / "b", make_plan(**(SOME | {"unit": "note"}), noise_multiplier=1.2))
    budgets = compose(read_charges(run) for run in find_runs(tmp_path))
    assert [budget.unit for budget in budgets] == ["patient", "note"]
    assert all(budget.epsilon is None and budget.problems for budget in budgets)


def test_runs_are_found_but_not_inside_a_vault(tmp_path):
    plan = make_plan(**SOME, noise_multiplier=1.2)
    for place in ("runs/a", "runs/deep/b", "runs/a/earlier-1"):
        make_run(tmp_path / place, plan, charges=1)
    make_run(tmp_path / "runs/a/vault/inner", plan, charges=1)
    (tmp_path / "runs/link").symlink_to(tmp_path / "runs/a")
    names = [str(run.relative_to(tmp_path)) for run in find_runs(tmp_path)]
    assert names == ["runs/a", "runs/a/earlier-1", "runs/deep/b"]
