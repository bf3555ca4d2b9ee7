"""Known identifiers in the header of C-CDA documents.

Everything the header says about people belongs to the patient of the document: the patient, the
guardian and relatives, the authors, the custodian and whoever signed, with their addresses,
telephone numbers and identifiers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast
from xml.etree.ElementTree import Element

from llmsafe.corpus.ccda import document, patient_id
from llmsafe.corpus.hl7v2 import iso_date
from llmsafe.corpus.records import Record
from llmsafe.scrub.known.people import Facts, People, filled, full_names, telecom

# Object identifiers of the two numbers that every document in the US gives.
_SSN, _NPI = "2.16.840.1.113883.4.1", "2.16.840.1.113883.4.6"
_PLACES = ("streetAddressLine", "city", "county", "postalCode")
_PATIENT = "recordTarget/patientRole"


def ccda_people(record: Record) -> People:
    """Facts of the patient of one document; none where it names no patient id.

    Raises:
        Unreadable: it is no document that can be read.
    """
    root = document(cast("bytes", record.raw))
    patient = patient_id(root)
    if patient is None:
        return
    own = {id(name) for name in root.findall(f"{_PATIENT}/patient/name")}
    facts: Facts = [("OTHER_ID", patient)]
    for part in root:
        if part.tag != "component":
            facts += [fact for found in _within(part) for fact in _element(*found, own)]
    numbers = root.findall(f"{_PATIENT}/id")
    facts += [_identifier(number) for number in numbers]
    sex = root.find(f"{_PATIENT}/patient/administrativeGenderCode")
    facts.append(("sex", sex.get("code", "") if sex is not None else ""))
    yield patient, filled(facts)


def _within(part: Element) -> Iterator[tuple[Element, Element]]:
    """Every element below ``part`` with the one that holds it."""
    for holder in part.iter():
        for element in holder:
            yield holder, element


def _element(holder: Element, element: Element, own: set[int]) -> Facts:
    match element.tag:
        case "name":
            return _name(holder, element, "own name" if id(element) in own else "name")
        case "addr":
            places = [e for e in element.iter() if e.tag in _PLACES]
            return [("LOCATION", place.text or "") for place in places] or [
                ("LOCATION", element.text or "")
            ]
        case "telecom":
            return [telecom(element.get("value", ""))]
        case "birthTime" | "deceasedTime":
            return [("date", iso_date(element.get("value", "")) or "")]
        case "id" if element.get("root") in (_SSN, _NPI):
            return [_identifier(element)]
        case _:
            return []


def _identifier(element: Element) -> tuple[str, str]:
    category = {_SSN: "SSN", _NPI: "LICENSE"}.get(element.get("root", ""), "MRN")
    return category, element.get("extension", "")


def _name(holder: Element, name: Element, kind: str) -> Facts:
    """A person's name has parts or stands in a person; others are organisations."""
    given = [part.text or "" for part in name.findall("given")]
    family = " ".join(part.text or "" for part in name.findall("family"))
    if given or family:
        return full_names(kind, given, family)
    whole = " ".join("".join(name.itertext()).split())
    person = kind == "own name" or holder.tag.lower().endswith(("person", "guardian"))
    return [(kind if person else "ORGANIZATION", whole)]
