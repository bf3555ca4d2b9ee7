"""Known identifiers in FHIR: Patient, RelatedPerson, Practitioner."""

from __future__ import annotations

from typing import Any, cast

from llmsafe.corpus.fhir import objects, reference_id
from llmsafe.corpus.records import Row, Unreadable
from llmsafe.scrub.known.people import SHARED, Facts, People, filled, full_names, identifier

_SYSTEMS = {"phone": "PHONE", "sms": "PHONE", "pager": "PHONE", "fax": "FAX", "email": "EMAIL"}


def fhir_people(resource: Row) -> People:
    """Facts of one resource. Practitioners belong to everybody; others than these three have none.

    Raises:
        Unreadable: a Patient without an id, a RelatedPerson without a patient, or another shape
            than FHIR's.
    """
    match resource["resourceType"]:
        case "Patient":
            person = resource.get("id")
            if not isinstance(person, str) or not person:
                raise Unreadable("a Patient without an id")
            yield person, [*_facts(resource, "own name"), ("OTHER_ID", person)]
        case "RelatedPerson":
            person = reference_id(resource, "patient")
            if person is None:
                raise Unreadable("a RelatedPerson without a patient")
            yield person, [fact for fact in _facts(resource, "name") if fact[0] != "sex"]
        case "Practitioner":
            # A surgery's town is no secret, and stands in the notes of patients who live there.
            kept = [f for f in _facts(resource, "name") if f[0] not in ("LOCATION", "sex")]
            yield SHARED, kept
        case _:
            pass


def _facts(resource: Row, kind: str) -> Facts:
    facts = _person(resource, kind)
    for contact in objects(resource, "contact"):
        facts += _person(contact, "name")
        facts += [("ORGANIZATION", _text(o, "display")) for o in objects(contact, "organization")]
    for doctor in objects(resource, "generalPractitioner"):
        facts.append(("name", _text(doctor, "display")))
    for extension in objects(resource, "extension"):
        if "mothersMaidenName" in _text(extension, "url"):
            facts.append(("name", _text(extension, "valueString")))
        facts += [fact for a in objects(extension, "valueAddress") for fact in _address(a)]
    facts.append(("sex", _text(resource, "gender")))
    return filled(facts)


def _person(resource: Row, kind: str) -> Facts:
    facts: Facts = []
    for name in objects(resource, "name"):
        facts += full_names(kind, _texts(name, "given"), _text(name, "family"))
        facts.append((kind, _text(name, "text")))
    for contact in objects(resource, "telecom"):
        category = _SYSTEMS.get(_text(contact, "system"), "URL")
        facts.append((category, _text(contact, "value")))
    for address in objects(resource, "address"):
        facts += _address(address)
    for number in objects(resource, "identifier"):
        codes = [_text(c, "code") for t in objects(number, "type") for c in objects(t, "coding")]
        facts.append(identifier(codes[0] if codes else "", _text(number, "value")))
    facts += [("date", _text(resource, key)) for key in ("birthDate", "deceasedDateTime")]
    return facts


def _address(address: Row) -> Facts:
    lines = [("LOCATION", line) for line in _texts(address, "line")]
    keys = ("city", "district", "postalCode", "text")
    return [*lines, *(("LOCATION", _text(address, key)) for key in keys)]


def _text(value: Row, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _texts(value: Row, key: str) -> list[str]:
    found: Any = value.get(key) or []
    many = cast("list[Any]", found if isinstance(found, list) else [found])
    return [str(item) for item in many if item is not None]
