"""Names by their surroundings, firms by their kind; and words in the same places that are none."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.described import find_described, find_plans
from llmsafe.scrub.detect.en.firms import find_firms
from llmsafe.scrub.detect.en.hints import (
    find_everyday,
    find_signatures,
    find_subjects,
    find_trades,
)


def found(text: str) -> list[str]:
    finders = (find_subjects, find_trades, find_signatures)
    return sorted(text[s.start : s.end] for find in finders for s in find(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Worse.\nGabi complains of dyspnea.", "Gabi"), ("LAST WEEK. PHILIPPA ALSO DENIES PAIN", "PHILIPPA"),
        ("Freya is being treated here.", "Freya"), ("Sitter Tre (agency) left", "Tre"),
        ("20 mL. MD Strand notified. 2200", "Strand"), ("RESIDENT LONGFELLOW. INSULIN 4 U", "LONGFELLOW"),
        ("ack P Whitehorse 22:12", "P Whitehorse"), ("Discussed w Hightower in ED", "Hightower"),
        ("(Dr Foss). Kind thanks, B.", "B"), ("correct 1516, L.W. CPhT.", "L.W"),
        ("Transcribed: ajk", "ajk"), ("B. Summers RN\nLK", "LK"), ("Best regards,\nmj", "mj"),
    ],
)  # fmt: skip
def test_surroundings_give_a_name_away(text: str, name: str) -> None:
    assert name in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Popsicles refused. Pedialyte denied by payer.", "MRI says L4-5 is fine.", "Mom says he is well.",
        "Neurology feels this is benign.", "Echo reports EF 55.", "He complains of pain.",
        "MD aware. RN notified. PT Eval today. RN Charge notified.", "Tech Note, Resident Physician on call",
        "Thanks, the clinic", "Best practice", "per protocol and with Lasix", "discussed with Dr. X", "d/w Cardiology, discussed with family",
        "Transcribed: yes\nDose 5 MG\nq4h PRN", "TID\nBID",
    ],
)  # fmt: skip
def test_others_who_do_the_same_stay(text: str) -> None:
    assert found(text) == []


def test_everyday_names_are_only_asked_about() -> None:
    text = "Pat mentions relief. Will RN signed, saw Ed (PA)."
    assert [text[s.start : s.end] for s in find_everyday(text)] == ["Pat", "Will", "Ed"]
    assert list(find_everyday("Chest denies. Chest (PA) film. Call RN.")) == []


@pytest.mark.parametrize(
    ("text", "firm"),
    [
        ("works for Ferncliff Dairy now", "Ferncliff Dairy"), ("RETURN TO KOBAYASHI NURSERIES.", "KOBAYASHI NURSERIES"),
        ("Quarryhill Credit Union, cook", "Quarryhill Credit Union"), ("goes to Hawthorne Elementary", "Hawthorne Elementary"),
        ("member of Shiloh Baptist Church", "Shiloh Baptist Church"), ("employed at Plum Industries", "Plum Industries"),
        ("Laconia Heart C1inic, 4O Court", "Laconia Heart C1inic"),
    ],
)  # fmt: skip
def test_a_firm_is_known_by_its_kind(text: str, firm: str) -> None:
    assert [text[s.start : s.end] for s in find_firms(text)] == [firm]


@pytest.mark.parametrize(
    "text",
    [
        "CEPHALEXIN FROM URGENT CARE X 4", "went to Urgent Care", "Skilled Nursing", "the Local Church",
        "Surgical Pathology", "Bovie Plating", "Physical Medicine and Rehabilitation", "Adult Cardiology",
        "Dairy Foods upset him", "Peritoneal Dialysis", "C1inical trial in Hospital",
    ],
)  # fmt: skip
def test_a_kind_alone_is_no_firm(text: str) -> None:
    assert list(find_firms(text)) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HPI - Ambrose Weeks is a 67-y/o man", "Ambrose Weeks"), ("Chase D. Carpenter is a 43-year-old", "Chase D. Carpenter"),
        ("SUE BEST IS A 63YO F", "SUE BEST"), ("Miles Akintola additionally admits to", "Miles Akintola"),
        ("ROS - EDNA GOOD ALSO COMPLAINS OF", "EDNA GOOD"), ("Later, Hazel Carpenter complains of", "Hazel Carpenter"),
        ("Her identity (Jade Evans) was confirmed", "Jade Evans"), ("CASE MANAGER LAURA FOX INVOLVED", "LAURA FOX"),
        ("BEST, SUE\nINSURANCE: NONE", "BEST, SUE"), ("# M1 Visit A1\nRead, Marvin K.\nSeen.", "Read, Marvin K."),
        ("No further action.\nDO, 3:32 PM", "DO"), ("Call received by DO re: refill", "DO"),
    ],
)  # fmt: skip
def test_a_whole_name_is_one_by_what_is_said_of_it(text: str, name: str) -> None:
    assert [text[s.start : s.end] for s in find_described(text)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "This Patient is a 67-year-old man. Baby Boy is a 3-day-old. Social History denies tobacco.",
        "Review Systems denies pain. Pt Also complains of cough. Mother Rose denies that.",
        "Case manager Discharge Planning involved. Therapist Physical Therapy notes.",
        "CASE MANAGER WILL FOLLOW UP. PHYSICAL THERAPIST WILL EVALUATE. Interpreter May Be Needed.",
        "Measured by CT about 3 cm. Called by RN re: insulin. Done.\nINR 14:30",
        "Medrol Dosepak was a 6-day taper.",
        "Augmentin Therapy is a 10-day course. Baker Cyst is seen in the knee. Van Driver reports pain.",
        "Cough, Fever\nSeen.",
        "Mild-to-moderate AI is seen.",
        "The RN, at 9:48 PM, gave it. Seen by DO today.",
        "Ratio 3:32 PM dose",
    ],
)
def test_what_is_said_so_of_things_names_nobody(text: str) -> None:
    assert [text[s.start : s.end] for s in find_described(text)] == []


def test_a_plan_is_named_by_its_kind() -> None:
    text = "COVERED THROUGH BEECHCROFT CARE PPO NUMBER 1. A PPO would be covered. Insurance: HMO. Plan: Continue EPO."
    assert [text[s.start : s.end] for s in find_plans(text)] == ["BEECHCROFT CARE PPO"]
