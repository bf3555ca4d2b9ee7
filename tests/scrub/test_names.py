"""Names, and the eponyms, drugs and headings that are none."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en import hints, listed, mentions, names
from llmsafe.scrub.detect.resolve import resolve

FINDERS = (
    names.find_titled,
    names.find_labelled_names,
    listed.find_reversed,
    listed.find_listed,
    listed.find_unknown,
    hints.find_initials,
)


def found(text: str) -> set[str]:
    spans: list[PhiSpan] = [span for find in FINDERS for span in find(text)]
    spans += mentions.echoes(text, spans)
    return {text[s.start : s.end] for s in resolve(spans)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seen by Dr. Emily Clark at", "Emily Clark"), ("Dr. Bone agreed", "Bone"),
        ("Mrs. L. Hernandez", "L. Hernandez"), ("dr. patel called", "patel"),
        ("Patient: Xiomara Quispe", "Xiomara Quispe"), ("Dictated by: Phyllis Fraser, MD", "Phyllis Fraser"),
        ("Elijah Bone, DO, pager", "Elijah Bone"), ("his wife Mary left", "Mary"),
        ("his SISTER JUDITH SAW HIM", "JUDITH"), ("Marcus Gunn, 45, fell", "Marcus Gunn"), ("Ms. Lewis and Ivor Lewis was there", "Ivor Lewis"), ("Smith, John A. DOB", "Smith, John A."),
        ("GUERRERO,FINN  MRN", "GUERRERO,FINN"), ("John D., admitted", "John D."),
        ("Smith J., visited", "Smith J."), ("James O'Brien came", "James O'Brien"),
        ("Maria de la Cruz said", "Maria de la Cruz"), ("Graciela Stewart-McConnell is", "Graciela Stewart-McConnell"),
        ("Robert Lee Jr. is", "Robert Lee Jr."), ("Marine542 Ai120\n is a", "Marine542 Ai120"),
        ("discussed with Samuel Pepper", "Samuel Pepper"), ("then Nguyen left", "Nguyen"),
        ("Dr. Hope Singer operated", "Hope Singer"), ("NAME: CHANCE S. DRISCOLL", "CHANCE S. DRISCOLL"),
        ("Message taken 03/28/2015 by UH re:", "UH"), ("TRANSCRIBED: Aug 10, 2016  AM/tr", "AM"), ("TRANSCRIBED: Aug 10, 2016  LC/tr", "LC"), ("TRANSCRIBED: 10-MAR-2016  RN/TR", "RN"),
        ("in a week.\nCS, 10:35", "CS"),
        ("Wheeler, Kate called; Wheeler was well", "Wheeler"),
    ],
)  # fmt: skip
def test_a_name_is_found(text: str, value: str) -> None:
    assert value in found(text), found(text)


@pytest.mark.parametrize(
    "clean",
    [
        "Ivor Lewis esophagectomy", "Jackson Pratt stripped, 15 mL", "Sens by Kirby-Bauer", "FH: mother Graves, father Crohn, no",
        "Name:\t\tDOB:\t\tMRN:", "A&Ox3, MAE, PERRLA", "McDonald 2017 met", "SER|DR\nNTE|1||x", 'call "Uncle Sam"',
        "Parkinson's disease and Crohn disease", "a positive Chaddock reflex", "Lou Gehrig's disease",
        "Foley catheter, Jackson-Pratt drain", "Wells score of 3, Glasgow Coma Scale",
        "Mallory-Weiss tear", "She may improve; he will follow", "Metformin and Crestor daily",
        "Healthy Mother, Father. There is", "the Midas Rex drill", "Humphrey visual fields",
        "Patient: Alert and oriented", "seen by Cardiology", "per Nephrology", "Patient denies pain",
        "Vital Signs: Stable", "March, April, May", "Past Medical History", "Babinski, Romberg negative",
        "Tylenol, Lasix, Zestril", "X-Ray of the chest", "given by IV push at 10:35", "D: 7/5/2021 10:30 AM", "N/A, I/O even", "Mild Pain, Hope to improve",
        "CHIEF COMPLAINT: CHEST PAIN", "White blood count, Brown sputum", "Ray-Tec sponge",
    ],
)  # fmt: skip
def test_clinical_words_stay(clean: str) -> None:
    assert found(clean) == set()


def test_an_initial_and_a_word_before_a_credential_are_somebody() -> None:
    assert found("Copies: H. Bell, M.D.; patient.") == {"H. Bell"}
    assert found("Hepatitis C. Elevated, PT 14. Vitamin D. Low, MD aware") == set()


def test_a_sentence_behind_an_initial_is_no_part_of_the_name() -> None:
    assert found("Biopsy by Dr. Y. One of the notes says so") == {"Y"}
    assert found("Speaking to Dr. X. Two weeks ago she was well") == {"X"}
    assert found("Biopsy by Dr. Y. Osei, who says so") == {"Y. Osei"}
    assert found("Spoke with Dr. B. Next, who agreed") == {"B. Next"}


def test_a_greeting_is_no_part_of_the_name() -> None:
    assert found("DEAR DELORES CUSHING, MD,") == {"DELORES CUSHING"}


def test_echo_finds_the_part_but_not_the_eponym() -> None:
    text = "Dr. Alice Wheeler saw him. Wheeler agreed. WHEELER signed. Wheeler sign was absent."
    spans = list(names.find_titled(text))
    echoed = [text[s.start : s.end] for s in mentions.echoes(text, spans)]
    assert echoed == ["Wheeler", "WHEELER"]


@pytest.mark.parametrize(("text", "score"), [("Judith has a cold", 0.85), ("Judith today", 0.6)])
def test_who_does_something_is_somebody(text: str, score: float) -> None:
    assert [(text[s.start : s.end], s.score) for s in listed.find_listed(text)] == [
        ("Judith", score)
    ]
