"""Training notes for the PHI tagger: templates, filled anew each time and written in some style."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import noise
from values import SPOKEN, Lexicon, Values

FOLDER = Path(__file__).parent
CATEGORY = {
    **dict.fromkeys(["full", "first", "last", "nick", "last_first", "initials", "initial_last", "first_initial", "hl7_name"], "NAME"),
    **dict.fromkeys(["street", "city", "city_state", "address", "zip", "county", "place", "crossing", "foreign_city", "hl7_address"], "LOCATION"),
    **dict.fromkeys(["hospital", "clinic", "facility", "pharmacy", "employer", "school", "church", "agency"], "ORGANIZATION"),
    **dict.fromkeys(["date", "date_short", "month_year", "month", "day", "holiday", "dob", "iso", "stamp", "weekday_date"], "DATE"),
    **dict.fromkeys(["age90", "age90_words"], "AGE"),
    **dict.fromkeys(["phone", "ext", "pager"], "PHONE"),
    "fax": "FAX", "email": "EMAIL", "url": "URL", "ip": "IP", "ssn": "SSN", "ssn4": "SSN", "mrn": "MRN",
    "plan_id": "HEALTH_PLAN", "group": "HEALTH_PLAN", "account": "ACCOUNT", "card": "ACCOUNT",
    "driver": "LICENSE", "license": "LICENSE", "dea": "LICENSE", "npi": "LICENSE",
    "plate": "VEHICLE", "vin": "VEHICLE", "serial": "DEVICE", "udi": "DEVICE", "mac": "DEVICE",
    "biometric": "BIOMETRIC", "id": "OTHER_ID", "username": "OTHER_ID",
}  # fmt: skip
_MARK = re.compile(
    r"\{(?P<slot>[a-z0-9_]+)(?:#(?P<tie>\w+))?\}|\[\[(?P<category>[A-Z_]+)\|(?P<text>[^\]]*?)\]\]",
    re.DOTALL,
)


@dataclass(frozen=True)
class Template:
    """A note with slots; ``parts`` are text, ``(slot, tie)`` or ``(category, text)`` literals."""

    style: str
    text: str

    @property
    def clean(self) -> bool:
        return _MARK.search(self.text) is None


def read_templates(folder: Path) -> list[Template]:
    """All templates of a folder.

    Raises:
        ValueError: a slot or category is unknown.
    """
    found: list[Template] = []
    for path in sorted(folder.glob("*.txt")):
        blocks = re.split(r"(?m)^=== *", path.read_text(encoding="utf-8"))
        for block in blocks[1:]:
            style, _, text = block.partition("\n")
            template = Template(style.strip().split()[0], text.strip("\n"))
            check(template, path)
            if template.text.strip():
                found.append(template)
    return found


def check(template: Template, path: Path) -> None:
    for mark in _MARK.finditer(template.text):
        slot, category = mark["slot"], mark["category"]
        if slot and (slot not in CATEGORY or not Values.knows(slot)):
            raise ValueError(f"{path}: no slot {slot!r}")
        if category and category not in CATEGORY.values():
            raise ValueError(f"{path}: no category {category!r}")


def read_lexicon(folder: Path) -> Lexicon:
    """The lists of a folder: ``first_*.txt`` and ``last_*.txt`` are paired by culture."""
    lists = {
        path.stem: path.read_text(encoding="utf-8").split("\n") for path in folder.glob("*.txt")
    }
    lists = {
        kind: [line.strip() for line in lines if line.strip()] for kind, lines in lists.items()
    }
    cultures = [
        kind.removeprefix("last_")
        for kind in lists
        if kind.startswith("last_") and f"first_{kind.removeprefix('last_')}" in lists
    ]
    cultures = [c for c in cultures if c not in ("common_word",)]
    names = [(lists[f"first_{c}"], lists[f"last_{c}"]) for c in sorted(cultures)]
    weighted = [
        pair
        for c, pair in zip(sorted(cultures), names, strict=True)
        for _ in range(4 if c == "anglo" else 2 if c == "hispanic" else 1)
    ]
    return Lexicon(lists, weighted)


def fill(template: Template, lexicon: Lexicon, rng: random.Random) -> list[noise.Piece]:
    """One note of a template."""
    values = Values(rng, lexicon, template.style)
    pieces: list[noise.Piece] = []
    at = 0
    for mark in _MARK.finditer(template.text):
        pieces.append((template.text[at : mark.start()], None))
        if mark["slot"]:
            pieces.append((values.draw(mark["slot"], mark["tie"]), CATEGORY[mark["slot"]]))
        else:
            pieces.append((vary(mark["text"], mark["category"], values, rng), mark["category"]))
        at = mark.end()
    pieces.append((template.text[at:], None))
    return dress([piece for piece in pieces if piece[0]], template.style, rng)


_NAMED = ("NAME", "LOCATION", "ORGANIZATION", "DATE", "AGE", "EMAIL", "URL")


def vary(text: str, category: str, values: Values, rng: random.Random) -> str:
    """A literal as it stands, or with other digits; a name of one word sometimes another one, so
    that nobody learns the literals by heart."""
    if category not in _NAMED:
        return re.sub(r"\d", lambda _: rng.choice("0123456789"), text)
    if category == "NAME" and text.isalpha() and len(text) > 2 and rng.random() < 0.4:
        kind = rng.choice(("first_common_word", "last_common_word", "nick"))
        made = rng.choice(values.lexicon.lists[kind])
        return made.upper() if text.isupper() else made.lower() if text.islower() else made
    return text


def dress(pieces: list[noise.Piece], style: str, rng: random.Random) -> list[noise.Piece]:
    """A note in the way of its style, and sometimes of another."""
    if style == "caps":
        pieces = noise.capitals(pieces)
    elif style in ("lower", "asr"):
        pieces = noise.lower(pieces)
    elif style == "ocr":
        pieces = noise.scanned(pieces, rng, rng.choice((0.01, 0.03, 0.06)))
    elif style == "typo":
        pieces = noise.typos(pieces, rng, 0.02)
    draw = rng.random()
    if style in ("caps", "lower", "asr", "ocr", "hl7"):
        return noise.one_line(pieces, rng) if draw < 0.05 else pieces
    if draw < 0.10:
        pieces = noise.lower(pieces)
        if rng.random() < 0.6:
            pieces = noise.without_punctuation(pieces, rng)
    elif draw < 0.18:
        pieces = noise.capitals(pieces)
    elif draw < 0.26:
        pieces = noise.scanned(pieces, rng, rng.choice((0.005, 0.02, 0.05)))
    elif draw < 0.30:
        pieces = noise.lower_values(pieces, rng)
    elif draw < 0.33:
        pieces = noise.typos(pieces, rng, 0.02)
    elif draw < 0.38:
        pieces = noise.wrapped(pieces, rng)
    elif draw < 0.43 and style not in SPOKEN:
        pieces = noise.one_line(pieces, rng)
    elif draw < 0.46:
        pieces = noise.without_punctuation(pieces, rng)
    return pieces


def labelled(pieces: Iterable[noise.Piece]) -> tuple[str, list[tuple[int, int, str]]]:
    """Text and spans ``(start, end, category)``."""
    text, spans = "", []
    for piece, category in pieces:
        if category:
            spans.append((len(text), len(text) + len(piece), category))
        text += piece
    return text, spans


def notes(
    templates: list[Template], lexicon: Lexicon, rng: random.Random
) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Notes without end; every template comes once before any comes again."""
    while True:
        order = list(templates)
        rng.shuffle(order)
        for template in order:
            pieces = fill(template, lexicon, rng)
            if rng.random() < 0.15:  # notes that were pasted together
                joint = rng.choice(("\n", "\n\n", " ", "\n---\n"))
                pieces += [(joint, None), *fill(rng.choice(order), lexicon, rng)]
            yield labelled(pieces)
