"""Clinical knowledge as data, free of any language: conditions, drugs and laboratory tests.

The tables beside this file say what each column means. Everything in them is a code; the phrases
for a code live with the language that renders it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from llmsafe.errors import InputError


@dataclass(frozen=True)
class Drug:
    code: str
    family: str
    route: str
    doses: tuple[float, ...]
    unit: str
    frequencies: tuple[str, ...]
    brand: str


@dataclass(frozen=True)
class Lab:
    """Reference range (`low`, `high`) in `unit`; values are rounded to `decimals`."""

    code: str
    low: float
    high: float
    decimals: int
    unit: str


@dataclass(frozen=True)
class LabCourse:
    """Range at the worst moment and after recovery."""

    code: str
    sick: tuple[float, float]
    well: tuple[float, float]


@dataclass(frozen=True)
class DrugChoice:
    """One of `codes` is given; when `optional`, only in half of the patients."""

    codes: tuple[str, ...]
    optional: bool


@dataclass(frozen=True)
class Condition:
    code: str
    specialty: str
    ages: tuple[int, int]
    sex: str
    weight: float
    settings: str
    home: tuple[DrugChoice, ...]
    stay: tuple[DrugChoice, ...]
    discharge: tuple[DrugChoice, ...]
    labs: tuple[LabCourse, ...]
    shifts: Mapping[str, float]
    study: str
    procedure: str
    procedure_optional: bool
    often_with: tuple[str, ...]


@dataclass(frozen=True)
class Knowledge:
    conditions: Mapping[str, Condition]
    drugs: Mapping[str, Drug]
    labs: Mapping[str, Lab]

    def only(self, codes: Iterable[str]) -> Knowledge:
        """The same tables with these conditions alone."""
        wanted = set(codes)
        kept = {code: c for code, c in self.conditions.items() if code in wanted}
        return Knowledge(kept, self.drugs, self.labs)


def _table(name: str, columns: int) -> list[list[str]]:
    text = (resources.files(__name__) / name).read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line and not line.startswith("#")]
    for row in rows:
        if len(row) != columns:
            raise InputError(f"{name}: row {row[0]!r} has {len(row)} columns, not {columns}")
    return rows


def _words(cell: str) -> list[str]:
    return [word for word in cell.split(",") if word]


def _choices(cell: str) -> tuple[DrugChoice, ...]:
    return tuple(
        DrugChoice(tuple(word.rstrip("?").split("/")), word.endswith("?")) for word in _words(cell)
    )


def _range(cell: str) -> tuple[float, float]:
    low, _, high = cell.partition("-")
    return float(low), float(high)


def _lab_course(word: str, labs: Mapping[str, Lab]) -> LabCourse:
    code, _, values = word.partition(":")
    sick, _, well = values.partition(">")
    lab = labs[code]
    return LabCourse(code, _range(sick), _range(well) if well else (lab.low, lab.high))


def _condition(row: list[str], labs: Mapping[str, Lab]) -> Condition:
    low, high = _range(row[2])
    shifts = (word.partition(":") for word in _words(row[10]))
    return Condition(
        code=row[0],
        specialty=row[1],
        ages=(int(low), int(high)),
        sex=row[3],
        weight=float(row[4]),
        settings=row[5],
        home=_choices(row[6]),
        stay=_choices(row[7]),
        discharge=_choices(row[8]),
        labs=tuple(_lab_course(word, labs) for word in _words(row[9])),
        shifts={key: float(value) for key, _, value in shifts},
        study=row[11],
        procedure=row[12].rstrip("?"),
        procedure_optional=row[12].endswith("?"),
        often_with=tuple(_words(row[13])),
    )


@lru_cache(maxsize=1)
def knowledge() -> Knowledge:
    """The tables, read once."""
    labs = {
        row[0]: Lab(row[0], float(row[1]), float(row[2]), int(row[3]), row[4])
        for row in _table("labs.txt", 5)
    }
    drugs = {
        row[0]: Drug(
            code=row[0],
            family=row[1],
            route=row[2],
            doses=tuple(float(dose) for dose in row[3].split(",")),
            unit=row[4],
            frequencies=tuple(row[5].split(",")),
            brand=row[6],
        )
        for row in _table("drugs.txt", 7)
    }
    conditions = {row[0]: _condition(row, labs) for row in _table("conditions.txt", 14)}
    return Knowledge(conditions, drugs, labs)
