"""A dose, a score or a result behind a word, a phrase around it, no company: it is nobody."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.company import kept
from llmsafe.scrub.detect.en.eponyms import in_phrase, phrases
from llmsafe.scrub.detect.en.listed import find_listed
from llmsafe.scrub.detect.en.measured import is_clone, is_measured
from llmsafe.scrub.detect.en.sense import senseless
from llmsafe.scrub.detect.en.vocabulary import is_thing
from llmsafe.scrub.detect.lexicon import english, read_words


def span(text: str, found: str, category: str = "NAME", score: float = 0.49) -> PhiSpan:
    start = text.index(found)
    return PhiSpan(start, start + len(found), category, score, "tagger")


def test_the_lists_of_things_hold_each_word_once_and_no_names() -> None:
    things, lexicon = read_words("scrub_things.txt"), english()
    assert len(things) > 3_000
    assert len(phrases()) > 1_000
    assert not things & (lexicon.first | lexicon.last | lexicon.everyday)
    assert not things & (read_words("scrub_brands.txt") | lexicon.eponyms | lexicon.capitals)
    assert all(map(is_thing, ("leqembi", "stratafix", "kardia", "lugdunensis", "qulipta")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("started Zelquista 200 mg BID", "Zelquista"),
        ("Morvane XR 20 units qhs", "Morvane"),
        ("Geri psych: SLUMS 14, Cornell 11, Zarit 41.", "Cornell"),
        ("Giraffe bed; Finnegan n/a.", "Finnegan"),
        ("Exam: Kellman neg, Thessaly neg", "Kellman"),
        ("The Thomas test was positive on the right.", "Thomas"),
        ("Watson-Jones fracture, closed", "Watson-Jones"),
    ],
)
def test_what_is_measured_is_nobody(text: str, found: str) -> None:
    assert is_measured(text, span(text, found))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Lives with her kids Kellman 7, Zora 4, all well.", "Kellman"),
        ("Told Kellman about test results.", "Kellman"),
        ("Kellman positive for flu, stays home", "Kellman"),
        ("Maria neg, Jose pos for flu", "Maria"),
        ("Kellman's diet is poor", "Kellman"),
        ("401 Barnhart      3    SNF", "Barnhart"),
    ],
)
def test_people_stay(text: str, found: str) -> None:
    assert not is_measured(text, span(text, found))


def test_a_title_counts_more_than_a_result() -> None:
    assert not senseless("Seen by Dr. Foley n/a", span("Seen by Dr. Foley n/a", "Foley"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CHIP pending, Katie Beckett waiver denied", "Katie Beckett"),
        ("ate Dave's Killer bread", "Dave"),
        ("feeds: Kate Farms 1.4", "Kate Farms"),
        ("Cohen-Mansfield 52, NPI 30", "Cohen-Mansfield"),
        ("uses a Dr. Brown’s bottle", "Brown"),
    ],
)
def test_a_part_of_a_phrase_is_nobody(text: str, found: str) -> None:
    assert in_phrase(text, span(text, found))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Katie Beckett, 7, came in", "Katie Beckett"),
        ("Ms. Kate Farms called", "Kate Farms"),
        ("Seen by Kate. Farms nearby are dusty", "Kate"),
        ("Dave killed time", "Dave"),
    ],
)
def test_somebody_who_is_called_so_stays(text: str, found: str) -> None:
    assert not in_phrase(text, span(text, found))


def test_a_maker_is_nobodys_employer_unless_the_note_says_so() -> None:
    text = "Plan: Express Scripts / Accredo; copay card"
    assert senseless(text, span(text, "Accredo", "ORGANIZATION", 0.9))
    text = "He works at Accredo in the call center"
    assert not senseless(text, span(text, "Accredo", "ORGANIZATION", 0.9))


REST = ". no fever, no cough, lungs clear, abdomen soft" * 5  # a note, not a sentence


def test_a_stranger_needs_company_or_a_cue() -> None:
    text = "better with breathlor, aerovant at home"
    lone = span(text, "breathlor", score=0.47)
    assert list(kept(text, [lone])) == [lone]  # a sentence is too short to tell
    text += REST
    assert not list(kept(text, [lone]))
    dated = PhiSpan(0, 6, "DATE", 0.9, "dates")
    assert lone in kept(text, [lone, dated])
    text = "thanks Zebulonka for the ride" + REST
    lone = span(text, "Zebulonka")
    assert list(kept(text, [lone])) == [lone]


def test_a_note_of_doubts_keeps_who_is_meant() -> None:
    text = "wears Depend, likes Bonanza, watched with Marisol Quintanilla" + REST
    show, full = span(text, "Bonanza"), span(text, "Marisol Quintanilla")
    assert list(kept(text, [show, full])) == [full]
    third = PhiSpan(0, 5, "PHONE", 0.9, "number formats")
    assert show in kept(text, [show, full, third])


def test_a_grade_is_no_initial() -> None:
    text = "LA grade A. Schatzki dilated"
    assert not [text[s.start : s.end] for s in find_listed(text) if "A." in text[s.start : s.end]]


def test_nobody_is_in_a_drug() -> None:
    text = "will call in Mounjaro today"
    assert senseless(text, span(text, "Mounjaro", "LOCATION", 0.95))


@pytest.mark.parametrize(
    ("before", "name", "behind"),
    [
        ("", "Siobhan Thistlewood", " refused PT."),
        ("", "Grant Hollis", " refused PT."),
        ("", "Garcia Okonkwo", " by phone."),
        ("Admit under ", "Garcia", "."),
        ("Seen with ", "Oyelaran", " today."),
        ("Signed, ", "Okonkwo", ""),
    ],
)
def test_a_name_alone_in_a_long_note_is_kept(before: str, name: str, behind: str) -> None:
    text = f"gait steady{REST}. {before}{name}{behind}"
    alone = span(text, name, score=0.47)
    assert list(kept(text, [alone])) == [alone]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Account ER G44712290 balance due", "G44712290"),
        ("Machine D-44712 in use", "D-44712"),
        ("Medical record clone D1234567", "D1234567"),
    ],
)
def test_a_number_is_no_clone_for_two_letters_before_it(text: str, found: str) -> None:
    assert not is_clone(text, span(text, found, "OTHER_ID"))


def test_a_clone_is_one() -> None:
    text = "PMS2 (EPR3947), ER (EP1-12)"
    assert is_clone(text, span(text, "EPR3947", "OTHER_ID"))
    assert is_clone(text, span(text, "EP1-12", "OTHER_ID"))


def test_a_listed_family_name_is_somebody_whatever_follows() -> None:
    for text in ("Ramirez fracture clinic Tuesday", "Garcia 20 mg given"):
        assert not is_measured(text, span(text, text.split()[0]))
