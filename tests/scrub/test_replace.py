"""Replacement: the methods."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, Note, PhiSpan
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.methods import METHODS, TAG, check_method, instance, replace
from llmsafe.scrub.replace.person import Person, roles
from llmsafe.scrub.replace.tokens import opens
from llmsafe.scrub.reveal import Revealed, reveal_note

KEY = Key(b"k" * 32)
NAMES = ("William James Okonkwo", "Mary Fenwick")
PERSON = Person(
    "patient p1",
    own=frozenset(["william", "james", "okonkwo"]),
    avoid=frozenset(["william", "james", "okonkwo", "mary", "fenwick"]),
    female=False,
    mentions=NAMES,
    roles=roles(NAMES),
)


def written(
    method: str, text: str, category: str, person: Person = PERSON, note: str = "n1"
) -> str:
    """The whole of ``text`` replaced."""
    span = PhiSpan(0, len(text), category)
    return replace(text, [span], check_method(method), KEY, person, note).text


def test_methods_that_are_missing_are_refused_by_name() -> None:
    for name in METHODS:
        assert check_method(name) == name
    with pytest.raises(
        InputError, match=r"'scramble' is not available; choose one of surrogate, random, instance"
    ):
        check_method("scramble")


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6), st.sampled_from(METHODS))
def test_all_else_stays_byte_for_byte(text: str, cuts: list[int], method: str) -> None:
    edges = sorted({c for c in cuts if c <= len(text)})
    spans = [PhiSpan(a, b, "MRN") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    done = replace(text, spans, check_method(method), KEY, PERSON, "n1")
    kept, position = "", 0
    for start, end, length in done.edits:
        kept += done.text[position : position + start - len(kept_source(text, spans, start))]
        position = done.move(start, end)[1]
        assert done.move(start, end)[1] - done.move(start, end)[0] == length
    assert outside(done.text, [done.move(s.start, s.end) for s in spans]) == outside(
        text, [(s.start, s.end) for s in spans]
    )


@given(
    st.text(
        st.sampled_from("[]:.-v1ANMEé🙂\u0301 \n") | st.characters(exclude_categories=["Cs"]),
        max_size=40,
    ),
    st.lists(st.integers(0, 40), max_size=9),
)
def test_encrypted_spans_come_back_even_where_they_touch(text: str, cuts: list[int]) -> None:
    edges = sorted({cut for cut in cuts if cut <= len(text)})
    spans = [PhiSpan(a, b, "NAME") for a, b in pairwise(edges)]  # each begins where one ends
    sealed = Note("n1", replace(text, spans, "encrypt", KEY, PERSON, "n1").text)
    counts = Revealed()
    assert reveal_note(sealed, KEY, CATEGORIES, counts).text == text
    assert counts.revealed.total() == len(spans)


def kept_source(text: str, spans: list[PhiSpan], upto: int) -> str:
    return outside(text[:upto], [(s.start, min(s.end, upto)) for s in spans if s.start < upto])


def outside(text: str, holes: list[tuple[int, int]]) -> str:
    position, out = 0, ""
    for start, end in holes:
        out += text[position:start]
        position = end
    return out + text[position:]


def test_tags_number_values_within_a_patient() -> None:
    assert instance(KEY, PERSON, "NAME", "Mr. OKONKWO") == 1  # a title is no part of a name
    assert instance(KEY, PERSON, "NAME", "Okonkwo's") == 1
    assert instance(KEY, PERSON, "NAME", "OKONKWO, William") == 1
    assert instance(KEY, PERSON, "NAME", "Mary") == instance(KEY, PERSON, "NAME", "Mary Fenwick")
    assert instance(KEY, PERSON, "DATE", "3/4/2020") == instance(KEY, PERSON, "DATE", "3-4-2020")
    other = Person("patient p2")
    assert instance(KEY, PERSON, "MRN", "123456") != instance(KEY, other, "MRN", "123456")


def test_every_tag_that_is_written_is_recognised_again() -> None:
    for category in CATEGORIES:
        for method in ("instance", "tag", "hash"):
            assert TAG.fullmatch(written(method, "abc123", category))
        assert opens(KEY, "n1", written("encrypt", "abc123", category))


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("instance", r"\[NAME-\d{1,5}\]"),
        ("tag", r"\[NAME\]"),
        ("mask", r"\*{4}"),
        ("redact", ""),
        ("hash", r"\[NAME:[0-9a-f]{12}\]"),
        ("encrypt", r"\[NAME:v1\.[0-9a-f]{8}\.[\w-]{43}\]"),
    ],
)
def test_what_each_method_writes_gives_no_length_away(method: str, form: str) -> None:
    for value in ("Al", "Bartholomew", "Ng"):
        assert re.fullmatch(form, written(method, value, "NAME"))


def test_a_hash_is_keyed_and_the_same_for_a_value_everywhere() -> None:
    other = Person("patient p2")
    assert written("hash", "123456", "MRN") == written("hash", "123456", "MRN", other, "n2")
    assert written("hash", "123456", "MRN") != written("hash", "123457", "MRN")
    span = [PhiSpan(0, 6, "MRN")]
    assert replace("123456", span, "hash", Key(b"x" * 32), PERSON, "n1").text != written(
        "hash", "123456", "MRN"
    )


def test_consistent_stand_ins_agree_and_random_ones_do_not() -> None:
    text = "Okonkwo. " * 40
    spans = [PhiSpan(9 * i, 9 * i + 7, "NAME") for i in range(40)]
    names = {
        method: set(replace(text, spans, check_method(method), KEY, PERSON, "n1").text.split(". "))
        for method in ("surrogate", "random")
    }
    assert len(names["surrogate"] - {""}) == 1
    assert len(names["random"] - {""}) > 20
    assert not {"Okonkwo", "Fenwick"} & (names["random"] | names["surrogate"])


def test_random_stand_ins_do_not_hang_on_who_computes_them() -> None:
    assert written("random", "Okonkwo", "NAME") == written("random", "Okonkwo", "NAME")
    assert len({written("random", "Okonkwo", "NAME", note=f"n{i}") for i in range(20)}) > 10
    assert len({written("random", "2020-03-04", "DATE", note=f"n{i}") for i in range(20)}) == 1
