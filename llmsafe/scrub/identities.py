"""Reading tables of known identifiers: CSV, JSONL, and FHIR Patient or Practitioner ndjson."""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from llmsafe.errors import InputError
from llmsafe.scrub.known import Identity

_SHARED = None

# A column belongs to the first kind whose pattern is found in its name.
_KINDS: tuple[tuple[str, str], ...] = (
    ("sex", r"^(sex|gender)$"),
    ("skip", r"^(race|ethnicity|lang\w*|marital\w*|state|country|age|deceased|religion|occupation|job|blood\w*|insurer|payer|plan_?(name|type)|.*relationship|.*(sex|gender)|note\w*|title|prefix|suffix)$"),
    ("EMAIL", r"e_?mail"),
    ("FAX", r"fax"),
    ("PHONE", r"phone|mobile|cell|\btel|pager|telecom"),
    ("SSN", r"ssn|social_?sec"),
    ("MRN", r"mrn|medical_?record|chart|patient_?number"),
    ("HEALTH_PLAN", r"health_?plan|insur|member|policy|subscriber|beneficiary|medicare|medicaid|payer"),
    ("ACCOUNT", r"account|acct|bank|card"),
    ("LICENSE", r"licen[sc]e|driver|\bdl\b|npi|\bdea\b|certificate"),
    ("VEHICLE", r"vehicle|plate|\bvin\b"),
    ("DEVICE", r"device|serial|udi|implant"),
    ("URL", r"url|web|home_?page"),
    ("IP", r"^ip\b|ip_?addr"),
    ("BIOMETRIC", r"biometric|finger_?print|voice_?print|retina"),
    ("date", r"dob|birth_?(date|day)|date|_on$|deceased|^birth$|^death$"),
    ("ORGANIZATION", r"hospital|clinic|facility|organi[sz]ation|employer|school|company|institution"),
    ("LOCATION", r"address|street|city|town|county|zip|postal|line\d?$|birth_?place"),
    ("RESIDENT_ID", r"resident_?id|national_?id"),
    ("own name", r"^((full|patient|preferred|legal|birth|other)_)?(name|first|middle|last|given|family|maiden|nick|alias|surname)(_?names?)?$"),
    ("name", r"name|given|family|first|middle|last|maiden|alias|nick|spouse|mother|father|contact|relative|kin|partner|child|guardian|physician|doctor|provider|attending|nurse|pcp|surgeon|author|staff"),
    ("OTHER_ID", r"id\b|_id$|ident|number|code|passport|account"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)


def column_kind(name: str) -> str | None:
    """What a column holds: a category, ``name``, ``date``, ``skip``, or ``None`` if unknown."""
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
    return next((kind for kind, pattern in _COMPILED if pattern.search(plain)), None)


def read_identities(paths: Iterable[Path]) -> tuple[dict[str, Identity], Identity | None]:
    """Identities by patient, and what belongs to everybody (FHIR practitioners), or ``None``.

    A CSV or JSONL table needs a column ``patient_id``; several rows of a patient add up.

    Raises:
        InputError: no such file, another format, a bad line, no ``patient_id``, no usable column.
    """
    names: defaultdict[str | None, list[str]] = defaultdict(list)
    own: defaultdict[str | None, list[str]] = defaultdict(list)
    dates: defaultdict[str | None, list[str]] = defaultdict(list)
    values: defaultdict[str | None, list[tuple[str, str]]] = defaultdict(list)
    female: dict[str | None, bool] = {}
    people: dict[str | None, None] = {}
    for path in paths:
        usable = False
        for patient, facts in _rows(path):
            people.setdefault(patient)
            for kind, value in facts:
                if kind == "sex":
                    female[patient] = value.lower().startswith(("f", "w"))
                    continue
                usable = usable or value != patient  # the id itself is in every table
                if kind in ("name", "own name"):
                    names[patient].append(value)
                    if kind == "own name":
                        own[patient].append(value)
                elif kind == "date":
                    dates[patient].append(value[:10])
                else:
                    values[patient].append((kind, value))
        if not usable:
            raise InputError(
                f"{path} names no identifier in a column that is understood; use names such as "
                "first_name, last_name, dob, phone, mrn, ssn, address, zip, email"
            )
    made = {
        person: Identity(
            person,
            _once(names[person]),
            _once(own[person]),
            _once(dates[person]),
            _once(values[person]),
            female.get(person),
        )
        for person in people
    }
    shared = made.pop(_SHARED, None)
    return {cast("str", person): identity for person, identity in made.items()}, shared


def _once(items: list[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))


_Facts = list[tuple[str, str]]


def _rows(path: Path) -> Iterator[tuple[str | None, _Facts]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a CSV, JSONL or FHIR ndjson file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); convert it first") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    match path.suffix.lower():
        case ".csv":
            for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
                yield _table_row(row, f"{path.name}:{number}")
        case ".jsonl" | ".ndjson":
            for number, line in enumerate(text.splitlines(), 1):
                if not line.strip():
                    continue
                where = f"{path.name}:{number}"
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    raise InputError(f"{where}: no JSON; one object a line") from None
                if not isinstance(row, dict):
                    raise InputError(f"{where}: a JSON {type(row).__name__}, not an object")
                row = cast("dict[str, Any]", row)
                if "resourceType" in row:
                    yield from _fhir(row)
                else:
                    yield _table_row(row, where)
        case other:
            raise InputError(
                f"{path}: unknown format {other or '(no suffix)'!r}; give .csv, .jsonl or .ndjson"
            )


def _table_row(row: Mapping[str, Any], where: str) -> tuple[str, _Facts]:
    patient = row.get("patient_id")
    if patient is None or patient == "":
        present = ", ".join(sorted(str(key) for key in row))
        raise InputError(f"{where}: no patient_id; columns present: {present}")
    facts: _Facts = []
    full: list[str] = []
    for name, value in _flat(row):
        kind = "OTHER_ID" if name == "patient_id" else column_kind(name)
        if kind is None or kind == "skip" or (len(value) < 2 and kind != "sex"):
            continue
        if kind == "date":
            value = _iso(value) or value
        if kind == "own name" and " " not in value and "nick" not in name and "alias" not in name:
            full.append(value)
        facts.append((kind, value))
    if len(full) > 1:  # the parts stand in the order of the columns: first, middle, last
        facts += [("own name", " ".join(full)), ("own name", f"{full[0]} {full[-1]}")]
    return str(patient), facts


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(column, text) of everything in a row; a nested value takes the name nearest to it."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            known = column_kind(str(key)) is not None or not name
            yield from _flat(item, str(key) if known else name)
    elif isinstance(value, list | tuple):
        for item in cast("Iterable[Any]", value):
            yield from _flat(item, name)
    elif value is not None and not isinstance(value, bool) and str(value).strip():
        yield name, str(value).strip()


def _iso(value: str) -> str | None:
    """A US numeric date as ISO."""
    match = re.fullmatch(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4})", value)
    return f"{match[3]}-{int(match[1]):02d}-{int(match[2]):02d}" if match else None


# --- FHIR ---------------------------------------------------------------------------------------

_IDENTIFIER = {
    "MR": "MRN", "SS": "SSN", "DL": "LICENSE", "PPN": "OTHER_ID", "MB": "HEALTH_PLAN",
    "MC": "HEALTH_PLAN", "AN": "ACCOUNT", "NPI": "LICENSE", "MD": "LICENSE",
}  # fmt: skip


def _fhir(resource: dict[str, Any]) -> Iterator[tuple[str | None, _Facts]]:
    kind = resource["resourceType"]
    if kind not in ("Patient", "Practitioner", "RelatedPerson"):
        return
    facts: _Facts = []
    _person(resource, facts, "own name" if kind == "Patient" else "name")
    for contact in _list(resource, "contact"):
        _person(contact, facts, "name")
    for extension in _list(resource, "extension"):
        if "mothersMaidenName" in str(extension.get("url")):
            facts.append(("name", str(extension.get("valueString", ""))))
        if "valueAddress" in extension:
            _address(extension["valueAddress"], facts)
    facts.append(("sex", str(resource.get("gender", ""))))
    facts = [(kind_, value) for kind_, value in facts if value]
    if kind == "Patient":
        person = str(resource.get("id", ""))
        yield person, [*facts, ("OTHER_ID", person)]
    elif kind == "RelatedPerson":
        reference = str(cast("dict[str, Any]", resource.get("patient", {})).get("reference", ""))
        yield reference.rsplit("/", 1)[-1], facts
    else:
        yield _SHARED, [fact for fact in facts if fact[0] != "LOCATION"]


def _person(resource: dict[str, Any], facts: _Facts, kind: str) -> None:
    for name in [*_list(resource, "name")]:
        given = [str(g) for g in cast("list[Any]", name.get("given", []))]
        facts.append((kind, " ".join([*given, str(name.get("family", ""))]).strip()))
        if given and name.get("family"):
            facts.append((kind, f"{given[0]} {name['family']}"))
        facts.append((kind, str(name.get("text", ""))))
    for telecom in _list(resource, "telecom"):
        system = str(telecom.get("system"))
        kinds = {"phone": "PHONE", "fax": "FAX", "email": "EMAIL", "url": "URL", "pager": "PHONE"}
        facts.append((kinds.get(system, "OTHER_ID"), str(telecom.get("value", ""))))
    for address in _list(resource, "address"):
        _address(address, facts)
    for identifier in _list(resource, "identifier"):
        codes = _list(cast("dict[str, Any]", identifier.get("type", {})), "coding")
        code = next((str(c.get("code")) for c in codes), "")
        facts.append((_IDENTIFIER.get(code, "OTHER_ID"), str(identifier.get("value", ""))))
    for key in ("birthDate", "deceasedDateTime"):
        if resource.get(key):
            facts.append(("date", str(resource[key])))


def _address(address: Mapping[str, Any], facts: _Facts) -> None:
    facts += [("LOCATION", str(line)) for line in cast("list[Any]", address.get("line", []))]
    facts += [("LOCATION", str(address.get(key, ""))) for key in ("city", "postalCode", "text")]


def _list(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects, or a single one as a list."""
    found = value.get(key, [])
    return cast("list[dict[str, Any]]", found if isinstance(found, list) else [found])
