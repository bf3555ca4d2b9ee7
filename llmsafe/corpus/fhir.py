"""Notes in FHIR bulk exports (R4, STU3): DocumentReference, and DiagnosticReport.presentedForm.

FHIR lets a document stand there several times in several formats, all saying the same. It is read
from the plainest that can be read: plain text, then HTML, then C-CDA. A document of which none can
be read (a PDF, a link) is bad, never left out in silence. Other resources hold no notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from llmsafe.corpus import ccda
from llmsafe.corpus.markup import base64_bytes, media_text
from llmsafe.corpus.records import Record, Row, Unreadable
from llmsafe.corpus.tables import json_object, json_objects

# What is in a folder of a bulk export, by the beginning of a file's name.
DOCUMENTS = ("DocumentReference", "DiagnosticReport")
PEOPLE = ("Patient", "RelatedPerson", "Practitioner")

_XML = ("text/xml", "application/xml", "application/hl7-cda+xml", "application/cda+xml")
_ORDER = ("text/plain", "", "text/html", "application/xhtml+xml", *_XML)


def fhir_notes(path: Path) -> Iterator[Record]:
    """The resources of an ndjson file; those without notes have no rows."""
    for record in json_objects(path):
        line = cast("bytes", record.raw)
        yield Record(record.where, line, partial(_resource_rows, line))


def _resource_rows(line: bytes) -> list[Row]:
    [resource] = json_object(line)
    match resource.get("resourceType"):
        case "DocumentReference":
            found = [a for c in objects(resource, "content") for a in objects(c, "attachment")]
            if not found:
                raise Unreadable("a DocumentReference without an attachment")
            name = _text(resource, "id")
        case "DiagnosticReport":
            found = objects(resource, "presentedForm")
            if not found:
                return []
            # Ids are unique within a type of resource only.
            name = _text(resource, "id") and f"DiagnosticReport-{_text(resource, 'id')}"
        case _:
            return []
    dates = ("date", "effectiveDateTime", "issued", "created", "indexed")
    return [
        {
            "note_id": name and (f"{name}-{part}" if part else name),
            "patient_id": reference_id(resource, "subject"),
            "date": next((date for key in dates if (date := _text(resource, key))), None),
            "text": text,
        }
        for part, text in enumerate(_readings(found))
    ]


def _readings(attachments: list[Row]) -> list[str]:
    """The texts of all attachments of the plainest format that can be read."""
    why: Unreadable | None = None
    by_kind: dict[str, list[Row]] = {}
    for attachment in attachments:
        kind = (_text(attachment, "contentType") or "").partition(";")[0].strip().lower()
        by_kind.setdefault(kind, []).append(attachment)
    for kind in sorted(by_kind, key=lambda k: _ORDER.index(k) if k in _ORDER else len(_ORDER)):
        try:
            return [_attachment_text(kind, attachment) for attachment in by_kind[kind]]
        except Unreadable as error:
            why = why or error
    raise why or Unreadable("no attachment")


def _attachment_text(kind: str, attachment: Row) -> str:
    data = attachment.get("data")
    if data is None:
        raise Unreadable("the attachment is a link or empty; put its content into attachment.data")
    content = base64_bytes(data)
    if kind in _XML:
        return ccda.document_text(ccda.document(content))
    return media_text(_text(attachment, "contentType") or "", content)


def reference_id(resource: Mapping[str, Any], key: str) -> str | None:
    """The id in a reference (relative, absolute, versioned, ``urn:uuid:``, conditional) or, where
    there is none, the value of its identifier.

    Raises:
        Unreadable: the reference is to something inside the resource, so it names nobody.
    """
    for target in objects(resource, key):
        reference = _text(target, "reference")
        if reference is None:
            return next((_text(i, "value") for i in objects(target, "identifier")), None)
        if reference.startswith("#"):
            raise Unreadable(f"its {key} is inside the resource; name the patient by reference")
        path, _, query = reference.partition("?")
        if query:
            return query.rpartition("|")[2].rpartition("=")[2] or None
        return path.partition("/_history/")[0].rpartition("/")[2].removeprefix("urn:uuid:") or None
    return None


def objects(value: Mapping[str, Any], key: str) -> list[Row]:
    """The object or the list of objects at ``key``; an empty list where there is none.

    Raises:
        Unreadable: something else is there.
    """
    found: Any = value.get(key)
    many = cast("list[Any]", found if isinstance(found, list) else [found])
    if found is None:
        return []
    if not all(isinstance(item, dict) for item in many):
        raise Unreadable(f"{key!r} is not an object")
    return cast("list[Row]", many)


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found or None
    raise Unreadable(f"{key!r} is {type(found).__name__}, not text")
