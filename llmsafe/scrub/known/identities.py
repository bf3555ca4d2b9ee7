"""Reading known identifiers: CSV and JSONL tables, FHIR resources, HL7 v2 messages, C-CDA documents.

A corpus of messages or documents, or a folder of a FHIR export, names its patients itself: that is
always used, whether or not the user gives further tables.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from llmsafe.corpus import Corpus
from llmsafe.corpus.ccda import ccda_notes
from llmsafe.corpus.fhir import PEOPLE
from llmsafe.corpus.files import plain_name
from llmsafe.corpus.hl7v2 import hl7_messages
from llmsafe.corpus.records import Record, Unreadable
from llmsafe.corpus.tables import csv_rows, json_objects
from llmsafe.errors import InputError
from llmsafe.scrub.known.ccda import ccda_people
from llmsafe.scrub.known.fhir import fhir_people
from llmsafe.scrub.known.hl7v2 import hl7_people
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.known.people import SHARED, Facts, People

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
# The same for columns with a Chinese name.
_CHINESE_KINDS: tuple[tuple[str, str], ...] = (
    ("sex", r"^性[别別]$"),
    ("skip", r"民族|婚姻|职业|職業|国籍|籍$|年[龄齡]|[与與].*[关關]系|语言|血型|宗教|备注|科室"),
    ("EMAIL", r"邮箱|郵箱|电子邮件|電郵"),
    ("FAX", r"传真|傳真"),
    ("PHONE", r"电话|電話|手机|手機|联系方式|聯絡"),
    ("RESIDENT_ID", r"身[份分][证證]|[证證]件|护照|護照|通行[证證]|军官证"),
    ("HEALTH_PLAN", r"医保|醫保|社保|健保|农合|保[单單]"),
    ("MRN", r"病[历歷案]|住院[号號]|[门門][诊診]|就[诊診]|登记号"),
    ("ACCOUNT", r"银行|銀行|[账帳]"),
    ("LICENSE", r"[驾駕]|[执執][业業照]"),
    ("VEHICLE", r"[车車]牌"),
    ("DEVICE", r"序列|[设設][备備]"),
    ("date", r"日期|出生(?!地)|生日|[时時][间間]"),
    ("LOCATION", r"地址|住址|住所|籍[贯貫]|出生地|户口"),
    ("ORGANIZATION", r"[单單]位|[医醫]院|[学學]校|机构"),
    ("own name", r"^(患者|病人)?(姓名|名字|曾用名|别名|英文名)$"),
    ("name", r"姓名|[联聯][系絡络]人|配偶|父[亲親]|母[亲親]|家[属屬]|[医醫][师師生]|[护護]士|监护人|主任|签名"),
    ("OTHER_ID", r"[号號]$|[编編]号|微信|QQ"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)


def column_kind(name: str) -> str | None:
    """What a column holds: a category, ``name``, ``date``, ``skip``, or ``None`` if unknown."""
    if not name.isascii():
        return next((kind for kind, pattern in _CHINESE_KINDS if re.search(pattern, name)), None)
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
    return next((kind for kind, pattern in _COMPILED if pattern.search(plain)), None)


def identity_files(corpus: Corpus) -> tuple[Path, ...]:
    """The files in which a corpus itself names its patients: the messages, the documents, or the
    Patient, RelatedPerson and Practitioner files that lie beside the notes of a FHIR export."""
    match corpus.format:
        case "hl7v2" | "ccda":
            return corpus.files
        case "fhir":
            folder = Path(corpus.path)
            beside = folder.glob("*") if folder.is_dir() else ()
            people = (path for path in beside if path.name.startswith(PEOPLE))
            found = [path for path in people if plain_name(path).suffix == ".ndjson"]
            return tuple(sorted(found)) or corpus.files
        case _:
            return ()


def read_identities(
    paths: Iterable[Path], corpus: Corpus | None = None
) -> tuple[dict[str, Identity], Identity | None]:
    """Identities by patient, and what belongs to everybody (FHIR practitioners), or ``None``.

    A CSV or JSONL table needs a column ``patient_id``; several rows of a patient add up. The
    :func:`identity_files` of ``corpus`` are read first. A record of theirs that its notes cannot be
    read from either is left to the quarantine.

    Raises:
        InputError: no such file, another format, a bad line, no ``patient_id``, no usable column.
    """
    gathered = _Gathered()
    for path in identity_files(corpus) if corpus else ():
        for patient, facts in _people(path, quarantine=path in corpus.files if corpus else False):
            gathered.add(patient, facts)
    for path in paths:
        usable = [gathered.add(patient, facts) for patient, facts in _people(path)]
        if not any(usable):
            raise InputError(
                f"{path} names no identifier in a column that is understood; use names such as "
                "first_name, last_name, dob, phone, mrn, ssn, address, zip, email"
            )
    return gathered.identities()


class _Gathered:
    """What all the files say together."""

    def __init__(self) -> None:
        self._facts: defaultdict[str | None, dict[tuple[str, str], None]] = defaultdict(dict)

    def add(self, patient: str | None, facts: Facts) -> bool:
        """Whether the facts say more than the id itself, which is in every table."""
        self._facts[patient].update(dict.fromkeys(facts))
        return any(kind != "sex" and value != patient for kind, value in facts)

    def identities(self) -> tuple[dict[str, Identity], Identity | None]:
        made = {patient: _identity(patient, facts) for patient, facts in self._facts.items()}
        shared = made.pop(SHARED, None)
        return {cast("str", patient): one for patient, one in made.items()}, shared


_FEMALE = {"f": True, "w": True, "女": True, "m": False, "男": False}


def _identity(patient: str | None, facts: Iterable[tuple[str, str]]) -> Identity:
    names, own = dict[str, None](), dict[str, None]()
    dates, values = dict[str, None](), list[tuple[str, str]]()
    female: bool | None = None
    for kind, value in facts:
        match kind:
            case "sex":
                female = _FEMALE.get(value[:1].lower(), female)
            case "name" | "own name":
                names[value] = None
                if kind == "own name":
                    own[value] = None
            case "date":
                dates[value[:10]] = None
            case _:
                values.append((kind, value))
    return Identity(patient, tuple(names), tuple(own), tuple(dates), tuple(values), female)


def _people(path: Path, *, quarantine: bool = False) -> People:
    if not path.exists():
        raise InputError(f"{path} does not exist; give a CSV, JSONL, FHIR, HL7 v2 or C-CDA file")
    suffix = plain_name(path).suffix.lower()
    if suffix not in _READERS:
        raise InputError(
            f"{path}: unknown format {suffix or '(no suffix)'!r}; give {', '.join(_READERS)}"
        )
    records, people = _READERS[suffix]
    for record in records(path):
        try:
            yield from list(people(record))
        except Unreadable as error:
            if not (quarantine and _notes_unreadable(record)):
                raise InputError(f"{record.where}: {error}") from None


def _notes_unreadable(record: Record) -> bool:
    try:
        list(record.rows())
    except Unreadable:
        return True
    return False


def _json_people(record: Record) -> People:
    for row in record.rows():
        yield from fhir_people(row) if "resourceType" in row else [_table_row(row)]


def _csv_people(record: Record) -> People:
    yield from map(_table_row, record.rows())


_READERS: dict[str, tuple[Callable[[Path], Iterator[Record]], Callable[[Record], People]]] = {
    ".csv": (csv_rows, _csv_people),
    ".jsonl": (json_objects, _json_people),
    ".ndjson": (json_objects, _json_people),
    ".hl7": (hl7_messages, hl7_people),
    ".xml": (ccda_notes, ccda_people),
    ".ccda": (ccda_notes, ccda_people),
    ".cda": (ccda_notes, ccda_people),
}


def _table_row(row: Mapping[str, Any]) -> tuple[str, Facts]:
    patient = row.get("patient_id")
    if patient is None or patient == "":
        present = ", ".join(sorted(str(key) for key in row))
        raise Unreadable(f"no patient_id; columns present: {present}")
    facts: Facts = []
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
