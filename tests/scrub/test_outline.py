"""What looks only where it can match finds what a search of the whole text finds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.scrub.detect import outline as module
from llmsafe.scrub.detect.en import dates, firms, hints, ids, mentions, names, places, ranges
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.outline import fold, outline, signs, word_set
from llmsafe.scrub.detect.recognisers import ENGLISH
from llmsafe.scrub.detect.windows import find_at

try:  # public under another name since Python 3.11
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as parser

# Each pattern that is tried only where certain words begin, those words, and whether case counts.
ANCHORED: list[tuple[str, re.Pattern[str], frozenset[str], bool]] = [
    *(
        (f"label {category}", pattern, first, False)
        for (category, _, pattern), first in zip(ids.LABELLED, ids.LABEL_WORDS, strict=True)
    ),
    ("call", ids._CALL, ids.CALL_WORDS, False),
    ("code", ids._CODE, ids.CODE_WORDS, False),
    ("trade", hints._TRADED, hints.TRADE_WORDS, False),
    ("duty", hints._DUTY, hints.DUTY_WORDS, True),
    ("kin", hints._KIN, hints.RELATIVE_WORDS, False),
    ("acknowledged", hints._ACK, hints.ACK_WORDS, False),
    ("talked", hints._TALKED, hints.TALKED_WORDS, False),
    ("closing", hints._CLOSING, hints.CLOSING_WORDS, False),
    ("scribe", hints._TYPED, hints.TYPED_WORDS, False),
    ("corner", places._CORNER, places.CORNER_WORDS, False),
    ("spoken", mentions._SPOKEN, mentions.SPOKEN_WORDS, False),
    ("user", ids._USER, ids.USER_WORDS, False),
    ("titled", names._TITLED, names.TITLE_WORDS, True),
    ("officed", names._OFFICED, names.OFFICE_WORDS, True),
    ("titled, lower", names._TITLED_LOWER, names.LOWER_TITLES, True),
    ("labelled", names._LABELLED, names.LABEL_WORDS, False),
    ("labelled, bare", names._LABELLED_BARE, names.BARE_WORDS, False),
    ("relative", names._RELATIVE, names.RELATIVE_WORDS, False),
    ("taken", hints._SIGNED_INITIALS[0], hints.TAKEN_WORDS, False),
    ("typed", hints._SIGNED_INITIALS[1], hints.DICTATED_WORDS, False),
    ("told", hints._SIGNED_INITIALS[4], hints.TOLD_WORDS, False),
    ("holiday", dates.FORMS[-1].pattern, dates.HOLIDAY_WORDS, False),
    ("age in words", dates._AGE_SPELLED, dates._OLD_WORDS, False),
    ("lives", places._LIVES, places.LIVES_WORDS, False),
    ("works", places._WORKS, places.WORKS_WORDS, False),
    ("job", places._JOB, places.JOB_WORDS, False),
    ("employer", places._EMPLOYER, places.EMPLOYER_WORDS, False),
    ("saint", places._SAINT, places._SAINTS, True),
    ("city", *places._city_pattern(), False),
    ("institution", *places._institution_pattern(), True),
]


_NO_WORD = "[(IN, [(CATEGORY, CATEGORY_WORD)])]"


def beginnings(pattern: re.Pattern[str]) -> set[str]:
    """Every first word that a match can have, read off the pattern itself: literals, options,
    choices and short repeats are spelled out; the word is over at the first other sign, and a set
    of more than three characters ends it, too."""
    return {word for word in _spell(list(parser.parse(pattern.pattern, pattern.flags)), "") if word}


def _spell(parts: list[Any], written: str) -> Iterator[str]:
    if not parts:
        yield written
        return
    (kind, value), rest = parts[0], parts[1:]
    match str(kind):
        case "LITERAL":
            character = chr(value)
            if re.match(r"\w", character):
                yield from _spell(rest, written + character)
            elif written:
                yield written
            else:
                raise AssertionError("a match begins with a sign")
        case "IN":
            members = [chr(v) for k, v in value if str(k) == "LITERAL"]
            if len(members) != len(value) or len(members) > 5:
                yield written
                return
            for member in members:
                yield from _spell([(parser.LITERAL, ord(member)), *rest], written)
        case "BRANCH":
            for branch in value[1]:
                yield from _spell([*branch, *rest], written)
        case "SUBPATTERN":
            yield from _spell([*value[3], *rest], written)
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, inner = value
            for times in range(low, min(int(high), low + 2) + 1):
                yield from _spell([*list(inner) * times, *rest], written)
        case "ASSERT" | "ASSERT_NOT" | "AT":
            boundary = str(kind) == "AT" and "BOUNDARY" in str(value) and written
            ahead = str(kind) == "ASSERT_NOT" and value[0] == 1 and written
            if boundary or (ahead and str(list(value[1])) == _NO_WORD):
                yield written
            else:
                yield from _spell(rest, written)
        case _:
            yield written


@pytest.mark.parametrize("name", [name for name, *_ in ANCHORED])
def test_every_beginning_of_a_pattern_is_among_its_words(name: str) -> None:
    _, pattern, first, exact = next(row for row in ANCHORED if row[0] == name)
    found = beginnings(pattern)
    assert found
    assert {word if exact else fold(word) for word in found} <= first


def test_a_word_that_is_left_out_is_found() -> None:
    assert beginnings(re.compile(r"(?<!\w)(?:m\.?r\.?n|chart ?(?:#|no))(?!\w): \d")) == {
        *("m", "mr", "mrn", "chart", "chartno")
    }
    assert "mrn" in beginnings(ids.LABELLED[0][2])


VOCABULARY = """
    MRN Chart#77123 med.rec #A123456 SSN 123-45-6789 xxx-xx-1234 pager 4411 call 5512 fax
    (617)555-0123 555.010.0199 617 5550142 +44 20 79460018 1-800-GOFEVER x4411 @ a.b@c.org
    at dot com www.clinic.org/x http://a.b clinic.co.uk 10.0.12.7 fe80::1 1:2:3:4:5:6:7:8
    00:1a:2b:3c:4d:5e (01)12345678901234 0b2e6d8c-1111-2222-3333-444455556666 AB12-34567
    123-45-67 1234567 12345678A # 123456789 last four 4111 1111-1111-1111-1111 ending in
    1HGCM82633A004352 BP1234563 username: login=ann Dr. DR Mrs. Miss Nurse Ann Bell SMITH
    O'Brien Garcia-Lopez Marine542 Ai120 Will, MD RN, M.D. Patient: Name Dear wife son named
    seen by Smith, John P. Sarah Smith's disease typed d: AB/tr taken signed AB, 12:30 of
    March 3rd, 2021 3-5 May to 2021-03-04 2021/3/4 3/4/2021 13.3.2021 03/04 3/4 20210304
    14MAY21 Jan '21 january first december spring fall of 2020 Christmas Eve 4th July the
    since DOS on aged 91 95 years old ninety two yo F 12 Oak Street 221B Elm Rd. Apt 5 200
    main street P.O. Box 991 zip: 02139 Kent County St. Paul Boston, MA 02118 OR Oregon New
    York lives moved from works for Acme Widgets and Sons employer: Mercy General Hospital
    Occupation: cashier, Millrace Software Job:
    University of Kent Medical Center ST MARY HOSPITAL St. Luke's Mayo Clinic Stanford City
    Gabi complains of denies MD notified RN Pat mentions Will (PA) w/ d/w ack B. thanks, regards
    Transcribed: ajk L.W. Dairy Church STEEL Sitter Tre gate code near 1st Cherry zip Tues 6th 28th:
    202103041230 healthcare health clinic Home Health Care and & ( ) [at] 9\u0131 \u017fon
"""
SEPARATORS = [" ", "\n", ". ", ", ", ": ", "-", "/", "  ", ".", "\t", "'s ", "\u0130"]
PIECES = st.sampled_from(VOCABULARY.split()) | st.sampled_from(SEPARATORS)
RULES = (names, dates, ranges, places, ids, firms, hints)


class _Everything(str):
    """A text in which everything stands."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        return True


def searched_whole(text: str, run: Any) -> set[Any]:
    """What a rule finds when every pattern is tried on the whole text."""
    with pytest.MonkeyPatch.context() as patch:
        for module in RULES:
            for name in ("find_at", "find_in", "find_from"):
                patch.setattr(module, name, lambda p, text, *_: p.finditer(text), raising=False)
            if hasattr(module, "outline"):
                patch.setattr(module, "outline", lambda t: replace(outline(t), signs=_Everything()))
        patch.setattr(ids, "_may_match", lambda signs: ids.FORMATS)
        return set(run(text))


@given(st.lists(PIECES, max_size=30), st.booleans())
@settings(max_examples=150, deadline=None)
def test_rules_find_what_a_search_of_the_whole_text_finds(parts: list[str], spaced: bool) -> None:
    text = (" " if spaced else "").join(parts)
    for name, _, find in ENGLISH:
        assert set(find(text)) == searched_whole(text, find), name


def test_rules_find_in_hard_notes_what_a_search_of_the_whole_text_finds() -> None:
    stress = Path(__file__).parents[2] / "eval" / "stress" / "en_dev.jsonl"
    texts = [json.loads(line)["text"] for line in stress.read_text("utf-8").splitlines()]
    for name, _, find in ENGLISH:
        for text in (normalise(text, apart=True).text for text in texts):
            assert set(find(text)) == searched_whole(text, find), name


def test_a_rule_that_looks_in_too_few_places_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Pager 617-555-0123 x4411, seen by Ann Bell"
    assert set(ids.find_labelled(text)) == searched_whole(text, ids.find_labelled) != set()
    short = tuple(words - {"pager"} for words in ids.LABEL_WORDS)
    monkeypatch.setattr(ids, "LABEL_WORDS", short)
    assert set(ids.find_labelled(text)) != searched_whole(text, ids.find_labelled)
    monkeypatch.setattr(ids, "_SIGNS", (("no such thing",),) * len(ids.FORMATS))
    assert set(ids.find_formats(text)) != searched_whole(text, ids.find_formats)


def test_every_character_keeps_its_place_among_the_signs() -> None:
    for begin in range(0, 0x110000, 0x1000):
        text = "".join(map(chr, range(begin, begin + 0x1000)))
        assert [c == "0" for c in signs(text)] == [c.isdecimal() for c in text]


def test_folding_is_that_of_the_patterns() -> None:
    for code in range(0x3000):
        for letter in "abcdefghijklmnopqrstuvwxyz":
            if re.fullmatch(letter, chr(code), re.IGNORECASE):
                assert fold(chr(code))[0] == letter


def test_the_outline_by_hand() -> None:
    note = outline("Dr. Bell, dr bell: 12/3")
    assert note.signs == "dr. bell, dr bell: 00/0"
    assert note.places(word_set("dr bell")) == [0, 4, 10, 13]
    assert note.exact(word_set("dr Bell")) == [4, 10]
    assert note.capitals == [0, 4]
    assert outline("an\n1FTFW1ET5DFC10312 a1FTFW1ET5DFC10312").long(17) == [3]
    assert [m[0] for m in find_at(re.compile("aa"), "aaa aa", [0, 1, 4])] == ["aa", "aa"]


TOLD = [word_set("dr bell"), word_set("Dr Bell seen"), word_set("x_4 12 \u017ft")]


@given(
    st.lists(PIECES | st.sampled_from(["\n", "x_4", "\u017fT", "dr", "Bell"]), max_size=20),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_words_that_are_looked_up_by_line_are_those_of_the_text(
    parts: list[str], data: st.DataObject
) -> None:
    text = " ".join(parts)
    words = data.draw(st.sampled_from([*TOLD, names.LABEL_WORDS]))
    note = outline(text)
    found = [(match.start(), match[0]) for match in re.finditer(r"\w+", text)]
    assert note.places(words) == [at for at, word in found if fold(word) in words]
    assert note.exact(words) == [at for at, word in found if word in words]


def test_many_sets_of_words_are_looked_up_but_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_SETS", 0)
    note = outline("Dr. Bell and Dr. Okafor: seen")
    assert note.places(frozenset(["okafor", "zyzzyva"])) == [17]
    assert note.exact(frozenset(["Bell", "zyzzyva"])) == [4]


def test_lines_are_forgotten_before_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 20)
    monkeypatch.setattr(module, "_LINES", {})
    for i in range(60):
        assert outline(f"Seen {i}\nby Bell {i}").places(word_set("bell")) == [9 + len(str(i))]
    assert 0 < len(module._LINES) <= 20


def test_a_set_that_is_asked_for_late_is_looked_up_in_lines_read_before():
    text = "Quokka saw a wombat.\nThe wombat left."
    note = outline(text)
    assert list(note.capitals) == [0, 21]
    assert list(note.places(frozenset({"wombat"}))) == [13, 25]
    assert list(note.places(frozenset({"quokka", "left"}))) == [0, 32]
    assert list(outline(text).exact(frozenset({"The"}))) == [21]
