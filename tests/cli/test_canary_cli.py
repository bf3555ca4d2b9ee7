from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.artifacts import CanaryManifest, Lineage
from llmsafe.cli.canary import canary
from llmsafe.corpus import Columns, open_corpus
from llmsafe.errors import InputError
from llmsafe.files import sha256_file, write_text
from llmsafe.stats import epsilon_one_run_ceiling

app = typer.Typer()
app.command()(canary)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [
        {"note_id": f"n{i}", "patient_id": f"p{i // 2}", "text": f"note {i}", "date": "2021-02-03"}
        for i in range(40)
    ]
    write_text(tmp_path / "in/corpus/a.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    Lineage().save(tmp_path / "in/vault/lineage.json", private=True)
    write_text(tmp_path / "in/vault/scrub_manifest.json", '{"kept": "as it is"}', private=True)
    return tmp_path / "in"


def test_plants_and_records(corpus, tmp_path):
    out = tmp_path / "out"
    result = run(corpus, out, "--count", 30, "--seed", 4)
    assert result.exit_code == 0, result.exception
    manifest = CanaryManifest.load(out / "vault/canaries.json")
    planted = {c.note_id: c.text for c in manifest.canaries if c.planted}
    notes = {n.note_id: n for n in open_corpus(out).notes()}
    assert len(notes) == 40 + len(planted)
    assert {k: notes[k].text for k in planted} == planted
    assert [n for n in notes if n not in planted] == [f"n{i}" for i in range(40)]
    step = Lineage.load(out / "vault/lineage.json").steps[-1]
    assert step.inputs == {"corpus": open_corpus(corpus).digest()}
    assert step.outputs["corpus"] == open_corpus(out).digest() == manifest.corpus_digest
    assert step.outputs["canaries"] == sha256_file(out / "vault/canaries.json")
    carried = out / "vault/scrub_manifest.json"
    assert carried.read_bytes() == (corpus / "vault/scrub_manifest.json").read_bytes()
    for path in (out / "vault").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((out / "vault").stat().st_mode) == 0o700
    # Nothing secret is printed, and withheld secrets are in no file but the manifest.
    files = [p for p in out.rglob("*") if p.is_file() and p.name != "canaries.json"]
    for one in manifest.canaries:
        secret = one.text[one.secret_start : one.secret_end]
        assert secret not in result.output
        if not one.planted:
            assert not any(secret in p.read_text() for p in files)
    assert f"{epsilon_one_run_ceiling(30, 15, 1e-5):.2f}" in result.output
    assert result.stdout.startswith("wrote ")


def test_same_seed_same_bytes_other_seed_other(corpus, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(corpus, tmp_path / name, "--count", 10, "--seed", seed).exit_code == 0
    digest = {name: open_corpus(tmp_path / name).digest() for name in "abc"}
    assert digest["a"] == digest["b"] != digest["c"]


def test_csv_keeps_its_columns(tmp_path):
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", "MRN", "NOTE", "when", "ward"])
        writer.writerows([[f"x{i}", f"m{i}", f"text {i}", "2020-01-01", "3B"] for i in range(20)])
    names = ["--text-column", "NOTE", "--id-column", "ID", "--patient-column", "MRN",
             "--date-column", "when"]  # fmt: skip
    result = run(tmp_path / "in.csv", tmp_path / "out", "--count", 8, *names)
    assert result.exit_code == 0, result.exception
    [part] = (tmp_path / "out/corpus").iterdir()
    with part.open(newline="") as file:
        header = next(csv.reader(file))
    assert header == ["ID", "MRN", "NOTE", "when", "lang", "ward"]
    notes = list(open_corpus(tmp_path / "out").notes(Columns("NOTE", "ID", "MRN", "when")))
    assert len(notes) > 20
    assert all(note.patient_id and note.date == "2020-01-01" for note in notes)


def test_json_and_dry_run(corpus, tmp_path):
    result = run(corpus, tmp_path / "out", "--count", 12, "--json", "--dry-run")
    data = json.loads(result.stdout)
    assert data["notes"] == 40
    assert data["unit"] == "patient"
    assert data["canaries"] == 12
    assert 0 < data["planted"] < 12
    assert not (tmp_path / "out").exists()


def test_refusals_leave_nothing_behind(corpus, tmp_path):
    out = tmp_path / "out"
    assert run(corpus, out, "--count", 5).exit_code == 0
    before = open_corpus(out).digest()
    for arguments, words in (
        ((corpus, out), "pass --force"),
        ((out, tmp_path / "again"), "already holds canaries"),
        ((tmp_path / "nowhere.jsonl", tmp_path / "x"), "does not exist"),
        ((corpus, tmp_path / "x", "--kind", "bird"), "choose phi or random"),
        ((corpus, tmp_path / "x", "--text-column", "body"), "columns present"),
        ((corpus, tmp_path / "x", "--probability", 1), "between 0 and 1"),
        ((corpus, tmp_path / "x", "--lang", "xx"), "choose from"),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, InputError), arguments
        assert words in str(result.exception)
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out"}
    assert open_corpus(out).digest() == before
    assert run(corpus, out, "--seed", 9, "--force").exit_code == 0
    assert open_corpus(out).digest() != before
