"""The Chinese test releases: made by their script, marked exactly, counted by their cards."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llmsafe.cli.library import find
from llmsafe.notes import CATEGORIES
from llmsafe.synthetic import Audience, Patient, patients
from llmsafe.synthetic.grammar import APART
from llmsafe.synthetic.zh import ids
from llmsafe.synthetic.zh.notes import KINDS

ROOT = Path(__file__).resolve().parents[1]
AUDIENCES: tuple[Audience, ...] = ("private", *APART)  # releases 1 to 10


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "make_zh_phi_test.py"
    spec = importlib.util.spec_from_file_location("make_zh_phi_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=AUDIENCES)
def audience(request: pytest.FixtureRequest) -> Audience:
    return request.param


@pytest.fixture(scope="module")
def release(script: ModuleType, audience: Audience) -> Path:
    return script.OUTPUTS[audience]


@pytest.fixture(scope="module")
def rows(release: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in release.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def people(script: ModuleType, audience: Audience) -> list[Patient]:
    """All patients that the release is chosen from."""
    return [
        person
        for lang in script.QUOTA
        for person in patients(script.SEED, script.PEOPLE, lang=lang, audience=audience)
    ]


def test_the_script_makes_these_bytes(
    script: ModuleType, rows: list[dict[str, Any]], people: list[Patient]
) -> None:
    """Where phrases change, some move to the other half: the release is then made anew."""
    for lang in script.QUOTA:
        mine = [row for row in rows if row["lang"] == lang]
        theirs = [person for person in people if person.notes[0].lang == lang]
        assert [script.row(note) for note in script.chosen(theirs, lang)] == mine


def test_the_identity_table_is_of_these_patients(
    script: ModuleType,
    rows: list[dict[str, Any]],
    people: list[Patient],
    release: Path,
    tmp_path: Path,
) -> None:
    of_notes = {row["patient_id"] for row in rows}
    mine = (p.identity.as_row() for p in people if p.identity.patient_id in of_notes)
    script.write_table(tmp_path / "table.csv", mine)
    published = release.with_name(f"{release.stem}_identities.csv")
    assert (tmp_path / "table.csv").read_bytes() == published.read_bytes()


def test_no_value_of_the_table_and_no_name_stands_outside_a_span(
    rows: list[dict[str, Any]], people: list[Patient]
) -> None:
    """A whole value, and the parts of names where they are no words of the notes."""
    known = {person.identity.patient_id: person for person in people}
    checked = 0
    for row in rows:
        who = known[row["patient_id"]].identity
        house = who.institution
        values = {value for value in who.as_row().values() if value and len(value) > 2}
        values -= {who.patient_id, who.insurer, who.occupation, who.state}
        values |= {house.name, house.clinic, house.phone, house.fax, house.url, house.street}
        for other in (*who.relatives, *house.staff):
            values |= {other.name, other.phone}
        outside, end = "", 0
        for span in row["spans"]:
            outside += row["text"][end : span["start"]] + "\0"
            end = span["end"]
        outside += row["text"][end:]
        assert not [value for value in values if value in outside], row["note_id"]
        checked += sum(value in row["text"] for value in values)
    assert checked > 1000


def test_check_digits_of_resident_numbers_are_right(rows: list[dict[str, Any]]) -> None:
    seen = 0
    for row in rows:
        for span in row["spans"]:
            value = row["text"][span["start"] : span["end"]]
            if span["category"] == "RESIDENT_ID" and row["lang"] == "zh":
                assert ids.check_digit(value[:17]) == value[17]
                seen += 1
    assert seen > 20


def test_llmsafe_ls_shows_the_releases(release: Path) -> None:
    item = find(f"data/{release.name}")
    assert item.path == release
    assert re.search(r"invented clinical notes with gold spans", item.about)


def test_an_audience_without_a_release_must_name_its_file(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that notes to develop on never overwrite a release."""
    monkeypatch.setattr("sys.argv", ["", "--audience", "public"])
    with pytest.raises(SystemExit):
        script.main()
    assert "audience public has no release" in capsys.readouterr().err


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


def test_the_card_has_the_counts(
    script: ModuleType, rows: list[dict[str, Any]], release: Path
) -> None:
    card = release.with_suffix(".md").read_text(encoding="utf-8")
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
