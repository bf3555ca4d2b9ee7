"""Reading and writing corpora: every format, and every kind of bad input."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from llmsafe.corpus import Columns, open_corpus, write_corpus
from llmsafe.errors import InputError
from llmsafe.notes import Note

SENTINEL = "Zyxwvut Qqkk"
NOTES = [
    Note("n1", "Seen today, stable.\nPlan: rest.", "p1", "2024-01-02", "en", {"kind": "progress"}),
    Note("n2", '发热三天 "cough", fever', "p1", None, "zh", {"kind": "admission"}),
    Note("n3", "", "p2", "2024-02-03", "en", {"kind": "phone"}),
]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_round_trip(tmp_path: Path, kind):
    written = write_corpus(tmp_path / "c", NOTES, kind)
    assert [p.suffix for p in written] == [f".{kind}"]
    corpus = open_corpus(tmp_path / "c")
    assert corpus.format == kind
    assert list(corpus.notes()) == NOTES
    assert stat.S_IMODE(written[0].stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700


def test_column_names_are_kept_both_ways(tmp_path: Path):
    columns = Columns(text="body", id="rowid", patient="mrn", date="seen")
    write_corpus(tmp_path, NOTES, columns=columns)
    row = json.loads((tmp_path / "part-00000.jsonl").read_text().splitlines()[0])
    assert {"body", "rowid", "mrn", "seen"} <= set(row)
    assert list(open_corpus(tmp_path).notes(columns)) == NOTES


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_gzipped_text(tmp_path: Path, kind):
    [plain] = write_corpus(tmp_path / "c", NOTES, kind)
    (tmp_path / f"c.{kind}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert list(open_corpus(tmp_path / f"c.{kind}.gz").notes()) == NOTES


def test_digest_follows_content_and_nothing_else(tmp_path: Path):
    write_corpus(tmp_path / "a", NOTES)
    write_corpus(tmp_path / "b", NOTES)
    write_corpus(tmp_path / "c", NOTES[:2])
    digests = [open_corpus(tmp_path / name).digest() for name in "abc"]
    assert digests[0] == digests[1] != digests[2]


def test_shards_are_cut_and_joined(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("llmsafe.corpus.source.SHARD_NOTES", 2)
    assert len(write_corpus(tmp_path, NOTES)) == 2
    assert list(open_corpus(tmp_path).notes()) == NOTES


def test_text_folder(tmp_path: Path):
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbffirst")
    notes = list(open_corpus(tmp_path).notes())
    assert [(n.note_id, n.text, n.patient_id) for n in notes] == [
        ("a", "first", None),
        ("b", "second", None),
    ]


def test_hub_id_is_recognised_and_not_read():
    corpus = open_corpus("owner/clinical-notes")
    assert (corpus.format, corpus.digest()) == ("hub", "hub:owner/clinical-notes")


def put(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def line(**row) -> str:
    return json.dumps({"note_id": "n", "text": SENTINEL} | row) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "columns", "says"),
    [
        ("a.jsonl", "", {}, "holds no note"),
        ("a.jsonl", "\n\n", {}, "holds no note"),
        ("a.jsonl", line() + line(), {}, "repeated"),
        ("a.jsonl", line(), {"text": "body"}, "columns present: note_id, text"),
        ("a.jsonl", line(), {"patient": "mrn"}, "no column 'mrn'"),
        ("a.jsonl", line(text=7), {}, "is int, not text"),
        ("a.jsonl", line(text=SENTINEL * 200_000), {}, "the limit is 1,000,000"),
        ("a.jsonl", line(text=SENTINEL + "\x00"), {}, "binary"),
        ("a.jsonl", b'{"text": "' + b"\xff\xfe" + SENTINEL.encode() + b'"}', {}, "not UTF-8"),
        ("a.jsonl", line(text="\ud800" + SENTINEL), {}, "surrogate"),
        ("a.jsonl", SENTINEL, {}, "no JSON"),
        ("a.jsonl", f'["{SENTINEL}"]', {}, "not an object"),
        ("a.csv", f"note_id,text\nn,{SENTINEL},more,cells\n", {}, "more cells"),
        ("a.csv", f'note_id,text\nn,"{SENTINEL}', {}, "bad CSV"),
        ("a.parquet", SENTINEL, {}, "no readable parquet"),
        ("a.txt", SENTINEL.encode() + b"\xff", {}, "not UTF-8"),
        ("a.txt", b"\xff\xfe\x00", {}, "not UTF-16"),
        ("a.ndjson", json.dumps({"resourceType": "Patient"}), {}, "holds no note"),
        ("a.jsonl.gz", SENTINEL, {}, "not gzip|Not a gzipped"),
        ("a.docx", SENTINEL, {}, "known formats"),
    ],
)
def test_bad_input_is_one_line_without_text(tmp_path: Path, name, content, columns, says):
    path = put(tmp_path, name, content)
    with pytest.raises(InputError, match=says) as caught:
        list(open_corpus(path.parent).notes(Columns(**columns)))
    assert "\n" not in str(caught.value)
    assert "Zyxwvut" not in str(caught.value)


def test_missing_and_mixed(tmp_path: Path):
    with pytest.raises(InputError, match="does not exist"):
        open_corpus(tmp_path / "absent.jsonl")
    put(tmp_path, "a.jsonl", line())
    put(tmp_path, "b.csv", "text\nx\n")
    with pytest.raises(InputError, match="mixes formats"):
        open_corpus(tmp_path)


def test_ids_made_for_notes_do_not_depend_on_other_notes(tmp_path: Path):
    texts = [f"note about {i}" for i in range(50)] + ["the same", "the same"]
    for name, chosen in (("all", texts), ("fewer", texts[1:])):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in chosen)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    every = {n.note_id: n.text for n in open_corpus(tmp_path / "all.jsonl").notes()}
    fewer = {n.note_id: n.text for n in open_corpus(tmp_path / "fewer.jsonl").notes()}
    assert len(every) == 52
    assert every.keys() - fewer.keys() == {k for k, text in every.items() if text == texts[0]}
