"""From the bytes of a file to text: gzip, byte-order marks, character sets, limits on size."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from llmsafe.corpus.records import Unreadable
from llmsafe.errors import InputError
from llmsafe.files import open_file

MAX_BYTES = 64 * 1024 * 1024  # of one line, one message, or one file that is one note

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Names of character sets as MIME (FHIR, C-CDA) and HL7 table 0211 write them.
_CHARSETS = re.compile(
    r"(utf-?(8|16|32)([lb]e)?|(us-)?ascii|iso-?8859-?\d+|windows-?\d+|cp\d+|koi8-[ru]|macroman"
    r"|gb2312|gbk|gb18030|big5|shift-?jis|euc-?(jp|kr)|iso-2022-(jp|kr))"
)


def plain_name(path: Path) -> Path:
    """The path without a final ``.gz``."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


@contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """Open a file, opened if it is sealed and unpacked if its name ends in ``.gz``, in memory.

    Raises:
        InputError: it cannot be read or is damaged, also while the block reads it; it is sealed
            and not for the key at hand.
        EvidenceError: it is sealed and was altered.
    """
    try:
        with open_file(path) as file:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield file
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "damaged or not gzip"
        raise InputError(f"cannot read {path}: {why}") from error


def read_whole(path: Path) -> bytes:
    """All of a file that is one record; one byte over the limit tells that there is more."""
    with opened(path) as file:
        return file.read(MAX_BYTES + 1)


def check_size(data: bytes) -> bytes:
    """Return ``data``.

    Raises:
        Unreadable: it reached the limit, so that its end may be missing.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable(f"over {MAX_BYTES >> 20} MiB in one record; split it or leave it out")
    return data


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, line ends included, in UTF-8 (or what claims to be).

    A file that begins with a UTF-16 or UTF-32 mark is recoded, a UTF-8 mark dropped. A line over
    the limit comes cut one byte above it, for :func:`check_size` to refuse.
    """
    with opened(path) as file:
        mark = file.read(4)
        file.seek(0)
        encoding = _marked(mark)
        if encoding is not None:
            yield from _recoded(path, file, encoding)
            return
        number = 0
        while line := file.readline(MAX_BYTES + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            rest = line
            while len(rest) > MAX_BYTES and not rest.endswith(b"\n"):
                rest = file.readline(MAX_BYTES + 1)
            yield number, line


def _recoded(path: Path, file: BinaryIO, encoding: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        text = io.TextIOWrapper(file, encoding=encoding, newline="\n")
        while line := text.readline(MAX_BYTES):
            number += 1
            yield number, line.encode(errors="surrogatepass")
    except UnicodeError:
        raise InputError(
            f"{path.name}:{number + 1}: not {encoding.upper()}, which its first bytes announce; "
            "convert the file to UTF-8 first"
        ) from None


def _marked(data: bytes) -> str | None:
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def decode(data: bytes, charset: str | None = None) -> str:
    """Text in ``charset``; without one, as its byte-order mark says, or UTF-8.

    ISO 8859-1 is read as Windows-1252, as browsers do: few systems that name the one write it.

    Raises:
        Unreadable: another encoding than that, or one that is not known.
    """
    name = re.sub(r"[\s_]", "-", charset.strip().lower()) if charset else "utf-8"
    if not _CHARSETS.fullmatch(name):
        raise Unreadable("a character set that is not known; convert it to UTF-8 first")
    if re.fullmatch(r"iso-?8859-?1", name):
        name = "cp1252"
    if name in ("utf-8", "utf8"):
        name = (None if charset else _marked(data)) or "utf-8-sig"
    try:
        return data.decode(name)
    except (UnicodeError, LookupError) as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        shown = name.removesuffix("-sig").upper()
        raise Unreadable(f"not {shown}{at}; convert the file to UTF-8 first") from None
