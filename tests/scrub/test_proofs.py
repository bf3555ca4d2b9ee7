"""The proofs of scripts/scrub_proofs.py in small, and that they see what they should."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import base64
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llmsafe.corpus import open_corpus
from llmsafe.notes import Note
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.identities import read_identities
from llmsafe.scrub.scrubber import build_scrubber
from llmsafe.scrub.settings import Settings
from llmsafe.synthetic import identity_table, patients

SCRIPTS = str(Path(__file__).resolve().parents[2] / "scripts")
KEY = Key(b"k" * 32)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the socket of a fork server, which lies in its tmp, may have no
    more than 107 characters."""
    with tempfile.TemporaryDirectory(prefix="proofs-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def proofs() -> Iterator[Any]:
    sys.path.insert(0, SCRIPTS)
    import scrub_proofs_fhir
    import scrub_proofs_fuzz
    import scrub_proofs_kill
    import scrub_proofs_run

    yield SimpleNamespace(
        run=scrub_proofs_run,
        fhir=scrub_proofs_fhir,
        fuzz=scrub_proofs_fuzz,
        kill=scrub_proofs_kill,
    )
    sys.path.remove(SCRIPTS)


@pytest.mark.parametrize("method", ["random", "mask"])
def test_what_is_planted_in_disguise_never_survives(proofs: Any, short: Path, method: str) -> None:
    people = list(patients(5, 6))
    table = proofs.run.write_rows(short / "people.jsonl", identity_table(people))
    identities, _ = read_identities([table])
    scrubber = build_scrubber(Settings(method, KEY))
    rng, left = random.Random(5), list[str]()
    made: list[tuple[str, Any]] = []
    for i in range(120):
        person = people[i % 6].identity
        text, planted = proofs.fuzz.carrier(person, rng)
        made.append((text, planted))
        outcome = scrubber.scrub(
            Note(f"n{i}", text, person.patient_id), identities[person.patient_id]
        )
        plain = proofs.run.folded(outcome.note.text) if outcome.note else ""
        assert outcome.note or outcome.reason.startswith("language")
        left += [one.disguise for one in planted if re.search(one.pattern, plain)]
    assert left == []
    control = proofs.run.Check("control")
    proofs.fuzz.judge_planted(control, made)
    assert control.cases > 200
    assert control.failures == []
    proofs.fuzz.judge_planted(control, [("nothing", planted) for _, planted in made])
    assert control.failures == ["finds 0.0% of what is planted"]


# --- a FHIR export --------------------------------------------------------------------------------

NAMES = [{"use": "official", "given": ["Marine542", "Ai120"], "family": "Ward604"}]
MAIDEN = {"url": "patient-mothersMaidenName", "valueString": "Harold594 VonRueden376"}
PATIENT = {
    "resourceType": "Patient", "id": "a-1", "name": NAMES, "birthDate": "1951-11-23", "extension": [MAIDEN],
    "telecom": [{"system": "phone", "value": "555-810-7203"}],
    "address": [{"line": ["633 Abernathy Landing"], "city": "Emporia", "state": "KS", "postalCode": "66801"}],
    "identifier": [{"type": {"coding": [{"code": "SS"}], "text": "SSN"}, "value": "999-94-5397"}],
}  # fmt: skip
DOCTOR = {
    "resourceType": "Practitioner", "id": "d-1", "name": [{"given": ["Irvin970"], "family": "Emard19"}],
    "identifier": [{"system": "npi", "value": "9999908392"}],
    "telecom": [{"system": "email", "value": "Irvin970.Emard19@example.com"}],
}  # fmt: skip


def document(number: int) -> dict[str, Any]:
    text = f"2021-03-{number + 1:02d}\nMARINE542 rests on the ward."
    attachment = {
        "contentType": "text/plain",
        "data": base64.b64encode(text.encode()).decode(),
    }
    return {
        "resourceType": "DocumentReference", "id": f"n-{number}", "subject": {"reference": "Patient/a-1"},
        "date": f"2021-03-{number + 1:02d}T10:00:00Z", "content": [{"attachment": attachment}],
        "author": [{"reference": "Practitioner?identifier=npi|9999908392"}],
    }  # fmt: skip


def test_no_identifier_of_an_export_survives_and_the_search_finds_one_that_does(
    proofs: Any, short: Path
) -> None:
    plain, faced = short / "plain", short / "faced"
    plain.mkdir()
    for name, resources in (
        ("Patient.000", [PATIENT]),
        ("Practitioner.000", [DOCTOR]),
        ("DocumentReference.000", [document(i) for i in range(31)]),
    ):
        proofs.run.write_rows(plain / f"{name}.ndjson", resources)
    proofs.fhir.write_faced(plain, faced, random.Random(7))
    notes = proofs.fhir.sources(faced)
    search = proofs.fhir.Search(plain, (note.text for note in proofs.fhir.sources(plain)))
    assert search.ordinary == ["Ward"]
    identities, shared = read_identities([], open_corpus(faced))
    scrubber = build_scrubber(Settings("surrogate", KEY, shared=shared))
    rows: list[dict[str, Any]] = []
    for record in open_corpus(faced).notes():
        done = scrubber.scrub(record, identities["a-1"]).note
        assert done is not None
        rows.append({"text": done.text, "patient_id": done.patient_id, "date": done.date})
    survived, control, dates = (proofs.run.Check(name) for name in ("survived", "control", "dates"))
    proofs.fhir.judge_survivors(survived, search, notes, rows)
    proofs.fhir.judge_control(control, search, notes, share=0.95)
    proofs.fhir.judge_dates(dates, notes, rows)
    assert survived.failures + control.failures + dates.failures == []
    # What it must see: each of these in a note, and a date that moves otherwise.
    leaks = ("marine", "Vonrueden", "633 ABERNATHY", "emporia", "66801", "(555) 810 7203", "810.7203",
             "999945397", "23 Nov 1951", "11/23/51", "EMARD-19", "9999-908392", "Ward")  # fmt: skip
    for leak in leaks:
        seen = proofs.run.Check(leak)
        leaky = {**rows[0], "text": f"{rows[0]['text']} {leak}."}
        proofs.fhir.judge_survivors(seen, search, notes, [leaky, *rows[1:]])
        assert seen.failures, leak
    later = date.fromisoformat(rows[3]["date"]).replace(day=1).isoformat()
    moved = proofs.run.Check("moved")
    proofs.fhir.judge_dates(moved, notes, [*rows[:3], {**rows[3], "date": later}, *rows[4:]])
    assert moved.failures


# --- marks ----------------------------------------------------------------------------------------


def test_a_run_leaves_no_mark_and_a_mark_in_any_coding_is_seen(proofs: Any, short: Path) -> None:
    bench = proofs.run.Bench(short)
    kills = proofs.kill.Kills(bench, 40)
    files, _ = kills.whole("hash", 1)
    assert kills.marks.failures + kills.same.failures == []
    assert {"corpus/part-00003.jsonl", "vault/quarantine.jsonl", "spans"} <= files.keys()
    assert proofs.kill.TEXT in json.dumps(bench.rows("whole-hash-1"))
    mark = f"seen: {proofs.kill.PHI}, twice".encode()
    for data in (mark, mark.lower(), mark.hex().encode(), base64.b64encode(mark)):
        kills.marks.failures.clear()
        (short / "tmp" / "left").write_bytes(data)
        kills._look("x", "a file is left")
        assert kills.marks.failures == [f"a file is left: {proofs.kill.PHI} in tmp/left"]
