"""Known identifiers in HL7 v2 messages: what their structured fields say about the patient.

Every segment that names people is read for the patient of its message: the patient (PID), next of
kin (NK1), guarantor and insured (GT1, IN1, IN2), and the staff of the visit, orders and documents
(PV1, PD1, ORC, OBR, TXA, ROL). Source: HL7 2.5.1, chapters 3, 4, 6 and 9.
"""

from __future__ import annotations

from typing import cast

from llmsafe.corpus.hl7v2 import Message, Segment, iso_date, parse
from llmsafe.corpus.records import Record
from llmsafe.scrub.known.people import Facts, People, filled, full_names, identifier

# Segment -> field -> what is in it. XPN, XCN, XAD, XTN, CX and XON are HL7's own types: a person,
# a person after an id, an address, a telephone or e-mail, an identifier, an organisation. "own" is
# the patient's own name, TS a date; a category means that the first component is such a value.
_FIELDS: dict[str, dict[int, str]] = {
    "PID": {
        2: "CX", 3: "CX", 4: "CX", 5: "own", 6: "XPN", 7: "TS", 8: "sex", 9: "own", 11: "XAD",
        13: "XTN", 14: "XTN", 18: "ACCOUNT", 19: "SSN", 20: "LICENSE", 21: "CX", 23: "LOCATION",
        29: "TS", 40: "XTN",
    },
    "NK1": {
        2: "XPN", 4: "XAD", 5: "XTN", 6: "XTN", 12: "CX", 13: "XON", 16: "TS", 26: "XPN",
        30: "XPN", 31: "XTN", 32: "XAD", 33: "CX", 37: "SSN",
    },
    "PV1": {
        7: "XCN", 8: "XCN", 9: "XCN", 17: "XCN", 19: "ACCOUNT", 44: "TS", 45: "TS", 50: "ACCOUNT",
        52: "XCN",
    },
    "PD1": {3: "XON", 4: "XCN"},
    "GT1": {
        2: "CX", 3: "XPN", 4: "XPN", 5: "XAD", 6: "XTN", 7: "XTN", 8: "TS", 12: "SSN", 16: "XPN",
        17: "XAD", 18: "XTN", 21: "XON",
    },
    "IN1": {16: "XPN", 18: "TS", 19: "XAD", 36: "HEALTH_PLAN", 49: "HEALTH_PLAN"},
    "IN2": {1: "CX", 2: "SSN", 6: "HEALTH_PLAN", 8: "HEALTH_PLAN", 61: "HEALTH_PLAN"},
    "ORC": {10: "XCN", 11: "XCN", 12: "XCN", 14: "XTN"},
    "OBR": {10: "XCN", 16: "XCN", 17: "XTN", 28: "XCN"},
    "TXA": {5: "XCN", 9: "XCN", 10: "XCN", 11: "XCN", 22: "XCN"},
    "ROL": {4: "XCN", 11: "XAD", 12: "XTN"},
}  # fmt: skip


def hl7_people(record: Record) -> People:
    """Facts of the patients of one message; a message that names no patient id has none.

    Raises:
        Unreadable: it is no message that can be read.
    """
    message = parse(cast("bytes", record.raw))
    if message is None:
        return
    for patient, segments in message.patients():
        if patient is not None:
            facts = [fact for segment in segments for fact in _segment(message, segment)]
            yield patient, [*filled(facts), ("OTHER_ID", patient)]


def _segment(message: Message, segment: Segment) -> Facts:
    facts: Facts = []
    for number, kind in _FIELDS.get(segment[0], {}).items():
        for parts in message.repeats(segment, number):
            facts += _field(kind, [*parts, *[""] * 12])
    return facts


def _field(kind: str, parts: list[str]) -> Facts:
    """The facts in one repetition of a field."""
    match kind:
        case "own" | "XPN":
            return _name("own name" if kind == "own" else "name", parts)
        case "XCN":
            if not parts[1] and not any(map(str.isdigit, parts[0])):
                return [("name", parts[0])]  # a name where its id belongs
            return [("LICENSE", parts[0]), *_name("name", parts[1:])]
        case "XAD":  # street, other, city, state, zip, country, type, other, county
            streets = [part for part in parts[:2] if any(map(str.isalpha, part))]
            return [("LOCATION", place) for place in (*streets, parts[2], parts[4], parts[8])]
        case "XTN":
            return _telephone(parts)
        case "CX":
            return [identifier(parts[4], parts[0])]
        case "XON":
            return [("ORGANIZATION", parts[0])]
        case "TS":
            return [("date", iso_date(parts[0]) or "")]
        case _:
            return [(kind, parts[0])]


def _name(kind: str, parts: list[str]) -> Facts:
    """Family, given, middle names."""
    return full_names(kind, [parts[1], *parts[2].split()], parts[0])


def _telephone(parts: list[str]) -> Facts:
    """Number, use, equipment, e-mail, country, area, local number, …, unformatted number."""
    category = "FAX" if parts[2] == "FX" else "PHONE"
    numbers = [parts[0], parts[5] + parts[6], parts[11]]
    mail = parts[3] if "@" in parts[3] else ""
    return [*((category, number) for number in numbers), ("EMAIL", mail)]
