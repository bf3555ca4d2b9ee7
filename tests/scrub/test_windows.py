"""Windows save work and change nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from llmsafe.scrub.detect.en.dates import FORMS
from llmsafe.scrub.detect.en.ids import FORMATS, LABELLED
from llmsafe.scrub.detect.windows import find_in, windows

PIECES = st.sampled_from(
    ["MRN ", "is ", "A", "44", "1234567", "-", "/", ". ", "March ", "3", "2021", " was ", "x" * 60]
)
DIGIT = re.compile(r"\d")


@given(st.lists(PIECES, max_size=40))
def test_a_pattern_finds_the_same_in_its_windows(parts: list[str]) -> None:
    text = "".join(parts)
    patterns = [pattern for _, _, pattern in LABELLED]
    patterns += [p for c, _, p in FORMATS if c not in ("EMAIL", "URL") and "A-F" not in p.pattern]
    for pattern in patterns:
        near = windows(text, DIGIT, 160, 240)
        expected = [m.span() for m in pattern.finditer(text)]
        assert [m.span() for m in find_in(pattern, text, near)] == expected
    for form in FORMS:
        if form.name == "numeric":
            near = windows(text, re.compile(r"\d[-/.]\d"), 40, 120)
            expected = [m.span() for m in form.pattern.finditer(text)]
            assert [m.span() for m in find_in(form.pattern, text, near)] == expected


def test_ranges_are_merged_and_stay_inside() -> None:
    assert windows("a1b2" + "c" * 20 + "3", DIGIT, 2, 4) == [(0, 7), (22, 25)]
    assert windows("none", DIGIT, 2, 4) == []
