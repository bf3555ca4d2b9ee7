"""Replacement: methods, and what a surrogate promises."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, PhiSpan
from llmsafe.scrub.keys import Key
from llmsafe.scrub.lexicon import english, read_json
from llmsafe.scrub.replace import METHODS, TAG, check_method, instance, replace
from llmsafe.scrub.surrogate import Person, date_offset, roles, surrogate, zip_three

KEY = Key(b"k" * 32)
NAMES = ("William James Okonkwo", "Mary Fenwick")
PERSON = Person(
    "patient p1",
    own=frozenset(["william", "james", "okonkwo"]),
    avoid=frozenset(["william", "james", "okonkwo", "mary", "fenwick"]),
    year=2020,
    female=False,
    mentions=NAMES,
    roles=roles(NAMES),
)


def stand_in(category: str, text: str, person: Person = PERSON) -> str:
    return surrogate(KEY, person, category, text)


def test_methods_that_are_missing_are_refused_by_name() -> None:
    for name in METHODS:
        assert check_method(name) == name
    with pytest.raises(
        InputError, match=r"'encrypt' is not available; choose one of tag, surrogate"
    ):
        check_method("encrypt")


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6), st.sampled_from(METHODS))
def test_all_else_stays_byte_for_byte(text: str, cuts: list[int], method: str) -> None:
    edges = sorted({c for c in cuts if c <= len(text)})
    spans = [PhiSpan(a, b, "MRN") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    done = replace(text, spans, check_method(method), KEY, PERSON)
    kept, position = "", 0
    for start, end, length in done.edits:
        kept += done.text[position : position + start - len(kept_source(text, spans, start))]
        position = done.move(start, end)[1]
        assert done.move(start, end)[1] - done.move(start, end)[0] == length
    assert outside(done.text, [done.move(s.start, s.end) for s in spans]) == outside(
        text, [(s.start, s.end) for s in spans]
    )


def kept_source(text: str, spans: list[PhiSpan], upto: int) -> str:
    return outside(text[:upto], [(s.start, min(s.end, upto)) for s in spans if s.start < upto])


def outside(text: str, holes: list[tuple[int, int]]) -> str:
    position, out = 0, ""
    for start, end in holes:
        out += text[position:start]
        position = end
    return out + text[position:]


def test_tags_number_values_within_a_patient() -> None:
    assert instance(KEY, PERSON, "NAME", "Mr. OKONKWO") != 1  # a title is no part of a name
    assert instance(KEY, PERSON, "NAME", "OKONKWO, William") == 1
    assert instance(KEY, PERSON, "NAME", "Mary") == instance(KEY, PERSON, "NAME", "Mary Fenwick")
    assert instance(KEY, PERSON, "DATE", "3/4/2020") == instance(KEY, PERSON, "DATE", "3-4-2020")
    other = Person("patient p2")
    assert instance(KEY, PERSON, "MRN", "123456") != instance(KEY, other, "MRN", "123456")


def test_every_tag_that_is_written_is_recognised_again() -> None:
    for method in ("tag", "hash"):
        for category in CATEGORIES:
            span = [PhiSpan(0, 6, category)]
            text = replace("abc123", span, check_method(method), KEY, PERSON).text
            assert TAG.fullmatch(text), text


def test_mask_and_redact_give_no_length_away() -> None:
    for method, new in (("mask", "****"), ("redact", "")):
        for value in ("Al", "Bartholomew"):
            span = [PhiSpan(0, len(value), "NAME")]
            assert (
                replace(value + " came", span, check_method(method), KEY, PERSON).text
                == new + " came"
            )


# --- names --------------------------------------------------------------------------------------


def test_a_name_agrees_with_its_parts_in_any_writing() -> None:
    full = stand_in("NAME", "William Okonkwo")
    given, family = full.split()
    assert stand_in("NAME", "William") == given
    assert stand_in("NAME", "OKONKWO") == family.upper()
    assert stand_in("NAME", "okonkwo") == family.lower()
    assert stand_in("NAME", "Okonkwo, William") == f"{family}, {given}"
    assert stand_in("NAME", "W. Okonkwo") == f"{given[0]}. {family}"
    assert stand_in("NAME", "William Okonkwo Jr.") == full
    assert given in read_json("scrub_surrogates.json")["male"]


def test_patients_do_not_share_stand_ins() -> None:
    people = [Person(f"patient {i}") for i in range(40)]
    assert len({stand_in("NAME", "Robert Smith", p) for p in people}) > 25


@given(st.sampled_from(sorted(english().first)), st.sampled_from(sorted(english().last)))
def test_no_first_letter_no_length_no_real_name(first: str, last: str) -> None:
    person = Person("patient x", avoid=frozenset([first, last, "blackthorn", "nadine", "otis"]))
    for word, new in zip(
        [first, last],
        stand_in("NAME", f"{first.title()} {last.title()}", person).split(),
        strict=True,
    ):
        assert new[0].lower() != word[0]
        assert len(new) != len(word)
        assert new.lower() not in person.avoid


def test_particles_do_not_stay() -> None:
    assert "de" not in stand_in("NAME", "Maria de la Cruz").split()


# --- the rest -----------------------------------------------------------------------------------


@given(st.integers(0, 5000))
def test_offsets_are_whole_weeks_and_never_small(number: int) -> None:
    days = date_offset(KEY, f"patient {number}")
    assert days % 7 == 0
    assert 28 <= abs(days) <= 364


def test_dates_of_a_patient_move_together() -> None:
    days = date_offset(KEY, PERSON.scope)
    from datetime import date, timedelta

    for written in ("2020-03-04", "2021-12-31"):
        assert stand_in("DATE", written) == str(date.fromisoformat(written) + timedelta(days=days))
    assert stand_in("DATE", "Thanksgiving") != "Thanksgiving"
    assert re.fullmatch(r"(?:spring|summer|winter) of 2019", stand_in("DATE", "fall of 2019"))


@given(st.from_regex(r"[A-Z]{0,3}-?[0-9]{4,9}", fullmatch=True))
def test_numbers_keep_their_form_and_nothing_else(text: str) -> None:
    new = stand_in("ACCOUNT", text)
    assert [c.isdigit() for c in new] == [c.isdigit() for c in text]
    assert new != text
    assert stand_in("ACCOUNT", text.replace("-", "")) == new.replace("-", "")
    if re.match("XX+(?![A-Z])", text):
        assert new[:2] == "XX"
    elif text[0].isalpha():
        assert new[0] != text[0]


def test_what_the_writer_masked_stays() -> None:
    assert re.fullmatch(r"XXX-XX-(?!1234)\d{4}", stand_in("SSN", "XXX-XX-1234"))
    assert re.fullmatch(r"XX(?!0000)\d{4}", stand_in("ACCOUNT", "XX0000"))
    assert "XX" not in stand_in("ACCOUNT", "AXX9931")  # letters of the number, not a mask


def test_characters_that_normalise_to_several_have_stand_ins_too() -> None:
    assert re.fullmatch(r"[\d.]{52}", stand_in("ACCOUNT", "⒑" * 17 + "1"))


def test_one_number_in_two_writings_keeps_one_stand_in() -> None:
    digits = {re.sub(r"\D", "", stand_in("PHONE", p)) for p in ("(704) 188-2639", "704.188.2639")}
    assert len(digits) == 1


def test_places_keep_what_safe_harbor_lets_stand() -> None:
    new = stand_in("LOCATION", "Dallas, TX 75201")
    assert re.fullmatch(r"[A-Z][A-Za-z ]+, TX 75200", new)
    assert "Dallas" not in new
    assert re.fullmatch(r"\d{3,4} [A-Z]\w+ Rd", stand_in("LOCATION", "2356 Flint Rd"))
    assert re.fullmatch(r"[A-Z][\w ]+ Hospital", stand_in("ORGANIZATION", "St. Mary's Hospital"))
    assert stand_in("ORGANIZATION", "MERCY CLINIC").isupper()


# 45 CFR 164.514(b)(2)(i)(B), guidance of the Office for Civil Rights: the 2000 census.
RESTRICTED = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()


def test_a_zip_code_keeps_three_digits_where_enough_people_live() -> None:
    assert len(RESTRICTED) == 17
    for three in RESTRICTED:
        assert zip_three(f"{three}01") == zip_three(f"{three}99-1234") == "00000"
        assert stand_in("LOCATION", f"{three}42") == "00000"
    threes = [f"{n:03d}" for n in range(1000)]
    kept = [three for three in threes if zip_three(three + "55")[:3] == three]
    assert len(kept) >= 1000 - 17 - 5  # 000 itself, and the four of 2010
    assert zip_three("75201-0001") == "75200"


def test_ages_mail_and_addresses_of_machines() -> None:
    assert stand_in("AGE", "97") == "90+"
    assert stand_in("EMAIL", "a.okonkwo@hospital.org").endswith("@example.com")
    assert stand_in("URL", "http://okonkwo.org/x").startswith("https://example.org/")
    assert stand_in("IP", "10.1.2.3").startswith("192.0.2.")
    assert stand_in("IP", "fe80::1").startswith("2001:db8::")
