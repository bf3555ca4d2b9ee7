"""Broken, mixed and hostile files: every record is read rightly or named, by place and rule.

``records`` is what a scrub reads: what is bad stands in its place. ``notes`` refuses it.
"""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path

import pytest

from llmsafe.corpus import Bad, Columns, open_corpus
from llmsafe.corpus.files import decode
from llmsafe.corpus.records import KEPT_BYTES, Unreadable
from llmsafe.errors import InputError
from llmsafe.notes import Note

SENTINEL = "Zyxwvut"
GOOD = f"{SENTINEL} came, stable."


def read(path: Path, content: bytes | str, **columns: str) -> list[Note | Bad]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_corpus(path).records(Columns(**columns)))


def told(records: list[Note | Bad]) -> list[str]:
    """What was read: the text of a note, place and rule of a bad record."""
    shown = [r.text if isinstance(r, Note) else f"{r.where}: {r.reason}" for r in records]
    for record, what in zip(records, shown, strict=True):
        assert isinstance(record, Note) or SENTINEL not in what + repr(record)
    return shown


def line(number: int, text: str = GOOD) -> bytes:
    return json.dumps({"note_id": str(number), "text": text}, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b'{"note_id": "2", "text": "Zyxwvut\n', "no JSON (column 34); one object a line"),
        (b'{"text": "Zyxwvut\xe9"}\n', "not UTF-8 (byte 17); convert the file to UTF-8 first"),
        (b'["Zyxwvut"]\n', "a JSON list, not an object"),
        (b"[" * 100_000 + b"\n", "no JSON that can be read; one object a line"),
        (b'{"text": ' + b"9" * 10_000 + b"}\n", "no JSON that can be read; one object a line"),
        (line(2, GOOD + "\x00"), "binary content (NUL character); convert it to text first"),
        (b'{"note_id": "2", "text": null}\n', "column 'text' is NoneType, not text; name the"),
        (b'{"note_id": "2", "body": "Zyxwvut"}\n', "no column 'text'; columns present: body, "),
        (line(2, r"{\rtf1 Zyx\b wvut}"), "RTF or PDF, not plain text; convert it first"),
        (line(1), "note id repeated; ids must be unique: remove the duplicate or name another"),
        (line(2, "Zyxwvut " * 1_250_000), "a note of 10,000,000 characters; the limit is 1,000,"),
    ],
)
def test_one_bad_line_does_not_hide_the_others(tmp_path: Path, broken: bytes, rule: str) -> None:
    path = tmp_path / "a.jsonl"
    shown = told(read(path, line(1) + broken + b"\n" + line(3)))
    assert shown[0] == shown[2] == GOOD
    assert len(shown) == 3
    assert shown[1].startswith(f"a.jsonl:2: {rule}")
    with pytest.raises(InputError) as raised:
        list(open_corpus(path).notes())
    assert str(raised.value) == shown[1]


def test_a_bad_record_is_kept_byte_for_byte_unless_it_is_large(tmp_path: Path) -> None:
    small, large = (
        b'{"text": "Zyxwvut\xe9"\n',
        b'{"text": "' + b"Zyxwvut\xe9" * KEPT_BYTES + b'"}\n',
    )
    _, first, second = read(tmp_path / "a.jsonl", line(1) + small + large)
    assert isinstance(first, Bad)
    assert isinstance(second, Bad)
    row = json.loads(json.dumps(first.row()))
    assert row["raw"].encode(errors="surrogateescape") == small
    assert second.row() == {"record": "a.jsonl:3", "bytes": len(large), "raw": None}


def test_csv_with_quotes_and_newlines_in_notes(tmp_path: Path) -> None:
    text = 'He said ""no"", then:\r\n- cough,\n- fever'
    content = f'note_id,text,ward\n1,"{text}",A\r\n\n2,"{GOOD}",B\n'
    records = read(tmp_path / "a.csv", codecs.BOM_UTF8 + content.encode())
    assert told(records) == [text.replace('""', '"'), GOOD]
    assert [r.extra for r in records if isinstance(r, Note)] == [{"ward": "A"}, {"ward": "B"}]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (b"2,Zyxwvut, stable,B\n", "more cells than the header has columns"),
        (b"2,Zyxwvut\n", "fewer cells than the header has columns"),
        (b'2,"Zyxwvut\xe9",B\n', "not UTF-8"),
        (b"2,Zyxwvut\x00,B\n", "binary content"),
    ],
)
def test_a_bad_csv_row_is_named_by_its_line(tmp_path: Path, row: bytes, rule: str) -> None:
    before = b'note_id,text,ward\n1,"two\nlines",A\n'
    records = read(tmp_path / "a.csv", before + row + b"3,fine,C\n")
    shown = told(records)
    assert (shown[0], shown[2]) == ("two\nlines", "fine")
    assert shown[1].startswith(f"a.csv:4: {rule}")
    assert isinstance(records[1], Bad)
    assert records[1].raw == row


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'note_id,text\n1,fine\n2,"{SENTINEL}\n3,fine\n', r"a.csv:3: bad CSV: unexpected end"),
        (f"text,text\n{SENTINEL},x\n", r"a.csv:1: a header .* names a column twice"),
    ],
)
def test_a_csv_that_cannot_be_cut_into_rows_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read(tmp_path / "a.csv", content)
    assert SENTINEL not in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.jsonl.gz"])
def test_byte_order_marks_are_obeyed(tmp_path: Path, name: str, encoding: str) -> None:
    text = "Fièvre, 发热.\nstable"
    content = {
        "a.jsonl": json.dumps({"text": text}, ensure_ascii=False) + "\n",
        "a.csv": f'text,x\n"{text}",1\n',
        "a.txt": text,
    }[name.removesuffix(".gz")]
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    data = mark + content.encode(encoding)
    assert told(read(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)) == [
        text
    ]


def test_each_file_of_a_folder_may_have_its_own_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("fièvre".encode("utf-16"))
    (tmp_path / "b.txt").write_bytes("fièvre".encode("latin-1"))
    (tmp_path / "c.txt").write_bytes("fièvre".encode())
    records = list(open_corpus(tmp_path).records())
    assert told(records) == [
        "fièvre", "b.txt: not UTF-8 (byte 2); convert the file to UTF-8 first", "fièvre",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.csv", "a.txt", "a.hl7", "a.xml"])
def test_no_format_reads_without_limit(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("files", "tables", "hl7v2"):
        monkeypatch.setattr(f"llmsafe.corpus.{module}.MAX_BYTES", 1000)
    start = {"a.csv": "text\n", "a.hl7": "MSH|^~\\&|\nOBX|1|TX|||"}.get(name, "")
    try:
        shown = told(read(tmp_path / name, start + f"{SENTINEL} " * 200))
    except InputError as error:
        shown = [str(error)]
    [what] = shown
    assert what.startswith(name)
    assert "MiB" in what or "larger than field limit" in what
    assert SENTINEL not in what


def test_a_line_over_the_limit_is_bad_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmsafe.corpus.files.MAX_BYTES", 1000)
    shown = told(read(tmp_path / "a.jsonl", line(1) + line(2, "x" * 5000) + line(3)))
    assert shown[0] == shown[2] == GOOD
    assert shown[1].startswith("a.jsonl:2: over ")


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(line(i) for i in range(10_000)))
    with pytest.raises(InputError, match="damaged or not gzip"):
        read(tmp_path / "a.jsonl.gz", data[: len(data) // 2])


@pytest.mark.parametrize("name", ["utf-7", "unicode_escape", "rot13", "no such", "punycode"])
def test_character_sets_are_a_closed_list(name: str) -> None:
    with pytest.raises(Unreadable, match="not known"):
        decode(b"abc", name)


def test_latin_1_is_read_as_browsers_do() -> None:
    assert decode(b"O\x92Brien", "ISO-8859-1") == "O’Brien"
    assert decode("Müller".encode("cp1250"), "windows-1250") == "Müller"
