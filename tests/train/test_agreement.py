"""Processes that differ in anything that matters are refused before the first charge."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    sys.argv.append({extra!r})
sys.argv[0] = sys.argv.pop(1)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("privacy.clip_norm=1000", "do not agree on the plan, the settings"),
        ("model.base=absent", "dp_lora (process 1): error: cannot load tokenizer 'absent'"),
    ],
)
def test_a_process_that_differs_is_refused_and_heard(tmp_path, tiny_model, extra, why):
    """Each machine starts with a command line and files of its own."""
    starter = tmp_path / "start.py"
    starter.write_text(START.format(extra=extra))
    run = tmp_path / "run"
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", str(starter),
            str(ROOT / "recipes" / "dp_lora.py"), f"model.base={tiny_model}", f"output={run}",
            "data.synthetic_patients=20", "data.synthetic_canaries=0", "privacy.population=25",
            "privacy.delta=1e-3", "train.units_per_step=8", "train.steps=2", "data.max_tokens=32",
            "processes=2",
        ],
        capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode != 0
    assert why in done.stderr
    assert not (run / "vault" / "ledger.jsonl").exists()
