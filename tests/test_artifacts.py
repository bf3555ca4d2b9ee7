"""Artifacts: strict models, atomic files, private modes, staged folders."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from llmsafe.artifacts import Canary, CanaryManifest, Lineage, LineageStep
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import (
    check_output,
    remove_torn,
    sha256_files,
    staged_folder,
    write_text,
)

SECRET = "4711-0815"


def manifest() -> CanaryManifest:
    canary = Canary(
        canary_id="c0", patient_id="p", note_id="n", planted=True, text=f"MRN {SECRET}",
        secret_start=4, secret_end=13,
    )  # fmt: skip
    return CanaryManifest(
        manifest_id="sha256:0", kind="phi", lang="en", seed=0, probability=0.5,
        corpus_digest="sha256:1", canaries=[canary],
    )  # fmt: skip


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_save_and_load(tmp_path: Path):
    path = manifest().save(tmp_path / "vault" / "canaries.json", private=True)
    assert CanaryManifest.load(path) == manifest()
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["canaries.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d | {"extra": 1},
        lambda d: d | {"schema_version": 2},
        lambda d: {k: v for k, v in d.items() if k != "seed"},
        lambda d: d | {"canaries": [d["canaries"][0] | {"secret_start": SECRET}]},
    ],
)
def test_a_spoilt_file_is_refused_without_its_values(tmp_path: Path, spoil):
    path = tmp_path / "canaries.json"
    path.write_text(json.dumps(spoil(manifest().model_dump())))
    with pytest.raises(EvidenceError) as caught:
        CanaryManifest.load(path)
    assert SECRET not in str(caught.value)


def test_absent_and_torn_files(tmp_path: Path):
    with pytest.raises(EvidenceError, match="cannot read"):
        Lineage.load(tmp_path / "absent.json")
    (tmp_path / "torn.json").write_text('{"steps": [')
    with pytest.raises(EvidenceError, match="no valid Lineage"):
        Lineage.load(tmp_path / "torn.json")


def test_modes_of_folders_that_exist_stay(tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    path = write_text(shared / "secret", "x", private=True)
    assert (mode(shared), mode(path)) == (0o755, 0o600)


def test_lineage_grows_and_stays_frozen():
    step = LineageStep(step="scrub", version="1", inputs={}, outputs={})
    first = Lineage()
    assert len(first.then(step).steps) == 1
    assert first.steps == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch):
    path = write_text(tmp_path / "f", "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_staged_folder_appears_whole_or_not_at_all(tmp_path: Path):
    output = tmp_path / "out"
    with pytest.raises(RuntimeError), staged_folder(output) as stage:
        write_text(stage / "half", "x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with staged_folder(output) as stage:
        write_text(stage / "vault" / "key", "1", private=True)
        write_text(stage / "whole", "1")
        assert not output.exists()
    assert os.listdir(tmp_path) == ["out"]
    with pytest.raises(InputError, match="--force"), staged_folder(output):
        pass
    with staged_folder(output, force=True) as stage:
        write_text(stage / "whole", "2")
        assert (output / "whole").read_text() == "1"
    assert (output / "whole").read_text() == "2"
    assert os.listdir(tmp_path) == ["out"]
    with pytest.raises(InputError, match="is a file"), staged_folder(output / "whole"):
        pass


def test_digest_of_files_is_of_names_and_contents(tmp_path: Path):
    a, b = write_text(tmp_path / "a", "1"), write_text(tmp_path / "b", "2")
    assert sha256_files([a, b]) == sha256_files([b, a])
    before = sha256_files([a, b])
    write_text(b, "3")
    assert sha256_files([a, b]) != before


def test_force_replaces_only_what_llmsafe_made_and_never_an_input(tmp_path: Path):
    home = tmp_path / "home"
    precious = write_text(home / "precious.txt", "x")
    with (
        pytest.raises(InputError, match="was not made by llmsafe"),
        staged_folder(home, force=True),
    ):
        pass
    assert precious.read_text() == "x"
    notes = write_text(tmp_path / "made" / "vault" / "lineage.json", "{}").parents[1]
    for output, source in (
        (notes, notes),
        (notes, notes / "vault"),
        (notes / "vault" / "new", notes),
    ):
        with pytest.raises(InputError, match="overlap"):
            check_output(output, force=True, inputs=[source])
    check_output(notes, force=True, inputs=[tmp_path / "elsewhere"])


def test_torn_files_are_removed_and_nothing_else(tmp_path: Path) -> None:
    torn = tmp_path / "vault" / ".config.yaml.0123456789abcdef"
    kept = [tmp_path / "vault" / name for name in ("config.yaml", ".hidden", ".a.0123456789abcdeg")]
    torn.parent.mkdir()
    for path in (torn, *kept):
        path.write_text("x")
    remove_torn(tmp_path)
    assert not torn.exists()
    assert all(path.exists() for path in kept)
