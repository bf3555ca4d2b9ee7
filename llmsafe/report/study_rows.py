"""``study.csv``: one row per cell and measure, with the place that its number comes from."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from llmsafe.errors import EvidenceError


class Setting(NamedTuple):
    """All that decides a cell but ε and seed."""

    corpus: str
    model: str
    unit: str
    kind: str
    repetition: int
    scrub: bool
    rank: int


@dataclass(frozen=True)
class Row:
    """One figure of one cell.

    Args:
        row: id of the row, the same for the same cell and measure.
        cell: id of the cell; the settings after it are the cell's.
        epsilon: what was asked for, ``inf`` for the control; ``claimed`` what was stated, at
            ``delta``; ``theory`` what the measure could be at most under the claim, where that is
            known.
        measure: name of the measure; ``x`` where it is one of several along an axis (length).
        value, low, high: the figure with its 95 % interval, as ``interval`` says.
        base: the same for the base model before training; ``ceiling`` the most that the design
            could have shown; ``n`` the number of things judged.
        run: run folder below the study's work folder; ``ledger``, ``audit``: SHA-256 of its
            ledger and of its audit.json.
    """

    row: str
    study: str
    cell: str
    corpus: str
    model: str
    unit: str
    kind: str
    repetition: int
    scrub: bool
    rank: int
    seed: int
    epsilon: float
    claimed: float | None
    delta: float
    measure: str
    x: float | None
    value: float
    low: float | None
    high: float | None
    interval: str
    n: int
    base: float | None
    ceiling: float | None
    theory: float | None
    run: str
    ledger: str
    audit: str

    @property
    def setting(self) -> Setting:
        """What two rows share that differ in ε and seed alone."""
        return Setting(*(getattr(self, name) for name in Setting._fields))


COLUMNS = tuple(field.name for field in fields(Row))


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV; no cell can be taken for a formula."""
    return table_csv([asdict(row) for row in rows], COLUMNS)


def table_csv(rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Any table as CSV: numbers in full, an absent one empty, ``'`` before a formula's sign."""
    out = io.StringIO(newline="")
    names = list(columns if columns is not None else (rows[0] if rows else ()))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row[name]) for name in names})
    return out.getvalue()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return repr(value)
        case str():
            return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
        case _:
            return str(value)


def read_csv(path: Path) -> list[Row]:
    """The rows of a ``study.csv``.

    Raises:
        EvidenceError: absent, other columns, or a value of another kind.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise EvidenceError(f"cannot read {path}: {error.strerror}") from error
    if lines and tuple(lines[0]) != COLUMNS:
        raise EvidenceError(f"{path} has other columns than this version writes; run the study")
    kinds = get_type_hints(Row)
    try:
        return [Row(**{name: _read(line[name], kinds[name]) for name in COLUMNS}) for line in lines]
    except ValueError as error:
        raise EvidenceError(f"{path}: {error}; run the study again") from error


def _read(text: str, kind: Any) -> Any:
    if kind is bool:
        return text == "yes"
    if kind is str:
        return text.removeprefix("'")
    if not text:
        if kind in (int, float):
            raise ValueError("a number is missing")
        return None
    return int(text) if kind is int else float(text)


def finite(values: Iterable[float | None]) -> list[float]:
    """Those of ``values`` that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]
