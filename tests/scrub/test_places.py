"""Places and institutions, and what only looks like one."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.places import (
    find_addresses,
    find_cities,
    find_corners,
    find_institutions,
)
from llmsafe.scrub.detect.resolve import resolve


def found(text: str) -> set[str]:
    spans = [
        *find_addresses(text),
        *find_corners(text),
        *find_cities(text),
        *find_institutions(text),
    ]
    return {text[s.start : s.end] for s in resolve(spans)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lives at 123 Elm St, Springfield", "123 Elm St"), ("789 Pine Street, Apt 4B", "789 Pine Street, Apt 4B"),
        ("633 ABERNATHY LANDING", "633 ABERNATHY LANDING"), ("P.O. Box 221", "P.O. Box 221"),
        ("zip code 94103", "94103"), ("of Pierce County in", "Pierce County"),
        ("lives in Chicago.", "Chicago"), ("moved to Dallas, TX 75201.", "Dallas, TX 75201"),
        ("Emporia, KS", "Emporia, KS"), ("a man from Tupelo, reports", "Tupelo"),
        ("Lindsay, California", "Lindsay, California"), ("seen at Mayo Clinic", "Mayo Clinic"),
        ("at St. Mary's Hospital on", "St. Mary's Hospital"), ("St. Luke's in", "St. Luke's"),
        ("River Valley Clinic", "River Valley Clinic"), ("UCLA Med Ctr", "UCLA Med Ctr"),
        ("at General Hospital on", "General Hospital"), ("Johns Hopkins on", "Johns Hopkins"),
        ("Children's Hospital of Philadelphia", "Children's Hospital of Philadelphia"),
        ("NEWMAN MEMORIAL COUNTY HOSPITAL", "NEWMAN MEMORIAL COUNTY HOSPITAL"),
        ("Pinecrest Primary Care", "Pinecrest Primary Care"), ("works for Frito Lay.", "Frito Lay"),
        ("Occupation: cashier, Millrace Software. Has", "Millrace Software"),
        ("Job: welder, Ball Software. Keeps", "Ball Software"),
        ("JOB: POSTAL WORKER, OLDHARBOR SOFTWARE.", "OLDHARBOR SOFTWARE"), ("Hotel near 1st and Cherry.", "1st and Cherry"),
        ("SHE WAS RAISED IN MOBILE.", "MOBILE"), ("formerly in Sedalia. Lifelong", "Sedalia"), ("Ok, zip 0-2-1-3-0.", "0-2-1-3-0"),
    ],
)  # fmt: skip
def test_a_place_is_found(text: str, value: str) -> None:
    assert value in found(text), found(text)


@pytest.mark.parametrize(
    "clean",
    [
        "seen in the Emergency Department", "the Pain Clinic", "Cardiology Clinic follow-up",
        "PAST MEDICAL HISTORY: none", "COURSE IN THE HOSPITAL: stable", "the hospital was full",
        "took 2 tabs by mouth", "Vitamin D, MD notified", "status post MI, CT negative",
        "Denver II screening", "the Framingham Heart Study", "mental health, home health aide",
        "Glasgow Coma Scale 15", "she is mobile and reading well", "Lancaster score",
        "clamped with straight Ochsner clamps", "born in 1950", "a native of the area",
        "between 1st and 2nd dose", "SHE LIVES IN HOME", "SHE LIVES IN TEXAS", "near Grade and Stage",
        "Job: retired, Former Smoker", "Occupation: teacher, nonsmoker",
    ],
)  # fmt: skip
def test_clinical_words_stay(clean: str) -> None:
    assert found(clean) == set()
