"""Units, near-duplicates, and a repr that shows nothing."""

from __future__ import annotations

from llmsafe.notes import (
    CATEGORIES,
    CATEGORY_MAP,
    FOREIGN_TYPES,
    Note,
    Unit,
    group_units,
    latest_notes,
    near_duplicate_groups,
)


def test_repr_shows_lengths_only():
    note = Note("secret-id", "John Smith", "secret-patient")
    assert repr(note) == "Note(<10 characters>)"
    assert "secret" not in repr([Unit("secret-patient", (note,))])


def test_patient_is_the_unit_when_there_is_one():
    notes = [Note("1", "a", "p"), Note("2", "b", "q"), Note("3", "c", "p"), Note("p", "d")]
    kind, units = group_units(notes)
    assert kind == "patient"
    assert [(u.unit_id, len(u.notes)) for u in units] == [("p", 2), ("q", 1), ("p", 1)]


def test_note_is_the_unit_without_patients():
    kind, units = group_units([Note("1", "a"), Note("2", "b")])
    assert kind == "note"
    assert [u.unit_id for u in units] == ["1", "2"]


def test_latest_notes_are_those_with_the_last_dates():
    dates = ["2020-03-01", None, "2021-01-01", "2020-02-01"]
    unit = Unit("p", tuple(Note(str(i), "x", "p", date) for i, date in enumerate(dates)))
    assert [note.date for note in latest_notes(unit, 2)] == ["2020-03-01", "2021-01-01"]
    assert len(latest_notes(unit, None)) == 4


def words(start: int, count: int) -> str:
    return " ".join(f"w{i}" for i in range(start, start + count))


def test_near_duplicates_are_grouped_transitively():
    texts = [
        words(0, 100),
        words(1000, 100),
        words(10, 100),  # shares 80 % with the first
        words(30, 100),  # shares 70 % with the third, so joins the first
        words(0, 20) + " " + words(5000, 80),  # shares a tenth only
        "short note",
        "short note",
        "",
        "",
    ]
    labels = near_duplicate_groups(texts)
    assert labels[0] == labels[2] == labels[3]
    assert len({labels[0], labels[1], labels[4], labels[5]}) == 4
    assert labels[5] == labels[6]
    assert labels[7] != labels[8]  # empty texts share nothing


def test_near_duplicates_are_found_where_no_spaces_are():
    """A copied-forward note in Chinese; without words of its own it would be one long word."""
    body = "患者三天前受凉后出现咳嗽，咳少量白痰，无发热，无胸痛，夜间可平卧，精神食欲尚可。"
    texts = [
        f"今日查房：{body}继续抗感染治疗。",
        f"昨夜平稳。{body}双肺呼吸音粗。",
        "腹平软，右下腹压痛，无反跳痛，肠鸣音正常，拟行腹部彩超检查后再定手术与否，家属知情。",
    ]
    labels = near_duplicate_groups(texts)
    assert labels[0] == labels[1] != labels[2]


def test_every_category_is_mapped():
    assert len(CATEGORIES) == 20
    letters = {CATEGORY_MAP[c][0][0] for c in CATEGORIES}
    assert letters == set("ABCDEFGHIJKLMNOPR")  # Q, full-face photographs, is no text


def test_types_of_others_lead_to_categories():
    assert set(FOREIGN_TYPES.values()) - {None} <= set(CATEGORIES)
    assert all(FOREIGN_TYPES[category] == category for category in CATEGORIES)
    # The second half of an i2b2-2014 name is what its files write.
    for category, (_, i2b2) in CATEGORY_MAP.items():
        kind = i2b2.partition("-")[2]
        if category not in ("LOCATION", "RESIDENT_ID") and kind:
            assert FOREIGN_TYPES[kind] == category
