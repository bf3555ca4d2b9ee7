"""The comparison of canary kinds: its rule and its page, and one run as a user would do it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def power() -> ModuleType:
    spec = importlib.util.spec_from_file_location("canary_power", ROOT / "eval/canary_power.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["canary_power"] = module
    spec.loader.exec_module(module)
    return module


def rows(power: ModuleType, **kinds: tuple[float, float, float, float]):
    """Two ε, one seed; a kind is (AUC and perplexity at ε = ∞, the same at 8)."""
    found = [power.Row("none", float("inf"), 0, 20.0), power.Row("none", 8.0, 0, 40.0)]
    for kind, values in kinds.items():
        for epsilon, auc, perplexity in (
            (float("inf"), *values[:2]),
            (8.0, *values[2:]),
        ):
            around = (auc, auc - 0.05, auc + 0.05)
            found.append(
                power.Row(kind, epsilon, 0, perplexity, "base_difference", around, (0.1, 0.0, 0.2),
                          0.5, 4.0, 1.0, 0.0, {"base_difference": (auc, 0.1), "ez": (0.5, 0.0)})
            )  # fmt: skip
    return found


def test_the_strongest_kind_must_leave_utility_alone(power):
    found = rows(
        power,
        weak=(0.6, 20.0, 0.5, 40.0),
        strong=(0.9, 20.1, 0.55, 40.1),
        dear=(0.99, 20.1, 0.7, 41.0),  # 2.5 % at ε = 8
    )
    assert power.costs(found, "dear") == pytest.approx({float("inf"): 0.005, 8.0: 0.025})
    best, aucs = power.strongest(found, 0.01)
    assert best == "strong"
    assert aucs == pytest.approx({"weak": 0.55, "strong": 0.725})
    assert power.strongest(found, 0.03)[0] == "dear"
    assert power.strongest(rows(power, dear=(0.9, 30.0, 0.9, 60.0)), 0.01) == (None, {})


def test_the_cost_is_against_the_control_of_the_same_seed(power):
    found = [
        power.Row("none", 8.0, 0, 10.0),
        power.Row("none", 8.0, 1, 20.0),
        power.Row("phi", 8.0, 0, 11.0),
        power.Row("phi", 8.0, 1, 20.0),
    ]
    assert power.costs(found, "phi") == pytest.approx({8.0: 0.05})


def test_the_page_says_what_was_found(power):
    args = Namespace(name="x", about="", canaries=50, tolerance=0.01, population=None, patients=475)
    page = power.render(args, rows(power, phi=(0.9, 20.1, 0.55, 40.1)))
    assert "| phi | ∞ | 0 | 0.900 [0.850, 0.950] | 0.100 [0.000, 0.200] | 0.50 | 4.00 |" in page
    assert "| +0.5 % |" in page
    assert "about 5% of the units" in page
    assert "**phi**. phi 0.725." in page
    assert "| kind | ε | base_difference | ez |" in page
    assert "| phi | 8 | 0.550 / 0.100 | 0.500 / 0.000 |" in page
    page = power.render(args, rows(power, phi=(0.9, 30.0, 0.55, 40.1)))
    assert "so none is named" in page


@pytest.mark.slow
def test_one_comparison(tmp_path):
    words = ["--name", "small", "--patients", "40", "--canaries", "20", "--kinds", "bigram"]
    words += ["--epsilon", "inf", "--set", "train.steps=2", "--set", "train.units_per_step=10"]
    words += ["--set", "data.held_out=0.3", "--config", "configs/demo.yaml"]
    words += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    program = [sys.executable, str(ROOT / "eval/canary_power.py"), *words]
    subprocess.run(program, check=True, capture_output=True)
    found = json.loads((tmp_path / "out/canary-power-small.json").read_text())["rows"]
    assert [row["kind"] for row in found] == ["none", "bigram"]
    assert found[1]["epsilon"] is None
    assert 0 <= found[1]["auc"][1] <= found[1]["auc"][0] <= found[1]["auc"][2] <= 1
    assert found[1]["ceiling"] > found[1]["bound"]
    refused = subprocess.run([*program, "--canaries", "30"], capture_output=True, check=False)
    assert refused.returncode != 0
    assert b"other settings" in refused.stderr
