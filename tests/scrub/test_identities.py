"""Reading tables of known identifiers."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmsafe.errors import InputError
from llmsafe.scrub.known.identities import column_kind, read_identities


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("first_name", "own name"), ("LastName", "own name"), ("name", "own name"), ("mother_first_name", "name"),
        ("primary_care_name", "name"), ("relative_1_relationship", "skip"), ("birth_date", "date"), ("DOB", "date"),
        ("home_phone", "PHONE"), ("fax", "FAX"), ("E-Mail", "EMAIL"), ("ssn", "SSN"), ("mrn", "MRN"),
        ("health_plan_number", "HEALTH_PLAN"), ("insurer", "skip"), ("account_number", "ACCOUNT"), ("zip", "LOCATION"),
        ("street", "LOCATION"), ("state", "skip"), ("employer", "ORGANIZATION"), ("vehicle", "VEHICLE"),
        ("sex", "sex"), ("race", "skip"), ("passport_number", "OTHER_ID"), ("weight", None),
    ],
)  # fmt: skip
def test_columns_are_understood(column: str, kind: str | None) -> None:
    assert column_kind(column) == kind


def test_csv_and_jsonl_add_up(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text(
        "patient_id,first_name,middle_name,last_name,dob,phone,sex,relative_1_name\n"
        "p1,Ann,Lee,Ibsen,03/04/1960,555-201-3344,f,Bo Ibsen\n"
    )
    more = tmp_path / "b.jsonl"
    more.write_text(json.dumps({"patient_id": "p1", "address": {"line": ["1 Oak St"]}}) + "\n")
    people, shared = read_identities([table, more])
    one = people["p1"]
    assert shared is None
    assert {"Ann Lee Ibsen", "Ann Ibsen"} <= set(one.own)
    assert "Bo Ibsen" in one.names
    assert "Bo Ibsen" not in one.own
    assert one.dates == ("1960-03-04",)
    assert {("PHONE", "555-201-3344"), ("LOCATION", "1 Oak St"), ("OTHER_ID", "p1")} <= set(
        one.values
    )
    assert one.female is True


def test_fhir_patients_and_practitioners(tmp_path: Path) -> None:
    patient = {
        "resourceType": "Patient", "id": "abc-1", "gender": "male", "birthDate": "1950-01-02",
        "name": [{"family": "Ai120", "given": ["Marine542"]}],
        "telecom": [{"system": "phone", "value": "555-810-7203"}],
        "address": [{"line": ["9 Elm Way"], "city": "Emporia", "state": "KS", "postalCode": "66801"}],
        "identifier": [{"type": {"coding": [{"code": "SS"}]}, "value": "999-94-5397"}],
        "contact": [{"name": {"family": "Roe", "given": ["Jo"]}}],
    }  # fmt: skip
    doctor = {
        "resourceType": "Practitioner",
        "id": "d",
        "name": [{"family": "Emard19", "given": ["Irvin970"]}],
    }
    path = tmp_path / "fhir.ndjson"
    path.write_text("\n".join(json.dumps(r) for r in (patient, doctor, {"resourceType": "Claim"})))
    people, shared = read_identities([path])
    one = people["abc-1"]
    assert "Marine542 Ai120" in one.own
    assert {"Jo Roe"} <= set(one.names) - set(one.own)
    assert {("SSN", "999-94-5397"), ("LOCATION", "Emporia"), ("LOCATION", "66801")} <= set(
        one.values
    )
    assert ("LOCATION", "KS") not in one.values
    assert one.female is False
    assert shared is not None
    assert "Irvin970 Emard19" in shared.names


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "first_name\nAnn\n", "no patient_id; columns present: first_name"),
        ("a.jsonl", "{broken\n", "no JSON"),
        ("a.jsonl", "[1]\n", "not an object"),
        ("a.xlsx", "x", "unknown format"),
        ("a.csv", "patient_id,weight\np1,70\n", "understood"),
    ],
)
def test_a_bad_table_is_refused_without_its_content(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        people, _ = read_identities([path])
        assert people
    assert "Ann" not in str(raised.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_identities([tmp_path / "none.csv"])
