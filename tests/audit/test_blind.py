"""The blind baseline is silent where groups are alike and loud where they differ."""

import random

import numpy as np

from llmsafe.audit.blind import blind_auc
from llmsafe.audit.forward import Text

WORDS = [f"word{i}" for i in range(300)]


def texts(rng, units, role, *, notes=2, extra=()):
    return [
        Text(f"{role}{u}-{k}", f"{role}{u}", role, " ".join(rng.choices(WORDS, k=40) + list(extra)))
        for u in range(units)
        for k in range(notes)
    ]


def test_alike_groups_give_an_interval_over_one_half():
    voided = []
    for seed in range(12):
        rng = random.Random(seed)
        found = blind_auc(
            texts(rng, 20, "member"), texts(rng, 20, "non_member"), np.random.default_rng(seed)
        )
        voided.append(found.low > 0.5)
    assert np.sum(voided) <= 1


def test_a_word_that_only_members_have_is_found():
    rng = random.Random(0)
    found = blind_auc(
        texts(rng, 40, "member", extra=["ward7"]),
        texts(rng, 40, "non_member", extra=["ward9"]),
        np.random.default_rng(0),
    )
    assert found.low > 0.9


def test_a_chinese_word_that_only_members_have_is_found():
    """Texts without spaces have words, too: in one long word no classifier would see anything."""
    rng = random.Random(0)

    def side(role, ward):
        parts = ["咳嗽", "发热", "头晕", "乏力", "腹痛", "心悸", "气促", "恶心", "皮疹", "胸闷"]
        for unit in range(40):
            said = rng.choices(parts, k=12)
            said[rng.randrange(12)] += ward
            yield Text(f"{role}{unit}", f"{role}{unit}", role, "".join(said))

    members, others = list(side("member", "南楼")), list(side("non_member", "北楼"))
    assert blind_auc(members, others, np.random.default_rng(0)).low > 0.9
    alike = list(side("non_member", "南楼"))
    assert blind_auc(members, alike, np.random.default_rng(0)).low < 0.5


def test_a_shift_in_frequency_is_found():
    rng = random.Random(0)
    year = WORDS[:60]
    inside = texts(rng, 60, "member")
    inside = [Text(t.text_id, t.unit_id, t.role, t.text + " " + " ".join(rng.choices(year, k=15)))
              for t in inside]  # fmt: skip
    found = blind_auc(inside, texts(rng, 60, "non_member"), np.random.default_rng(0))
    assert found.low > 0.5


def test_a_patients_own_words_do_not_count():
    """A name in all notes of a patient links them; folds of whole patients keep that out."""
    rng = random.Random(1)

    def words(count):
        return " ".join(rng.choices(WORDS, k=count))

    def side(role):
        return [
            Text(f"{role}{u}-{k}", f"{role}{u}", role, f"name{role}{u} " * 12 + words(5))
            for u in range(30)
            for k in range(6)
        ]

    inside, outside = side("member"), side("non_member")
    honest = blind_auc(inside, outside, np.random.default_rng(0))
    assert honest.low < 0.5
    # Negative control: were every note a unit of its own, the names would give all away.
    loose = [
        [Text(t.text_id, t.text_id, t.role, t.text) for t in group] for group in (inside, outside)
    ]
    assert blind_auc(*loose, np.random.default_rng(0)).low > 0.9


def test_sides_of_unequal_size_stay_fair_and_tiny_ones_are_refused():
    rng = random.Random(1)
    found = blind_auc(
        texts(rng, 80, "member"), texts(rng, 12, "non_member"), np.random.default_rng(0)
    )
    assert found.low <= 0.5
    assert blind_auc(texts(rng, 4, "member"), texts(rng, 9, "x"), np.random.default_rng(0)) is None
    assert blind_auc([], [], np.random.default_rng(0)) is None
