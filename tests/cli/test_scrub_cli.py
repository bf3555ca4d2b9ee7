"""``llmsafe scrub`` at the shell: output, exit codes, errors, and no word of a note anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.cli.scrub import scrub
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.notes import Note
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.replace.methods import METHODS
from llmsafe.scrub.scrubber import build_scrubber
from llmsafe.scrub.settings import Settings

APP = typer.Typer()
APP.command()(scrub)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    rows = [
        {
            "note_id": f"a{i}",
            "patient_id": "p1",
            "text": f"Zebulon came on 3/{i}/2020.",
            "author": "X",
        }
        for i in range(1, 6)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "people.csv").write_text("patient_id,first_name,last_name\np1,Zebulon,Quack\n")
    return path


def test_json_alone_is_on_stdout(corpus: Path, tmp_path: Path) -> None:
    command = ["scrub", str(corpus), str(tmp_path / "out"), "--json", "--workers", "1"]
    command += ["--known-identifiers", str(tmp_path / "people.csv"), "--method", "instance"]
    done = CliRunner().invoke(APP, command[1:])
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)
    assert counts["notes"] == 5
    assert counts["spans_by_source"]["known"] == 5
    assert set(counts["residual"]) <= set(counts["spans_by_category"])
    manifest = json.loads((tmp_path / "out" / "vault" / "scrub_manifest.json").read_text())
    assert manifest["residual"] == counts["residual"]
    assert counts["dropped_columns"] == ["author"]
    assert counts["quarantined"] == 0
    assert done.stderr.splitlines()[-1].startswith("wrote ")
    assert "Zebulon" not in done.stdout + done.stderr
    [part] = (tmp_path / "out" / "corpus").iterdir()
    assert all(json.loads(line)["text"].startswith("[NAME-1] came") for line in part.open())


def test_quarantine_exits_with_three_after_writing(corpus: Path, tmp_path: Path) -> None:
    with corpus.open("a") as file:
        file.write(json.dumps({"note_id": "z", "text": "王伟は胸が痛いと言う。"}) + "\n")
    result = CliRunner().invoke(APP, [str(corpus), str(tmp_path / "out"), "--lang", "auto"])
    assert isinstance(result.exception, EvidenceError)
    assert result.exception.exit_code == 3
    assert str(result.exception).startswith("1 of 6 notes is quarantined")
    assert "王伟" in (tmp_path / "out" / "vault" / "quarantine.jsonl").read_text()
    assert "王伟" not in result.output + str(result.exception)
    assert len((tmp_path / "out" / "corpus" / "part-00000.jsonl").read_text().splitlines()) == 5


def test_messages_bring_their_identities_and_become_jsonl(tmp_path: Path) -> None:
    good = "MSH|^~\\&|||||||MDM^T02|1|P|2.5\rPID|1||77||Quack^Zebulon\rOBX|1|TX|||Zebulon came.\r"
    bad = good.replace("|1|P|", "|2|P|").replace("OBX|1|TX|||", "OBX|1|RP|||")
    (tmp_path / "in.hl7").write_text(good + bad)
    command = [str(tmp_path / "in.hl7"), str(tmp_path / "out"), "--workers", "1"]
    result = CliRunner().invoke(APP, [*command, "--method", "instance"])
    assert isinstance(result.exception, EvidenceError)
    assert str(result.exception).startswith("1 of 2 notes is quarantined")
    lines = result.stderr.splitlines()
    assert "hl7v2 can only be read: the corpus is written as jsonl" in lines
    assert "known identifiers of 1 patient" in lines
    assert "Zebulon" not in result.output + str(result.exception)
    [part] = (tmp_path / "out" / "corpus").iterdir()
    assert json.loads(part.read_text())["text"] == "[NAME-1] came."
    assert "in.hl7:4" in (tmp_path / "out" / "vault" / "quarantine_reasons.json").read_text()


def test_dry_run_counts_only(corpus: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        APP, [str(corpus), str(tmp_path / "out"), "--dry-run", "--limit", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["spans_by_category"]["DATE"] == 2
    assert not (tmp_path / "out").exists()


def test_every_method_is_documented_by_what_it_does() -> None:
    key, identity = Key(b"k" * 32), Identity("p1", ("Ann Okafor",), ("Ann Okafor",), female=True)
    text = scrub.__doc__ or ""
    example = re.search(r'makes of "(.+)":', text)
    assert example is not None
    note = Note("n1", example[1], "p1", "2021-03-20")
    for method in METHODS:
        shown = re.search(rf"\n      {method} +(.+?)(?:\.\.\.)?\n", text)
        assert shown is not None, method
        done = build_scrubber(Settings(method, key)).scrub(note, identity).note
        assert done is not None
        assert done.text.startswith(shown[1]), method
        assert len(shown[1]) > 20


def test_the_key_may_come_from_the_environment(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSAFE_SCRUB_KEY", "5a" * 32)
    key_file = tmp_path / "key"
    key_file.write_text("5a" * 32)
    key_file.chmod(0o600)
    parts: list[bytes] = []
    for name, more in (("one", []), ("two", ["--key-file", str(key_file)])):
        done = CliRunner().invoke(APP, [str(corpus), str(tmp_path / name), "--workers", "1", *more])
        assert done.exit_code == 0, done.output
        assert not (tmp_path / name / "vault" / "scrub.key").exists()
        parts += [part.read_bytes() for part in (tmp_path / name / "corpus").iterdir()]
        assert "5a5a" not in done.output
    assert parts[0] == parts[1]
    monkeypatch.setenv("LLMSAFE_SCRUB_KEY", "short")
    done = CliRunner().invoke(APP, [str(corpus), str(tmp_path / "three")])
    assert isinstance(done.exception, InputError)
    assert "LLMSAFE_SCRUB_KEY holds 5 bytes" in str(done.exception)
    assert "short" not in str(done.exception)


def test_day_first_is_part_of_the_run(corpus: Path, tmp_path: Path) -> None:
    counts: list[str] = []
    for name, more in (("us", []), ("uk", ["--day-first"])):
        command = [str(corpus), str(tmp_path / name), "--workers", "1", *more]
        command += ["--key-file", str(corpus.parent / "key")]
        (corpus.parent / "key").write_text("5a" * 32)
        (corpus.parent / "key").chmod(0o600)
        assert CliRunner().invoke(APP, command).exit_code == 0
        [part] = (tmp_path / name / "corpus").iterdir()
        counts.append(part.read_text())
        manifest = json.loads((tmp_path / name / "vault" / "scrub_manifest.json").read_text())
        assert manifest["settings"]["day_first"] == bool(more)
    assert counts[0] != counts[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "scramble"], "'scramble' is not available; choose one of surrogate, random"),
        (["--lang", "fr"], "'fr' has no recognisers"),
        (["--text-column", "body"], "no column 'body'; columns present: author, note_id"),
        (["--key-file", "missing"], "cannot read key file"),
        (["--known-identifiers", "missing.csv"], "does not exist"),
        (["--recognizer", "no.such:Thing"], "cannot make recogniser"),
        (
            ["--keep-column", "author", "--keep-column", "ward"],
            "no further column 'ward' to keep; further columns present: author",
        ),
        (["--spans", "notes.jsonl"], "is an input"),
        (["--spans", "out/spans.jsonl"], "would be replaced"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(
    corpus: Path,
    tmp_path: Path,
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(APP, [str(corpus), str(tmp_path / "out"), *options])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_in_the_way_needs_force(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "vault").mkdir(parents=True)
    (out / "old").write_text("x")
    result = CliRunner().invoke(APP, [str(corpus), str(out), "--workers", "1"])
    assert isinstance(result.exception, InputError)
    assert (out / "old").exists()
    assert (
        CliRunner().invoke(APP, [str(corpus), str(out), "--force", "--workers", "1"]).exit_code == 0
    )
    assert not (out / "old").exists()


def test_the_summary_names_the_unit_and_counts_right(corpus: Path, tmp_path: Path) -> None:
    one = CliRunner().invoke(APP, [str(corpus), str(tmp_path / "one"), "--limit", "1", "--dry-run"])
    assert one.exit_code == 0, one.output
    lines = one.stderr.splitlines()
    assert lines[0] == "1 note, 25 characters, by surrogate"
    assert lines[1] == "unit: patient"
    assert "without text" not in one.stderr
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"text": " \\n"}\n{"text": "Seen on 3/4/2020."}\n{"text": ""}\n')
    two = CliRunner().invoke(APP, [str(bare), str(tmp_path / "two"), "--workers", "1"])
    assert two.exit_code == 0, two.output
    lines = two.stderr.splitlines()
    assert lines[0] == "3 notes, 19 characters, by surrogate"
    assert lines[1] == "unit: note (no patient column; name one with --patient-column)"
    assert lines[2] == "2 notes without text"


def test_resume_over_a_finished_output_says_so(corpus: Path, tmp_path: Path) -> None:
    command = [str(corpus), str(tmp_path / "out"), "--workers", "1"]
    assert CliRunner().invoke(APP, command).exit_code == 0
    for more in (["--resume"], ["--resume", "--force"]):
        result = CliRunner().invoke(APP, [*command, *more])
        assert isinstance(result.exception, InputError)
        assert str(result.exception).endswith("out is finished; nothing to resume")


def test_force_never_replaces_a_folder_that_holds_an_input(corpus: Path, tmp_path: Path) -> None:
    command = [str(corpus), str(tmp_path / "out"), "--workers", "1"]
    assert CliRunner().invoke(APP, command).exit_code == 0
    people = tmp_path / "out" / "vault" / "people.csv"
    people.write_bytes((tmp_path / "people.csv").read_bytes())
    key = tmp_path / "out" / "vault" / "scrub.key"
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert key in before
    for option, path in (("--known-identifiers", people), ("--key-file", key)):
        result = CliRunner().invoke(APP, [*command, "--force", option, str(path)])
        assert isinstance(result.exception, InputError)
        assert "overlap" in str(result.exception)
    spans = str(tmp_path / "out" / "spans.jsonl")
    result = CliRunner().invoke(APP, [*command, "--force", "--spans", spans])
    assert isinstance(result.exception, InputError)
    assert "would be replaced" in str(result.exception)
    assert before == {path: path.read_bytes() for path in before}


def test_spans_need_a_folder_before_any_work(corpus: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    for place in ("/proc/x/s.jsonl", str(tmp_path / "none" / "s.jsonl"), str(tmp_path)):
        result = CliRunner().invoke(APP, [str(corpus), str(tmp_path / "out"), "--spans", place])
        assert isinstance(result.exception, SetupError), result.output
        assert f"cannot write --spans {place}" in str(result.exception)
        assert sorted(tmp_path.iterdir()) == before


def test_the_folder_of_spans_keeps_its_mode(corpus: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    mine.chmod(0o755)
    command = [str(corpus), str(tmp_path / "out"), "--workers", "1"]
    command += ["--spans", str(mine / "s.jsonl")]
    assert CliRunner().invoke(APP, command).exit_code == 0
    assert mine.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in mine.iterdir()] == ["s.jsonl"]
    assert (mine / "s.jsonl").stat().st_mode & 0o777 == 0o600
