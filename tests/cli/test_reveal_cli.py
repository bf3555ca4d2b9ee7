"""``llmsafe reveal``: what was encrypted comes back exactly, what was touched does not."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from llmsafe.artifacts import Lineage
from llmsafe.cli.reveal import reveal
from llmsafe.cli.scrub import scrub
from llmsafe.corpus import Columns, open_corpus
from llmsafe.errors import EvidenceError, InputError

APP = typer.Typer()
APP.command()(scrub)
APP.command()(reveal)
SENTINEL = "Zebulon"
TEXTS = [
    f"{SENTINEL} Quackenbush came on 3/4/2020.\r\nTel. 704-188-2639.",
    f"Dr. Ann Lee,Dr. Ann Lee and Dr. {SENTINEL} Quackenbush: “ＭＲＮ 7741902”, 🙂 José Müller.",
    "Nothing to hide: BP 120/80.",
    f"[NAME:v1.00000000.{SENTINEL}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA] [NAME-1] [[DATE]] ]",
    "",
]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return key(tmp_path / "key", "5a")


def key(path: Path, byte: str) -> Path:
    path.write_text(byte * 32)
    path.chmod(0o600)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(a) for a in arguments])


def corpus_of(folder: Path, kind: str) -> Path:
    """The texts in a format; the columns have names of their own."""
    rows = [{"id": f"a{i}", "mrn": f"p{i % 2}", "body": text} for i, text in enumerate(TEXTS)]
    path = folder / f"notes.{kind}"
    match kind:
        case "csv":
            out = io.StringIO(newline="")
            writer = csv.DictWriter(out, ["id", "mrn", "body"])
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(out.getvalue().encode())
        case "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path)
        case _:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


COLUMNS = ("--text-column", "body", "--id-column", "id", "--patient-column", "mrn")


def sealed_corpus(folder: Path, key_file: Path, kind: str = "jsonl") -> Path:
    options = ("--method", "encrypt", "--key-file", key_file, "--workers", 1, *COLUMNS)
    done = run("scrub", corpus_of(folder, kind), folder / "sealed", *options)
    assert done.exit_code == 0, done.output
    return folder / "sealed"


def texts(corpus: Path) -> list[str]:
    columns = Columns(text="body", id="id", patient="mrn")
    return [note.text for note in open_corpus(corpus).notes(columns)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_encrypt_and_reveal_give_the_same_bytes(tmp_path: Path, key_file: Path, kind: str) -> None:
    sealed = sealed_corpus(tmp_path, key_file, kind)
    assert SENTINEL not in "".join(texts(sealed))
    done = run("reveal", sealed, tmp_path / "again", "--key-file", key_file, "--json", *COLUMNS)
    assert done.exit_code == 0, done.output
    assert texts(tmp_path / "again") == TEXTS
    counts = json.loads(done.stdout)
    assert counts["notes"] == len(TEXTS)
    assert counts["revealed"]["NAME"] >= 5
    assert counts["revealed"]["OTHER_ID"] >= 1  # the forged token, as text
    assert counts["foreign"] == counts["tampered"] == counts["closed"] == 0
    assert SENTINEL not in done.output
    [part] = (tmp_path / "again" / "corpus").iterdir()
    assert part.suffix == f".{kind}"
    assert part.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    steps = Lineage.load(tmp_path / "again" / "vault" / "lineage.json").steps
    assert [step.step for step in steps] == ["scrub", "reveal"]
    assert steps[1].inputs["corpus"] == steps[0].outputs["corpus"]
    assert steps[1].outputs["corpus"] == open_corpus(tmp_path / "again").digest()


def test_only_the_categories_asked_for(tmp_path: Path, key_file: Path) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    options = ("--key-file", key_file, "--category", "NAME", *COLUMNS)
    done = run("reveal", sealed, tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    first = texts(tmp_path / "out")[0]
    assert first.startswith(f"{SENTINEL} Quackenbush came on [DATE:v1.")
    assert "3/4/2020" not in first
    assert "tokens of other categories left closed" in done.stderr
    # The rest can be revealed later.
    done = run("reveal", tmp_path / "out", tmp_path / "all", "--key-file", key_file, *COLUMNS)
    assert texts(tmp_path / "all")[0] == TEXTS[0]
    bad = run("reveal", sealed, tmp_path / "x", "--key-file", key_file, "--category", "Name")
    assert isinstance(bad.exception, InputError)
    assert "no category 'Name'; choose of NAME, LOCATION" in str(bad.exception)


def test_touched_tokens_are_refused_and_counted_and_the_rest_comes_back(
    tmp_path: Path, key_file: Path
) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    other = tmp_path / "other"
    other.mkdir()
    foreign = sealed_corpus(other, key(tmp_path / "key2", "5b"))
    [part] = (sealed / "corpus").iterdir()
    rows = [json.loads(line) for line in part.open()]
    token = re.compile(r"\[[A-Z_]+:v1\.[^\]]+\]")
    name, date, phone = token.findall(rows[0]["body"])
    doctor = token.findall(rows[1]["body"])[0]
    foreign_name = token.findall(texts(foreign)[0])[0]
    rows[0]["body"] = f"{doctor} {phone} {date[:-9]} {date} {name[:30]}x{name[31:]} {foreign_name}"
    rows[1]["body"] = name  # two notes' tokens are swapped
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("reveal", sealed, tmp_path / "out", "--key-file", key_file, *COLUMNS)
    assert isinstance(done.exception, EvidenceError)
    assert done.exception.exit_code == 3
    message = str(done.exception)
    assert message.startswith("5 of 8 tokens refused: 1 of another key, 4 altered, cut, forged")
    again = texts(tmp_path / "out")
    assert again[0].split(" ")[1] == "704-188-2639"
    assert again[0].split(" ")[3] == "3/4/2020"
    assert again[0].split(" ")[0] == doctor  # as it was
    assert again[1] == name
    assert again[2:] == TEXTS[2:]
    assert SENTINEL not in done.output + message


def test_the_wrong_key_writes_nothing(tmp_path: Path, key_file: Path) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    wrong = key(tmp_path / "key2", "5b")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run("reveal", sealed, tmp_path / "out", "--key-file", wrong, *COLUMNS)
    assert isinstance(done.exception, EvidenceError)
    assert re.match(
        r"(\d+) of \1 tokens refused: \1 of another key, 0 altered", str(done.exception)
    )
    assert "nothing is written" in str(done.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, key_file: Path) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    done = run("reveal", sealed, tmp_path / "out", "--key-file", key_file, "--dry-run", *COLUMNS)
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "out").exists()
    assert SENTINEL not in done.output
    [part] = (sealed / "corpus").iterdir()
    part.write_text(re.sub(r"(?<=:v1\.)\w{8}", "00000000", part.read_text(), count=1))
    done = run("reveal", sealed, tmp_path / "out", "--key-file", key_file, "--dry-run", *COLUMNS)
    assert isinstance(done.exception, EvidenceError)
    assert ": 1 of another key, 0 altered" in str(done.exception)


def test_keys_come_from_a_private_file_or_the_environment(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    monkeypatch.delenv("LLMSAFE_SCRUB_KEY", raising=False)
    done = run("reveal", sealed, tmp_path / "out", *COLUMNS)
    assert isinstance(done.exception, InputError)
    assert "--key-file" in str(done.exception)
    key_file.chmod(0o640)
    done = run("reveal", sealed, tmp_path / "out", "--key-file", key_file, *COLUMNS)
    assert isinstance(done.exception, InputError)
    assert "chmod 600" in str(done.exception)
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("LLMSAFE_SCRUB_KEY", "5a" * 32)
    assert run("reveal", sealed, tmp_path / "out", *COLUMNS).exit_code == 0
    assert texts(tmp_path / "out") == TEXTS


def test_without_a_key_of_ones_own_the_vault_has_it(tmp_path: Path) -> None:
    source = corpus_of(tmp_path, "jsonl")
    sealed, again = tmp_path / "sealed", tmp_path / "again"
    assert (
        run("scrub", source, sealed, "--method", "encrypt", "--workers", 1, *COLUMNS).exit_code == 0
    )
    vault_key = sealed / "vault" / "scrub.key"
    assert run("reveal", sealed, again, "--key-file", vault_key, *COLUMNS).exit_code == 0
    assert texts(again) == TEXTS


def test_an_output_in_the_way_needs_force_and_never_holds_the_input(
    tmp_path: Path, key_file: Path
) -> None:
    sealed = sealed_corpus(tmp_path, key_file)
    command = ("reveal", sealed, tmp_path / "out", "--key-file", key_file, *COLUMNS)
    assert run(*command).exit_code == 0
    assert isinstance(run(*command).exception, InputError)
    assert run(*command, "--force").exit_code == 0
    shutil.copy(key_file, tmp_path / "out" / "vault" / "key")
    inside = ("--key-file", tmp_path / "out" / "vault" / "key", "--force")
    over_key = run("reveal", sealed, tmp_path / "out", *inside, *COLUMNS)
    assert "overlap" in str(over_key.exception)
    over_input = run("reveal", sealed, sealed, "--key-file", key_file, "--force", *COLUMNS)
    assert "overlap" in str(over_input.exception)
    assert texts(tmp_path / "out") == TEXTS
