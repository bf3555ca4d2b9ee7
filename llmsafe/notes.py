"""Notes, PHI spans and privacy units: the vocabulary of every other part.

Reading and writing of corpora is in :mod:`llmsafe.corpus`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

UnitKind = Literal["patient", "note"]

SPACELESS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Characters of scripts that put no spaces between words, for a regular expression's class: kana
and Chinese. Where words are compared, each of them is taken for one."""

# Category -> (HIPAA Safe Harbor identifier, 45 CFR 164.514(b)(2)(i); i2b2-2014 type).
CATEGORY_MAP: Mapping[str, tuple[str, str]] = {
    "NAME": ("A names", "NAME"),
    "LOCATION": ("B geographic subdivisions smaller than a state", "LOCATION"),
    "ORGANIZATION": ("B geographic subdivisions smaller than a state", "LOCATION-ORGANIZATION"),
    "DATE": ("C dates, except year", "DATE"),
    "AGE": ("C ages over 89", "AGE"),
    "PHONE": ("D telephone numbers", "CONTACT-PHONE"),
    "FAX": ("E fax numbers", "CONTACT-FAX"),
    "EMAIL": ("F e-mail addresses", "CONTACT-EMAIL"),
    "SSN": ("G social security numbers", "ID-SSN"),
    "MRN": ("H medical record numbers", "ID-MEDICALRECORD"),
    "HEALTH_PLAN": ("I health plan beneficiary numbers", "ID-HEALTHPLAN"),
    "ACCOUNT": ("J account numbers", "ID-ACCOUNT"),
    "LICENSE": ("K certificate and licence numbers", "ID-LICENSE"),
    "VEHICLE": ("L vehicle identifiers and plates", "ID-VEHICLE"),
    "DEVICE": ("M device identifiers and serial numbers", "ID-DEVICE"),
    "URL": ("N web addresses", "CONTACT-URL"),
    "IP": ("O IP addresses", "CONTACT-IPADDRESS"),
    "BIOMETRIC": ("P biometric identifiers", "ID-BIOID"),
    "RESIDENT_ID": ("R any other unique identifier", "ID-IDNUM"),
    "OTHER_ID": ("R any other unique identifier", "ID-IDNUM"),
}
CATEGORIES: tuple[str, ...] = tuple(CATEGORY_MAP)

# What other gold standards and tools call things -> category; None for what Safe Harbor lets stay.
FOREIGN_TYPES: Mapping[str, str | None] = {
    **{category: category for category in CATEGORIES},
    # i2b2-2006 and i2b2-2014
    "PATIENT": "NAME", "DOCTOR": "NAME", "USERNAME": "NAME", "HOSPITAL": "ORGANIZATION",
    "DEPARTMENT": "ORGANIZATION", "ROOM": "LOCATION", "STREET": "LOCATION", "CITY": "LOCATION",
    "ZIP": "LOCATION", "LOCATION-OTHER": "LOCATION", "IPADDRESS": "IP", "IPADDR": "IP",
    "MEDICALRECORD": "MRN", "HEALTHPLAN": "HEALTH_PLAN", "BIOID": "BIOMETRIC", "IDNUM": "OTHER_ID",
    "ID": "OTHER_ID", "STATE": None, "COUNTRY": None, "PROFESSION": None,
    # Presidio, its research data, and the transformer models made for it
    "PERSON": "NAME", "STAFF": "NAME", "PATORG": "ORGANIZATION", "HOSP": "ORGANIZATION",
    "ORG": "ORGANIZATION", "GPE": "LOCATION", "LOC": "LOCATION", "STREET_ADDRESS": "LOCATION",
    "ZIP_CODE": "LOCATION", "DATE_TIME": "DATE", "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE",
    "US_SSN": "SSN", "US_ITIN": "SSN", "IP_ADDRESS": "IP", "MAC_ADDRESS": "DEVICE",
    "DOMAIN_NAME": "URL", "MEDICAL_LICENSE": "LICENSE", "US_DRIVER_LICENSE": "LICENSE",
    "US_NPI": "LICENSE", "US_MBI": "HEALTH_PLAN", "UK_NHS": "MRN", "US_BANK_NUMBER": "ACCOUNT",
    "CREDIT_CARD": "ACCOUNT", "IBAN_CODE": "ACCOUNT", "CRYPTO": "ACCOUNT",
    "US_PASSPORT": "OTHER_ID", "TITLE": None, "NRP": None,
    # ASQ-PHI
    "GEOGRAPHIC_LOCATION": "LOCATION", "FAX_NUMBER": "FAX", "SOCIAL_SECURITY_NUMBER": "SSN",
    "MEDICAL_RECORD_NUMBER": "MRN", "HEALTH_PLAN_BENEFICIARY_NUMBER": "HEALTH_PLAN",
    "ACCOUNT_NUMBER": "ACCOUNT", "CERTIFICATE_LICENSE_NUMBER": "LICENSE",
    "VEHICLE_IDENTIFIER": "VEHICLE", "DEVICE_IDENTIFIER": "DEVICE", "WEB_URL": "URL",
    "BIOMETRIC_IDENTIFIER": "BIOMETRIC", "UNIQUE_IDENTIFIER": "OTHER_ID",
    # MEDDOCAN
    "NOMBRE_SUJETO_ASISTENCIA": "NAME", "NOMBRE_PERSONAL_SANITARIO": "NAME", "CALLE": "LOCATION",
    "TERRITORIO": "LOCATION", "CENTRO_SALUD": "ORGANIZATION", "INSTITUCION": "ORGANIZATION",
    "FECHAS": "DATE", "EDAD_SUJETO_ASISTENCIA": "AGE", "NUMERO_TELEFONO": "PHONE",
    "NUMERO_FAX": "FAX", "CORREO_ELECTRONICO": "EMAIL", "URL_WEB": "URL",
    "DIREC_PROT_INTERNET": "IP", "ID_SUJETO_ASISTENCIA": "MRN", "ID_ASEGURAMIENTO": "HEALTH_PLAN",
    "NUMERO_BENEF_PLAN_SALUD": "HEALTH_PLAN", "ID_CONTACTO_ASISTENCIAL": "ACCOUNT",
    "ID_TITULACION_PERSONAL_SANITARIO": "LICENSE", "ID_EMPLEO_PERSONAL_SANITARIO": "OTHER_ID",
    "IDENTIF_VEHICULOS_NRSERIE_PLACAS": "VEHICLE", "IDENTIF_DISPOSITIVOS_NRSERIE": "DEVICE",
    "IDENTIF_BIOMETRICOS": "BIOMETRIC", "OTRO_NUMERO_IDENTIF": "OTHER_ID",
    "OTROS_SUJETO_ASISTENCIA": "OTHER_ID", "PAIS": None, "PROFESION": None,
    "SEXO_SUJETO_ASISTENCIA": None, "FAMILIARES_SUJETO_ASISTENCIA": None,
}  # fmt: skip


@dataclass(frozen=True)
class PhiSpan:
    """Half-open span of PHI in Unicode code points; ``source`` names the recogniser or layer."""

    start: int
    end: int
    category: str
    score: float = 1.0
    source: str = ""


@dataclass(frozen=True, repr=False)
class Note:
    """One clinical note. Columns that llmsafe does not know stay in ``extra``.

    ``repr`` shows lengths only, so that a note in a traceback or log gives nothing away.
    """

    note_id: str
    text: str
    patient_id: str | None = None
    date: str | None = None
    lang: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        return f"Note(<{len(self.text)} characters>)"


@dataclass(frozen=True, repr=False)
class Unit:
    """A privacy unit: all notes of one patient, or one note where there is no patient column."""

    unit_id: str
    notes: tuple[Note, ...]

    def __repr__(self) -> str:
        return f"Unit(<{len(self.notes)} notes>)"


def group_units(notes: Iterable[Note]) -> tuple[UnitKind, list[Unit]]:
    """Group notes into privacy units, in order of first appearance.

    The unit is the patient as soon as any note names one; a note without a patient is then a
    unit of its own. With no patient at all the unit is the note.
    """
    units: dict[tuple[str, str], list[Note]] = {}
    kind: UnitKind = "note"
    for note in notes:
        if note.patient_id is not None:
            kind = "patient"
            units.setdefault(("patient", note.patient_id), []).append(note)
        else:
            units.setdefault(("note", note.note_id), []).append(note)
    return kind, [Unit(unit_id, tuple(members)) for (_, unit_id), members in units.items()]


def latest_notes(unit: Unit, limit: int | None) -> tuple[Note, ...]:
    """At most ``limit`` notes of a unit, the latest by date (``None``: all): what a run trains on.

    The rule looks at this unit alone, so no other unit can change which notes are taken.
    """
    notes = sorted(unit.notes, key=lambda note: note.date or "")
    return tuple(notes if limit is None else notes[-limit:])


def texts_digest(texts: Iterable[str]) -> str:
    """One digest of some notes' texts, in whatever order they come: what a split records of a unit.

    For the vault: whoever guesses a text can confirm the guess.
    """
    each = sorted(hashlib.sha256(text.encode()).digest() for text in texts)
    return f"sha256:{hashlib.sha256(b''.join(each)).hexdigest()}"


_WORD = re.compile(f"[{SPACELESS}]|[^\\s{SPACELESS}]+")


def near_duplicate_groups(
    texts: Sequence[str], *, words: int = 10, share: float = 0.5
) -> list[int]:
    """Label texts so that those which share over ``share`` of their word n-grams get one label.

    A character of a script that puts no spaces between words counts as a word.
    Transitive: if A is near B and B near C, all three share a label. The n-grams of the shorter
    text decide, so an excerpt joins its source. Texts shorter than ``words`` words are joined
    only when equal. Returns one label per text (the index of the group's first member).
    """
    grams = [_shingles(text, words) for text in texts]
    owners: defaultdict[int, list[int]] = defaultdict(list)
    for index, shingles in enumerate(grams):
        for shingle in shingles:
            owners[shingle].append(index)
    shared: defaultdict[tuple[int, int], int] = defaultdict(int)
    for indices in owners.values():
        # A boilerplate shingle in very many notes says nothing about a pair and costs n² pairs.
        if 1 < len(indices) <= 64:
            for position, first in enumerate(indices):
                for second in indices[position + 1 :]:
                    shared[first, second] += 1
    parent = list(range(len(texts)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for (first, second), count in shared.items():
        if count > share * min(len(grams[first]), len(grams[second])):
            low, high = sorted((root(first), root(second)))
            parent[high] = low
    return [root(index) for index in range(len(texts))]


def _shingles(text: str, words: int) -> set[int]:
    text = text.lower()
    tokens = text.split() if text.isascii() else _WORD.findall(text)
    if len(tokens) < words:
        return {zlib.crc32(" ".join(tokens).encode())} if tokens else set()
    return {
        zlib.crc32(" ".join(tokens[start : start + words]).encode())
        for start in range(len(tokens) - words + 1)
    }
