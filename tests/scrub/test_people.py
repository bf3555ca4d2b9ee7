"""Known identifiers in HL7 v2, C-CDA and FHIR, and those that a corpus holds itself."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from llmsafe.corpus import open_corpus
from llmsafe.errors import InputError
from llmsafe.scrub.known.identities import identity_files, read_identities
from llmsafe.scrub.known.matcher import Identity

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def people(path: Path, content: str) -> dict[str, Identity]:
    path.write_text(content)
    return read_identities([path])[0]


def segment(name: str, **fields: str) -> str:
    """``segment("PV1", f7="x")``: field seven is x."""
    places = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(places.get(i, "") for i in range(1, max(places) + 1))])


MESSAGE = "\r".join(
    [
        "MSH|^~\\&|A|B|C|D|20200506||ADT^A01|7|P|2.5",
        segment(
            "PID", f3="77^^^H^MR~945-05-7974^^^S^SS", f5='Okonkwo^William^James^III^Dr~""', f7="19600304", f8="F", f9="Bill",
            f11="2356 Flint Road&Flint^Apt 2^Tupelo^MS^38801^^^^Lee~1000&Lane", f13="(704)188-2639^PRN^PH~^NET^Internet^w@x.org",
            f14="^WPN^FX^^1^919^5551212", f18="A572", f20="D1234^MS",
        ),
        segment("NK1", f2="Okonkwo^Mary", f4="9 Elm Way^^Emporia", f5="555-810-7203"),
        segment("PV1", f3="CCU^2000^1", f7="1234567890^Hippocrates^Kos", f19="V99"),
        segment("OBR", f16="Dr Nobody"),
        segment("IN1", f16="Okonkwo^Bo", f36="POL-4711"),
        segment("PID", f3="78", f5="Other^Person"),
    ]
)  # fmt: skip


def test_hl7_segments(tmp_path: Path) -> None:
    found = people(tmp_path / "a.hl7", MESSAGE)
    one = found["77"]
    assert one.own == ("William James Okonkwo", "William Okonkwo", "Bill")
    assert set(one.names) - set(one.own) == {
        "Mary Okonkwo", "Kos Hippocrates", "Dr Nobody", "Bo Okonkwo",
    }  # fmt: skip
    assert one.dates == ("1960-03-04",)
    assert one.female is True
    assert set(one.values) >= {
        ("MRN", "77"), ("SSN", "945-05-7974"), ("LOCATION", "2356 Flint Road"), ("LOCATION", "Tupelo"),
        ("LOCATION", "38801"), ("LOCATION", "Lee"), ("PHONE", "(704)188-2639"), ("EMAIL", "w@x.org"),
        ("FAX", "9195551212"), ("ACCOUNT", "A572"), ("LICENSE", "D1234"), ("LOCATION", "9 Elm Way"),
        ("PHONE", "555-810-7203"), ("LICENSE", "1234567890"), ("ACCOUNT", "V99"), ("HEALTH_PLAN", "POL-4711"),
    }  # fmt: skip
    assert not {"MS", "CCU", "2000", "1000"} & {value for _, value in one.values}
    assert found["78"].names == ("Person Other",)  # and nothing of the first patient
    assert "Okonkwo" not in repr(found)


DOCUMENT = """<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole>
<id extension="77" root="1.2"/><id extension="945-05-7974" root="2.16.840.1.113883.4.1"/>
<addr><streetAddressLine>2356 Flint Road</streetAddressLine><city>Tupelo</city><state>MS</state></addr>
<telecom value="tel:+1(704)188-2639"/><telecom value="mailto:w@x.org"/><telecom nullFlavor="UNK"/>
<patient><name><given>William</given><given>James</given><family>Okonkwo</family></name>
<administrativeGenderCode code="M"/><birthTime value="196003041200"/>
<guardian><guardianPerson><name>Mary Okonkwo</name></guardianPerson></guardian></patient>
<providerOrganization><name>Flint Clinic</name></providerOrganization></patientRole></recordTarget>
<author><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1234567890"/><assignedPerson>
<name>Dr. <given>Kos</given> <family>Hippocrates</family></name></assignedPerson></assignedAuthor></author>
<component><structuredBody><component><section><text>Rest.</text><entry><name><family>Coded</family>
</name></entry></section></component></structuredBody></component></ClinicalDocument>"""


def test_the_header_of_a_document(tmp_path: Path) -> None:
    one = people(tmp_path / "a.xml", DOCUMENT)["77"]
    assert one.own == ("William James Okonkwo", "William Okonkwo")
    assert set(one.names) - set(one.own) == {"Mary Okonkwo", "Kos Hippocrates"}
    assert one.dates == ("1960-03-04",)
    assert one.female is False
    assert set(one.values) == {
        ("OTHER_ID", "77"), ("MRN", "77"), ("SSN", "945-05-7974"), ("LOCATION", "2356 Flint Road"),
        ("LOCATION", "Tupelo"), ("PHONE", "+1(704)188-2639"), ("EMAIL", "w@x.org"),
        ("ORGANIZATION", "Flint Clinic"), ("LICENSE", "1234567890"),
    }  # fmt: skip


def test_fhir_relatives_and_doctors(tmp_path: Path) -> None:
    patient = {
        "resourceType": "Patient", "id": "77", "name": {"family": "Okonkwo", "given": "William"},
        "generalPractitioner": [{"reference": "Practitioner/1", "display": "Dr. Kos Hippocrates"}],
        "gender": "other",
    }  # fmt: skip
    relative = {
        "resourceType": "RelatedPerson",
        "patient": {"reference": "Patient/77/_history/2"},
        "name": [{"text": "Mary Okonkwo"}],
        "gender": "female",
    }
    found = people(tmp_path / "a.ndjson", json.dumps(patient) + "\n" + json.dumps(relative))
    one = found["77"]
    assert one.own == ("William Okonkwo",)
    assert {"Dr. Kos Hippocrates", "Mary Okonkwo"} <= set(one.names)
    assert one.female is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ndjson", '{"resourceType": "Patient", "name": []}', "a.ndjson:1: a Patient without an id"),
        ("a.ndjson", '{"resourceType": "RelatedPerson"}', "a.ndjson:1: a RelatedPerson without a patient"),
        ("a.ndjson", '{"resourceType": "Patient", "id": "1", "name": "Okonkwo"}', "a.ndjson:1: 'name' is not an"),
        ("a.hl7", "PID|1||77||Okonkwo", "a.hl7:1: does not begin with MSH"),
        ("a.xml", "<a>Okonkwo</a>", "a.xml: XML that is no C-CDA document"),
        ("a.csv", 'patient_id,name\n1,"Okonkwo\n', "a.csv:2: bad CSV"),
        ("a.csv", "patient_id,name\n1,Okonkwo,William\n", "a.csv:2: more cells"),
    ],
)  # fmt: skip
def test_a_source_of_identifiers_must_be_whole(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(InputError) as raised:
        people(tmp_path / name, content)
    assert str(raised.value).startswith(message)
    assert "Okonkwo" not in str(raised.value)


def test_a_cell_with_a_newline_is_one_value(tmp_path: Path) -> None:
    one = people(tmp_path / "a.csv", 'patient_id,address\n1,"2 Oak St\nTupelo"\n')["1"]
    assert ("LOCATION", "2 Oak St\nTupelo") in one.values


def document(name: str, text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    subject = {"reference": "Patient/77"}
    return json.dumps(
        {
            "resourceType": "DocumentReference",
            "id": name,
            "subject": subject,
            "content": [{"attachment": {"data": data}}],
        }
    )


def test_a_corpus_names_its_own_patients(tmp_path: Path) -> None:
    (tmp_path / "fhir").mkdir()
    patient = json.dumps({"resourceType": "Patient", "id": "77", "name": [{"family": "Okonkwo"}]})
    for name, content in (
        ("fhir/DocumentReference.ndjson", document("d", "x")),
        ("fhir/Patient.ndjson", patient),
        ("fhir/Encounter.ndjson", '{"resourceType": "Encounter"}'),
        ("all.ndjson", "{broken\n" + document("d", "x") + "\n" + patient),
        ("a.hl7", "PID|broken\r" + MESSAGE),
        ("a.xml", DOCUMENT),
    ):
        (tmp_path / name).write_text(content)
    for name, files in (
        ("fhir", ["Patient.ndjson"]), ("all.ndjson", ["all.ndjson"]), ("a.hl7", ["a.hl7"]), ("a.xml", ["a.xml"]),
    ):  # fmt: skip
        corpus = open_corpus(tmp_path / name)
        assert [path.name for path in identity_files(corpus)] == files
        found, _ = read_identities([], corpus)  # what is broken is for the quarantine
        assert any("Okonkwo" in part for part in found["77"].names)
    (tmp_path / "n.jsonl").write_text('{"text": "x"}')
    assert identity_files(open_corpus(tmp_path / "n.jsonl")) == ()


def test_broken_people_beside_readable_notes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "DocumentReference.ndjson").write_text(document("d", "x"))
    (tmp_path / "Patient.ndjson").write_text("{broken\n")
    with pytest.raises(InputError, match=r"Patient.ndjson:1: no JSON"):
        read_identities([], open_corpus(tmp_path))
    # The same file holds both: the note would be scrubbed without its patient.
    both = tmp_path / "all.ndjson"
    both.write_text(document("d", "x") + '\n{"resourceType": "Patient"}')
    with pytest.raises(InputError, match=r"all.ndjson:2: a Patient without an id"):
        read_identities([], open_corpus(both))


@pytest.mark.skipif(not (SHARED / "synthea-fhir-10").exists(), reason="needs the Synthea export")
def test_every_patient_of_a_real_export_is_known() -> None:
    corpus = open_corpus(SHARED / "synthea-fhir-10")
    found, staff = read_identities([], corpus)
    assert {note.patient_id for note in corpus.notes()} <= set(found)
    assert staff is not None
    assert len(staff.names) > 20
