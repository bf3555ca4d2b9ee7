"""Resolving overlaps: exact cover, disjoint, order-free, idempotent; the strongest names it."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.notes import CATEGORIES, PhiSpan
from llmsafe.scrub.detect.resolve import resolve, subtract, trim


@st.composite
def spans(draw: st.DrawFn) -> PhiSpan:
    start = draw(st.integers(0, 40))
    return PhiSpan(
        start,
        start + draw(st.integers(1, 12)),
        draw(st.sampled_from(CATEGORIES)),
        draw(st.sampled_from([0.4, 0.7, 1.0])),
        draw(st.sampled_from(["known", "dates", "listed names"])),
    )


def covered(items: list[PhiSpan]) -> set[int]:
    return {i for s in items for i in range(s.start, s.end)}


@given(st.lists(spans(), max_size=12), st.randoms(use_true_random=False))
def test_cover_order_and_idempotence(items: list[PhiSpan], rng: random.Random) -> None:
    done = resolve(items)
    assert covered(done) == covered(items)
    assert all(a.end <= b.start for a, b in pairwise(done))
    shuffled = list(items)
    rng.shuffle(shuffled)
    assert resolve(shuffled) == done
    assert resolve(done) == done


def test_known_beats_score_and_score_beats_length() -> None:
    known = PhiSpan(2, 4, "NAME", 0.4, "known")
    sure = PhiSpan(3, 6, "DATE", 0.9, "dates")
    long = PhiSpan(0, 20, "LOCATION", 0.5, "cities")
    assert resolve([long, sure])[0].category == "DATE"
    assert resolve([long, sure, known]) == [PhiSpan(0, 20, "NAME", 0.4, "known")]


def test_spans_that_touch_stay_apart() -> None:
    first, second = PhiSpan(0, 4, "NAME"), PhiSpan(4, 8, "DATE")
    assert resolve([second, first]) == [first, second]


@pytest.mark.parametrize(("start", "end"), [(3, 3), (5, 2), (-1, 2)])
def test_impossible_spans_are_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="empty or negative"):
        resolve([PhiSpan(start, end, "NAME")])


def test_trim_keeps_what_is_not_blank() -> None:
    assert trim("a  bc \n", PhiSpan(1, 7, "NAME")) == PhiSpan(3, 5, "NAME")
    assert trim("a   b", PhiSpan(1, 4, "NAME")) is None


@given(st.lists(spans(), max_size=8), st.lists(st.integers(0, 60), max_size=6, unique=True))
def test_what_is_subtracted_is_gone_and_the_rest_stays(
    items: list[PhiSpan], cuts: list[int]
) -> None:
    edges = sorted(cuts)
    holes = list(zip(edges[::2], edges[1::2], strict=False))
    text = "x" * 60
    left = list(subtract(text, resolve(items), holes))
    gone = {i for start, end in holes for i in range(start, end)}
    assert covered(left) == covered(items) - gone
    assert all(a.end <= b.start for a, b in pairwise(left))
    assert {s.category for s in left} <= {s.category for s in items}


def test_what_is_left_beside_a_hole_is_trimmed_or_dropped() -> None:
    text = "ab [x], cd"
    assert list(subtract(text, [PhiSpan(0, 10, "NAME")], [(3, 6)])) == [
        PhiSpan(0, 2, "NAME"),
        PhiSpan(6, 10, "NAME"),
    ]
    assert list(subtract(text, [PhiSpan(2, 8, "NAME")], [(3, 6)])) == []  # a space and a comma


def test_letters_that_only_the_view_shows_are_letters() -> None:
    span = PhiSpan(3, 6, "NAME", 1.0)
    assert list(subtract("by ⓛⓔⓔ", [span], [])) == [span]
    assert list(subtract("by —— ", [PhiSpan(3, 5, "NAME", 1.0)], [])) == []
