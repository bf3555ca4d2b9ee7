"""Formats with a row per note: jsonl, csv, parquet, a folder of txt, a hub data set."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from llmsafe.corpus.files import MAX_BYTES, check_size, decode, lines, plain_name, read_whole
from llmsafe.corpus.records import Record, Row, Unreadable
from llmsafe.errors import InputError, SetupError
from llmsafe.files import open_file

# --- reading ------------------------------------------------------------------------------------


def json_objects(path: Path) -> Iterator[Record]:
    """One JSON object a line; blank lines are none."""
    for number, line in lines(path):
        if line.strip():
            yield Record(f"{path.name}:{number}", line, partial(json_object, line))


def json_object(line: bytes) -> list[Row]:
    """The one object of a line.

    Raises:
        Unreadable: it is none.
    """
    text = decode(check_size(line))
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"no JSON (column {error.colno}); one object a line") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or endless nesting
        raise Unreadable("no JSON that can be read; one object a line") from None
    if not isinstance(row, dict):
        raise Unreadable(f"a JSON {type(row).__name__}, not an object")
    return [cast("Row", row)]


def csv_rows(path: Path) -> Iterator[Record]:
    """Comma-separated rows under a header; quoted cells may hold newlines and doubled quotes.

    A row with more or fewer cells than the header is bad: most often it is a note whose commas or
    newlines are not quoted.

    Raises:
        InputError: no usable header, or quotes that do not close: nothing after them can be told
            apart.
    """
    csv.field_size_limit(2 * MAX_BYTES)
    taken: list[bytes] = []

    def texts() -> Iterator[str]:
        for _, line in lines(path):
            taken.append(line)
            # Marks what is not UTF-8, and NUL, which older readers refuse, as half surrogates.
            yield line.decode(errors="surrogateescape").replace("\x00", "\udc00")

    reader, header, first = csv.reader(texts(), strict=True), [], 1
    try:
        for cells in reader:
            where, raw = f"{path.name}:{first}", b"".join(taken)
            first = reader.line_num + 1
            taken.clear()
            if not cells:
                continue
            if not header:
                header = _header(cells, where)
                continue
            yield Record(where, raw, partial(_csv_row, header, cells, raw))
    except csv.Error as error:
        raise InputError(
            f"{path.name}:{first}: bad CSV: {error}; quote cells that hold newlines"
        ) from None


def _header(cells: list[str], where: str) -> list[str]:
    if len(set(cells)) < len(cells) or any(_escaped(cell) for cell in cells):
        raise InputError(f"{where}: a header that is not UTF-8 or names a column twice")
    return cells


def _csv_row(header: list[str], cells: list[str], raw: bytes) -> list[Row]:
    check_size(raw)
    if len(cells) != len(header):
        kind = "more" if len(cells) > len(header) else "fewer"
        raise Unreadable(f"{kind} cells than the header has columns; quote commas and newlines")
    if any(_escaped(cell) for cell in cells):
        raise Unreadable(
            "binary content (NUL character); convert it to text first"
            if b"\x00" in raw
            else "not UTF-8; convert the file to UTF-8 first"
        )
    return [dict(zip(header, cells, strict=True))]


def _escaped(text: str) -> bool:
    return not text.isascii() and any("\udc00" <= c <= "\udcff" for c in text)


def txt_files(path: Path) -> Iterator[Record]:
    """The whole file is one note, named as the file."""
    data = read_whole(path)
    yield Record(path.name, data, partial(_txt_row, plain_name(path).stem, data))


def _txt_row(name: str, data: bytes) -> list[Row]:
    return [{"note_id": name, "text": decode(check_size(data))}]


def parquet_rows(path: Path) -> Iterator[Record]:
    """Every row of a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with open_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"{path.name}:{number}", row, partial(_as_it_is, row))
    except (pa.ArrowInvalid, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path.name}: no readable parquet file ({type(error).__name__}, row {number + 1})"
        ) from None


def hub_rows(name: str) -> Iterator[Record]:
    """Stream a hub data set; streaming leaves no clear copy in a cache folder."""
    from datasets import load_dataset  # pyright: ignore[reportUnknownVariableType]

    repository, _, revision = name.partition("@")
    try:
        rows = load_dataset(repository, split="train", streaming=True, revision=revision or None)
    except Exception as error:
        raise SetupError(
            f"cannot load data set {repository} from the hub ({type(error).__name__}); "
            "work offline from a local file, or check name and network"
        ) from error
    for number, row in enumerate(rows, 1):
        row = dict(cast("Row", row))
        yield Record(f"{repository}:{number}", row, partial(_as_it_is, row))


def _as_it_is(row: Row) -> list[Row]:
    return [row]


# --- writing ------------------------------------------------------------------------------------


def _encode_jsonl(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _encode_csv(rows: list[Row]) -> bytes:
    out = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _encode_parquet(rows: list[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


ENCODERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": _encode_jsonl,
    "csv": _encode_csv,
    "parquet": _encode_parquet,
}
