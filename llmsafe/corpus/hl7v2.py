"""Notes in HL7 version 2 messages (MDM, ORU and any other): the text of OBX and NTE segments.

Read only: a message is a stream of structured fields around the text, and a scrubbed corpus of
messages is written as jsonl. Every order (OBR) of a message with text is a note; a message without
OBR is one. Taken are OBX of type TX, FT and ST, ED that hold plain text or HTML, and the comments
in NTE. Numbers, codes and times are data, not notes. Where an order has text, a PDF, an image or a
link beside it is left to its message; where it has nothing else, the message is bad.

Files may hold many messages, in a batch envelope or with MLLP framing, and end segments with CR,
LF or both. Sources: HL7 2.5.1, sections 2.5 to 2.7 (delimiters, escapes) and 7.4.2 (OBX).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from llmsafe.corpus.files import MAX_BYTES, check_size, decode, opened
from llmsafe.corpus.markup import base64_bytes, media_text
from llmsafe.corpus.records import Record, Row, Unreadable
from llmsafe.errors import InputError

Segment = tuple[str, ...]  # its name, then its fields: ``segment[5]`` is field five

_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?\x0b?MSH[^\w\s]")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_ENVELOPE = ("FHS", "BHS", "BTS", "FTS")
_TABLE_0211 = {"": None, "ASCII": None, "UNICODE": "utf-8", "GB 18030-2000": "gb18030"}
_COMMAND = r"[FSTREHNP]|\.[a-z]{2}[+-]?\d*|X(?:[0-9A-Fa-f]{2})+|[CM]\w{4,6}"


# --- a message ----------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Message:
    """The segments of a message, MSH first, and how to read their fields."""

    segments: tuple[Segment, ...]
    component: str
    repetition: str
    escape: str
    subcomponent: str
    charset: str | None

    def field(self, segment: Segment, number: int) -> str:
        """A field as it stands there; empty where there is none."""
        return segment[number] if number < len(segment) else ""

    def repeats(self, segment: Segment, number: int) -> list[list[str]]:
        """The repetitions of a field, each a list of its components without escapes. Of several
        subcomponents the first counts. HL7's ``""``, which deletes a value, is empty."""
        return [
            [
                self.plain(part.partition(self.subcomponent)[0])
                for part in one.replace('""', "").split(self.component)
            ]
            for one in self.field(segment, number).split(self.repetition)
            if one
        ]

    def first(self, segment: Segment, number: int) -> str:
        """The first component of the first repetition of a field, or nothing."""
        return next((parts[0] for parts in self.repeats(segment, number)), "")

    def plain(self, raw: str) -> str:
        """Text without its escape sequences; those of the sender's own making stay.

        Raises:
            Unreadable: a sequence that changes the character set.
        """
        if self.escape not in raw:
            return raw
        mark = re.escape(self.escape)
        return re.sub(f"{mark}({_COMMAND}){mark}", lambda match: self._meaning(match[1]), raw)

    def _meaning(self, code: str) -> str:
        if code[0] == ".":
            count = min(int(re.sub(r"\D", "", code) or 1), 100)
            lines = {"br": 1, "ce": 1, "sp": max(count, 1)}.get(code[1:3], 0)
            return "\n" * lines or " " * (count if code[1:3] in ("sk", "in", "ti") else 0)
        if code[0] == "X":
            return re.sub(r"\r\n?", "\n", decode(bytes.fromhex(code[1:]), self.charset))
        if code[0] in "CM":
            raise Unreadable("an escape sequence that changes the character set; recode it")
        delimiters = {
            "F": self.segments[0][1],
            "S": self.component,
            "T": self.subcomponent,
            "R": self.repetition,
            "E": self.escape,
        }
        return delimiters.get(code, "")  # what is left sets highlighting

    def patients(self) -> Iterator[tuple[str | None, list[Segment]]]:
        """Each patient's id and segments: from a PID to the next, the first with what is before."""
        block: list[Segment] = []
        for segment in self.segments:
            if segment[0] == "PID" and any(s[0] == "PID" for s in block):
                yield self._patient_id(block), block
                block = []
            block.append(segment)
        yield self._patient_id(block), block

    def _patient_id(self, block: list[Segment]) -> str | None:
        """The medical record number in PID-3 or its first id; else what other field names one, or
        name and birth date: notes of a patient must not count as nobody's."""
        for pid in (segment for segment in block if segment[0] == "PID"):
            ids = self.repeats(pid, 3)
            record = [parts for parts in ids if len(parts) > 4 and parts[4] == "MR"]
            others = (self.repeats(pid, number) for number in (2, 4, 18, 19))
            found = [*record, *ids, *(parts for one in others for parts in one)]
            name = self.first(pid, 5) and f"{self.field(pid, 5)} {self.field(pid, 7)}".strip()
            return next((parts[0].strip() for parts in found if parts[0].strip()), name or None)
        return None


def parse(data: bytes) -> Message | None:
    """One message; ``None`` where there is only a batch envelope.

    Raises:
        Unreadable: it does not begin with MSH, is not in the character set of MSH-18, or holds a
            line that is no segment.
    """
    framed = check_size(data).translate(None, b"\x0b\x1c")
    lone = re.search(rb"\r(?!\n)", framed)  # then line feeds belong to the text of a field
    pieces = re.split(rb"\r\n?" if lone else rb"\r?\n", framed.removeprefix(b"\xef\xbb\xbf"))
    kept = [
        (n, p)
        for n, p in enumerate(pieces, 1)
        if p.strip() and p[:3].decode("latin-1") not in _ENVELOPE
    ]
    if not kept:
        return None
    head = kept[0][1]
    if not _HEADER.match(head):
        raise Unreadable("does not begin with MSH")
    separator = head[3:4].decode("latin-1")
    header = head.decode("latin-1").split(separator)
    charset = _charset(header[17].split("~")[0] if len(header) > 17 else "")
    segments: list[Segment] = []
    for number, piece in kept:
        name, *fields = decode(piece, charset).split(separator)
        if not _SEGMENT.fullmatch(name.strip()):
            raise Unreadable(
                f"line {number} of the message is no segment; escape line ends inside a field"
            )
        # The separator itself is field one of MSH.
        segments.append((name.strip(), *([separator] if name == "MSH" else []), *fields))
    marks = header[1] + "^~\\&"[len(header[1]) :]
    return Message(tuple(segments), marks[0], marks[1], marks[2], marks[3], charset)


def _charset(name: str) -> str | None:
    """MSH-18 (HL7 table 0211) as a MIME name; ``None`` is ASCII or UTF-8."""
    plain = name.strip().upper().removeprefix("UNICODE ")
    return _TABLE_0211.get(plain, f"iso-{plain.replace('/', '-')}" if "/" in plain else plain)


def iso_date(value: str) -> str | None:
    """``20140917190405-0500`` as ``2014-09-17``; ``None`` for anything shorter than a day."""
    match = re.match(r"(\d{4})(\d\d)(\d\d)", value)
    return f"{match[1]}-{match[2]}-{match[3]}" if match else None


# --- its notes ----------------------------------------------------------------------------------


def hl7_messages(path: Path) -> Iterator[Record]:
    """The messages of a file; those without text have no rows."""
    for line, message in _cut(path):
        yield Record(f"{path.name}:{line}", message, partial(_rows, message))


def _cut(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every message with the number of its first line."""
    begun, parts, size = 1, list[bytes](), 0
    with opened(path) as file:
        for number, line in enumerate(_lines(file, path), 1):
            if parts and _HEADER.match(line):
                yield begun, b"".join(parts)
                begun, parts, size = number, [], 0
            if size <= MAX_BYTES:  # more is refused anyway
                parts.append(line)
                size += len(line)
    if parts:
        yield begun, b"".join(parts)


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Lines with their ends: CR, LF or both."""
    held = b""
    while block := file.read(1 << 20):
        *whole, held = (held + block).splitlines(keepends=True)  # the last may go on
        if len(held) > MAX_BYTES:
            raise InputError(f"{path.name}: a line over {MAX_BYTES >> 20} MiB; this is no HL7")
        yield from whole
    if held:
        yield held


@dataclass
class _Order:
    """What was found for one order: lines of text, and why a document in it cannot be read."""

    begun: bool = False
    date: str | None = None
    lines: list[str] = field(default_factory=list[str])
    has_text: bool = False
    why: Unreadable | None = None

    def text(self) -> str | None:
        """Its text; ``None`` where it holds none at all.

        Raises:
            Unreadable: its only document cannot be read.
        """
        if self.why and not self.has_text:
            raise self.why
        return "\n".join(self.lines).strip("\n") if any(map(str.strip, self.lines)) else None


def _rows(data: bytes) -> list[Row]:
    message = parse(data)
    if message is None:
        return []
    header, rows = message.segments[0], list[Row]()
    # Control ids are unique for one sender and one day; the same message sent twice is a duplicate.
    name = f"{message.field(header, 10).strip()}-{hashlib.sha256(data.strip()).hexdigest()[:12]}"
    for patient, segments in message.patients():
        for order in _orders(message, segments):
            text = order.text()
            if text is not None:
                rows.append(
                    {
                        "note_id": f"{name}-{len(rows) + 1}" if rows else name,
                        "patient_id": patient,
                        "date": order.date or iso_date(message.field(header, 7)),
                        "text": text,
                    }
                )
    return rows


def _orders(message: Message, segments: list[Segment]) -> list[_Order]:
    orders = [_Order()]
    for segment in segments:
        order = orders[-1]
        match segment[0]:
            case "OBR":
                if order.begun:
                    order = _Order()
                    orders.append(order)
                order.begun = True
                order.date = iso_date(message.field(segment, 7))
            case "TXA":
                order.date = iso_date(message.field(segment, 4)) or order.date
            case "NTE":
                order.lines += _text_lines(message, message.field(segment, 3))
            case "OBX":
                _observation(message, segment, order)
            case _:
                pass
    return orders


def _observation(message: Message, segment: Segment, order: _Order) -> None:
    raw = message.field(segment, 5)
    match message.field(segment, 2):
        case "TX" | "FT" | "ST":
            order.lines += _text_lines(message, raw)
            order.has_text = True
        case "ED":
            try:
                order.lines += _encapsulated(message, raw).splitlines()
                order.has_text = True
            except Unreadable as error:
                order.why = error
        case "RP":
            order.why = Unreadable("the document is a link (OBX-2 is RP); put its content there")
        case _:
            pass


def _text_lines(message: Message, raw: str) -> list[str]:
    """Repetitions are lines. Components stay: text fields have none, but senders forget to escape.
    In older formatted text ``^\\.sp\\`` ends a line."""
    raw = raw.replace(f"{message.component}{message.escape}.sp", f"{message.escape}.sp")
    return [message.plain(one) for one in raw.split(message.repetition)]


def _encapsulated(message: Message, raw: str) -> str:
    """The text of an ED: source, type, subtype, encoding, data."""
    parts = [message.plain(part).strip() for part in raw.split(message.component, 4)]
    _, kind, subtype, encoding, data = [*parts, *[""] * (5 - len(parts))]
    if not data:
        raise Unreadable("an encapsulated document (OBX-2 is ED) without content")
    media = f"{kind}/{subtype or 'plain'}".lower()
    charset = f"; charset={message.charset}" if message.charset else ""
    match encoding.lower():
        case "base64":
            return media_text(media + charset, base64_bytes(data))
        case "a" | "":
            return media_text(media, data.encode())
        case "hex" if re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", data):
            return media_text(media + charset, bytes.fromhex(data))
        case _:
            raise Unreadable("an encapsulated document in an encoding that is not known")
