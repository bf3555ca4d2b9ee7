"""What a word before or behind gives away, and notes without capitals."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.clues import find_clues
from llmsafe.scrub.detect.en.company import kept
from llmsafe.scrub.detect.en.measured import is_clone
from llmsafe.scrub.detect.en.quiet import find_quiet
from llmsafe.scrub.detect.en.sense import senseless


def clues(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_clues(text)]


def quiet(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_quiet(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("KUB, urology (Mehrotra) in 1 wk", ["Mehrotra"]),
        ("s/p L BKA 12/1 by Sandhu. K2.", ["12/1"]),
        ("held 6/18 per dr kato", ["6/18"]),
        ("Wts: 3/2 118, 4/6 114, 5/4 109.", ["3/2", "4/6", "5/4"]),
        ("her Instagram @gracefuldead is public", ["@gracefuldead"]),
        ("snapchat: lil_bit22", ["lil_bit22"]),
        ("HEP via MedBridge code QX7TR2LM.", ["QX7TR2LM"]),
        ("wife updated in Pavilion C room 4410.", ["Pavilion C room 4410"]),
        ("visit 3/20 Suite 210, 45 Mohouli St.", ["Suite 210, 45 Mohouli St"]),
        ("DISPATCHED 3300 BLK OF ALDER, XST", ["3300 BLK OF ALDER"]),
    ],
)
def test_clues(text: str, found: list[str]) -> None:
    assert clues(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "GI (Prilosec) tried first",
        "ortho (Surgery) to see",
        "power 4/5 with Valsalva",
        "strength 3/5 by Daniels",
        "BP 3/2 118 only",
        "grip 5/5 32, 4/5 30",
        "Instagram made her anxious",
        "taxonomy code 207R00000X missing",
        "ICD code S72001A was billed",
        "the block of lidocaine lasted",
        "Pavilion with a garden",
    ],
)
def test_no_clues(text: str) -> None:
    assert not clues(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("61m truck driver for werner, here for uri", ["werner"]),
        ("bp 150/90. norman agrees to lisinopril", ["norman"]),
        ("f/u 10 3 w kayla np", ["10 3"]),
        ("seen at great plains in may. bp ok", ["may"]),
        ("transfers from family health of clovis. g3p2", ["family health of clovis"]),
    ],
)
def test_notes_without_capitals(text: str, found: list[str]) -> None:
    assert quiet(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "works for hours at home, no pain",
        "rash agrees with drug eruption",
        "seen 2 3 wk ago",
        "on 2 l nc, next 3 4 doses",
        "he may. or may not",
        "community health of the county is poor",
        "Driver for werner. Norman agrees to it.",
    ],
)
def test_ordinary_words_without_capitals(text: str) -> None:
    assert not quiet(text)


def test_a_clone_is_nobodys_number() -> None:
    text = "PMS2 (EPR3947) lost, MSH2 G219-1129 intact"
    for found in ("EPR3947", "G219-1129"):
        start = text.index(found)
        span = PhiSpan(start, start + len(found), "OTHER_ID", 0.7, "number formats")
        assert is_clone(text, span)
        assert not list(kept(text, [span]))
    text = "case G219-1129 was reviewed"
    assert not is_clone(text, PhiSpan(5, 14, "OTHER_ID", 0.7, "number formats"))


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("denied CO-197, no precert", "CO-197", "OTHER_ID"),
        ("mesh Ethicon 15x15", "15x15", "DATE"),
        ("anchor / DePuy / 2.8 / R", "Puy / 2.8 / R", "DATE"),
    ],
)
def test_neither_numbers_nor_dates(text: str, found: str, category: str) -> None:
    start = text.index(found)
    assert senseless(text, PhiSpan(start, start + len(found), category, 0.9, "tagger"))


def test_nodes_are_no_date() -> None:
    text = "pT3 N1a (1/22). Seen (1/22)."
    first, second = text.index("1/22"), text.rindex("1/22")
    spans = [PhiSpan(at, at + 4, "DATE", 0.6, "dates") for at in (first, second)]
    assert list(kept(text, spans)) == [spans[1]]


def test_a_day_between_words_is_a_date() -> None:
    text = "cardiology Ames 3/20 Suite 210"
    assert not senseless(text, PhiSpan(11, 26, "DATE", 0.9, "tagger"))
