"""Other mentions of what was found, and all of what was begun; and what stays as it is."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import time

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.mentions import again, days, echoes, wholes


def span(text: str, found: str, category: str, score: float = 0.95, source: str = "titled names"):
    start = text.index(found)
    return PhiSpan(start, start + len(found), category, score, source)


def shown(text: str, spans: object) -> list[str]:
    return [text[s.start : s.end] for s in spans]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "found", "mention"),
    [
        ("Dr. Sharp paged. He asks when Sharp will come.", "Sharp", "Sharp"),
        ("Ms. Story, 41F, is here. Story's partner is well.", "Story", "Story"),
        ("Mr. Power came. To the lab; Power consented.", "Power", "Power"),
    ],
)
def test_an_everyday_word_is_somebody_where_its_capital_says_so(
    text: str, found: str, mention: str
) -> None:
    assert shown(text, echoes(text, [span(text, found, "NAME")])) == [mention]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dr. Bone agreed. Bone scan negative. Bone Scan: none.", "Bone"),
        ("Dr. Sharp came. Sharp pain on the left, no sharp edges.", "Sharp"),
        ("Dr. Young saw him in the Young Adult Clinic.", "Young"),
        ("Dr. May saw her. She May be better in May.", "May"),
    ],
)
def test_an_everyday_word_in_its_own_sense_stays(text: str, found: str) -> None:
    assert shown(text, echoes(text, [span(text, found, "NAME")])) == []


def test_what_the_tagger_alone_has_found_speaks_for_other_mentions_where_it_is_sure() -> None:
    text = "Philippa has cramps. Later Philippa slept."
    sure, unsure = (span(text, "Philippa", "NAME", p / 2, "tagger") for p in (0.99, 0.8))
    assert shown(text, echoes(text, [sure])) == ["Philippa"]
    assert shown(text, echoes(text, [unsure])) == []
    text = "First IFAT was low, IFAT rose."  # an abbreviation, whatever the tagger thinks
    assert shown(text, echoes(text, [span(text, "IFAT", "NAME", 0.5, "tagger")])) == []


def test_a_note_without_capitals_has_names_without_capitals() -> None:
    text = "called tundes mom back re rash since the weekend, tunde is 4 and breathing well " * 3
    assert "tunde" in shown(text, echoes(text, [span(text, "tundes", "NAME", 0.5, "tagger")]))
    with_capitals = "Called Tunde. The tunde word stays."
    assert shown(with_capitals, echoes(with_capitals, [span(with_capitals, "Tunde", "NAME")])) == []


@pytest.mark.parametrize(
    ("text", "found", "category", "whole"),
    [
        ("last name Q-U-I-G-L-E-Y. Next", "Q-U-I-G", "NAME", "Q-U-I-G-L-E-Y"),
        ("He's n-i-n-e-t-y f-i-v-e. Blue", "n-i-n-e", "AGE", "n-i-n-e-t-y f-i-v-e"),
        ("spells it A as in apple, B as in boy, D as in dog. Told", "as in apple", "NAME", "A as in apple, B as in boy, D as in dog"),
        ("serial papa november kilo seven oh four four hotel. Open", "papa november kilo seven", "DEVICE", "papa november kilo seven oh four four hotel"),
        ("policy B as in boy, 4 4 1 7. Street", "4 4 1 7", "HEALTH_PLAN", "B as in boy, 4 4 1 7"),
        ("at w w w dot pelican dot example slash orders. Sats", "w dot pelican dot example", "URL", "w w w dot pelican dot example slash orders"),
        ("pick-up Bayview Court bldg B, rm 217. Power", "Bayview Court", "LOCATION", "Bayview Court bldg B, rm 217"),
        ("called to Rm 9 Luther Hall, staff", "Luther Hall", "ORGANIZATION", "Rm 9 Luther Hall"),
        ("at two twenty one Wisteria Lane now", "Wisteria Lane", "LOCATION", "two twenty one Wisteria Lane"),
        ("House 2 mi N of Chinle Chapter House", "Chinle Chapter House", "LOCATION", "2 mi N of Chinle Chapter House"),
        ("to Elm Park Nursing today", "Elm Park", "ORGANIZATION", "Elm Park Nursing"),
        ("from lakeshore urgent care stop", "lakeshore", "ORGANIZATION", "lakeshore urgent care"),
    ],
)  # fmt: skip
def test_a_part_makes_the_whole(text: str, found: str, category: str, whole: str) -> None:
    assert whole in shown(text, wholes(text, [span(text, found, category)]))


def test_two_parts_of_an_address_are_one() -> None:
    text = "at forty Ninth Street, suite three oh one, Topeka."
    parts = [span(text, p, "LOCATION") for p in ("Ninth Street", "one, Topeka")]
    assert "suite three oh one, Topeka" in "".join(shown(text, wholes(text, parts)))


def test_a_room_of_the_ward_is_no_address() -> None:
    text = "wheeled to Operating Room #5 at ABCD"
    parts = [span(text, p, "LOCATION") for p in ("Operating", "at ABCD")]
    assert shown(text, wholes(text, parts)) == []


def test_letters_that_spell_a_name_are_hidden_with_it() -> None:
    text = "Caller Siobhan, S-I-O-B-H-A-N, takes Z-O-L-O-F-T."
    assert shown(text, wholes(text, [span(text, "Siobhan", "NAME")])) == ["S-I-O-B-H-A-N"]


@pytest.mark.parametrize(
    ("text", "found", "category"),
    [
        ("Anna takes L-A-S-I-X and G-E-R-D is gone", "Anna", "NAME"),
        ("teeth #5, #12, #15 went", "#5", "LOCATION"),
        ("at Mercy Hospital Emergency Department", "Mercy Hospital", "ORGANIZATION"),
        ("pain two three four five hours", "pain", "NAME"),
        ("lives in Boston, room 4", "room 4", "NAME"),
    ],
)
def test_what_only_stands_beside_stays(text: str, found: str, category: str) -> None:
    assert shown(text, wholes(text, [span(text, found, category)])) == []


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("MSSA 6/2/2020, neg 6/4 and 6/5. Home.", ["6/4", "6/5"]),
        ("a ; 9/3/20 ; 9/5 ; 0\nb ; 9/4 ; 9/6 ; 4", ["9/5", "9/4", "9/6"]),
        ("11/8/19 chest film. VATS 11/7, drain out.", ["11/7"]),
        ("DOB | 5.6.51\nDOB | 1.1.60", ["5.6.51", "1.1.60"]),
    ],
)
def test_days_follow_the_dates_of_the_note(text: str, alone: list[str]) -> None:
    found = [
        span(text, date, "DATE")
        for date in ("6/2/2020", "9/3/20", "11/8/19", "5.6.51")
        if date in text
    ]
    assert shown(text, days(text, found)) == alone


@pytest.mark.parametrize(
    "text",
    [
        "5/1/20: strength 5/5 and 5/4, reflexes 2/4",
        "5/1/20: murmur 5/6. Pain 5/10.",
        "5/1/20: BP 5/60 no, 7/13 cells",
        "Seen 5/1/20. Apgar 5/9 then.",
        "5/1/20: pupils 5/7 in light",
    ],
)  # fmt: skip
def test_scores_in_a_note_with_dates_stay(text: str) -> None:
    assert shown(text, days(text, [span(text, "5/1/20", "DATE")])) == []


@pytest.mark.parametrize(
    "unit", ["A-B-C ", "Ann ", "5/1 ", "one two three four ", "a as in b, ", "apt 5 "]
)
def test_time_is_linear(unit: str) -> None:
    def seconds(count: int) -> float:
        text = unit * count
        found = [PhiSpan(at, at + 2, "LOCATION", 0.9, "x") for at in range(0, len(text) - 4, 4)]
        found.append(PhiSpan(0, 3, "NAME", 0.9, "x"))
        best = 9.0
        for _ in range(3):
            begin = time.process_time()
            list(again(text, found))
            best = min(best, time.process_time() - begin)
        return best

    # Linear is 4 times, quadratic 16.
    assert seconds(8000) < 9 * max(seconds(2000), 0.02)
