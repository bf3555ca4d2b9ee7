"""No structured identifier of a FHIR export survives in the notes of its patient.

The resources are read here with json alone, and searched for by patterns made here: nothing of the
scrubber's own reading or matching is used, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from scrub_proofs_run import Bench, Check, alone, date_pattern, folded, loose

Resource = dict[str, Any]
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_STAY = "Stay from {} to {}."
_DAYS = re.compile(r"Stay from (\S+) to (\S+?)\.")


@dataclass(frozen=True)
class Value:
    """One structured identifier in one form: what it is and how it is searched for.

    ``word``: a name without Synthea's number, or a place, that may also be an ordinary word.
    """

    kind: str
    written: str
    pattern: re.Pattern[str]
    word: str = ""


@dataclass(frozen=True)
class Source:
    """A note as it went in."""

    patient: str
    day: str
    text: str
    authors: tuple[str, ...]


def read(path: Path) -> Iterator[Resource]:
    """The resources of an ndjson file."""
    with path.open() as file:
        for line in file:
            yield json.loads(line)


def sources(folder: Path) -> list[Source]:
    """The notes of an export, in the order of their files."""
    found: list[Source] = []
    for path in sorted(folder.glob("DocumentReference*.ndjson")):
        for document in read(path):
            data = document["content"][0]["attachment"]["data"]
            patient = document["subject"]["reference"].rpartition("/")[2]
            authors = (a["reference"].rpartition("|")[2] for a in document.get("author", []))
            text = base64.b64decode(data).decode()
            found.append(Source(patient, document["date"][:10], text, tuple(authors)))
    return found


# --- what to search for ---------------------------------------------------------------------------


def patient_values(patient: Resource) -> list[Value]:
    """Every identifier that a Patient resource holds, in every form searched for."""
    names = [part for name in patient["name"] for part in (*name["given"], name["family"])]
    wholes = [" ".join([*name["given"], name["family"]]) for name in patient["name"]]
    cities, lines, codes = list[str](), list[str](), list[str]()
    addresses = list(patient["address"])
    for extension in patient.get("extension", []):
        if extension["url"].endswith("mothersMaidenName"):
            names += extension["valueString"].split()
            wholes.append(extension["valueString"])
        if "valueAddress" in extension:
            addresses.append(extension["valueAddress"])
    for address in addresses:
        lines += address.get("line", [])
        cities += [address[key] for key in ("city", "district") if key in address]
        # 00000 is no ZIP: Synthea writes it for want of one, and Safe Harbor for small areas.
        codes += [c for c in [address.get("postalCode", "")] if c.strip("0")]
    days = [patient[key][:10] for key in ("birthDate", "deceasedDateTime") if key in patient]
    return [
        *_names(names, wholes),
        *(v for line in lines for v in _street(line)),
        *(Value("city", c, re.compile(alone(loose(c))), word=c) for c in cities),
        *(Value("ZIP", c, re.compile(alone(loose(c)))) for c in codes),
        *(v for t in patient.get("telecom", []) for v in _telecom(t["value"])),
        *(_identifier(i) for i in patient["identifier"]),
        *(Value("date of birth or death", d, re.compile(date_pattern(d))) for d in days),
    ]


def staff_values(practitioner: Resource) -> list[Value]:
    """Every identifier of a Practitioner but the town, which is that of many patients too."""
    names = [part for name in practitioner["name"] for part in (*name["given"], name["family"])]
    wholes = [" ".join([*name["given"], name["family"]]) for name in practitioner["name"]]
    found = [
        *_names(names, wholes),
        *(v for t in practitioner.get("telecom", []) for v in _telecom(t["value"])),
        *(_identifier(i) for i in practitioner["identifier"]),
    ]
    return [Value(f"practitioner's {v.kind}", v.written, v.pattern, v.word) for v in found]


def _names(parts: Sequence[str], wholes: Sequence[str]) -> list[Value]:
    found = [Value("full name", whole, re.compile(alone(loose(whole)))) for whole in wholes]
    for part in dict.fromkeys(parts):
        bare = re.sub(r"\d+$", "", part)
        found.append(Value("name", part, re.compile(alone(loose(part)))))
        if bare != part:
            found.append(Value("name without number", bare, re.compile(alone(loose(bare))), bare))
    return found


def _street(line: str) -> list[Value]:
    """The line, its first two words, and what stands between number and kind of street."""
    words = line.split()
    found = [Value("street", line, re.compile(alone(loose(line))))]
    if len(words) > 2 and words[0].isdigit():
        short = " ".join(words[:2])
        found.append(Value("street", short, re.compile(alone(loose(short)))))
    return found


def _telecom(value: str) -> list[Value]:
    found = [Value("telecom", value, re.compile(alone(loose(value))))]
    digits = re.sub(r"\D", "", value)
    if "@" not in value and len(digits) >= 10:
        found.append(Value("telecom", digits[-7:], re.compile(alone(loose(digits[-7:])))))
    return found


def _identifier(identifier: Resource) -> Value:
    text = identifier.get("type", {}).get("text", "identifier")
    return Value(text, identifier["value"], re.compile(alone(loose(identifier["value"]))))


# --- searching ------------------------------------------------------------------------------------


class Search:
    """Looks for the identifiers of the people of a note.

    A bare name or a town that stands in small letters somewhere in ``texts``, the notes as Synthea
    wrote them ("rice", "ward"), is an ordinary word: it is searched for with a capital only, and
    ``ordinary`` lists it. With its number it is searched for in any case.
    """

    def __init__(self, folder: Path, texts: Iterable[str]) -> None:
        self._people = {p["id"]: patient_values(p) for p in read(folder / "Patient.000.ndjson")}
        self._staff = {
            i["value"]: staff_values(p)
            for p in read(folder / "Practitioner.000.ndjson")
            for i in p["identifier"]
        }
        everybody = {w for v in self._people.values() for one in v if (w := one.word)}
        everybody |= {w for v in self._staff.values() for one in v if (w := one.word)}
        small = {word for text in texts for word in re.findall(r"\b[a-z]+\b", text)}
        self.ordinary = sorted(w for w in everybody if w.lower() in small)

    def values(self, note: Source) -> list[Value]:
        """What is known of the patient and of the authors of a note."""
        staff = [one for author in note.authors for one in self._staff.get(author, [])]
        return [*self._people[note.patient], *staff]

    def survivors(self, note: Source, text: str) -> list[Value]:
        """Which of the values are in the text."""
        plain = folded(text)
        return [value for value in self.values(note) if self._holds(value, text, plain)]

    def _holds(self, value: Value, text: str, plain: str) -> bool:
        if value.word in self.ordinary:
            word = value.word
            forms = f"{re.escape(word.capitalize())}|{re.escape(word.upper())}|{re.escape(word)}"
            return bool(re.search(rf"(?<![A-Za-z])(?:{forms})(?![A-Za-z])", text))
        return bool(value.pattern.search(plain))


# --- the export with everything written into the notes --------------------------------------------


def write_faced(folder: Path, target: Path, rng: random.Random) -> None:
    """The same export, where every note begins with all that its resources say of its people.

    Synthea writes hardly more than given names into its notes: without this, nothing else would
    be put to the test. How each value is written is drawn at random.
    """
    target.mkdir()
    people = {p["id"]: p for p in read(folder / "Patient.000.ndjson")}
    staff = {
        i["value"]: p for p in read(folder / "Practitioner.000.ndjson") for i in p["identifier"]
    }
    for path in folder.glob("*.ndjson"):
        if not path.name.startswith("DocumentReference"):
            shutil.copy(path, target)
    for path in folder.glob("DocumentReference*.ndjson"):
        lines: list[str] = []
        for document in read(path):
            attachment = document["content"][0]["attachment"]
            text = base64.b64decode(attachment["data"]).decode()
            patient = people[document["subject"]["reference"].rpartition("/")[2]]
            authors = [a["reference"].rpartition("|")[2] for a in document.get("author", [])]
            written = [staff[author] for author in authors if author in staff]
            head = face(patient, written, date.fromisoformat(document["date"][:10]), rng)
            attachment["data"] = base64.b64encode(f"{head}\n{text}".encode()).decode()
            lines.append(json.dumps(document) + "\n")
        (target / path.name).write_text("".join(lines))


def face(patient: Resource, staff: Sequence[Resource], day: date, rng: random.Random) -> str:
    """A face sheet and a sentence or two with everything in the resources, as people write it."""

    def written(text: str) -> str:
        bare = re.sub(r"(?<=[a-z])\d+", "", text)
        return rng.choice([text, text, text.upper(), bare, bare.upper()])

    def number(text: str) -> str:
        return rng.choice([text, text, text.replace("-", " "), text.replace("-", "")])

    def dated(iso: str) -> str:
        d = date.fromisoformat(iso[:10])
        return rng.choice(
            [
                d.isoformat(), f"{d:%m/%d/%Y}", f"{d.month}/{d.day}/{d:%y}",
                f"{d:%B} {d.day}, {d.year}", f"{d.day} {d:%b} {d.year}", f"{d:%d.%m.%Y}",
                f"{d:%Y%m%d}", f"{d:%d-%b-%Y}",
            ]
        )  # fmt: skip

    lines: list[str] = []
    for name in patient["name"]:
        given, family = " ".join(name["given"]), name["family"]
        whole = rng.choice([f"{given} {family}", f"{family}, {given}", f"Ms. {family}, {given}"])
        lines.append(f"Patient ({name.get('use', 'name')}): {written(whole)}")
    first, last = patient["name"][0]["given"][0], patient["name"][0]["family"]
    lines.append(f"{written(first)} says that the {written(last)} family sends regards.")
    for extension in patient.get("extension", []):
        if extension["url"].endswith("mothersMaidenName"):
            lines.append(f"Mother: {written(extension['valueString'])}")
        if "valueAddress" in extension:
            lines.append(f"Born in {written(extension['valueAddress']['city'])}.")
    for address in patient["address"]:
        place = f"{', '.join(address['line'])}, {address['city']}, {address['state']}"
        lines.append(f"Lives at {written(place)} {address.get('postalCode', '')}")
    for contact in patient.get("telecom", []):
        lines.append(f"Telephone {number(contact['value'])}")
    for identifier in patient["identifier"]:
        label = identifier.get("type", {}).get("text", "Identifier")
        lines.append(f"{label} {number(identifier['value'])}")
    for key, label in (("birthDate", "Born"), ("deceasedDateTime", "Died")):
        if key in patient:
            lines.append(f"{label} {dated(patient[key])}")
    for one in staff:
        name = one["name"][0]
        contact = " ".join(t["value"] for t in one.get("telecom", []))
        npi = " ".join(i["value"] for i in one["identifier"])
        lines.append(
            f"Seen by Dr. {written(name['given'][0] + ' ' + name['family'])} {npi} {contact}"
        )
    stay = day - timedelta(days=rng.randrange(60))
    lines.append(_STAY.format(stay.isoformat(), day.isoformat()))
    return "\n".join(lines)


# --- the proofs -----------------------------------------------------------------------------------


def fhir_proofs(bench: Bench, folder: Path, seed: int) -> list[Check]:
    """As it is and with face sheets: survivors, the control, dates."""
    search = Search(folder, (note.text for note in sources(folder)))
    faced = bench.folder / "in" / "faced"
    write_faced(folder, faced, random.Random(seed))
    return [
        *_prove(bench, folder, "fhir", search, "Synthea's notes as they are", "–"),
        *_prove(bench, faced, "faced", search, "the same with face sheets", str(seed)),
    ]


def _prove(
    bench: Bench, folder: Path, name: str, search: Search, title: str, seed: str
) -> list[Check]:
    began = time.monotonic()
    notes = sources(folder)
    ran = bench.scrub(folder, name, "--workers", "2")
    gone = Check(f"identifiers gone: {title}", seed=seed)
    dates = Check(f"dates keep order and intervals: {title}", seed=seed)
    control = Check(f"negative control, the same search before the scrub: {title}", seed=seed)
    rows = bench.rows(name) if ran.code == 0 else []
    if len(rows) != len(notes):
        gone.failures.append(f"exit {ran.code}, {len(rows)} notes of {len(notes)}")
        return [gone]
    searched = judge_survivors(gone, search, notes, rows)
    gone.seconds = time.monotonic() - began
    ordinary = ", ".join(search.ordinary) or "none"
    gone.remark = f"{searched}; {len(notes):,} notes; ordinary words: {ordinary}"
    judge_control(control, search, notes, share=0.95 if name == "faced" else 0.0)
    judge_dates(dates, notes, rows)
    return [gone, control, dates]


def judge_survivors(
    check: Check, search: Search, notes: Sequence[Source], rows: Sequence[Mapping[str, Any]]
) -> str:
    """Search every text for every value of its people; one case is one value in one note.

    A moved date may come to be one of the patient's true dates: that is chance, and no survivor, as
    long as the day is there no more often than the day that moves to it was before.
    """
    kinds: Counter[str] = Counter()
    distinct: set[tuple[str, str]] = set()
    chance = 0
    for note, row in zip(notes, rows, strict=True):
        values = search.values(note)
        check.cases += len(values)
        distinct.update((note.patient, value.written) for value in values)
        for value in search.survivors(note, row["text"]):
            if _moved_there(value, note, row):
                chance += 1
            else:
                kinds[value.kind] += 1
    check.failures += [f"{kind}: in {count} notes" for kind, count in kinds.items()]
    return f"{len(distinct):,} forms of identifiers, {chance} moved dates that equal a true one"


def _moved_there(value: Value, note: Source, row: Mapping[str, Any]) -> bool:
    if value.kind != "date of birth or death":
        return False
    days = timedelta(days=_apart(note.day, row["date"]))
    before = date_pattern((date.fromisoformat(value.written) - days).isoformat())
    count = len(value.pattern.findall(folded(row["text"])))
    return count <= len(re.findall(before, folded(note.text)))


def judge_control(check: Check, search: Search, notes: Sequence[Source], share: float) -> None:
    """The search must find, before the scrub, at least ``share`` of all values in some note."""
    found: set[tuple[str, str]] = set()
    every: set[tuple[str, str]] = set()
    pairs = 0
    for note in notes:
        every.update((note.patient, value.written) for value in search.values(note))
        here = search.survivors(note, note.text)
        pairs += len(here)
        found.update((note.patient, value.written) for value in here)
    check.cases = len(every)
    check.remark = f"finds {len(found):,} of {len(every):,} forms, {pairs:,} times"
    if not found or len(found) < share * len(every):
        check.failures.append(f"finds only {len(found)} of {len(every)}")


def judge_dates(check: Check, notes: Sequence[Source], rows: Sequence[Mapping[str, Any]]) -> None:
    """All dates of a patient move by one number of days, whole weeks, other than none: so order
    and intervals stay. Also, one pseudonym is one patient."""
    moves: defaultdict[str, set[int]] = defaultdict(set)
    names: defaultdict[str, set[str]] = defaultdict(set)
    for note, row in zip(notes, rows, strict=True):
        names[note.patient].add(row["patient_id"])
        moves[note.patient].add(_apart(note.day, row["date"]))
        before, after = _written_days(note.text), _written_days(row["text"])
        check.demand(len(before) == len(after) > 0, "a note lost a date, or has none")
        moves[note.patient].update(map(_apart, before, after))
    pseudonyms = [name for several in names.values() for name in several]
    check.demand(
        len(set(pseudonyms)) == len(names) == len(pseudonyms), "pseudonyms are not one each"
    )
    for several in moves.values():
        one = next(iter(several))
        check.demand(
            len(several) == 1, f"the dates of a patient move by {len(several)} numbers of days"
        )
        check.demand(one != 0 and one % 7 == 0, "dates that do not move, or not by whole weeks")
    check.remark = f"{sum(len(_written_days(note.text)) for note in notes):,} dates in the notes"


def _written_days(text: str) -> list[str]:
    """The day that heads the note and those of the stay; a birth date moves as well, but may be
    put into the group of those over 89."""
    stay = _DAYS.search(text)
    body = text[stay.end() :] if stay else text
    head = _ISO.search(body[:40])
    return [*(stay.groups() if stay else ()), *([head[0]] if head else [])]


def _apart(before: str, after: str) -> int:
    return (date.fromisoformat(after) - date.fromisoformat(before)).days
