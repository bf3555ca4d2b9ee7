"""Gold in three formats: the same spans, at the place of the text that they name."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

from llmsafe.errors import InputError
from llmsafe.gold import GoldNote, read_gold
from llmsafe.notes import FOREIGN_TYPES, PhiSpan

MEDDOCAN = Path(__file__).resolve().parents[2] / "shared" / "data" / "meddocan" / "corpus"
TEXT = "\ufeffSra. Núñez 😀 & hija\nMadrid,\n28/05/2016"
SPANS = [("PATIENT", 6, 11), ("CITY", 21, 27), ("DATE", 29, 39)]


def brat(folder: Path, text: str = TEXT, ann: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "n.txt").write_bytes(text.encode())
    lines = [f"T{i}\t{kind} {a} {b}\t{text[a:b]}" for i, (kind, a, b) in enumerate(SPANS, 1)]
    (folder / "n.ann").write_text("\n".join(lines) + "\n" if ann is None else ann)
    return folder


def i2b2(folder: Path, text: str = TEXT, tags: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    found = [
        f'<X id="P{i}" start="{a}" end="{b}" text={quoteattr(text[a:b])} TYPE="{kind}" comment=""/>'
        for i, (kind, a, b) in enumerate(SPANS)
    ]
    inside = "".join(found) if tags is None else tags
    xml = f"<deIdi2b2><TEXT>{escape(text)}</TEXT><TAGS>{inside}</TAGS></deIdi2b2>"
    (folder / "n.xml").write_text(xml, encoding="utf-8")
    return folder


def jsonl(folder: Path, **row: object) -> Path:
    folder.mkdir(exist_ok=True)
    spans = [{"start": a, "end": b, "category": kind} for kind, a, b in SPANS]
    path = folder / "n.jsonl"
    path.write_text(json.dumps({"note_id": "n", "text": TEXT, "spans": spans, "style": "x"} | row))
    return path


def test_the_same_spans_from_every_format(tmp_path: Path) -> None:
    for place in (brat(tmp_path / "b"), i2b2(tmp_path / "i"), jsonl(tmp_path / "j")):
        [found] = read_gold(place)
        assert (found.note.note_id, found.note.text) == ("n", TEXT)
        assert found.spans == tuple(PhiSpan(a, b, kind, 1.0, "gold") for kind, a, b in SPANS)
        quoted = [TEXT[span.start : span.end] for span in found.spans]
        assert quoted == ["Núñez", "Madrid", "28/05/2016"]
        assert "Madrid" not in repr(found)
    assert found.note.extra == {"style": "x"}


def test_brat_fragments_and_other_lines(tmp_path: Path) -> None:
    ann = "T1\tPATIENT 6 11;16 19\tNúñez hij\nA1\tSure T1\n#1\tNote T1\tx\nT2\tDATE 29 39"
    [found] = read_gold(brat(tmp_path, ann=ann))
    assert [(s.start, s.end) for s in found.spans] == [(6, 11), (16, 19), (29, 39)]


def test_an_i2b2_tag_without_type_is_its_own_name(tmp_path: Path) -> None:
    [found] = read_gold(i2b2(tmp_path, tags='<DATE start="29" end="39"/>') / "n.xml")
    assert found.spans == (PhiSpan(29, 39, "DATE", 1.0, "gold"),)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: brat(p, ann="T1\tPATIENT 5 10\tNúñez\n"), r"n.ann:1: the text there is not the"),
        (lambda p: brat(p, ann="\nT1\tPATIENT 6 99\n"), r"n.ann:2: \[6, 99\) is empty or outside"),
        (lambda p: brat(p, ann="T1 PATIENT 6 11\n"), r"n.ann:1: no BRAT annotation"),
        (lambda p: brat(p, ann="T1\tPATIENT 6 11;17 20\tNúñez x\n"), r"n.ann:1: the text there"),
        (lambda p: (brat(p) / "m.txt").write_text("Núñez"), r"m.txt has no partner"),
        (lambda p: (brat(p) / "m.ann").write_text(""), r"m.ann has no partner"),
        (lambda p: (brat(p) / "n.txt").write_bytes(b"N\xfa"), r"n.txt: not UTF-8 \(byte 1\)"),
        (lambda p: i2b2(p, tags='<X start="5" end="10" text="Núñez"/>'), r"n.xml, tag 1: the text"),
        (lambda p: i2b2(p, tags='<X start="a" end="b"/>'), r"n.xml, tag 1: start and end are no"),
        (lambda p: (p / "n.xml").write_text("<Núñez/>"), r"n.xml: no i2b2-2014 file"),
        (lambda p: (p / "n.xml").write_text("<!DOCTYPE a><a/>"), r"n.xml: XML with a document type"),
        (lambda p: jsonl(p, spans=None), r"note 1: no column 'spans'"),
        (lambda p: jsonl(p, spans=[{"start": 6, "end": 11}]), r"note 1, span 1: needs start"),
        (lambda p: jsonl(p, spans=[{"start": 6.0, "end": 11, "category": "X"}]), r"span 1: start and"),
        (lambda p: jsonl(p, spans=[{"start": 6, "end": 6, "category": "X"}]), r"\[6, 6\) is empty"),
    ],
)  # fmt: skip
def test_gold_that_has_slipped_is_refused_without_its_text(tmp_path: Path, make, message) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=message) as raised:
        list(read_gold(tmp_path))
    assert "Núñez" not in str(raised.value)


@pytest.mark.skipif(not MEDDOCAN.exists(), reason="needs MEDDOCAN")
def test_meddocan_is_the_same_in_brat_and_xml() -> None:
    both = [list(read_gold(MEDDOCAN / "test" / kind)) for kind in ("brat", "xml")]
    assert both[0] == both[1]
    assert len(both[0]) == 250
    every: list[GoldNote] = [*both[0], *read_gold(MEDDOCAN / "dev" / "brat")]
    assert sum(len(gold.spans) for gold in every) == 11_462
    assert {span.category for gold in every for span in gold.spans} <= set(FOREIGN_TYPES)
