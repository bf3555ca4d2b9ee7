"""What a run folder admits: one run at a time, and nothing that is not a run's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llmsafe.config import RunConfig
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import LOCK, append_line, lock_exclusively, locked_folder
from llmsafe.train.run_folder import claim

CONFIG = RunConfig.model_validate(
    {"privacy": {"epsilon": 1.0, "delta": 1e-5, "population": 10}, "output": "run"}
)


def claimed(run: Path, *, resume: bool = False, force: bool = False) -> bool:
    with claim(run, CONFIG, resume=resume, force=force) as go_on:
        return go_on


def test_a_folder_is_held_by_one_run_and_given_back(tmp_path):
    run = tmp_path / "run"
    with claim(run, CONFIG, resume=False, force=False) as go_on:
        assert not go_on
        with pytest.raises(InputError, match="held by another run"):
            claimed(run)
        if os.fork() == 0:  # a child that dies holding it gives it back
            with locked_folder(tmp_path / "other"):
                os._exit(9)
        os.wait()
        assert stat.S_IMODE((run / LOCK).stat().st_mode) == 0o600
    assert not claimed(tmp_path / "other")
    assert not run.exists()  # nothing was written, so nothing is left
    assert not claimed(run)
    run.mkdir()
    with claim(run, CONFIG, resume=False, force=False):
        (run / "vault").mkdir()
    assert sorted(path.name for path in run.iterdir()) == [LOCK, "vault"]


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path):
    """Who opened the file before its owner removed it holds what nobody else will look at."""
    with locked_folder(tmp_path):
        (tmp_path / LOCK).unlink()
        (tmp_path / LOCK).touch()
        with (tmp_path / LOCK).open("rb") as other:
            lock_exclusively(other.fileno(), tmp_path)
        removed = tmp_path / LOCK
        real = os.open

        def late(path, *more):
            descriptor = real(path, *more)
            removed.unlink()
            return descriptor

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "open", late)
            with pytest.raises(InputError, match="given up"), locked_folder(tmp_path):
                pass


def test_what_a_start_left_before_its_first_charge_is_started_anew(tmp_path):
    vault = tmp_path / "run" / "vault"
    vault.mkdir(parents=True)
    for name in ("config.yaml", "split.json", ".lineage.json.0123456789abcdef", "ledger.jsonl"):
        (vault / name).write_text("torn")  # no whole line in the ledger
    assert not claimed(tmp_path / "run")
    assert not claimed(tmp_path / "run", resume=True)


@pytest.mark.parametrize("stranger", ["vault/scrub_manifest.json", "corpus/part-0.jsonl", "x"])
def test_a_folder_of_another_kind_is_neither_resumed_nor_written(tmp_path, stranger):
    path = tmp_path / "run" / stranger
    path.parent.mkdir(parents=True)
    path.write_text("other")
    with pytest.raises(InputError, match="no run in"):
        claimed(tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="exists"):
        claimed(tmp_path / "run")
    assert [p for p in (tmp_path / "run").rglob("*") if p.is_file()] == [path]


def test_a_run_is_not_resumed_where_there_is_none(tmp_path):
    with pytest.raises(InputError, match=r"no run in .*run to resume"):
        claimed(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_that_lost_its_ledger_is_evidence_lost(tmp_path):
    (tmp_path / "run" / "vault" / "checkpoints").mkdir(parents=True)
    with pytest.raises(EvidenceError, match="ledger is gone"):
        claimed(tmp_path / "run", resume=True)


def test_a_torn_line_spoils_no_other(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, "one")
    with path.open("a") as file:
        file.write("tor")
    append_line(path, "two")
    assert path.read_text().splitlines() == ["one", "two"]
