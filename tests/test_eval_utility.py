"""The studies of utility: equal trainings, right intervals, and findings that are no noise."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import InputError
from llmsafe.notes import Note
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.step import clipped_sum
from llmsafe.train.unit_gradients import UnitGradients
from llmsafe.train.units import TokenUnit

ROOT = Path(__file__).resolve().parents[1]


def program(path: str) -> ModuleType:
    """A program of eval/ or scripts/, under the name by which its neighbours import it."""
    name = Path(path).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


utility = program("eval/utility.py")
sweep = program("eval/sweep_defaults.py")
figures = program("scripts/plan_figures.py")


def some_units(count: int = 9) -> list[TokenUnit]:
    stream = np.random.default_rng(5)
    return [
        TokenUnit(f"u{i}", (tuple(stream.integers(3, 200, size=4 + 5 * (i % 4)).tolist()),))
        for i in range(count)
    ]


def test_this_checkout_comes_first_and_the_callers_path_stays(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/their/packages")
    assert utility.python_path().split(os.pathsep) == [str(ROOT), "/their/packages"]
    monkeypatch.delenv("PYTHONPATH")
    assert utility.python_path() == str(ROOT)


# ---- utility: the two private trainings are the same ---------------------------------------------


def clipped_by_opacus(adapter, units, losses) -> torch.Tensor:
    from opacus.grad_sample import GradSampleModule

    model = GradSampleModule(adapter.train(), loss_reduction="mean")
    ids, mask = utility.collate([torch.tensor(unit.rows[0]) for unit in units])
    losses(model, ids, mask).backward()
    each = torch.cat(
        [p.grad_sample.flatten(1) for p in adapter.parameters() if p.requires_grad], dim=1
    )
    norms = each.norm(dim=1, keepdim=True)
    return (each * (0.05 / norms).clamp(max=1)).sum(0)


@pytest.fixture
def adapter(tiny_model):
    torch.manual_seed(3)
    made = utility.make_adapter(str(tiny_model), 2)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:  # zero at the start, and then A would have no gradient
                parameter.normal_(std=0.1)
    return made


def test_opacus_is_given_the_loss_that_llmsafe_clips(adapter):
    units = some_units()
    gradients, loss = UnitGradients(adapter.eval()), NextTokenLoss(adapter)
    ours, _ = clipped_sum(loss, gradients, units, clip_norm=0.05, tokens_per_batch=64, pad=0)
    gradients.detach()
    order = [p.numel() for p in adapter.parameters() if p.requires_grad]
    assert sum(order) == gradients.size
    theirs = clipped_by_opacus(adapter, units, lambda *x: utility.row_losses(*x).mean())
    assert torch.allclose(ours.norm(), theirs.norm(), rtol=1e-4)
    assert torch.allclose(ours.sort().values, theirs.sort().values, atol=1e-5)


def test_a_batch_token_mean_would_not_have_been_the_same(adapter):
    def batch_mean(model, ids, mask):
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits[mask[:, 1:] > 0], ids[:, 1:][mask[:, 1:] > 0]
        )

    units = some_units()
    gradients, loss = UnitGradients(adapter.eval()), NextTokenLoss(adapter)
    ours, _ = clipped_sum(loss, gradients, units, clip_norm=1e6, tokens_per_batch=64, pad=0)
    gradients.detach()
    theirs = clipped_by_opacus(adapter, units, batch_mean)
    assert not torch.allclose(ours.norm(), theirs.norm(), rtol=1e-2)


def test_held_out_losses_are_those_of_a_plain_loop(adapter):
    units = [*some_units(), TokenUnit("empty", ())]
    found = utility.held_out_losses(adapter, units)
    for index, unit in enumerate(units[:-1]):
        ids = torch.tensor([unit.rows[0]])
        with torch.no_grad():
            loss = float(adapter(input_ids=ids, labels=ids).loss)
        assert found.tokens[index] == ids.shape[1] - 1
        assert found.sums[index] == pytest.approx(loss * (ids.shape[1] - 1), rel=1e-4)
    assert (found.sums[-1], found.tokens[-1]) == (0, 0)
    total = found.sums.sum() / found.tokens.sum()
    assert found.perplexity() == pytest.approx(math.exp(total))


def test_members_are_whole_draws_and_opacus_can_sample_them(tmp_path):
    notes = [Note(f"n{i}", f"Case {i} of {i * 7919 % 1009}, seen in {i * i}.") for i in range(95)]
    write_corpus(tmp_path / "corpus", notes)
    args = argparse.Namespace(corpus=str(tmp_path / "corpus"), held_out=0.0, draw=1)
    utility.prepare(args, tmp_path / "one")
    members = list(open_corpus(tmp_path / "one" / "members").notes())
    assert int(1 / (1 / 93)) == 92  # why it is neither 95 nor 93
    assert len(members) == 95 if int(1 / (1 / 95)) == 95 else 94
    args = argparse.Namespace(corpus=str(tmp_path / "corpus"), held_out=0.2, draw=20)
    utility.prepare(args, tmp_path / "two")
    members = {n.note_id for n in open_corpus(tmp_path / "two" / "members").notes()}
    others = {n.note_id for n in open_corpus(tmp_path / "two" / "held_out").notes()}
    assert len(members) in (60, 80)
    assert others
    assert not members & others


def test_a_paired_ratio_ignores_what_both_share():
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 60, size=50).astype(float)
    hard = utility.Losses(tokens * rng.uniform(1, 5, size=50), tokens)
    worse = utility.Losses(hard.sums + 0.1 * tokens, tokens)
    value, low, high = utility.ratio_interval(worse, hard, rng)
    assert (value, low, high) == pytest.approx([math.exp(0.1)] * 3)
    _, low, high = utility.ratio_interval(worse, None, rng)
    assert high / low > 1.5


def test_the_bootstrap_covers_what_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        tokens = rng.integers(20, 60, size=80).astype(float)
        sums = tokens * rng.normal(2.0, 0.5, size=80)
        _, low, high = utility.ratio_interval(utility.Losses(sums, tokens), None, rng, 400)
        hits += low <= math.exp(2.0) <= high
    assert 178 <= hits <= 199  # 0.95 of 200 is 190, three deviations are 9


def test_a_section_replaces_itself_alone(tmp_path):
    page = tmp_path / "utility.md"
    for name, body in (("a", "one\n"), ("b", "two\n"), ("a", "three \\1\n")):
        utility.write_section(page, name, body)
    text = page.read_text()
    assert text.startswith("# Utility")
    assert "<!-- a -->\nthree \\1\n<!-- /a -->" in text
    assert "<!-- b -->\ntwo\n<!-- /b -->" in text
    assert "one" not in text.replace("# Utility", "").split("<!-- a -->")[1]


def in_this_process(command, **_) -> subprocess.CompletedProcess[str]:
    """The recipe as it is, without seconds of imports in a process of its own."""
    before, sys.argv = sys.argv, command[1:]
    try:
        runpy.run_path(command[1], run_name="__main__")
    finally:
        sys.argv = before
    return subprocess.CompletedProcess(command, 0)


@pytest.mark.slow
def test_the_study_runs_from_a_corpus_to_a_page(tmp_path, tiny_model, monkeypatch):
    words = [
        "utility.py", "llmsafe:synthetic:60", "--name", "tiny", "--base", str(tiny_model),
        "--draw", "16", "--steps", "2", "--tokens", "16", "--rank", "2", "--held-out", "0.3",
        "--delta", "1e-3", "--work", str(tmp_path / "w"), "--out", str(tmp_path),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(utility.subprocess, "run", in_this_process)
    utility.main()
    page = (tmp_path / "utility.md").read_text()
    run = tmp_path / "w" / "tiny" / "seed-0"
    stated = json.loads((run / "llmsafe" / "release" / "privacy.json").read_text())
    assert (stated["steps"], stated["units_per_step"]) == (2, 16)
    facts = json.loads((run / "Opacus" / "facts.json").read_text())
    assert facts["epsilon"] == pytest.approx(stated["epsilon"], abs=0.05)
    base, *trained = (
        utility.evaluate(str(tiny_model), None, [], path).perplexity()
        for path in [tmp_path / "w/tiny/base.json", *sorted(run.glob("*/losses.json"))]
    )
    assert len(trained) == 3
    assert all(value != base for value in trained)
    assert re.search(r"\| llmsafe \| Opacus \| [\d.]+ \[", page)
    assert "/tmp" not in page
    # A second call finds everything done; other settings are not mixed in.
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.json")}
    utility.main()
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*.json")}
    monkeypatch.setattr(sys, "argv", [*words, "--steps", "3"])
    with pytest.raises(InputError, match="other settings"):
        utility.main()


# ---- the sweep -----------------------------------------------------------------------------------


def cells(*perplexities: float) -> list:
    return [sweep.Cell(value, 0.7, 2.0, 0.9, 60.0) for value in perplexities]


def test_a_draw_is_compared_at_the_same_compute():
    centre = sweep.Setting()
    moved = sweep.neighbours(centre)
    assert len(set(moved)) == len(moved)
    assert centre not in moved
    for setting in moved:
        if setting.draw != centre.draw:
            assert setting.draw * setting.steps == centre.draw * centre.steps


def test_only_what_beats_the_noise_is_taken_over():
    centre = sweep.Setting()
    found = {
        centre: cells(20.0, 20.2, 19.8, 20.1),
        replace(centre, learning_rate=8e-3): cells(18.5),
        replace(centre, learning_rate=16e-3): cells(17.5),
        replace(centre, clip_norm=0.1): cells(19.7),  # within noise
        replace(centre, rank=4): cells(23.0),  # worse
        replace(centre, draw=192, steps=24): cells(18.0),
        replace(centre, steps=96): cells(15.0),  # more compute
    }
    together = sweep.combine(centre, found)
    alone = replace(centre, learning_rate=16e-3)
    winner = replace(alone, draw=192, steps=24)
    assert together == [alone, winner]
    found[alone] = cells(17.5, 17.6, 17.4)
    found[winner] = cells(16.5, 16.4, 16.6)
    found[replace(winner, learning_rate=8e-3)] = cells(16.55, 16.5, 16.4)
    assert sweep.choose(centre, together, found) == (winner, True)
    found[winner] = cells(22.0, 22.1, 21.9)  # two good changes may be bad together
    found[replace(winner, learning_rate=8e-3)] = cells(22.0, 22.1, 21.9)
    assert sweep.choose(centre, together, found) == (alone, True)
    found[replace(winner, learning_rate=8e-3)] = cells(15.05, 15.0, 14.9)
    assert sweep.choose(centre, together, found)[0].learning_rate == 8e-3
    for setting in (alone, winner, replace(winner, learning_rate=8e-3)):
        found[setting] = cells(19.9, 20.1, 20.0)
    assert sweep.choose(centre, together, found) == (centre, False)


def test_a_cell_trains_once_at_the_epsilon_asked_for(tmp_path, tiny_model):
    args = argparse.Namespace(
        base=str(tiny_model), patients=40, tokens=16, epsilon=8.0, delta=1e-3, joint_repeats=2
    )
    data = sweep.load(args)
    setting = sweep.Setting(draw=12, steps=3, rank=2, clip_norm=1e-3)
    plan = sweep.plan_of(setting, len(data.members), 8.0, 1e-3)
    assert 7.8 < plan.epsilon <= 8
    assert plan.population == len(data.members) < 40
    cell = sweep.run(tmp_path, setting, 0, data)
    assert cell.clipped == 1.0
    assert cell.median_norm > 1e-3
    assert cell.noise_multiplier == plan.noise_multiplier
    assert sweep.run(tmp_path, setting, 0, data) == cell
    assert sweep.run(tmp_path, setting, 1, data) != cell
    assert len(list(tmp_path.glob("cell-*.json"))) == 2
    centre = sweep.Setting()
    found = {centre: cells(20.0, 20.2), replace(centre, rank=4): cells(30.0)}
    page = sweep.render(args, data, centre, [centre], found)
    assert "| rank 4 | 1 |" in page
    assert "+49.3 %" in page  # over the geometric mean of the centre


# ---- the page on choosing ------------------------------------------------------------------------


def test_every_table_of_the_page_is_filled_and_one_of_them_is_right():
    page = (ROOT / "docs" / "choosing.md").read_text()
    tables = dict(re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", page, re.DOTALL))
    assert len(tables) == 9
    assert all(table.count("\n") >= 5 for table in tables.values())
    for image in re.findall(r"\((images/plan-[\w.]+)\)", page):
        assert (ROOT / "docs" / image).stat().st_size > 10_000
    example = figures.Example(100_000, 1000, 1e-6, 5, 500)
    row = next(line for line in tables["steps"].splitlines() if line.startswith("| 500 |"))
    for target, cell in zip(figures.EPSILONS, row.split("|")[2:-1], strict=True):
        assert figures.spent(example, float(cell), 1000, 500) == pytest.approx(target, rel=0.02)


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_the_ceiling_of_a_whole_curve_lies_on_the_gaussian_trade_off(sigma):
    from scipy.stats import norm

    # One step of everybody is a Gaussian mechanism: TPR = Φ(Φ⁻¹(FPR) + 1/σ), exactly.
    example = figures.Example(100, 100, 1e-6, 1, 1)
    for rate, found in zip(
        (0.001, 0.01), figures.curve_ceilings(example, sigma, (0.001, 0.01)), strict=True
    ):
        exact = float(norm.cdf(norm.ppf(rate) + 1 / sigma))
        assert exact <= found <= 1.6 * exact
    pair = figures.dp_tpr_ceiling(0.01, figures.spent(example, sigma, 100, 1), 1e-6)
    assert found < 0.5 * float(pair)


def test_a_page_without_a_place_for_a_table_is_an_error():
    assert figures.fill("<!-- a -->\nold<!-- /a -->", "a", "| new |").count("| new |") == 1
    with pytest.raises(SystemExit, match="no place"):
        figures.fill("nothing", "a", "| new |")
    assert [figures.short(x) for x in (1e-6, 0.5, 2.5e-7)] == ["1e-6", "0.5", "2.5e-7"]
