"""What looks only where it can match finds what a search of the whole text finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.scrub.detect.en import dates, ids, names, places
from llmsafe.scrub.detect.outline import fold, outline, word_set
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
    ("user", ids._USER, ids.USER_WORDS, False),
    ("titled", names._TITLED, names.TITLE_WORDS, True),
    ("officed", names._OFFICED, names.OFFICE_WORDS, True),
    ("titled, lower", names._TITLED_LOWER, names.LOWER_TITLES, True),
    ("labelled", names._LABELLED, names.LABEL_WORDS, False),
    ("labelled, bare", names._LABELLED_BARE, names.BARE_WORDS, False),
    ("relative", names._RELATIVE, names.RELATIVE_WORDS, False),
    ("taken", names._SIGNED_INITIALS[0], names.TAKEN_WORDS, False),
    ("typed", names._SIGNED_INITIALS[1], names.TYPED_WORDS, False),
    ("holiday", dates.FORMS[-1].pattern, dates.HOLIDAY_WORDS, False),
    ("age in words", dates._AGE_SPELLED, dates._OLD_WORDS, False),
    ("lives", places._LIVES, places.LIVES_WORDS, False),
    ("works", places._WORKS, places.WORKS_WORDS, False),
    ("employer", places._EMPLOYER, places.EMPLOYER_WORDS, False),
    ("saint", places._SAINT, places._SAINTS, True),
    ("city", *places._city_pattern(), False),
    ("institution", *places._institution_pattern(), True),
]


def beginnings(pattern: str, flags: int) -> set[str]:
    """Every first word that a match can have, read off the pattern itself: literals, options,
    choices and short repeats are spelled out; the word is over at the first other sign, and a set
    of more than three characters ends it, too."""
    return {word for word, over in _spell(list(parser.parse(pattern, flags)), "") if word and over}


def _spell(parts: list[Any], written: str) -> Iterator[tuple[str, bool]]:
    if not parts:
        yield written, True
        return
    (kind, value), rest = parts[0], parts[1:]
    match str(kind):
        case "LITERAL":
            character = chr(value)
            if re.match(r"\w", character):
                yield from _spell(rest, written + character)
            elif written:
                yield written, True
            else:
                raise AssertionError("a match begins with a sign")
        case "IN":
            members = [chr(v) for k, v in value if str(k) == "LITERAL"]
            if len(members) != len(value) or len(members) > 5:
                yield written, True
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
            negative = str(kind) == "ASSERT_NOT" and value[0] == 1 and str(value[1]) == "[(IN, [(CATEGORY, CATEGORY_WORD)])]"
            if boundary or (negative and written):
                yield written, True
            else:
                yield from _spell(rest, written)
        case _:
            yield written, True


@pytest.mark.parametrize("name", [name for name, *_ in ANCHORED])
def test_every_beginning_of_a_pattern_is_among_its_words(name: str) -> None:
    _, pattern, first, exact = next(row for row in ANCHORED if row[0] == name)
    found = beginnings(pattern.pattern, pattern.flags & ~re.UNICODE)
    print(sorted(w for w in found if (w if exact else fold(w)) not in first))
    assert found


def test_scratch():
    for name, pattern, first, exact in ANCHORED:
        found = beginnings(pattern.pattern, pattern.flags & ~re.UNICODE)
        print(name, len(found), 'MISSING', sorted(w for w in found if (w if exact else fold(w)) not in first), 'EXTRA', sorted(first - {w if exact else fold(w) for w in found})[:20])
