"""What happens to a note on its way: capitals, lost punctuation, scanners, lost columns.

A note is a list of pieces ``(text, category or None)``; every function keeps the pieces, so
that the labels stay where they are.
"""

from __future__ import annotations

import random
import re

Piece = tuple[str, str | None]

# What a scanner reads for what was printed.
CONFUSED = {
    "0": "O", "O": "0", "o": "0", "1": "lI", "l": "1I", "I": "l1", "i": "1l", "5": "S", "S": "5",
    "s": "5", "8": "B", "B": "8", "2": "Z", "6": "b", "9": "g", "g": "q9", "e": "c", "c": "e",
    "a": "o", "h": "b", "n": "ri", "t": "f", "E": "F", "G": "C6", "D": "O", "u": "v", "v": "y",
}  # fmt: skip
DIGITS = {"0": "O", "1": "lI", "5": "S", "8": "B", "2": "Z", "6": "b"}
RUNS = (
    ("rn", "m"),
    ("m", "rn"),
    ("cl", "d"),
    ("ll", "11"),
    ("ti", "fi"),
    ("w", "vv"),
    ("ing", "mg"),
)


def capitals(pieces: list[Piece]) -> list[Piece]:
    return [(text.upper(), category) for text, category in pieces]


def lower(pieces: list[Piece]) -> list[Piece]:
    return [(text.lower(), category) for text, category in pieces]


def lower_values(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Careless writers: some names without their capital."""
    return [(t.lower() if c and rng.random() < 0.6 else t, c) for t, c in pieces]


def without_punctuation(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Full stops and commas go; those inside numbers stay mostly."""
    kept = 0.5 if rng.random() < 0.5 else 0.0
    out: list[Piece] = []
    for text, category in pieces:
        text = re.sub(
            r"(?<!\d)[.,;](?!\w)|(?<=\D)[.,;](?=\s|$)",
            lambda m: m[0] if rng.random() < kept else "",
            text,
        )
        out.append((text, category))
    return out


def scanned(pieces: list[Piece], rng: random.Random, rate: float) -> list[Piece]:
    """Characters misread, words broken and glued. ``rate`` is the share of characters touched."""
    return [
        (_scan(text, rng, rate * (2.0 if category else 1.0)), category) for text, category in pieces
    ]


def _scan(text: str, rng: random.Random, rate: float) -> str:
    if rng.random() < 8 * rate:
        old, new = rng.choice(RUNS)
        text = text.replace(old, new, 1)
    out: list[str] = []
    for index, character in enumerate(text):
        draw = rng.random()
        digit = character.isdigit()
        if draw < (4 * rate if digit else rate) and character in CONFUSED:
            out.append(
                rng.choice(
                    DIGITS.get(character, CONFUSED[character]) if digit else CONFUSED[character]
                )
            )
        elif draw > 1 - rate / 5 and character == " ":
            continue
        else:
            out.append(character)
            inside = character.isalpha() and text[index + 1 : index + 2].isalpha()
            if inside and rng.random() < rate / 4:
                out.append(rng.choice((" ", " ", "-\n")))
    return "".join(out)


def typos(pieces: list[Piece], rng: random.Random, rate: float) -> list[Piece]:
    """Letters swapped, doubled or lost."""
    return [(_type(text, rng, rate), category) for text, category in pieces]


def _type(text: str, rng: random.Random, rate: float) -> str:
    letters = list(text)
    for index in range(1, len(letters) - 1):
        if letters[index].isalpha() and letters[index + 1].isalpha() and rng.random() < rate:
            match rng.randrange(3):
                case 0:
                    letters[index], letters[index + 1] = letters[index + 1], letters[index]
                case 1:
                    letters[index] = letters[index] * 2
                case _:
                    letters[index] = ""
    return "".join(letters)


def one_line(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Line ends lost, or each note line joined by a separator."""
    joint = rng.choice((" ", " ", "  ", " / ", " | "))
    return [(text.replace("\n", " " if category else joint), category) for text, category in pieces]


def wrapped(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Lines broken at a column, values too."""
    width, column = rng.randrange(28, 90), 0
    out: list[Piece] = []
    for text, category in pieces:
        made: list[str] = []
        for character in text:
            column = 0 if character == "\n" else column + 1
            if character == " " and column > width:
                made.append("\n")
                column = 0
            else:
                made.append(character)
        out.append(("".join(made), category))
    return out
