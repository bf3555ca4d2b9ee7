"""Notes with gold spans: our jsonl, i2b2-2014 XML, BRAT.

Whatever the format, a span's category is the type as the gold names it (``PATIENT``, ``FECHAS``);
:data:`llmsafe.notes.FOREIGN_TYPES` says what that is here. Offsets are code points of the text, and
every span that quotes its text is checked against it: gold that has slipped by one character would
pass a scrubber that leaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from llmsafe.corpus import open_corpus
from llmsafe.corpus.markup import parse_xml
from llmsafe.corpus.records import Unreadable
from llmsafe.errors import InputError
from llmsafe.files import CORPUS, read_bytes, read_text
from llmsafe.notes import Note, PhiSpan


@dataclass(frozen=True, repr=False)
class GoldNote:
    """A note and all PHI in it, in order."""

    note: Note
    spans: tuple[PhiSpan, ...]

    def __repr__(self) -> str:
        return f"GoldNote(<{len(self.note.text)} characters, {len(self.spans)} spans>)"


def read_gold(path: str | Path) -> Iterator[GoldNote]:
    """Stream the gold at ``path``: a folder of BRAT (``.txt`` beside ``.ann``), a folder or file of
    i2b2-2014 XML, or a corpus whose notes have a column ``spans``.

    Raises:
        InputError: a file that is not in its format, a span outside the text or that quotes
            something else, a text without annotations or the other way round. The message names
            file and span, never the text.
    """
    place = Path(path)
    files = sorted(place.iterdir()) if place.is_dir() and not (place / CORPUS).is_dir() else [place]
    kinds = {file.suffix.lower() for file in files}
    if ".ann" in kinds:
        yield from _brat(files)
    elif ".xml" in kinds:
        yield from (_i2b2(file) for file in files if file.suffix.lower() == ".xml")
    else:
        for number, note in enumerate(open_corpus(path).notes(), 1):
            yield _from_column(note, f"{place.name}: note {number}")


def _from_column(note: Note, where: str) -> GoldNote:
    rest = dict(note.extra)
    spans: Any = rest.pop("spans", None)
    if not isinstance(spans, list):
        raise InputError(f"{where}: no column 'spans' with a list; gold needs one, if empty")
    found: list[PhiSpan] = []
    for number, span in enumerate(cast("list[Any]", spans), 1):
        try:
            start, end, category = span["start"], span["end"], span["category"]
        except (KeyError, TypeError):
            raise InputError(f"{where}, span {number}: needs start, end and category") from None
        found.append(_span(note.text, start, end, category, None, f"{where}, span {number}"))
    return GoldNote(replace(note, extra=rest), _in_order(found))


def _brat(files: list[Path]) -> Iterator[GoldNote]:
    """Standoff files: ``T1<tab>TYPE 10 20;25 30<tab>text``. Fragments are spans of their own; other
    lines (attributes, relations, notes) say nothing about where PHI is."""
    texts = {file.stem: file for file in files if file.suffix.lower() == ".txt"}
    marks = {file.stem: file for file in files if file.suffix.lower() == ".ann"}
    for alone in sorted(texts.keys() ^ marks.keys()):
        file = texts.get(alone) or marks[alone]
        raise InputError(f"{file} has no partner; BRAT needs a .txt and an .ann for every note")
    for name, file in texts.items():
        text = _utf8(file)  # a byte-order mark counts as a character, as in BRAT itself
        spans: list[PhiSpan] = []
        for number, line in enumerate(_utf8(marks[name]).split("\n"), 1):
            if line.startswith("T"):
                spans += _brat_line(line.rstrip("\r"), text, f"{marks[name].name}:{number}")
        yield GoldNote(Note(name, text), _in_order(spans))


def _brat_line(line: str, text: str, where: str) -> Iterator[PhiSpan]:
    match = re.fullmatch(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?", line)
    if match is None:
        raise InputError(f"{where}: no BRAT annotation; it reads T1<tab>TYPE start end<tab>text")
    places = [tuple(map(int, part.split())) for part in match[2].split(";")]
    for start, end in places:
        yield _span(text, start, end, match[1], match[3] if len(places) == 1 else None, where)
    if match[3] is not None and len(places) > 1:
        _check_quote(" ".join(text[start:end] for start, end in places), match[3], where)


def _i2b2(file: Path) -> GoldNote:
    """``<TEXT>`` and, in ``<TAGS>``, an element for every span; its TYPE is the finer name."""
    try:
        root = parse_xml(read_bytes(file))
    except Unreadable as error:
        raise InputError(f"{file.name}: {error}") from None
    holder, tags = root.find("TEXT"), root.find("TAGS")
    if holder is None or tags is None:
        raise InputError(f"{file.name}: no i2b2-2014 file; it needs TEXT and TAGS")
    text = holder.text or ""
    spans: list[PhiSpan] = []
    for number, tag in enumerate(tags, 1):
        where = f"{file.name}, tag {number}"
        try:
            start, end = int(tag.get("start", "")), int(tag.get("end", ""))
        except ValueError:
            raise InputError(f"{where}: start and end are no numbers") from None
        spans.append(_span(text, start, end, tag.get("TYPE") or tag.tag, tag.get("text"), where))
    return GoldNote(Note(file.stem, text), _in_order(spans))


def _span(text: str, start: Any, end: Any, category: Any, quote: str | None, where: str) -> PhiSpan:
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(category, str)):
        raise InputError(f"{where}: start and end must be whole numbers and category text")
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"{where}: [{start}, {end}) is empty or outside a text of {len(text):,} characters"
        )
    if quote is not None:
        _check_quote(text[start:end], quote, where)
    return PhiSpan(start, end, category, source="gold")


def _check_quote(found: str, quote: str, where: str) -> None:
    """Formats write a line end inside a quote as a space or not at all."""
    if "".join(found.split()) != "".join(quote.split()):
        raise InputError(
            f"{where}: the text there is not the one it quotes; offsets must be code points of the "
            "text as it is stored"
        )


def _in_order(spans: list[PhiSpan]) -> tuple[PhiSpan, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start, span.end, span.category)))


def _utf8(file: Path) -> str:
    try:
        return read_text(file)
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name}: not UTF-8 (byte {error.start}); convert it first") from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
