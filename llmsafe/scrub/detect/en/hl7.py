"""HL7 version 2: what a field holds is laid down by its segment and number.

Only fields that name or date a person, and identifiers; what a sender writes there is PHI whatever
it looks like. Parts of a field are found one by one, so that the message stays a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.vocabulary import is_word
from llmsafe.scrub.detect.outline import outline

# Segment -> what a field holds, by its number in the standard: N name, P a person's number and
# name (XCN), D date, A address, T telephone, O organization, and categories of identifiers.
_FIELDS: dict[str, dict[int, str]] = {
    "MSH": {4: "O", 6: "O", 7: "D", 10: "OTHER_ID"},
    "EVN": {2: "D", 3: "D", 5: "P", 6: "D"},
    "PID": {2: "MRN", 3: "MRN", 4: "MRN", 5: "N", 6: "N", 7: "D", 9: "N", 11: "A", 13: "T", 14: "T",
            18: "ACCOUNT", 19: "SSN", 20: "LICENSE", 21: "MRN", 23: "O", 29: "D"},
    "PD1": {3: "O", 4: "P"},
    "NK1": {2: "N", 4: "A", 5: "T", 6: "T", 7: "T", 13: "O", 16: "D", 30: "N", 31: "T", 32: "A"},
    "PV1": {5: "OTHER_ID", 7: "P", 8: "P", 9: "P", 17: "P", 19: "OTHER_ID", 44: "D", 45: "D",
            50: "OTHER_ID", 52: "P"},
    "PV2": {8: "D", 9: "D"},
    "GT1": {2: "OTHER_ID", 3: "N", 4: "N", 5: "A", 6: "T", 7: "T", 8: "D", 12: "SSN", 16: "O",
            17: "A", 18: "T", 19: "OTHER_ID", 21: "O"},
    "IN1": {3: "O", 4: "O", 5: "A", 6: "N", 7: "T", 8: "HEALTH_PLAN", 9: "O", 11: "O", 12: "D",
            13: "D", 16: "N", 18: "D", 19: "A", 36: "HEALTH_PLAN", 49: "HEALTH_PLAN"},
    "ORC": {2: "OTHER_ID", 3: "OTHER_ID", 9: "D", 10: "P", 11: "P", 12: "P", 14: "T", 15: "D",
            19: "P"},
    "OBR": {2: "OTHER_ID", 3: "OTHER_ID", 6: "D", 7: "D", 8: "D", 10: "P", 14: "D", 16: "P",
            17: "T", 22: "D", 28: "P", 32: "P", 33: "P", 34: "P", 35: "P"},
    "OBX": {14: "D", 16: "P", 19: "D"},
    "TXA": {4: "D", 5: "P", 6: "D", 7: "D", 8: "D", 9: "P", 10: "P", 11: "P", 12: "OTHER_ID",
            22: "P"},
    "DG1": {5: "D", 16: "P"},
    "PR1": {5: "D", 8: "P", 11: "P", 12: "P"},
    "AL1": {6: "D"},
    "RXA": {3: "D", 4: "D", 10: "P"},
    "SCH": {1: "OTHER_ID", 2: "OTHER_ID", 12: "P", 16: "P", 20: "P"},
    "SPM": {2: "OTHER_ID", 17: "D", 18: "D"},
    "ROL": {4: "P", 12: "T"},
    "ACC": {1: "D"},
    "MRG": {1: "MRN", 3: "ACCOUNT", 7: "N"},
}  # fmt: skip
SEGMENTS = frozenset(_FIELDS)
CATEGORIES = ("NAME", "DATE", "LOCATION", "ORGANIZATION", "PHONE", "AGE", "MRN", "HEALTH_PLAN",
              "ACCOUNT", "SSN", "LICENSE", "OTHER_ID")  # fmt: skip

_NAME = re.compile(r"[^\W\d_][^\W\d_'’. -]*(?:['’. -]{1,2}[^\W\d_]+)*\.?")
_SUFFIX = re.compile(r"(?i)jr|sr|i{1,3}|iv|mrs?|ms|miss|dr|md")
_STAMP = re.compile(r"(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[\d.+-]{0,20}")
_NOBODY = frozenset(("", '""', "unknown", "none", "self", "same", "test", "n/a", "retired"))
_OLD = re.compile(r"AGE\b[^|]*\|[^|]*\|(?P<n>9\d|1[01]\d)\|")


def find_fields(text: str) -> Iterator[PhiSpan]:
    """The fields of :data:`SEGMENTS` that are PHI."""
    for place in outline(text).exact(SEGMENTS):
        segment = text[place : place + 3]
        if text[place + 3 : place + 4] != "|" or (place and text[place - 1] not in "\n\r "):
            continue
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        number, start = (1 if segment == "MSH" else 0), place
        while start <= end:
            stop = text.find("|", start, end)
            stop = end if stop < 0 else stop
            if kind := _FIELDS[segment].get(number):
                yield from _field(text, start, stop, kind)
            start, number = stop + 1, number + 1
        if segment == "OBX" and (old := _OLD.search(text, place, end)):
            yield PhiSpan(*old.span("n"), "AGE", 0.9)


def _field(text: str, start: int, end: int, kind: str) -> Iterator[PhiSpan]:
    for repeat in _split(text, start, end, "~"):
        parts = _split(text, *repeat, "^")
        match kind:
            case "D":
                if stamp := _STAMP.match(text, *parts[0]):
                    yield PhiSpan(*stamp.span(), "DATE", 0.95)
            case "P" if any(map(str.isdigit, text[slice(*parts[0])])):
                yield PhiSpan(*parts[0], "OTHER_ID", 0.7)
                yield from _named(text, parts[1:])
            case "P" if len(parts) > 1 and not text[slice(*parts[0])]:
                yield from _named(text, parts[1:])
            case "N" | "P":
                yield from _named(text, parts)
            case "A":
                filled = [part for part in parts if part[0] < part[1]]
                if filled and any(map(str.isdigit, text[slice(*repeat)])):
                    yield PhiSpan(filled[0][0], filled[-1][1], "LOCATION", 0.8)
            case "O" if not any(map(str.isdigit, text[slice(*parts[0])])):
                found = text[slice(*parts[0])]
                words = re.findall(r"[^\W\d_]+", found.lower())
                code = len(words) == 1 and len(found) < 5
                if words and not code and not all(map(is_word, words)):
                    yield PhiSpan(*parts[0], "ORGANIZATION", 0.8)
                elif len(words) > 1 and found.lower() not in _NOBODY:
                    yield PhiSpan(*parts[0], "ORGANIZATION", 0.7)
            case "T":
                for a, b in parts:
                    if sum(map(str.isdigit, text[a:b])) > 6:
                        yield PhiSpan(a, b, "PHONE", 0.9)
            case "O":
                pass
            case _:
                found = text[slice(*parts[0])]
                if any(map(str.isdigit, found)) and len(found) > 2:
                    yield PhiSpan(*parts[0], kind, 0.8)


def _named(text: str, parts: list[tuple[int, int]]) -> Iterator[PhiSpan]:
    """The name that begins a list of parts: family, given, middle."""
    kept: list[tuple[int, int]] = []
    for part in parts[:3]:
        found = text[slice(*part)]
        if found.lower() in _NOBODY or not _NAME.fullmatch(found):
            break
        kept.append(part)
    for start, end in parts[3:5] if len(kept) > 1 else ():  # suffix and prefix: ^^II, ^^^Mrs
        if _SUFFIX.fullmatch(text, start, end):
            kept.append((start, end))
    if kept:
        yield PhiSpan(kept[0][0], kept[-1][1], "NAME", 0.95)


def _split(text: str, start: int, end: int, sign: str) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    while True:
        stop = text.find(sign, start, end)
        if stop < 0:
            return [*pieces, (start, end)]
        pieces.append((start, stop))
        start = stop + 1
