"""Known identifiers of invented patients, planted in many disguises, never survive a scrub."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import random
import re
import string
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from scrub_proofs_run import Bench, Check, alone, date_pattern, folded, loose, write_rows

from llmsafe.scrub.detect.lexicon import english
from llmsafe.synthetic import Identity, patients

FUZZ_METHODS = ("surrogate", "random", "tag")

# --- disguises ------------------------------------------------------------------------------------


def _each(change: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    return lambda text, _: "".join(map(change, text))


def _shifted(upper: int, lower: int, digit: int = 0) -> Callable[[str, random.Random], str]:
    """Letters (and digits) moved to another alphabet of Unicode."""

    def change(c: str) -> str:
        if c in string.ascii_uppercase:
            return chr(upper + ord(c) - ord("A"))
        if c in string.ascii_lowercase:
            return chr(lower + ord(c) - ord("a"))
        return chr(digit + int(c)) if digit and c in string.digits else c

    return _each(change)


def _between(*gaps: str) -> Callable[[str, random.Random], str]:
    """Something between all letters and digits of every word; what stood there already stays."""

    def change(text: str, rng: random.Random) -> str:
        gap = rng.choice(gaps)
        return re.sub(r"(?<=[A-Za-z0-9])(?=[A-Za-z0-9])", lambda _: gap, text)

    return change


def _once(*gaps: str) -> Callable[[str, random.Random], str]:
    """Something at one place inside a word."""

    def change(text: str, rng: random.Random) -> str:
        places = [m.start() for m in re.finditer(r"(?<=[A-Za-z0-9])(?=[A-Za-z0-9])", text)]
        if not places:
            return text
        at = rng.choice(places)
        return text[:at] + rng.choice(gaps) + text[at:]

    return change


_CYRILLIC = str.maketrans("ABCEHKMOPTXaceopxyis", "АВСЕНКМОРТХасеорхуіѕ")
_GREEK = str.maketrans("ABEHIKMNOPTXYZov", "ΑΒΕΗΙΚΜΝΟΡΤΧΥΖον")
_CIRCLED = _shifted(0x24B6, 0x24D0)
DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "as written": lambda text, _: text,
    "capitals": lambda text, _: text.upper(),
    "small letters": lambda text, _: text.lower(),
    "swapped case": lambda text, _: text.swapcase(),
    "full width": _each(lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c),
    "mathematical bold": _shifted(0x1D400, 0x1D41A, 0x1D7CE),
    "mathematical sans-serif": _shifted(0x1D5A0, 0x1D5BA, 0x1D7E2),
    "circled": _CIRCLED,
    "Arabic digits": _each(lambda c: chr(0x660 + int(c)) if c in string.digits else c),
    "Devanagari digits": _each(lambda c: chr(0x966 + int(c)) if c in string.digits else c),
    "superscript digits": _each(lambda c: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] if c in string.digits else c),
    "Cyrillic look-alikes": lambda text, _: text.translate(_CYRILLIC),
    "Greek look-alikes": lambda text, _: text.translate(_GREEK),
    "accents": _each(lambda c: c + "\u0301" if c in string.ascii_letters else c),
    "composed accents": lambda text, _: unicodedata.normalize("NFC", re.sub(
        "[aeiounyc]", lambda m: m[0] + "\u0301", text)),
    "enclosing marks": _each(lambda c: c + "\u20dd" if c.isalnum() else c),
    "invisible signs": _between("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e"),
    "an invisible sign": _once("\u200b", "\u200c", "\u00ad", "\u034f", "\ufe0f", "\U000e0041"),
    "marks of direction": _between("\u202e", "\u2066", "\u200f", "\u061c"),
    "letter by letter": _between(" ", ".", "-", "_", " - ", "\u00a0", "\u2009", "/", ","),
    "broken at a line": _once("-\n", "\n", "-\r\n", "\u2028", "\u00ad\n"),
    "an emoji inside": _once("🙂", "👩‍⚕️", "❤️", "👍🏽"),
    "a separator inside": _once("-", ".", " ", "·", "•", "_", "–", "\t", "|", "*"),
}  # fmt: skip
# These take a single word apart, or take its capital away.
_NEEDS_MORE = ("small letters", "swapped case", "letter by letter", "broken at a line",
               "an emoji inside", "a separator inside")  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """An identifier as it stands in a note, and the pattern that finds it in any form."""

    kind: str
    disguise: str
    pattern: str


def identifiers(person: Identity) -> Iterator[tuple[str, str]]:
    """(kind, value) of all that is known of a patient; names in the forms that notes have."""
    first, last = person.first, person.last
    yield from (
        ("full name", f"{first} {last}"), ("full name", f"{last}, {first}"),
        ("full name", f"{first} {person.middle} {last}"), ("name", first), ("name", last),
        ("name", f"{last}'s"), ("full name", person.primary_care.name),
    )  # fmt: skip
    for relative in person.relatives[:3]:
        yield from (("full name", f"{relative.first} {relative.last}"), ("phone", relative.phone))
    yield from (
        ("MRN", person.mrn), ("account", person.account), ("health plan", person.health_plan),
        ("phone", person.phone), ("phone", person.mobile), ("street", person.street),
        ("city", person.city), ("ZIP", person.zip), ("vehicle", person.vehicle),
        ("date of birth", person.birth_date.isoformat()),
    )  # fmt: skip
    optional = (("SSN", person.ssn), ("e-mail", person.email), ("employer", person.employer))
    yield from ((kind, value) for kind, value in optional if value)


def plant(person: Identity, rng: random.Random) -> tuple[str, Planted]:
    """One identifier in one disguise."""
    while True:
        kind, value = rng.choice(list(identifiers(person)))
        disguise = rng.choice(list(DISGUISES))
        bare = value.removesuffix("'s")
        if kind == "name" and disguise in _NEEDS_MORE and _ordinary(bare):
            continue  # alone and without its capital it is the word, not the name
        break
    if kind == "date of birth":
        return _born(person.birth_date, rng)
    pattern = alone(loose(bare, r"[^a-z0-9]{0,5}"))
    return DISGUISES[disguise](value, rng), Planted(kind, disguise, pattern)


def _ordinary(name: str) -> bool:
    return english().plain(name.lower()) or len(name) < 4


def _born(day: date, rng: random.Random) -> tuple[str, Planted]:
    suffix = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    ordinal = f"{day.day}{suffix}"
    written = rng.choice(
        [
            day.isoformat(), f"{day:%m/%d/%Y}", f"{day.month}/{day.day}/{day:%y}", f"{day:%m-%d-%y}",
            f"{day:%d.%m.%Y}", f"{day:%b}. {ordinal}, {day.year}", f"{day:%B} {day.day}, {day.year}",
            f"{day:%Y%m%d}", f"{day:%m%d%Y}", f"{day.day} {day:%B} {day.year}", f"{day:%Y/%m/%d}",
            f"{day:%d%b%Y}", f"{day:%d-%b-%Y}".upper(), f"the {ordinal} of {day:%B}",
        ]
    )  # fmt: skip
    how = rng.choice(["as written", "capitals", "small letters", "full width", "Arabic digits"])
    return DISGUISES[how](written, rng), Planted(
        "date of birth", how, date_pattern(day.isoformat())
    )


# --- carriers -------------------------------------------------------------------------------------

_SENTENCES = (
    "Seen today: {}.", "{} denies chest pain.", "Discussed with {} by telephone.", "cc: {}",
    "pt {} c/o sob x 3 days", "({})", "[{}]", '"{}"', "<td>{}</td>", "| {} | 120/80 |",
    "{}\n{}\n{}", "-- {} --", "מטופל {} הגיע היום", "المريض {} في العيادة", "Пациент {} стабилен.", "🙂 {} 🙂",
    "{}; {}, {}", "\t{}\t", "e-signed: {} / {}", "see {} (again {})", "https://x.example/?q={}",
    "{{{}}}", "«{}»", "患者{}来院", "~{}~", "...{}...", "*{}*", "Re: {} — {}",
)  # fmt: skip
CLEAN = (
    "BP 120/80, HR 72, SpO2 98 % on room air.", "Continue metformin 500 mg twice daily.",
    "Denies chest pain.", "Parkinson's disease, stable on levodopa.", "HbA1c 7.2 %, Na 140, K 4.1.",
    "A 67-year-old woman with COPD.", "Follow up in 3 weeks.", "Mild pain, 3/10.", "Strength 5/5.",
    "Foley catheter removed; drain to bulb.", "β-blocker, 5 µg, 37 °C, ≥ 3 ×", "naïve to opioids",
    "She may return to work.", "PAST MEDICAL HISTORY: hypertension.", "Glasgow Coma Scale 15.",
)  # fmt: skip


def random_text(rng: random.Random, length: int) -> str:
    """Characters of every plane of Unicode but surrogates and NUL."""
    made: list[str] = []
    while len(made) < length:
        code = rng.randrange(17) * 0x10000 + rng.randrange(1, 0x10000)
        if rng.random() < 0.5:
            code = rng.randrange(1, 0x3000)
        if not 0xD800 <= code < 0xE000:
            made.append(chr(code))
    return "".join(made)


def carrier(person: Identity, rng: random.Random) -> tuple[str, list[Planted]]:
    """A note with one to six planted identifiers."""
    planted: list[Planted] = []

    def fill(_: object = None) -> str:
        text, what = plant(person, rng)
        planted.append(what)
        return text

    # A sentence that uses a name of the patient as a word would look like a survivor.
    names = {name.lower() for name in (person.first, person.middle, person.last)}
    clean = [s for s in CLEAN if names.isdisjoint(re.findall(r"[a-z]+", s.lower()))]
    parts: list[str] = []
    for _ in range(rng.randint(1, 3)):
        parts += rng.choices(clean, k=rng.randint(0, 2))
        if rng.random() < 0.25:
            around = [random_text(rng, rng.randint(1, 40)) for _ in range(2)]
            # What is planted in noise stands alone, or it would be a part of another word.
            parts.append(f"{around[0]} {fill()} {around[1]}")
        else:
            sentence = rng.choice(_SENTENCES).replace("{{", "\x01").replace("}}", "\x02")
            filled = re.sub(r"\{\}", fill, sentence)
            parts.append(filled.replace("\x01", "{").replace("\x02", "}"))
    return rng.choice([" ", "\n", "\n\n", "\r\n", "  "]).join(parts), planted


# --- planted identifiers never survive ------------------------------------------------------------


def fuzz_proofs(bench: Bench, notes: int, seed: int) -> list[Check]:
    """``notes`` notes, split over three methods, with known identifiers."""
    check = Check("planted identifiers never survive", seed=str(seed))
    control = Check("negative control, the same search before the scrub", seed=str(seed))
    began, rng = time.monotonic(), random.Random(seed)
    people = [patient.identity for patient in patients(seed, 40)]
    table = write_rows(bench.folder / "in" / "fuzz-people.jsonl", (p.as_row() for p in people))
    disguises: Counter[str] = Counter()
    held = 0
    for method in FUZZ_METHODS:
        made = [(p, *carrier(p, rng)) for p in rng.choices(people, k=notes // len(FUZZ_METHODS))]
        rows = [
            {"note_id": f"{method}-{i}", "patient_id": person.patient_id, "text": text}
            for i, (person, text, _) in enumerate(made)
        ]
        corpus = write_rows(bench.folder / "in" / f"fuzz-{method}.jsonl", rows)
        ran = bench.scrub(
            corpus, f"fuzz-{method}", "--method", method, "--workers", "2",
            "--known-identifiers", str(table),
        )  # fmt: skip
        held += len(bench.quarantined(f"fuzz-{method}"))
        disguises.update(one.disguise for _, _, planted in made for one in planted)
        judge_fuzz(check, bench, method, ran.code, [(t, planted) for _, t, planted in made])
        judge_planted(control, [(text, planted) for _, text, planted in made])
    check.seconds = time.monotonic() - began
    check.remark = (
        f"{notes:,} notes, {len(disguises)} disguises, methods {', '.join(FUZZ_METHODS)}; "
        f"{held} notes quarantined for their language"
    )
    return [check, control]


def judge_fuzz(
    check: Check, bench: Bench, method: str, code: int, made: Sequence[tuple[str, list[Planted]]]
) -> None:
    """Every planted identifier is a case."""
    name = f"fuzz-{method}"
    kept = bench.quarantined(name)
    rows = iter(bench.rows(name)) if code in (0, 3) else iter(())
    for i, (text, planted) in enumerate(made):
        if f"{method}-{i}" in kept:
            check.cases += len(planted)
            reason = kept[f"{method}-{i}"]
            if not reason.startswith("language"):
                check.failures.append(f"{method}-{i}: quarantined: {reason}")
            continue
        row = next(rows, None)
        plain = folded(row["text"]) if row else ""
        check.demand(row is not None, f"{method}-{i}: exit {code}, the note is lost")
        for one in planted:
            check.demand(
                not re.search(one.pattern, plain),
                f"{method}-{i}: {one.kind}, {one.disguise}, in {text!r} left {plain!r}",
            )


def judge_planted(control: Check, made: Sequence[tuple[str, list[Planted]]]) -> None:
    """The search finds what was planted, in whatever disguise."""
    found = 0
    for text, planted in made:
        plain = folded(text)
        control.cases += len(planted)
        found += sum(bool(re.search(one.pattern, plain)) for one in planted)
    total = sum(len(planted) for _, planted in made)
    control.remark = f"finds {found / total:.1%} of what is planted"
    if found < 0.9 * total:
        control.failures.append(control.remark)
