"""What lists know as something else is nobody, unless the note says that somebody is meant."""

from __future__ import annotations

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.detector import Detector, build_engine
from llmsafe.scrub.detect.en.company import kept
from llmsafe.scrub.detect.en.sense import senseless
from llmsafe.scrub.detect.en.vocabulary import is_other, is_thing, is_word
from llmsafe.scrub.detect.engine import called_so


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(build_engine())


def span(text: str, found: str, category: str = "NAME", score: float = 0.9) -> PhiSpan:
    start = text.index(found)
    return PhiSpan(start, start + len(found), category, score, "tagger")


def test_kinds_of_words() -> None:
    assert all(map(is_word, ("parcels", "petted", "wept")))
    assert all(map(is_thing, ("tongan", "lanoxin", "lanoxln")))
    assert not any(map(is_other, ("grace", "okonkwo", "baker")))


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("She speaks Tongan at home.", "Tongan", "NAME"),
        ("Pt is Catholic, wife Jewish, sons none.", "Jewish", "NAME"),
        ("IHC by Ventana Ultra was read.", "Ventana Ultra", "NAME"),
        ("I ran out of Sarna today.", "Sarna", "NAME"),
        ("Grit and grace, she says.", "grace", "NAME"),
        ("Learned five words: face, velvet, church, daisy, red.", "velvet, church, daisy", "NAME"),
        ("Differs by gene (HRAS), which was sequenced.", "HRAS", "NAME"),
        ("Charnley, Hohmann, Cobb x2.", "Hohmann", "NAME"),
        ("Allergy is spelled S-U-L-F-A here.", "F-A", "NAME"),
        ("Wong-Baker 4 after the cath.", "Wong-Baker", "NAME"),
        ("closed with V-Loc 3-0 and glue", "3", "DATE"),
        ("return in 2 / 4 / 6 / 12 wk", "2 / 4 / 6", "DATE"),
        ("uploaded Photos 1-14 today", "1-14", "DATE"),
        ("ten kilos against twenty six now", "twenty six", "DATE"),
        ("femoral REF 5510-F-402, size 3", "5510-F-402", "OTHER_ID"),
        ("Fee 92.00 was paid", "92.00", "MRN"),
        ("seen per CHEST 2021, ACC 2020.", "2020", "OTHER_ID"),
        ("Marked by MVP Barlow on echo", "MVP Barlow", "ORGANIZATION"),
        ("To: Care Team. Sent", "Care Team", "ORGANIZATION"),
        ("moved to the East Coast in spring", "East Coast", "ORGANIZATION"),
        ("got 14/27 on MMSE: unable to", "14/27", "DATE"),
        ("extraction of teeth 5, 6, 7, 8, 9, 10, 11", "7, 8, 9, 10", "PHONE"),
    ],
)
def test_senseless(text: str, found: str, category: str) -> None:
    assert senseless(text, span(text, found, category))


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("Grace came in.", "Grace", "NAME"),
        ("pt grace says hi", "grace", "NAME"),
        ("Spoke with BERTA about it", "BERTA", "NAME"),
        ("Adeyemi, Hohmann, Cobb came to visit", "Adeyemi", "NAME"),
        ("Zephyr, Z-E-P-H-Y-R Trail", "Z-E-P-H-Y-R", "LOCATION"),
        ("He's n-i-n-e-t-y f-i-v-e.", "n-i-n-e-t-y", "LOCATION"),
        ("Chart no. 5510-F-402, size 3", "5510-F-402", "OTHER_ID"),
        ("born the twenty sixth", "twenty sixth", "DATE"),
        ("seen at Barlow Hospital", "Barlow Hospital", "ORGANIZATION"),
        ("Nurse Kia aware", "Kia", "NAME"),
        ("lives on East Coast Drive", "East Coast Drive", "LOCATION"),
        ("banks with Gulf Coast, phone", "Gulf Coast", "ORGANIZATION"),
        ("Pager 1, 2, 3, 4, 5", "1, 2, 3, 4, 5", "PHONE"),
        ("callback five 5, 5, 5, 0, 1, 4, 2", "5, 5, 5, 0, 1, 4, 2", "PHONE"),
    ],
)
def test_what_may_be_phi_stays(text: str, found: str, category: str) -> None:
    assert not senseless(text, span(text, found, category))


def test_half_a_belief_needs_company() -> None:
    text = "Thanks, Jadix, for the sheet."
    doubtful = span(text, "Jadix", score=0.43)
    assert not list(kept(text, [doubtful]))
    date = PhiSpan(0, 2, "DATE", 0.9, "dates")
    assert list(kept(text, [date, doubtful])) == [date, doubtful]
    sure = span(text, "Jadix", score=0.49)
    assert list(kept(text, [sure])) == [sure]


@pytest.mark.parametrize(
    "text",
    [
        "3 Tesla MRI 512 slices",
        "The van T1 T2 MRI",
        "Normal, Illinois reports say",
        "Toyota Camry 2014, 120 miles",
    ],
)
def test_no_plate_and_no_town(detector: Detector, text: str) -> None:
    assert not [s for s in detector.detect(text) if s.category in ("VEHICLE", "LOCATION")]


@pytest.mark.parametrize(
    ("before", "value"), [("Discharged the ", "14th"), ("Event on ", "6.21"), ("Call ", "4-7718")]
)
def test_a_day_or_a_number_is_found_alone_in_a_long_note(
    detector: Detector, before: str, value: str
) -> None:
    rest = ". Ongoing fatigue, poor appetite, denies fever, chills, chest pain or nausea" * 4
    text = before + value + rest
    assert [text[s.start : s.end] for s in detector.detect(text)] == [value]


def test_what_is_a_third_sure_counts_among_findings_of_rules() -> None:
    text = "told Bexley to hold it"
    faint = span(text, "Bexley", score=0.31)
    rules = [PhiSpan(at, at + 3, "PHONE", 0.9, "number formats") for at in (0, 11, 15)]
    assert faint not in list(kept(text, [faint, *rules[:2]]))
    assert list(kept(text, [faint, *rules])) == [faint, *rules]
    doubled = PhiSpan(11, 14, "FAX", 0.9, "labelled numbers")  # the same number twice
    assert faint not in list(kept(text, [faint, *rules[:2], doubled]))


def test_three_findings_in_a_long_report_are_no_company() -> None:
    text = "told Bexley to hold it"
    faint = span(text, "Bexley", score=0.3)
    rules = [PhiSpan(at, at + 3, "PHONE", 0.9, "number formats") for at in (0, 11, 15)]
    page = text + ", and the rest of the report says nothing of anybody" * 15
    assert faint in list(kept(page, [faint, *rules]))
    assert faint in list(kept(page + page, [faint, *rules]))  # numbers that point to somebody
    dates = [PhiSpan(at, at + 3, "DATE", 0.9, "dates") for at in (0, 11, 15)]
    assert faint in list(kept(page, [faint, *dates]))
    assert faint not in list(kept(page + page, [faint, *dates]))


def test_in_a_list_of_things() -> None:
    text = "Koebner, Auspitz, Grover, Sweet, Schamberg negative"
    assert not list(kept(text, [span(text, "Grover", score=0.5)]))
    people = "Nolan, Grover, Imani, Delgado came to see her"
    all_of_them = [span(people, one, score=0.5) for one in ("Nolan", "Grover", "Imani", "Delgado")]
    assert list(kept(people, all_of_them)) == all_of_them
    told = "Koebner, Auspitz, seen by Dr. Grover"
    assert list(kept(told, [span(told, "Grover", score=0.5)]))


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ('Visited Wenceslao "Lao" Cruz today', "Lao", "NAME"),
        ("Stable, home. Next 7/23. RM", "RM", "NAME"),
        ("Circ: LM. Scrub: Ty.", "LM", "NAME"),
        ("Pre-op 7/7: SZABO, PIROSKA 00812-44. Mallampati II, Cormack 1", "SZABO, PIROSKA", "NAME"),
        ("Hit by a silver Malibu, DXR 4402, at noon", "DXR 4402", "VEHICLE"),
        ("Her truck CK 71 882 was parked", "CK 71 882", "VEHICLE"),
        (
            "Evicted from 1401 W Normal Ave #3, Normal, Illinois; staying",
            "Normal, Illinois",
            "LOCATION",
        ),
        ("PID|||A-0093-771||ST JAMES^GENEVIEVE^^II||19310114|F|", "ST JAMES^GENEVIEVE^^II", "NAME"),
        (
            "Seen at Mercy Hospital of Tallgrass, 2 days",
            "Mercy Hospital of Tallgrass",
            "ORGANIZATION",
        ),
        ("Pre-op: SZABO, PIROSKA 00812-44. Mallampati II", "SZABO, PIROSKA", "NAME"),
        ("grandmother well at 98. ROS", "98", "AGE"),
        ("Seen in room 14, 102 yr f, frail", "102", "AGE"),
        ("paid by visa ending 0043.", "0043", "ACCOUNT"),
        ('id root="2.16" extension="7710-0042"', "7710-0042", "OTHER_ID"),
        ("TALLGRASS REFERENCE LABORATORY   CLIA", "TALLGRASS REFERENCE LABORATORY", "ORGANIZATION"),
        ("S1LVER CREEK 0RTHOPAEDICS", "S1LVER CREEK 0RTHOPAEDICS", "ORGANIZATION"),
        ("Seen 6\u204411 at noon", "6\u204411", "DATE"),
    ],
)
def test_found(detector: Detector, text: str, found: str, category: str) -> None:
    spans = [(text[s.start : s.end], s.category) for s in detector.detect(text)]
    assert (found, category) in spans


@pytest.mark.parametrize(
    "text",
    [
        "Weck clips L. Foley 20 Fr, 15 mL.",
        "Neg: Rasmussen, Dravet, Landau-Kleffner, West.",
        "Formulary swap: Bystolic PA. Lantus to Basaglar.",
        "The Epilepsy Clinic is open on Friday.",
        "No St. John's wort with this drug.",
        "Shift 0700-1500, then 2019-2023 data.",
        "IOP 15/16, acuity 20/40, DIGFAST neg.",
        "OUTPT PT/INR goal 2-3.",
    ],
)
def test_clean(detector: Detector, text: str) -> None:
    assert not detector.detect(text)


@pytest.mark.parametrize(
    ("text", "found", "left"),
    [
        ("He was taken to Hospital at once", "Hospital", True),
        ("Seen by Cardiology, who agreed", "Cardiology", True),
        ("Returns to the Pediatric Oncology Clinic", "Pediatric Oncology Clinic", True),
        ("admitted to the Transitional Care Unit", "Transitional Care Unit", True),
        ("transferred to Long-Term Acute Care Facility", "Term Acute Care Facility", True),
        ("dx at City Health Clinic", "City Health Clinic", False),
        ("goes to Spring Clinic for it", "Spring Clinic", False),
        ("works at Summer Medicine in town", "Summer Medicine", False),
        ("Returns to the Bexley Oncology Clinic", "Bexley Oncology Clinic", False),
    ],
)
def test_a_kind_of_department_is_no_institution(text: str, found: str, left: bool) -> None:
    assert (called_so(text, span(text, found, "ORGANIZATION")) is None) == left
