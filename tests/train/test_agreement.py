"""Processes that differ in anything that matters are refused before the first charge."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import Forked, ranks

from llmsafe.errors import EvidenceError
from llmsafe.train.data import members_digest
from llmsafe.train.run_folder import check_agreement
from llmsafe.train.units import TokenUnit

ROOT = Path(__file__).resolve().parents[2]


def test_what_differs_is_named():
    mine = {"the plan": "a", "the corpus": "b", "the settings": "c"}
    check_agreement(mine, [mine, dict(mine)])
    with pytest.raises(EvidenceError, match="2 processes do not agree on the corpus, the plan"):
        check_agreement(mine, [mine, mine | {"the plan": "x", "the corpus": "y"}])


def test_the_digest_of_the_members_sees_ids_order_and_tokens():
    one, two = TokenUnit("a", ((1, 2),)), TokenUnit("b", ((1, 2),))
    digests = {
        members_digest(units)
        for units in ([one, two], [two, one], [one], [one, TokenUnit("b", ((1, 3),))])
    }
    assert len(digests) == 4


START = """
import os, sys, runpy
if os.environ["RANK"] == "1":
    sys.argv.append("model.base=absent")
sys.argv[0] = sys.argv.pop(1)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RECIPE = ROOT / "recipes" / "dp_lora.py"


def settings(model: Path, run: Path) -> list[str]:
    return [
        f"model.base={model}", f"output={run}", "processes=2", "data.synthetic_patients=20",
        "data.synthetic_canaries=0", "data.max_tokens=32", "privacy.population=25",
        "privacy.delta=1e-3", "train.units_per_step=8", "train.steps=2",
    ]  # fmt: skip


def test_a_process_that_differs_is_refused(tmp_path, tiny_model):
    """Each machine starts with a command line and files of its own."""
    run = tmp_path / "run"
    given = settings(tiny_model, run)
    started = [
        Forked(RECIPE, *given, *more, ACCELERATE_USE_CPU="true", **rank)
        for rank, more in zip(ranks(2), ([], ["privacy.clip_norm=1000"]), strict=True)
    ]
    done = [process.result() for process in started]
    assert [one.returncode for one in done] == [3, 3], done
    assert "do not agree on the plan, the settings" in done[0].stderr
    assert not (run / "vault" / "ledger.jsonl").exists()


def test_a_process_that_cannot_begin_is_heard_and_ends_all(tmp_path, tiny_model):
    """By torchrun itself, which ends the other process."""
    starter, run = tmp_path / "start.py", tmp_path / "run"
    starter.write_text(START)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    done = subprocess.run(
        [*torchrun, str(starter), str(RECIPE), *settings(tiny_model, run)],
        capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode != 0
    assert "dp_lora (process 1): error: cannot load tokenizer 'absent'" in done.stderr
    assert not (run / "vault" / "ledger.jsonl").exists()
