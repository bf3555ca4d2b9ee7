"""HL7 v2: segments, escapes, character sets, what is a note, whose it is."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from llmsafe.corpus import Bad, open_corpus, write_corpus
from llmsafe.corpus.hl7v2 import parse
from llmsafe.corpus.records import Unreadable
from llmsafe.notes import Note

SENTINEL = "Zyxwvut"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "hl7v2-ccda-samples"
HEAD = "MSH|^~\\&|A|B|C|D|20200506101112||ORU^R01|77|P|2.5"
PID = "PID|1||p1^^^H^MR||Doe^Jane"


def message(*segments: str, head: str = HEAD, end: str = "\r") -> str:
    return end.join((head, PID, *segments)) + end


def read(tmp_path: Path, content: str | bytes) -> list[Note | Bad]:
    path = tmp_path / "a.hl7"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_corpus(path).records())


def texts(records: list[Note | Bad]) -> list[str]:
    return [r.text if isinstance(r, Note) else f"{r.where}: {r.reason}" for r in records]


def obx(text: str, kind: str = "TX") -> str:
    return f"OBX|1|{kind}|18842-5^Note||{text}||||||F"


def test_a_note_of_every_order(tmp_path: Path) -> None:
    content = message(
        "NTE|1||about the patient",
        "OBR|1|||rad|||20200304",
        obx("Chest clear."),
        obx(""),
        obx("5.4", "NM"),
        obx("Impression: none.", "FT"),
        "OBR|2|||lab|||20200305",
        obx("7.1", "NM"),
        "OBR|3",
        obx("Negative", "ST"),
        "NTE|1||repeat~in a week",
    )
    first, second = read(tmp_path, content)
    assert isinstance(first, Note)
    assert first.text == "about the patient\nChest clear.\n\nImpression: none."
    assert (first.patient_id, first.date) == ("p1", "2020-03-04")
    assert isinstance(second, Note)
    assert second.text == "Negative\nrepeat\nin a week"
    assert second.date == "2020-05-06"
    assert first.note_id.startswith("77-")
    assert second.note_id == first.note_id + "-2"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e" + "\\f"),
        (r"a\.br\b\.sp\c\.sp2\d\.ce\e", "a\nb\nc\n\nd\ne"),
        (r"a^\.sp\b", "a\nb"),
        (r"a\.sk3\b\.in+2\c\.ti-2\d", "a   b  c  d"),
        (r"\H\bold\N\ plain\.fi\\.nf\.", "bold plain."),
        (r"a\X0D0A\b\XC3A9\c", "a\nbéc"),
        (r"a\E\F\b", r"a\F\b"),
        (r"w\o pain \.br\ C:\temp\x \Zlocal\ ", "w\\o pain \n C:\\temp\\x \\Zlocal\\ "),
        ("one~two^three&four", "one\ntwo^three&four"),
        (r"\.sp9999999\a", "a"),
    ],
)
def test_escapes(tmp_path: Path, raw: str, text: str) -> None:
    assert texts(read(tmp_path, message(obx(raw, "FT")))) == [text]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends_framing_and_batches(tmp_path: Path, end: str) -> None:
    two = [message(obx(f"note {i}"), end=end, head=HEAD.replace("77", str(i))) for i in (1, 2)]
    framed = "".join(f"\x0b{one}\x1c{end}" for one in two)
    batch = f"FHS|^~\\&|A{end}BHS|^~\\&|A{end}{framed}BTS|2{end}FTS|1{end}"
    assert texts(read(tmp_path, batch)) == ["note 1", "note 2"]
    assert texts(read(tmp_path, "\ufeff" + "".join(two))) == ["note 1", "note 2"]


def test_a_line_feed_inside_a_field_is_text_where_segments_end_with_cr(tmp_path: Path) -> None:
    assert texts(read(tmp_path, message(obx("one\ntwo")))) == ["one\ntwo"]
    records = read(tmp_path, message(obx(f"one\n{SENTINEL} two"), end="\n"))
    assert texts(records) == [
        "a.hl7:1: line 4 of the message is no segment; escape line ends inside a field"
    ]


def test_other_delimiters(tmp_path: Path) -> None:
    content = "MSH$*+!%$A$B$C$D$2020$$ORU$5$P$2.5\rPID$1$$p9*$\rOBX$1$TX$x$$a!F!b!S!c+d$\r"
    [note] = read(tmp_path, content)
    assert isinstance(note, Note)
    assert (note.text, note.patient_id, note.date) == ("a$b*c\nd", "p9", None)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("8859/1", "latin-1"), ("8859/2", "iso8859-2"), ("UNICODE UTF-8", "utf-8"), ("", "utf-8"),
        ("GB 18030-2000", "gb18030"), ("UNICODE", "utf-8"), ("8859/1~ISO IR87", "latin-1"),
    ],
)  # fmt: skip
def test_character_sets(tmp_path: Path, name: str, encoding: str) -> None:
    head = HEAD + "||||||" + name
    content = message(obx("é and ö"), head=head).encode(encoding)
    assert texts(read(tmp_path, content)) == ["é and ö"]


def encapsulated(kind: str, coding: str, data: bytes) -> str:
    return obx(f"src^{kind}^{coding}^{base64.b64encode(data).decode()}", "ED")


def test_encapsulated_documents(tmp_path: Path) -> None:
    for kind, data in (("TEXT^plain", b"a\nb"), ("text^", b"a\nb"), ("text^HTML", b"<p>a<p>b")):
        content = message(encapsulated(kind, "Base64", data))
        assert texts(read(tmp_path, content)) == ["a\nb"]
    assert texts(read(tmp_path, message(obx("^TEXT^^A^a\\.br\\b", "ED")))) == ["a\nb"]
    assert texts(read(tmp_path, message(obx("^TEXT^^Hex^610A62", "ED")))) == ["a\nb"]
    pdf = encapsulated("application^pdf", "Base64", b"%PDF")
    assert texts(read(tmp_path, message(obx("the same in words"), pdf))) == ["the same in words"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (
            message(encapsulated("application^pdf", "Base64", b"Zyxwvut")),
            "the attachment is applica",
        ),
        (message("NTE|1||Zyxwvut", obx("^application^pdf^Base64^", "ED")), "an encapsulated docum"),
        (message(obx("^TEXT^^Base64^Zyxwvut!", "ED")), "the attachment is not base64"),
        (message(obx("^TEXT^^Zip^Zyxwvut", "ED")), "an encapsulated document in an encoding"),
        (message(obx("https://Zyxwvut", "RP")), "the document is a link (OBX-2 is RP)"),
        (message(obx(r"Zyxwvut\C2842\ ")), "an escape sequence that changes the character set"),
        (message(obx("Zyxwvut\x00")), "binary content (NUL character)"),
        (
            message(obx("Zyxwvut"), head=HEAD + "||||||ISO IR87"),
            "a character set that is not known",
        ),
        (message(obx("Zyxwvut é")).encode("latin-1"), "not UTF-8 (byte"),
        ("Zyxwvut\rPID|1\r", "does not begin with MSH"),
    ],
)
def test_a_bad_message_is_named_and_the_next_is_read(
    tmp_path: Path, content: str | bytes, rule: str
) -> None:
    data = content.encode() if isinstance(content, str) else content
    records = read(tmp_path, data + message(obx("fine"), head=HEAD.replace("77", "78")).encode())
    bad, note = records
    assert isinstance(bad, Bad)
    assert bad.raw == data
    assert texts(records)[1] == "fine"
    assert bad.where == "a.hl7:1"
    assert bad.reason.startswith(rule)
    assert SENTINEL not in bad.reason
    assert isinstance(note, Note)


def test_the_line_of_a_bad_message_is_told(tmp_path: Path) -> None:
    records = read(tmp_path, message(obx("fine")) + message(obx("", "RP")))
    assert isinstance(records[1], Bad)
    assert records[1].where == "a.hl7:4"


def test_a_message_sent_twice_is_a_duplicate_and_equal_control_ids_are_not(tmp_path: Path) -> None:
    one, other = message(obx("one")), message(obx("other"))
    first, second, third = read(tmp_path, one + other + one)
    assert isinstance(first, Note)
    assert isinstance(second, Note)
    assert first.note_id != second.note_id
    assert isinstance(third, Bad)
    assert third.reason.startswith("note id repeated")


def test_notes_after_the_second_patient_belong_to_the_second(tmp_path: Path) -> None:
    second = "PID|2||p2^^^H^MR"
    records = read(tmp_path, message("OBR|1", obx("one"), second, "OBR|1", obx("two")))
    assert [(r.patient_id, r.text) for r in records if isinstance(r, Note)] == [
        ("p1", "one"),
        ("p2", "two"),
    ]


@pytest.mark.parametrize(
    ("pid", "patient"),
    [
        ("PID|1||55^^^X^PI~66^^^X^MR", "66"),
        ("PID|1||55^^^X^PI", "55"),
        ("PID|1|44|", "44"),
        ("PID|1||\"\"|||||||||||||||99", "99"),
        ("PID|1||||Doe^Jane||19600304", "Doe^Jane 19600304"),
        ("PID|1", None),
    ],
)  # fmt: skip
def test_the_patient_id(pid: str, patient: str | None) -> None:
    parsed = parse(f"{HEAD}\r{pid}\r".encode())
    assert parsed is not None
    assert [name for name, _ in parsed.patients()] == [patient]


def test_it_is_read_only(tmp_path: Path) -> None:
    notes = [r for r in read(tmp_path, message(obx("fine"))) if isinstance(r, Note)]
    [written] = write_corpus(tmp_path / "out", notes, "hl7v2")
    assert written.name == "part-00000.jsonl"
    assert list(open_corpus(tmp_path / "out").notes()) == notes


def test_no_message_is_no_message() -> None:
    assert parse(b"FHS|^~\\&|A\rFTS|0\r") is None
    with pytest.raises(Unreadable):
        parse(b"PID|1\r")


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the HL7 samples")
def test_public_samples_are_read_or_named() -> None:
    folder = SAMPLES / "data" / "SampleData" / "Hl7v2"
    records = list(open_corpus(folder).records())
    notes = [r for r in records if isinstance(r, Note)]
    assert len(notes) == 49
    assert all(note.patient_id and note.date for note in notes)
    reasons = {r.reason.partition(";")[0] for r in records if isinstance(r, Bad)}
    assert reasons == {
        "the document is a link (OBX-2 is RP)",
        "the attachment is im/jpeg",
        "an encapsulated document (OBX-2 is ED) without content",
    }
    found = [note.text for note in notes if note.text.startswith("Toilet cylinder")]
    assert [len(text.splitlines()) for text in found] == [2, 29, 2, 2]
