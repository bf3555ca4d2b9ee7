"""What is no part of a finding is left, at its ends and beside dates; what is stays hidden."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.edges import columns, trimmed
from llmsafe.scrub.detect.en.sense import beside_date


def cut(text: str, found: str, category: str) -> str:
    start = text.index(found)
    span = trimmed(text, PhiSpan(start, start + len(found), category, 0.9, "tagger"))
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("text", "found", "category", "left"),
    [
        ("Judge Fair, no.", "Judge Fair", "NAME", "Fair"),
        ("Pastor Amos came", "Pastor Amos", "NAME", "Amos"),
        ("LaToya W., MA. Next", "LaToya W., MA", "NAME", "LaToya W."),
        ("Ivy Stone RDMS #1", "Ivy Stone RDMS", "NAME", "Ivy Stone"),
        ("daughter Ilka PONV.", "Ilka PONV", "NAME", "Ilka"),
        ("Grady squeamish.", "Grady squeamish", "NAME", "Grady"),
        ("HERRERA, SANTOS  M 58", "HERRERA, SANTOS  M", "NAME", "HERRERA, SANTOS"),
        ("seen 7/4 0931 by", "7/4 0931", "DATE", "7/4"),
        ("ID 1299004471. Pruritic", "1299004471. Pruritic", "OTHER_ID", "1299004471"),
        ("SN SH614080, MAC 00:1B", "SH614080, MAC", "DEVICE", "SH614080"),
        ("VIN on dash 1FTFW1E50PFA00417", "dash 1FTFW1E50PFA00417", "VEHICLE", "1FTFW1E50PFA00417"),
        ("mailto:a@b.example", "mailto:a@b.example", "EMAIL", "a@b.example"),
        (
            "White River Clinic 1922 by",
            "White River Clinic 1922",
            "ORGANIZATION",
            "White River Clinic",
        ),
    ],
)
def test_cut(text: str, found: str, category: str, left: str) -> None:
    assert cut(text, found, category) == left


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("Brittany A. Decker\nDOB", "Brittany A. Decker", "NAME"),
        ("DANFORTH, HAZEL M\n7/20/19", "DANFORTH, HAZEL M", "NAME"),
        ("signed T. Bra dfield", "T. Bra dfield", "NAME"),
        ("Maria LOPEZ, 44", "Maria LOPEZ", "NAME"),
        ("Next: 9 July", "9 July", "DATE"),
        ("the third of march", "the third of march", "DATE"),
        ("plate Romeo Tango four four one seven", "Romeo Tango four four one seven", "NAME"),
        ("code star 2 2 8 0", "star 2 2 8 0", "OTHER_ID"),
        ("PLATE 417 JKH", "417 JKH", "VEHICLE"),
        ("Baby", "Baby", "NAME"),
    ],
)
def test_whole(text: str, found: str, category: str) -> None:
    assert cut(text, found, category) == found


def test_columns_part_names() -> None:
    text = "Mom: Sunniva Lindqvist   Baby Girl Bah"
    span = PhiSpan(5, len(text), "NAME", 0.9, "tagger")
    parts = [trimmed(text, part) for part in columns(text, span)]
    assert [text[s.start : s.end] for s in parts] == ["Sunniva Lindqvist", "Bah"]


@pytest.mark.parametrize(("piece", "is_none"), [("1632", True), ("run", True), ("march", False)])
def test_beside_a_date(piece: str, is_none: bool) -> None:
    assert beside_date(piece, PhiSpan(0, len(piece), "DATE", 0.4, "tagger")) is is_none
