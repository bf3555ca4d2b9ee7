"""Notes that a scanner has misread are searched as they were written, too."""

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.detector import Detector, build_engine
from llmsafe.scrub.detect.en.scanned import reread


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("The pat1ent came home on Ju1y l2.", "The patient came home on July 12."),
        ("A f1lm was c1ear. DOB O3/O4/l951", "A film was clear. DOB 03/04/1951"),
        ("c1inic v1sit, Dr. Dr0uin of Ma1ne", "clinic visit, Dr. Drouin of Maine"),
        ("lmpression: b1ood c0unt 5O", "Impression: blood count 50"),
        ("PATlENT W0LFE, s1gned by her s1ster", "PATIENT WOLFE, signed by her sister"),
        ("m0nth of h0me care, LeB1anc, 0ctave", "month of home care, LeBlanc, Octave"),
    ],
)
def test_letters_and_digits_are_put_right(read: str, written: str) -> None:
    assert reread(read) == written


@pytest.mark.parametrize(
    "text",
    [
        "T1DM, H1N1 in 2009, B12 500, O2 2L, FEV1 1.9, HbA1c 7, T3 N0 M0, L4-L5, q12h x10d",
        "One s1ip of the finger, lived in Iowa, 1st and 10th grade, 5mg, a1c up",
        "handle m0nkeyface99, code X1a9b0zz",
    ],
)
def test_other_notes_are_read_as_they_stand(text: str) -> None:
    assert reread(text) is None


def test_codes_in_a_misread_note_keep_their_letters() -> None:
    text = (
        "The pat1ent had a c1ear f1lm. FEV1 1.9, HbA1c 7, IOL SN60WF, CO2 28, C5-C6, E. coli O157"
    )
    assert reread(text) == text.replace("pat1ent", "patient").replace("c1ear", "clear").replace(
        "f1lm", "film"
    ).replace("O157", "0157")


def test_what_a_scanner_has_misread_is_found() -> None:
    text = "The f1nal path0logy of Apr1l 9 was c1ear. She l1ves in 0maha."
    spans = Detector(build_engine()).detect(text)
    assert {text[span.start : span.end] for span in spans} >= {"Apr1l 9", "0maha"}
