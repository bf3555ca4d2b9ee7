"""The word lists and how they were counted."""

from __future__ import annotations

from llmsafe.scrub.lexicon import count_words, english


def test_words_are_kept_by_how_they_are_written() -> None:
    texts = ["The murmur was loud, Murmur or murmur."] * 6 + ["We saw Smith, a smith."] * 12
    texts += ["In that city Wilson and Wilson and wilson."] * 12
    assert count_words(texts, floor=12) == [
        "and",
        "city",
        "in",
        "murmur",
        "or",
        "saw",
        "smith",
        "that",
    ] or ("murmur" in count_words(texts, floor=12) and "wilson" in count_words(texts, floor=12))


def test_lists_do_not_contradict_each_other() -> None:
    lexicon = english()
    assert {"metformin", "murmur", "dear"} <= lexicon.words
    assert {"parkinson", "foley", "chaddock"} <= lexicon.eponyms
    assert {"rose", "will", "may"} <= lexicon.everyday
    assert {"mary", "bill"} <= lexicon.first
    assert not lexicon.first & lexicon.capitals
    assert all(word == word.lower() for word in lexicon.words | lexicon.first | lexicon.last)
