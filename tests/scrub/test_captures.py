"""Who saw a span, and the estimate that the manifest makes of it."""

from __future__ import annotations

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.captures import captures, residual


def span(start: int, end: int, category: str = "NAME") -> PhiSpan:
    return PhiSpan(start, end, category, 0.9, "x")


def test_spans_are_counted_by_who_saw_any_of_them() -> None:
    spans = [span(0, 10), span(20, 30), span(40, 50, "DATE"), span(60, 70)]
    rules = [span(0, 4), span(40, 50, "DATE")]
    tagger = [span(8, 10), span(25, 30, "LOCATION")]
    assert captures(spans, rules, tagger) == {"NAME both": 1, "DATE rules": 1, "NAME tagger": 1}


def test_neighbours_are_not_seen() -> None:
    assert captures([span(10, 20)], [span(0, 10)], [span(20, 30)]) == {}


def test_the_estimate_is_per_category_and_json_has_no_infinity() -> None:
    made = residual({"NAME both": 40, "NAME rules": 8, "NAME tagger": 5, "DATE tagger": 3})
    assert (made["NAME"].both, made["NAME"].rules_only, made["NAME"].tagger_only) == (40, 8, 5)
    assert 0 < made["NAME"].missed < 2 < (made["NAME"].high or 0)
    assert made["DATE"].high is None
