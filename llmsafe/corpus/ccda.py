"""Notes in C-CDA documents (and other CDA R2): the narrative text of every section, in order.

A document is one note, read only: coded entries have no place in plain text, and a scrubbed corpus
of documents is written as jsonl. XML is parsed without document types, entities or outside files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from llmsafe.corpus.files import plain_name, read_whole
from llmsafe.corpus.hl7v2 import iso_date
from llmsafe.corpus.markup import base64_bytes, element_text, media_text, parse_xml
from llmsafe.corpus.records import Record, Row, Unreadable


def ccda_notes(path: Path) -> Iterator[Record]:
    """The whole file is one note, named as the file: document ids are not always unique."""
    data = read_whole(path)
    yield Record(path.name, data, partial(_rows, plain_name(path).stem, data))


def _rows(name: str, data: bytes) -> list[Row]:
    root = document(data)
    times = (value for e in root.findall("effectiveTime") if (value := e.get("value")))
    return [
        {
            "note_id": name,
            "patient_id": patient_id(root),
            "date": iso_date(next(times, "")),
            "text": document_text(root),
        }
    ]


def document(data: bytes) -> Element:
    """Parse a document.

    Raises:
        Unreadable: it is no XML that is safe, or no clinical document.
    """
    root = parse_xml(data)
    if root.tag != "ClinicalDocument":
        raise Unreadable("XML that is no C-CDA document (its root is not ClinicalDocument)")
    return root


def document_text(root: Element) -> str:
    """Title and narrative of every section, or the body where it is not XML.

    Raises:
        Unreadable: there is no narrative, or a body that is a link, a PDF or another format.
    """
    for text in root.findall("component/nonXMLBody/text"):
        if text.find("reference") is not None:
            raise Unreadable("the body is a link to another file; put that file there instead")
        content = text.text or ""
        media = text.get("mediaType", "text/plain")
        if text.get("representation") == "B64":
            return media_text(media, base64_bytes(content))
        return media_text(media.partition(";")[0], content.encode())
    sections = root.findall("component/structuredBody/component/section")
    parts = [part for section in sections for part in _section(section)]
    text = element_text(*parts)
    if not text:
        raise Unreadable("a document without narrative text")
    return text


def _section(section: Element) -> Iterator[Element]:
    yield from (part for tag in ("title", "text") for part in section.findall(tag))
    for inner in section.findall("component/section"):
        yield from _section(inner)


def patient_id(root: Element) -> str | None:
    """The first identifier of the record target."""
    for identifier in root.findall("recordTarget/patientRole/id"):
        if name := identifier.get("extension") or identifier.get("root"):
            return name
    return None
