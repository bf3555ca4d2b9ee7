"""Canaries in several copies: all are trained on, none is taken for a patient, none bounds ε."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmsafe.artifacts import CanaryManifest
from llmsafe.cli.main import app
from llmsafe.config import DataConfig
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError
from llmsafe.models import load_tokenizer
from llmsafe.notes import Note
from llmsafe.train.data import load_training_data


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    notes = [Note(f"n{i}", f"seen for cough, day {i}", f"p{i}") for i in range(40)]
    write_corpus(tmp_path / "notes" / "corpus", notes)
    words = ["canary", str(tmp_path / "notes"), str(tmp_path / "out"), "--count", "10"]
    done = CliRunner().invoke(app, [*words, "--copies", "3"])
    assert done.exit_code == 0, done.output
    assert "certifies" not in done.output
    return tmp_path / "out"


def test_every_copy_is_a_member(planted, tiny_model):
    config = DataConfig(corpus=str(planted), held_out=0.9)
    data = load_training_data(config, load_tokenizer(str(tiny_model)), seed=0)
    manifest = CanaryManifest.load(planted / "vault" / "canaries.json")
    assert manifest.copies == 3
    copies = {p for c in manifest.canaries if c.planted for p, _ in manifest.places(c)}
    assert copies <= set(data.split.members)
    assert not copies & set(data.split.held_out)


def test_a_copy_that_is_missing_is_noticed(planted, tiny_model):
    manifest = CanaryManifest.load(planted / "vault" / "canaries.json")
    gone = next(c for c in manifest.canaries if c.planted)
    kept = [n for n in open_corpus(planted).notes() if n.note_id != f"{gone.note_id}-3"]
    [shard] = (planted / "corpus").glob("*.jsonl")
    shard.unlink()
    write_corpus(planted / "corpus", kept)
    with pytest.raises(EvidenceError, match="absent"):
        load_training_data(DataConfig(corpus=str(planted)), load_tokenizer(str(tiny_model)), seed=0)
