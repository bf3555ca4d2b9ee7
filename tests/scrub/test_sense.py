"""What cannot be PHI is left, what can be stays hidden; names side by side are several people."""

from __future__ import annotations

import re

import pytest

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.detect.detector import Detection
from llmsafe.scrub.detect.en.listed import find_unknown
from llmsafe.scrub.detect.en.sense import apart, senseless
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.methods import Edited
from llmsafe.scrub.scrubber import Scrubber, build_scrubber
from llmsafe.scrub.settings import Settings

KEY = Key(b"k" * 32)


@pytest.fixture(scope="module")
def scrubbers() -> dict[str, Scrubber]:
    return {method: build_scrubber(Settings(method, KEY)) for method in ("surrogate", "tag")}


def span(text: str, found: str, category: str) -> PhiSpan:
    start = text.index(found)
    return PhiSpan(start, start + len(found), category, 0.9, "tagger")


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("CIWA 19-14-11-8, Ativan 2", "14", "DATE"),
        ("pain 4-4-6-5-3-3-2-2 over the day", "4-4-6-5-3-3-2-2", "PHONE"),
        ("0300  15  4/4  3/4  4/3", "3/4", "DATE"),
        ("ICD L40.50, M05.79.", "M05.79", "DEVICE"),
        ("doses at oh seven and oh eight hundred", "oh seven and oh eight", "PHONE"),
        ("He has Crohn's and takes steroids", "Crohn", "NAME"),
        ("ECG says W-P-W", "W-P-W", "NAME"),
        ("from Ecuador 6 y ago", "Ecuador 6", "ORGANIZATION"),
        ("came from Bolivia last year", "Bolivia", "LOCATION"),
        ('"Doctor Will I walk again"', "Will", "NAME"),
        ("marked with the Gonzalez ring", "Gonzalez", "NAME"),
        ("Wickham striae, Koebner positive", "Koebner", "NAME"),
        ("stranding at McBumey region", "McBumey", "ORGANIZATION"),
        ("initially read as Mallory-Weiss; then", "Mallory", "NAME"),
        ("CT sinuses (Lund-Mackay), ENT", "Lund-Mackay", "NAME"),
        ("score (Rutgeerts i2 in 2022)", "Rutgeerts i2", "NAME"),
        ("CC - Breathing. History", "Breathing", "NAME"),
        ("again at 3-1/2 years of age", "3-1/2", "DATE"),
        ("a Mach band noted", "Mach", "NAME"),
        ("july is peak season here", "peak season", "NAME"),
        ("Allergic to Ceclor. Films", "Ceclor", "LOCATION"),
        ("Flu shots from Labor and Delivery", "Labor", "ORGANIZATION"),
        ("grant request for leave", "grant", "NAME"),
        ("will give rose hip tea", "rose", "NAME"),
        ("plan: mark the site", "mark", "NAME"),
        ("rose from chair unaided", "rose", "NAME"),
        ("we hope to send home", "hope", "NAME"),
        ("pain is 4-5/10 today", "4-5/10", "DATE"),
        ("fasting from Tuesday night", "Tuesday night", "DATE"),
        ("came to Labor and Delivery", "Labor and Delivery", "ORGANIZATION"),
        ("lives in Ohio with", "Ohio", "LOCATION"),
        ("in 1987, 1990 and 2005", "1987, 1990 and 2005", "DATE"),
        ("discs L1-L2, L2-L3", "L1-L2", "DATE"),
        ("out the 9th, 10th or 11th nerve", "9th", "DATE"),
        ("CK in the 500 or 600s", "600s", "PHONE"),
        ("referred to Behavioral Health", "Behavioral Health", "ORGANIZATION"),
        ("on a p.r.n. basis", "r.n", "NAME"),
        ("rates the headache at about 7/10", "7/10", "DATE"),
        ("Notes\n• Clinical Reasoning: he is due", "Clinical Reasoning", "ORGANIZATION"),
        ("G7 at 39-4/7th weeks", "39-4", "DATE"),
        ("p.r.n. q.h.s.", "n", "NAME"),
        ("after keeping herself n.p.o., since", "herself n", "NAME"),
    ],
)
def test_what_a_reader_would_leave_is_left(text: str, found: str, category: str) -> None:
    assert senseless(text, span(text, found, category))


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("back on 3/4 for labs", "3/4", "DATE"),
        ("cell 5-5-5-0-1-4-2", "5-5-5-0-1-4-2", "PHONE"),
        ("seen 3/4, again 3/5", "3/4", "DATE"),
        ("tag M0579", "M0579", "DEVICE"),
        ("call oh five five two", "oh five five two", "PHONE"),
        ("Addison's mother", "Addison", "NAME"),
        ("spells N-G-U-Y-E-N", "N-G-U-Y-E-N", "NAME"),
        ("daughter May I think", "May", "LOCATION"),
        ("told Gonzalez, ring him", "Gonzalez", "NAME"),
        ("resident Koebner assisting", "Koebner", "NAME"),
        ("son grant at bedside", "grant", "NAME"),
        ("aunt rose brought tea", "rose", "NAME"),
        ("told mark the plan is set", "mark", "NAME"),
        ("rose from billing called", "rose", "NAME"),
        ("told hope the news", "hope", "NAME"),
        ("on 4-5-10 and", "4-5-10", "DATE"),
        ("seen again on 7/10", "7/10", "DATE"),
        ("seen on the 9th, all well", "9th", "DATE"),
        ("fasting from Tuesday the 9th", "Tuesday the 9th", "DATE"),
        ("lives in New York with", "New York", "LOCATION"),
        ("by DrQuayle, l1/2/04. Syncope", "l1/2/04", "DATE"),
        ("billed to the fund. - k.w. MSW", "k.w", "NAME"),
        ("referred to Acme Health", "Acme Health", "ORGANIZATION"),
        ("Notes\nGeneral Hospital: he was there", "General Hospital", "ORGANIZATION"),
        ("seen 4/7 by", "4/7", "DATE"),
    ],
)
def test_what_may_be_phi_stays_found(text: str, found: str, category: str) -> None:
    assert not senseless(text, span(text, found, category))


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Maria Lopez, John Smith", ["Maria Lopez", "John Smith"]),
        ("Maria Lopez. John Smith", ["Maria Lopez", "John Smith"]),
        ("Maria Lopez / John Smith / Ann Lee", ["Maria Lopez", "John Smith", "Ann Lee"]),
        ("Lopez, Maria", ["Lopez, Maria"]),
        ("Lopez, Maria Elena", ["Lopez, Maria Elena"]),
        ("Lopez Garcia, Maria Elena", ["Lopez Garcia, Maria Elena"]),
        ("John Smith, Jr.", ["John Smith, Jr."]),
        ("J. Smith", ["J. Smith"]),
        ("Maria\nLopez", ["Maria\nLopez"]),
    ],
)
def test_names_side_by_side_are_people_apart(text: str, people: list[str]) -> None:
    found = apart(text, PhiSpan(0, len(text), "NAME"))
    assert [text[s.start : s.end] for s in found] == people


def test_two_names_get_two_stand_ins_and_a_turned_one_gets_one(
    scrubbers: dict[str, Scrubber],
) -> None:
    for text, count in (
        ("Seen by: Maria Lopez, John Smith", 2),
        ("Nurses: Anna Brown, Tom Reed, Kate Moss.", 3),
        ("Lopez, Maria was seen.", 1),
    ):
        outcome = scrubbers["surrogate"].scrub(Note("n", text))
        assert len(outcome.spans) == count, text


def test_degrees_and_litres_are_no_initials(scrubbers: dict[str, Scrubber]) -> None:
    text = "95% on room air at 21 C. Kernig and Brudzinski negative."
    assert scrubbers["tag"].scrub(Note("n", text)).spans == ()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("It was done by Dr. X. The patient is well.", ["X"]),
        ("11:20 PM Dr. Okafor came.", ["Okafor"]),
        ("lives at 20 Pine Dr. and", ["20 Pine Dr."]),
    ],
)
def test_a_sentence_and_an_hour_are_left(
    scrubbers: dict[str, Scrubber], text: str, hidden: list[str]
) -> None:
    spans = scrubbers["surrogate"].scrub(Note("n", text)).spans
    assert [text[s.start : s.end] for s in spans] == hidden


def test_a_product_is_no_unknown_name() -> None:
    assert list(find_unknown("filled with Chronos VerteFill plug")) == []
    assert list(find_unknown("seen by Tsubaki Kowalczyk"))


@pytest.mark.parametrize("said", ["four four one two", "Four Four One Two", "FOUR FOUR ONE TWO"])
def test_a_dictated_number_is_dictated(scrubbers: dict[str, Scrubber], said: str) -> None:
    note = scrubbers["surrogate"].scrub(Note("n", f"MRN {said}", "p1")).note
    assert note is not None
    digits = "zero|oh|one|two|three|four|five|six|seven|eight|nine"
    match = re.fullmatch(rf"(?i)MRN ((?:{digits})(?: (?:{digits})){{3}})", note.text)
    assert match, note.text
    assert match[1] != said
    assert match[1] in (match[1].title(), match[1].lower(), match[1].upper())


def test_a_number_said_and_written_has_one_stand_in(scrubbers: dict[str, Scrubber]) -> None:
    texts = ("phone five five five two one two three", "phone 555-2123")
    said, written = (scrubbers["surrogate"].scrub(Note("n", t, "p1")).note for t in texts)
    assert said is not None
    assert written is not None
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    digits = "".join(str(words.index(word)) for word in said.text.split()[1:])
    assert digits == re.sub(r"\D", "", written.text)


@pytest.mark.parametrize("tail", ["083000", "0830", "083000.123", "083000-0500"])
def test_a_stamp_of_hl7_moves_and_keeps_its_hour(scrubbers: dict[str, Scrubber], tail: str) -> None:
    text = f"MSH|^~\\&|LAB||EHR||20240131{tail}||ORU^R01|1|P|2.5"
    note = scrubbers["surrogate"].scrub(Note("n", text, "p1", "2024-02-02")).note
    assert note is not None
    assert re.search(rf"\|20\d{{6}}{re.escape(tail)}\|", note.text), note.text
    assert "20240131" not in note.text


def test_a_second_scrub_changes_nothing_where_a_tag_gives_away_its_neighbour(
    scrubbers: dict[str, Scrubber],
) -> None:
    # Each of these changed at the second scrub when tags were looked at once.
    for text in (
        "since the move. Neighbor Ann Okafor cooks. Vet, VA claim no. 99120.",
        "Retic 2.8\nCLIA 50D2088174 Dir: Ann Okafor PhD\nComment: none",
        "VITAL SIGNS: Her T-max is 99.3. Her pulse is 54, seen by Dr. Ann Okafor on 3/4/2021.",
    ):
        once = scrubbers["tag"].scrub(Note("n", text)).note
        assert once is not None
        again = scrubbers["tag"].scrub(once).note
        assert again is not None
        assert again.text == once.text


def test_offsets_go_back_to_the_old_text() -> None:
    # "ab[NAME]cd[DATE]e": XX was replaced by [NAME], YYYYYYYY by [DATE]
    edited = Edited("ab[NAME]cd[DATE]e", ((2, 4, 6), (6, 14, 6)))
    assert edited.back(0, 2) == (0, 2)
    assert edited.back(8, 10) == (4, 6)
    assert edited.back(16, 17) == (14, 15)
    assert edited.back(1, 9) == (1, 5)
    assert edited.back(4, 9) == (2, 5)
    assert edited.back(9, 15) == (5, 14)
    redacted = Edited("ab cd", ((2, 6, 0),))
    assert redacted.back(0, 2) == (0, 2)
    assert redacted.back(0, 4) == (0, 8)


def test_what_two_languages_see_counts_once() -> None:
    text = "患者今日复诊。 The patient was seen by Dr. Ann Okafor and is stable."
    found = [span(text, "Ann Okafor", "NAME")]

    class Twin:
        def examine(self, text: str, known: object) -> Detection:
            return Detection(found, rules=found, tagged=found)

    scrubber = Scrubber(Settings("surrogate", KEY), {"en": Twin(), "zh": Twin()})  # type: ignore[dict-item]
    assert scrubber.scrub(Note("n", text)).captures == {"NAME both": 1}
