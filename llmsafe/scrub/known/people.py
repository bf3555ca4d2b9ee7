"""What the readers of FHIR, HL7 v2 and C-CDA have in common: facts about people."""

from __future__ import annotations

from collections.abc import Iterator

# (kind, value): kind is a category, or "own name", "name" (of somebody else), "date" or "sex".
Facts = list[tuple[str, str]]
People = Iterator[tuple[str | None, Facts]]
SHARED = None  # in place of a patient: facts that belong to everybody

# Types of identifiers, HL7 table 0203; FHIR and HL7 v2 use the same codes.
_IDENTIFIERS = {
    "MR": "MRN", "PI": "MRN", "SS": "SSN", "DL": "LICENSE", "PPN": "OTHER_ID", "MB": "HEALTH_PLAN",
    "MC": "HEALTH_PLAN", "MA": "HEALTH_PLAN", "AN": "ACCOUNT", "VN": "ACCOUNT", "NPI": "LICENSE",
    "MD": "LICENSE", "DN": "LICENSE", "LN": "LICENSE",
}  # fmt: skip


def identifier(code: str, value: str) -> tuple[str, str]:
    """The fact of an identifier by the code of its type."""
    return _IDENTIFIERS.get(code, "OTHER_ID"), value


def full_names(kind: str, given: list[str], family: str) -> Facts:
    """A name in full and without its middle parts."""
    known = [part.strip() for part in given if part.strip()]
    facts = [(kind, " ".join([*known, family.strip()]))]
    if known and family.strip():
        facts.append((kind, f"{known[0]} {family.strip()}"))
    return facts


def telecom(url: str) -> tuple[str, str]:
    """The fact of a ``tel:``, ``fax:``, ``mailto:`` or web address."""
    scheme, _, rest = url.strip().partition(":")
    match scheme.lower():
        case "tel" | "sms":
            return "PHONE", rest
        case "fax":
            return "FAX", rest
        case "mailto":
            return "EMAIL", rest.lstrip("/")
        case "http" | "https":
            return "URL", url.strip()
        case _:
            return ("EMAIL" if "@" in url else "PHONE"), url.strip()


def filled(facts: Facts) -> Facts:
    """The facts that say anything."""
    return [(kind, value.strip()) for kind, value in facts if value.strip()]
