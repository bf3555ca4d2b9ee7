"""FHIR exports: which resources hold notes, which format of a document is read, whose it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from llmsafe.corpus import Bad, open_corpus
from llmsafe.corpus.fhir import reference_id
from llmsafe.corpus.records import Unreadable
from llmsafe.errors import InputError
from llmsafe.notes import Note

SENTINEL = "Zyxwvut"
EXPORT = Path(__file__).resolve().parents[3] / "shared" / "data" / "synthea-fhir-10"


def attachment(content: str | bytes, kind: str | None = "text/plain; charset=utf-8") -> Any:
    data = content.encode() if isinstance(content, str) else content
    return {"data": base64.b64encode(data).decode()} | ({"contentType": kind} if kind else {})


def document(*attachments: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "d1",
        "date": "2020-05-06T10:00:00Z",
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": one} for one in attachments],
    } | more


def read(tmp_path: Path, *resources: Any) -> list[Note | Bad]:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return list(open_corpus(path).records())


def test_a_bulk_export(tmp_path: Path) -> None:
    (tmp_path / "DocumentReference.000.ndjson").write_text(json.dumps(document(attachment("A."))))
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d1",
        "subject": {"reference": "Patient/p2"},
        "effectiveDateTime": "2021-01-02",
        "presentedForm": [attachment("B.")],
    }
    numbers = {
        "resourceType": "DiagnosticReport",
        "id": "lab",
        "subject": {"reference": "Patient/p2"},
    }
    lines = "\n".join(json.dumps(one) for one in (report, numbers))
    (tmp_path / "DiagnosticReport.000.ndjson").write_text(lines)
    (tmp_path / "Patient.000.ndjson").write_text(json.dumps({"resourceType": "Patient"}))
    assert list(open_corpus(tmp_path).notes()) == [
        Note("DiagnosticReport-d1", "B.", "p2", "2021-01-02"),
        Note("d1", "A.", "p1", "2020-05-06"),
    ]


HTML = (
    "<html><head><style>p {}</style></head><body><h1>Note</h1>"
    "<p>Jo<b>hn</b> &amp; co&nbsp;.<br>Rest"
)
CDA = (
    "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section>"
    "<title>Plan</title><text>Rest.</text></section></component></structuredBody></component>"
    "</ClinicalDocument>"
)


@pytest.mark.parametrize(
    ("attachments", "text"),
    [
        ([attachment("Cough.", None)], "Cough."),
        ([attachment("Fièvre".encode("latin-1"), "text/plain;charset=ISO-8859-1")], "Fièvre"),
        (
            [attachment("发热".encode("gb18030"), 'TEXT/PLAIN; format=flowed; charset="gb18030"')],
            "发热",
        ),
        ([attachment(HTML + "</p></body></html>", "text/html")], "Note\nJohn & co .\nRest"),
        ([attachment("<p>a</p><pre>b  c\nd</pre>", "application/xhtml+xml")], "a\nb c\nd"),
        ([attachment(CDA, "application/hl7-cda+xml")], "Plan\nRest."),
        ([attachment("%PDF", "application/pdf"), attachment("<p>A", "text/html")], "A"),
        ([attachment("<p>A", "text/html"), attachment("B", "text/plain")], "B"),
    ],
)
def test_the_plainest_format_is_read(tmp_path: Path, attachments: Any, text: str) -> None:
    [note] = read(tmp_path, document(*attachments))
    assert isinstance(note, Note), note.reason
    assert note.text == text


@pytest.mark.parametrize(
    ("resource", "rule"),
    [
        (document(attachment(SENTINEL, "application/pdf")), "the attachment is application/pdf;"),
        (document(attachment(SENTINEL, SENTINEL)), "the attachment is of an unknown type;"),
        (document(attachment("%PDF-1.7 " + SENTINEL)), "RTF or PDF, not plain text"),
        (document(attachment(r"{\rtf1 " + SENTINEL)), "RTF or PDF, not plain text"),
        (document(attachment(SENTINEL.encode() + b"\xe9")), "not UTF-8 (byte 7)"),
        (document(attachment(b"\x89PNG\x00")), "not UTF-8"),
        (document(attachment(SENTINEL, f"text/plain; charset={SENTINEL}")), "a character set that"),
        (document(attachment(f"<script>{SENTINEL}", "text/html")), "HTML with a script"),
        (
            document({"contentType": "text/plain", "url": f"Binary/{SENTINEL}"}),
            "the attachment is a",
        ),
        (document({"data": SENTINEL + "!"}), "the attachment is not base64"),
        (document({"data": 7}), "the attachment is not base64"),
        (document(), "a DocumentReference without an attachment"),
        (document(content=SENTINEL), "'content' is not an object"),
        (document(content=[{"attachment": [SENTINEL]}]), "'attachment' is not an object"),
        (document(attachment("x"), subject={"reference": "#p1"}), "its subject is inside"),
        (document(attachment("x"), subject={"reference": 7}), "'reference' is int, not text"),
        (document(attachment("x"), id=["d1"]), "'id' is list, not text"),
    ],
)
def test_what_is_not_text_is_bad_and_the_rest_is_read(
    tmp_path: Path, resource: Any, rule: str
) -> None:
    good = document(attachment("Cough."), id="d2")
    bad, note = read(tmp_path, resource, good)
    assert isinstance(note, Note)
    assert isinstance(bad, Bad)
    assert (bad.where, bad.reason[: len(rule)]) == ("a.ndjson:1", rule)
    assert SENTINEL not in bad.reason
    with pytest.raises(InputError, match=r"^a\.ndjson:1: "):
        list(open_corpus(tmp_path).notes())


@pytest.mark.parametrize(
    ("subject", "patient"),
    [
        ({"reference": "Patient/p1"}, "p1"),
        ({"reference": "https://host/fhir/Patient/p1/_history/4"}, "p1"),
        ({"reference": "urn:uuid:0-1"}, "0-1"),
        ({"reference": "Patient?identifier=http://mrn|77"}, "77"),
        ({"identifier": {"system": "http://mrn", "value": "77"}}, "77"),
        ({"display": SENTINEL}, None),
        (None, None),
    ],
)
def test_whose_note_it_is(subject: Any, patient: str | None) -> None:
    assert reference_id({"subject": subject}, "subject") == patient


def test_a_reference_of_another_shape_is_refused() -> None:
    with pytest.raises(Unreadable, match="'subject' is not an object"):
        reference_id({"subject": "Patient/p1"}, "subject")


@pytest.mark.skipif(not EXPORT.exists(), reason="needs the Synthea export")
def test_a_real_export_is_read_whole() -> None:
    notes = list(open_corpus(EXPORT).notes())
    assert len(notes) == 1215
    assert len({note.patient_id for note in notes}) == 13
    assert all(note.text and note.date for note in notes)
