"""The index against naive twins that compare everything with everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.audit.overlap import (
    EDITS,
    RUN_TOKENS,
    build_index,
    overlap,
    regurgitation,
    seed_length,
)
from llmsafe.errors import InputError

few = st.integers(min_value=0, max_value=2)
documents = st.lists(st.tuples(st.sampled_from("abc"), st.lists(few, max_size=14)), min_size=1)


def contains(document, run):
    return any(document[i : i + len(run)] == run for i in range(len(document) - len(run) + 1))


def naive_run(corpus, text, n):
    for length in range(len(text), n - 1, -1):
        for start in range(len(text) - length + 1):
            run = text[start : start + length]
            units = {unit for unit, document in corpus if contains(document, run)}
            if units:
                return start, start + length, len(units)
    return None


def naive_distance(window, document):
    """Edit distance to the nearest substring, by the textbook."""
    row = [0] * (len(document) + 1)
    for token in window:
        before, row = row, [row[0] + 1]
        for j, other in enumerate(document):
            row.append(min(before[j] + (token != other), before[j + 1] + 1, row[j] + 1))
    return min(row)


@given(documents, st.lists(few, max_size=12), st.integers(min_value=1, max_value=4))
@settings(max_examples=150, deadline=None)
def test_longest_run(corpus, text, n):
    found = build_index(corpus, n).longest_run(text)
    assert (found and (found.start, found.end, found.units)) == naive_run(corpus, text, n)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(few, max_size=20)), min_size=1, max_size=4),
    st.lists(few, max_size=14),
    st.sampled_from([(6, 1), (8, 2), (9, 0)]),
)
@settings(max_examples=150, deadline=None)
def test_no_near_passage_is_missed(corpus, text, shape):
    window, edits = shape
    index = build_index(corpus, seed_length(window, edits))
    found = {p.start: p for p in index.passages(text, window=window, edits=edits)}
    for start in range(len(text) - window + 1):
        passage = text[start : start + window]
        distances = [(naive_distance(passage, document), unit) for unit, document in corpus]
        nearest = min(distances)[0]
        whole = [d for _, document in corpus for d in [*document, -1]]
        # Skipping the border between two notes costs an edit, too.
        across = naive_distance(passage, whole)
        if across > edits:
            assert start not in found
        else:
            assert found[start].edits == across
        if nearest == across <= edits:
            units = {unit for d, unit in distances if d <= edits}
            assert found[start].units >= len(units)


def random_tokens(rng, size, vocabulary=1000):
    return rng.integers(3, vocabulary, size).tolist()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_planted_passages(rng):
    notes = [(f"p{i}", random_tokens(rng, 120)) for i in range(40)]
    index = build_index(notes)
    assert index.n == seed_length(RUN_TOKENS, EDITS) == 8
    noise = random_tokens(rng, 200)
    assert overlap(index, noise) == overlap(index, []) != overlap(index, notes[0][1])
    assert not overlap(index, noise).near
    source = notes[7][1][20:70]
    word_for_word = overlap(index, noise[:30] + source + noise[30:60])
    assert (word_for_word.run, word_for_word.verbatim, word_for_word.near) == (50, True, True)
    short = overlap(index, noise[:30] + source[:44] + noise[30:60])
    assert (short.run, short.near) == (44, False)  # 6 edits are needed
    changed = list(source)
    for place in (5, 14, 23, 32):
        changed[place] = 2000  # a substitution
    del changed[40]  # and a deletion: the passage takes one token more
    near = overlap(index, noise[:30] + changed + noise[30:60])
    assert (near.verbatim, near.near) == (False, False)  # 49 tokens, so a sixth edit
    near = overlap(index, noise[:30] + changed + notes[7][1][70:71] + noise[30:60])
    assert (near.verbatim, near.near, near.boilerplate) == (False, True, False)


def test_boilerplate_is_nobodys_own_but_does_not_hide_what_is(rng):
    header, noise = random_tokens(rng, 70), random_tokens(rng, 30)
    notes = [(f"p{i}", header + random_tokens(rng, 90)) for i in range(7)]
    index = build_index(notes)
    assert overlap(index, header + noise) == overlap(index, header + noise, others=6)
    found = overlap(index, header + noise)
    assert (found.run, found.near, found.boilerplate) == (70, False, True)
    assert overlap(index, header + noise, others=7).near
    # Seven notes of one patient are not seven patients.
    alone = build_index([("p", note) for _, note in notes])
    assert overlap(alone, header + noise).near
    assert alone.longest_run(header).units == 1
    assert index.longest_run(header).units == 7
    # The longest run is boilerplate, a shorter one is not.
    both = overlap(index, header + noise + notes[3][1][75:130])
    assert (both.run, both.verbatim, both.boilerplate) == (70, True, False)
    # What the base says by itself was not learned here.
    base = build_index([("0", notes[3][1][75:130])])
    both = overlap(index, header + noise + notes[3][1][75:130], base=base)
    assert (both.near, both.boilerplate) == (False, True)


def test_frequent_ngrams_do_not_hide_a_rare_run(rng):
    common = random_tokens(rng, 9)
    notes = [("p", common + random_tokens(rng, 3)) for _ in range(200)]
    last = common + random_tokens(rng, 60)
    index = build_index([*notes, ("q", last)])
    run = index.longest_run(last)  # its first n-gram has 201 places, the last of them the note's
    assert (run.start, run.end, run.units) == (0, 69, 1)
    assert index.units_holding(common) == 2


def test_regurgitation_counts(rng):
    header = random_tokens(rng, 60)
    notes = [(f"p{i}", header + random_tokens(rng, 100)) for i in range(8)]
    index = build_index(notes)
    own = [note[70:140] for _, note in notes]
    near = [*own[1][:20], 5000, *own[1][21:]]
    texts = [own[0], near[10:62], header, random_tokens(rng, 90), own[2]]
    base_texts = [own[2], random_tokens(rng, 40), [], [], []]
    found = regurgitation(index, texts, base_texts)
    assert (found.tried, found.extracted, found.base_extracted, found.boilerplate) == (5, 2, 1, 2)
    exact = regurgitation(index, texts, base_texts, near=False)
    assert (exact.extracted, exact.base_extracted) == (1, 1)
    assert exact.what != found.what
    assert regurgitation(index, texts, None).base_extracted is None
    assert regurgitation(index, texts, None).extracted == 3
    assert regurgitation(index, [], None) is None


def test_refusals(rng):
    index = build_index([("p", random_tokens(rng, 30))], 9)
    with pytest.raises(InputError, match="n=8"):
        index.passages(random_tokens(rng, 60))
    with pytest.raises(InputError, match="fewer"):
        index.units_holding([1, 2])
    with pytest.raises(InputError):
        build_index([])
    assert build_index([("p", [])]).longest_run([1] * 20) is None
    assert build_index([("p", [1, 2])]).passages([1] * 60) == []
