"""The view defeats Unicode tricks and always maps back to the original."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.scrub.detect.normalise import mostly_cjk, normalise


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_offsets_are_monotone_and_inside(text: str) -> None:
    view = normalise(text)
    if view.starts is None:
        assert view.text == text
        return
    assert view.ends is not None
    assert len(view.starts) == len(view.ends) == len(view.text)
    assert list(view.starts) == sorted(view.starts)
    assert list(view.ends) == sorted(view.ends)
    for character, start, end in zip(view.text, view.starts, view.ends, strict=True):
        # Only a space between scripts stands for nothing.
        assert 0 <= start <= end - (character != " ") <= len(text)


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_ascii_is_its_own_view(text: str) -> None:
    view = normalise(text)
    assert view.text == text
    assert view.starts is None


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Smi\u200bth", "Smith"),
        ("Smi\u00adth", "Smith"),
        ("５５５－１２３４", "555-1234"),
        ("José Núñez", "Jose Nunez"),
        ("Jose\u0301", "Jose"),
        ("Ѕmіth", "Smith"),  # Cyrillic dze and i
        ("O’Brien", "O'Brien"),
        ("a\u00a0b", "a b"),
        ("٣٤", "34"),
        ("ﬁne", "fine"),
    ],
)
def test_tricks_are_undone(written: str, seen: str) -> None:
    view = normalise(written)
    assert view.text == seen
    assert view.span(0, len(seen)) == (0, len(written))


def test_a_span_covers_the_invisible_characters_inside_it() -> None:
    text = "Mr. S\u200bm\u200bith, seen"
    view = normalise(text)
    start = view.text.index("Smith")
    first, last = view.span(start, start + 5)
    assert text[first:last] == "S\u200bm\u200bith"


def test_hangul_and_chinese_stay_whole() -> None:
    assert normalise("김철수 王伟").text == unicodedata.normalize("NFC", "김철수 王伟")


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("患者John来院", "患者 John 来院"),
        ("电话704号", "电话 704 号"),
        ("לJohn", "ל John"),
        ("Пациент John", "Пaциeнт John"),
        ("Paрin β2 5µg", "Papin β2 5μg"),
    ],
)
def test_a_word_begins_where_another_script_ends(written: str, seen: str) -> None:
    view = normalise(written, apart=True)
    assert view.text == seen
    start = view.text.find("John")
    if start >= 0:
        first, last = view.span(start, start + 4)
        assert written[first:last] == "John"


def test_language_is_judged_by_letters() -> None:
    assert mostly_cjk("患者王伟，男，45岁。BP 120/80")
    assert not mostly_cjk("The patient (王伟) is a 45-year-old man with stable angina.")
    assert not mostly_cjk("BP 120/80, 1234")
