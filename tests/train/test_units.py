"""Tokenised units and a split that no unit can influence for another."""

from __future__ import annotations

import random

from llmsafe.models import encode_note, load_tokenizer
from llmsafe.notes import Note, Unit
from llmsafe.train.units import split_units, tokenise_unit


def make_units(count: int) -> list[Unit]:
    rng = random.Random(0)
    return [
        Unit(f"p{i}", (Note(f"n{i}", " ".join(str(rng.random()) for _ in range(20)), f"p{i}"),))
        for i in range(count)
    ]


def test_rows_are_framed_and_cut(tiny_model):
    tokenizer = load_tokenizer(str(tiny_model))
    notes = (
        Note("1", "old", "p", "2020-01-01"),
        Note("2", "x" * 100, "p", "2021-01-01"),
        Note("3", "new", "p", "2022-01-01"),
    )
    unit = tokenise_unit(Unit("p", notes), tokenizer, max_tokens=16, max_notes=2)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert [len(row) for row in unit.rows] == [16, 5]  # the two latest; the long one is cut
    assert all(row[0] == bos for row in unit.rows)
    assert unit.rows[0][-1] != eos
    assert unit.rows[1][-1] == eos
    assert unit.targets == 15 + 4
    assert "new" not in repr(unit)


def test_offsets_point_at_the_text(tiny_model):
    tokenizer = load_tokenizer(str(tiny_model))
    text = "MRN 4711 für 张三"
    ids, spans = encode_note(tokenizer, text, 100)
    assert len(ids) == len(spans)
    assert spans[0] == spans[-1] == (0, 0)
    covered = set().union(*(range(a, b) for a, b in spans))
    assert covered == set(range(len(text)))


def test_held_out_share_and_disjointness():
    units = make_units(2000)
    split = split_units(units, "patient", held_out=0.2, seed=1)
    assert not set(split.members) & set(split.held_out)
    assert len(split.members) + len(split.held_out) == 2000
    assert 320 < len(split.held_out) < 480
    assert split == split_units(units, "patient", held_out=0.2, seed=1)
    assert split != split_units(units, "patient", held_out=0.2, seed=2)


def test_one_unit_never_moves_another_in_or_out_of_training():
    """Adjacency: membership of every other unit is the same with and without a unit, even when
    that unit is a copy of one of them."""
    units = make_units(200)
    twin_text = next(u for u in units).notes[0].text
    for extra_id in ("x1", "x2", "x3", "x4", "x5", "x6"):
        extra = Unit(extra_id, (Note(extra_id, twin_text, extra_id),))
        without = set(split_units(units, "patient", held_out=0.3, seed=0).members)
        with_it = set(split_units([*units, extra], "patient", held_out=0.3, seed=0).members)
        assert with_it - {extra_id} == without


def test_held_out_units_that_resemble_members_are_dropped():
    units = make_units(300)
    plain = split_units(units, "patient", held_out=0.3, seed=0)
    member = next(u for u in units if u.unit_id == plain.members[0])
    victim = plain.held_out[0]
    copied = [
        Unit(u.unit_id, (Note("copy", member.notes[0].text, victim),)) if u.unit_id == victim else u
        for u in units
    ]
    split = split_units(copied, "patient", held_out=0.3, seed=0)
    assert victim not in split.held_out
    assert split.members == plain.members


def test_planted_canaries_are_always_members():
    units = make_units(50)
    names = {u.unit_id for u in units[:25]}
    split = split_units(units, "patient", held_out=0.9, seed=0, always_members=names)
    assert names <= set(split.members)
