"""The bound over repeated runs: right on known shifts, silent on noise, and only on like runs."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from llmsafe.artifacts import Lineage
from llmsafe.audit.attacks import loss
from llmsafe.audit.forward import TokenStats
from llmsafe.audit.repeats import METHOD, repeated_runs_bound
from llmsafe.audit.request import Request
from llmsafe.audit.run import run_again, run_audit
from llmsafe.audit.scores import Row, ScoreTable
from llmsafe.audit.target import open_target
from llmsafe.errors import EvidenceError
from llmsafe.stats import clopper_pearson_search


def row(score, planted, text_id="canary-0000"):
    stats = TokenStats(
        *(np.full(1, score, np.float32) for _ in range(1)),
        np.zeros(1, bool),
        np.zeros(1, np.int32),
        *(np.zeros(1, np.float32) for _ in range(3)),
    )
    return Row(text_id, text_id, "planted" if planted else "withheld", 1, None, stats, None)


def bound_of(rng, runs, shift, *, confidence=0.95):
    coins = rng.random(runs) < 0.5
    scores = rng.normal(size=runs) + shift * coins
    rows = [row(*pair) for pair in zip(scores, coins, strict=True)]
    # The second canary of the audited run says the opposite, and has no say.
    own = [rows[0], row(-9 if coins[0] else 9, not coins[0], "canary-0001")]
    tables = [ScoreTable((one,), 64) for one in rows[1:]]
    bound = repeated_runs_bound(
        own, tables, name="loss", attack=loss, delta=1e-5, confidence=confidence
    )
    found = clopper_pearson_search(
        np.float32(scores[coins]), np.float32(scores[~coins]), 1e-5, confidence
    )
    assert (bound.epsilon_lower, bound.ceiling) == (found.epsilon_lower, found.ceiling)
    assert (bound.canaries, bound.choices, bound.family) == (runs, found.choices, "dp")
    return bound


def test_it_is_the_corrected_bound_on_one_canary_of_each_run():
    rng = np.random.default_rng(0)
    strong = bound_of(rng, 400, 6.0)
    assert 0.8 * strong.ceiling < strong.epsilon_lower <= strong.ceiling
    assert strong.correct > 390
    claimed = [bound_of(rng, 60, 0.0).epsilon_lower > 0 for _ in range(300)]
    assert np.mean(claimed) <= 0.05


def test_a_canary_that_fell_the_same_way_in_every_run_compares_nothing():
    rows = [row(0.5, True), row(0.1, True)]
    with pytest.raises(EvidenceError, match="planted in 2"):
        repeated_runs_bound(
            rows[:1], [ScoreTable((rows[1],), 64)], name="a", attack=loss, delta=0, confidence=0.95
        )


@pytest.fixture(scope="module")
def repeated(world, tiny, tmp_path_factory):
    """Two more runs: in one the first canary was planted, in the other withheld."""
    root = tmp_path_factory.mktemp("repeated")
    coins = {}
    for seed in range(10, 60):
        manifest = tiny.make_manifest(4, seed=seed)
        coins.setdefault(manifest.canaries[0].planted, manifest)
    runs = []
    for planted, manifest in sorted(coins.items()):
        adapter = tiny.lora(world.base, seed=int(planted) + 1)
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                if "lora_B" in name:
                    parameter.add_(0.01 * (1 + planted))
        other = dataclasses.replace(world, manifest=manifest)
        run = tiny.write_run(other, root / f"run-{int(planted)}", adapter, epsilon=None)
        runs.append(str(run))
    return runs


def test_runs_share_the_error_with_the_bound_of_one_run(world, target, repeated, tmp_path):
    audit = run_audit(target, tmp_path / "scores.parquet", Request(repeats=tuple(repeated)))
    one_run, gaussian, bound = audit.bounds
    assert bound.method == METHOD
    assert (bound.canaries, bound.confidence) == (3, 0.975)
    assert one_run.confidence == gaussian.confidence == 0.975
    assert bound.epsilon_lower <= bound.ceiling < 1  # three runs prove next to nothing
    canaries = world.run / "vault" / "canaries.json"
    assert run_again(str(world.run), tmp_path, canaries=canaries) == audit


def settings_of(run, **changes):
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    settings = {k: v for k, v in {**step.settings, **changes}.items() if v is not None}
    Lineage(steps=[step.model_copy(update={"settings": settings})]).save(path)


def test_only_like_runs_with_their_own_canaries_count(world, target, tiny, repeated, tmp_path):
    def fails(run, said):
        with pytest.raises(EvidenceError, match=said):
            run_audit(target, tmp_path / "s.parquet", Request(repeats=(str(run),)))

    fails(world.run, "weights of another one")
    copy = shutil.copytree(repeated[0], tmp_path / "copy")
    (copy / "vault" / "lineage.json").unlink()
    fails(copy, "not proven to be its own")
    adapter = open_target(repeated[0]).model
    own = dataclasses.replace(world, manifest=tiny.make_manifest(4, seed=77))
    claims = tiny.write_run(own, tmp_path / "claims", adapter, epsilon=2.0)
    fails(claims, "does not make the promise")
    same = tiny.write_run(world, tmp_path / "same", adapter, epsilon=None)
    fails(same, "coins of one draw are not independent")
    # Fewer canaries of the same seed are the first of the same draw.
    fewer = dataclasses.replace(world, manifest=tiny.make_manifest(4, seed=world.manifest.seed))
    same = tiny.write_run(fewer, tmp_path / "fewer", adapter, epsilon=None)
    fails(same, "coins of one draw are not independent")
    for name, change in (
        ("rate", {"train": {"learning_rate": 1e-4}}),
        ("tokens", {"max_tokens": 32}),
    ):
        unlike = tiny.write_run(own, tmp_path / name, adapter, epsilon=None)
        settings_of(unlike, **change)
        fails(unlike, f"trained with another {next(iter(change))}")
    settings_of(unlike, train=None)
    fails(unlike, "does not record train")


def test_the_chance_of_error_is_shared_only_with_a_bound_that_can_be_computed(
    target, world, tiny, repeated, tmp_path
):
    """Three runs whose judged canary fell alike compare nothing, and take no confidence away."""
    first = world.manifest.canaries[0].planted
    audit = run_audit(target, tmp_path / "s.parquet", Request(repeats=(repeated[int(first)],)))
    assert any("was planted in" in one.why for one in audit.unmeasured)
    assert {bound.confidence for bound in audit.bounds} == {0.95}
