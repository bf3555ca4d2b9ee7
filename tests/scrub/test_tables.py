"""Columns of tables and fields of HL7 say what they hold."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.company import kept
from llmsafe.scrub.detect.en.hl7 import find_fields
from llmsafe.scrub.detect.en.tables import find_cells, things


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.category) for s in find_cells(text)]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (
            "date | INR | next | by\n1/4 | 2.1 | 4 wk | TW\n3/9 | 2.4 | 4/6 | Quenby",
            [
                ("1/4", "DATE"),
                ("TW", "NAME"),
                ("3/9", "DATE"),
                ("4/6", "DATE"),
                ("Quenby", "NAME"),
            ],
        ),
        (
            "bed\tpatient\tphone\tout\n4\tOduya, B\t0700 555 014\t5/2\n5\tempty\t\t",
            [("Oduya, B", "NAME"), ("0700 555 014", "PHONE"), ("5/2", "DATE")],
        ),
        (
            "time  HR   RN\n0100  88   JDV\n0300  90   JDV/mh",
            [("JDV", "NAME")] * 2 + [("mh", "NAME")],
        ),
        ("DOS      CDT     Fee\n08/02    D0150   92.00", [("08/02", "DATE")]),
        (
            "No. | Name | Village | Review days\n1 | Apio | Lira | Mar 2, 9",
            [("Apio", "NAME"), ("Lira", "LOCATION"), ("9", "DATE")],
        ),
        (
            "vendor rep\tSkip Dellarocca\tx\nsurgeon\tHand\tscrub\tImelda",
            [("Hand", "NAME"), ("Imelda", "NAME")],
        ),
    ],
)
def test_what_stands_below_a_heading(text: str, cells: list[tuple[str, str]]) -> None:
    assert found(text) == cells


@pytest.mark.parametrize(
    "text",
    [
        "hr | mode | Vt | RR\n1 | AC | 380 | 24\n2 | same | 360 | 26",
        "drug\tdose\troute\nPaxil\t20\tPO\nPortia\t1 tab\tPO",
        "I saw him by the door; out of breath; in pain; then home.",
        "name | by\nnone | self\n- | prn",
        "Pt: Ana Roe      MRN: 00-39      Seen 2013\nnext line      of words      here",
    ],
)
def test_no_table_and_no_names(text: str) -> None:
    assert not found(text)


def test_a_column_of_scales_holds_no_names() -> None:
    text = "scale | cut | range\nBeck | 14-19 | 0-63\nHamilton | 8-13 | 0-52"
    beck = PhiSpan(text.index("Beck"), text.index("Beck") + 4, "NAME", 0.48, "tagger")
    assert any(text[a:b] == "Beck" for a, b in things(text))
    assert not list(kept(text, [beck]))
    people = text.replace("scale", "patient")
    assert beck in kept(people, [beck, PhiSpan(0, 1, "DATE", 0.9, "dates")])


MESSAGE = """MSH|^~\\&|LAB|MESA VERDE CLINIC|EHR|ICU|20230712081544||ORU^R01|MSG0044817|P|2.5
PID|1||5520913^^^MV^MR||BEGAY^SUMMER^R||19890621|F|||PO BOX 77^^TUBA CITY^AZ^86045||9285550143
PV1|1|O|CARD||||1902884417^PETROSYAN^ARAM
IN1|1||SFX-77|SILVER FOX SUPPLEMENT CO||||||||||||OYAMA^HIROKO
OBX|1|ST|AGE^Age||91|a
OBX|2|NM|2345-7^GLU||104|mg/dL
NTE|1||MAY CRUSH: NO"""


def test_fields_of_hl7() -> None:
    spans = {(MESSAGE[s.start : s.end], s.category) for s in find_fields(MESSAGE)}
    assert spans == {
        ("MESA VERDE CLINIC", "ORGANIZATION"),
        ("20230712081544", "DATE"),
        ("MSG0044817", "OTHER_ID"),
        ("5520913", "MRN"),
        ("BEGAY^SUMMER^R", "NAME"),
        ("19890621", "DATE"),
        ("PO BOX 77^^TUBA CITY^AZ^86045", "LOCATION"),
        ("9285550143", "PHONE"),
        ("1902884417", "OTHER_ID"),
        ("PETROSYAN^ARAM", "NAME"),
        ("SILVER FOX SUPPLEMENT CO", "ORGANIZATION"),
        ("OYAMA^HIROKO", "NAME"),
        ("91", "AGE"),
    }


@pytest.mark.parametrize(
    "text",
    ["PID|1||||||||||||||", "PV1 was low. PID control | tuned | 3 | 4", 'NK1|1|""|SELF|SAME'],
)
def test_empty_fields_and_other_uses(text: str) -> None:
    assert not list(find_fields(text))
