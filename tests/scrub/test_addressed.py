"""Who is spoken to or hands a patient over, relatives in notes without capitals, firms by their
place; and what stands in the same places and is nobody."""

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.firms import find_firms
from llmsafe.scrub.detect.en.hints import find_addressed, find_everyday, find_subjects
from llmsafe.scrub.detect.en.quiet import find_quiet


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Is that right, Bill?", "Bill"),
        ("Thanks so much, Grace! See you", "Grace"),
        ("Hi Max, yes please come", "Max"),
        ("Report from Mina (noc). Stable", "Mina"),
        ("sign out to Kwame, float", "Kwame"),
    ],
)
def test_who_is_spoken_to(text: str, name: str) -> None:
    assert [text[s.start : s.end] for s in find_addressed(text)][:1] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Thank you, Doctor! Is it worse, Mom? Hello there. Good morning, Team!",
        "Report from Lab. Handoff to Radiology. Report from Mother, sign out to OR.",
        "Pain, Worse? Allergies, Penicillin!",
    ],
)
def test_who_is_nobody_in_particular(text: str) -> None:
    assert list(find_addressed(text)) == []


def test_what_people_do() -> None:
    text = "Bo. Oyelaran is a 66M w/ CAD"
    assert [text[s.start : s.end] for s in find_subjects(text)] == ["Oyelaran"]
    text = "no pain. Grace was walking. Rose was sent"
    assert [text[s.start : s.end] for s in find_everyday(text)] == ["Grace"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lives w husb frank, 3 steps", "frank"),
        ("girlfriend summer confirms sleep", "summer"),
        ("dad king sr cant be reached", "king"),
        ("call son wesley at work", "wesley"),
    ],
)
def test_relatives_without_capitals(text: str, name: str) -> None:
    assert name in [text[s.start : s.end] for s in find_quiet(text)]


@pytest.mark.parametrize(
    "text",
    [
        "mom may call, dad will come",
        "wife rose at 6. son can hope for it",
        "mother had brown sputum",
    ],
)
def test_what_relatives_do_without_capitals(text: str) -> None:
    assert list(find_quiet(text)) == []


@pytest.mark.parametrize(
    ("text", "firm"),
    [
        ("found behind the Pump & Pantry on foot", "Pump & Pantry"),
        ("works at Kirk & Dunn, nights", "Kirk & Dunn"),
        ("referral desk, Moss & Thorne OMS", "Moss & Thorne OMS"),
        ("bed at the Open Table shelter", "Open Table shelter"),
        ("party at Seagate Adult Day.", "Seagate Adult Day"),
    ],
)
def test_shops_and_shelters(text: str, firm: str) -> None:
    assert [text[s.start : s.end] for s in find_firms(text)] == [firm]


@pytest.mark.parametrize(
    "text",
    [
        "seen at the Head & Neck clinic, near the Labor & Delivery desk, at Hematology & Oncology",
        "Signs & Symptoms. with Salt & Pepper. Bread & Butter allergy",
        "a homeless shelter. Local shelter. The church. Her church. Catholic church. Jewish temple",
    ],
)
def test_fields_and_kinds_of_firms_stay(text: str) -> None:
    assert list(find_firms(text)) == []
