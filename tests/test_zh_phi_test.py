"""The Chinese test release: made by its script, marked exactly, counted rightly by its card."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llmsafe.notes import CATEGORIES
from llmsafe.synthetic import patients
from llmsafe.synthetic.zh.notes import KINDS

ROOT = Path(__file__).resolve().parents[1]
RELEASE = ROOT / "eval" / "zh_phi_test.jsonl"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "make_zh_phi_test.py"
    spec = importlib.util.spec_from_file_location("make_zh_phi_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RELEASE.read_text(encoding="utf-8").splitlines()]


def test_the_script_makes_these_bytes(script: ModuleType, rows: list[dict[str, Any]]) -> None:
    """Where phrases change, some move to the other half: the release is then made anew."""
    for lang in script.QUOTA:
        mine = [row for row in rows if row["lang"] == lang]
        people = list(patients(script.SEED, script.PEOPLE, lang=lang, audience="private"))
        assert [script.row(note) for note in script.chosen(people, lang)] == mine


def test_the_identity_table_is_of_these_patients(
    script: ModuleType, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    of_notes = {row["patient_id"] for row in rows}
    people = (p for lang in script.QUOTA for p in patients(script.SEED, script.PEOPLE, lang=lang))
    mine = (p.identity.as_row() for p in people if p.identity.patient_id in of_notes)
    script.write_table(tmp_path / "table.csv", mine)
    published = RELEASE.with_name("zh_phi_test_identities.csv")
    assert (tmp_path / "table.csv").read_bytes() == published.read_bytes()


def test_another_seed_is_for_development(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, table = tmp_path / "dev.jsonl", tmp_path / "dev.csv"
    arguments = ["", str(notes), "--identities", str(table), "--audience", "public", "--seed", "7"]
    monkeypatch.setattr("sys.argv", arguments)
    script.main()
    made = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    with table.open(encoding="utf-8") as file:
        known = {row["patient_id"]: row["full_name"] for row in csv.DictReader(file)}
    assert known.keys() == {row["patient_id"] for row in made}
    assert any(known[row["patient_id"]] in row["text"] for row in made)
    assert all("-public-7-" in row["patient_id"] for row in made)


def test_the_card_has_the_counts(script: ModuleType, rows: list[dict[str, Any]]) -> None:
    card = RELEASE.with_suffix(".md").read_text(encoding="utf-8")
    for table in script.tables(rows).split("\n\n"):
        assert table.strip() in card
    spans = sum(len(row["spans"]) for row in rows)
    assert f"{len(rows)} notes of " in card
    assert f"{spans} spans" in card


def test_spans_are_exact_and_every_kind_is_there(rows: list[dict[str, Any]]) -> None:
    assert len({row["note_id"] for row in rows}) == len(rows) >= 390
    assert {row["kind"] for row in rows} == set(KINDS)
    for row in rows:
        end = 0
        for span in row["spans"]:
            assert end <= span["start"] < span["end"] <= len(row["text"])
            assert span["category"] in CATEGORIES
            end = span["end"]


def test_no_name_or_place_of_the_public_half_is_in_it(rows: list[dict[str, Any]]) -> None:
    """What a tagger trained on the public half has seen: full names, streets, firms, hospitals."""
    values = {
        row["text"][span["start"] : span["end"]]
        for row in rows
        for span in row["spans"]
        if span["category"] in ("NAME", "LOCATION", "ORGANIZATION")
    }
    long = {value for value in values if len(value) > 2}
    for person in patients(5, 60, lang="zh", audience="public"):
        who, house = person.identity, person.identity.institution
        theirs = {who.name, who.street, who.other("address"), who.employer, house.name}
        theirs |= {relative.name for relative in who.relatives} | {s.name for s in house.staff}
        assert not long & theirs
