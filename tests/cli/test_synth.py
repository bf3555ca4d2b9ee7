"""``llmsafe synth``: corpus, gold spans, identities."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmsafe.artifacts import Lineage
from llmsafe.cli.main import app
from llmsafe.corpus import open_corpus
from llmsafe.errors import InputError

runner = CliRunner()


def run(*words: str):
    return runner.invoke(app, ["synth", *words])


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_corpus_identities_and_lineage(tmp_path: Path, kind):
    out = tmp_path / "notes"
    done = run(str(out), "--patients", "5", "--format", kind, "--json")
    assert done.exit_code == 0
    notes = list(open_corpus(out).notes())
    assert json.loads(done.stdout) == {"patients": 5, "notes": len(notes)}
    people = {note.patient_id for note in notes}
    with (out / "identities.csv").open(newline="") as file:
        assert {row["patient_id"] for row in csv.DictReader(file)} >= people
    assert any(note.extra["spans"] for note in notes)
    [step] = Lineage.load(out / "vault" / "lineage.json").steps
    assert step.outputs["corpus"] == open_corpus(out).digest()


def test_same_seed_same_bytes_and_short_notes(tmp_path: Path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run(str(tmp_path / name), "--patients", "4", "--seed", seed, "--short", "--max-notes", "1")
    a, b, c = (open_corpus(tmp_path / name) for name in "abc")
    assert a.digest() == b.digest() != c.digest()
    assert all(len(note.text) < 2000 for note in a.notes())
    assert len({note.patient_id for note in a.notes()}) == len(list(a.notes()))


def test_bad_settings_leave_nothing(tmp_path: Path):
    out = tmp_path / "notes"
    for words, says in (
        (("--format", "docx"), "docx"),
        (("--lang", "tlh"), "tlh"),
    ):
        done = run(str(out), "--patients", "2", *words)
        assert isinstance(done.exception, InputError)
        assert says in str(done.exception)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lang", ["zh", "zh-Hant"])
def test_chinese_notes_and_their_identity_table(tmp_path: Path, lang: str):
    out = tmp_path / "notes"
    assert run(str(out), "--patients", "3", "--lang", lang).exit_code == 0
    assert {note.lang for note in open_corpus(out).notes()} == {lang}
    with (out / "identities.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["resident_id"] and row["inpatient_number"] and row["address"] for row in rows)
