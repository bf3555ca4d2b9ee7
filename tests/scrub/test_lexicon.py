"""The word lists and how they were counted."""

from __future__ import annotations

from llmsafe.scrub.detect.lexicon import count_words, english


def test_words_are_kept_by_how_they_are_written() -> None:
    texts = ["The murmur was loud, Murmur or murmur."] * 6
    texts += ["In that city Wilson and Wilson and wilson met Wilson."] * 12
    counted = count_words(texts, floor=12)
    assert "murmur" in counted
    assert "wilson" not in counted  # written small too seldom
    assert "loud" not in counted  # too rare


def test_lists_do_not_contradict_each_other() -> None:
    lexicon = english()
    assert {"metformin", "murmur", "dear"} <= lexicon.words
    assert {"parkinson", "foley", "chaddock"} <= lexicon.eponyms
    assert {"rose", "will", "may"} <= lexicon.everyday
    assert {"mary", "bill"} <= lexicon.first
    assert not lexicon.first & lexicon.capitals
    assert all(word == word.lower() for word in lexicon.words | lexicon.first | lexicon.last)
