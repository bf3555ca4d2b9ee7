"""The medical course of a patient: what happened, free of any language.

A course is a history (background conditions, allergies, habits, family) and one or two episodes.
An episode is a condition worked up over dated encounters; vital signs, laboratory values and the
drug list move with its phase (0 = worst, 1 = recovered), so that every note that looks at them
sees one and the same story. `history.make_course` draws one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from llmsafe.synthetic.identity import Sex

Setting = Literal["urgent", "elective", "clinic"]
DoseStatus = Literal["home", "new", "raised", "lowered", "stopped"]


@dataclass(frozen=True)
class Dose:
    drug: str
    amount: float
    frequency: str
    status: DoseStatus
    before: float | None = None


@dataclass(frozen=True)
class Vitals:
    """Pressures in mmHg, rates per minute, Fahrenheit, percent, kilogram, centimetre."""

    sbp: int
    dbp: int
    hr: int
    rr: int
    temp: float
    spo2: int
    weight: float
    height: int
    pain: int


@dataclass(frozen=True)
class Encounter:
    """One dated contact that is written up as one note.

    `day` counts from the start of the episode; `labs` are the values known on that day and
    `earlier` those of the encounter before, for the same tests.
    """

    kind: str
    date: date
    minute: int
    day: int
    phase: float
    vitals: Vitals
    labs: Mapping[str, float]
    earlier: Mapping[str, float]
    doses: tuple[Dose, ...]


@dataclass(frozen=True)
class Episode:
    condition: str
    setting: Setting
    seed: str
    age: int
    onset: int
    side: Literal["left", "right"]
    start: date
    stay: int
    procedure: str | None
    procedure_day: int
    complication: str | None
    complication_day: int
    encounters: tuple[Encounter, ...]


@dataclass(frozen=True)
class Habits:
    smoking: Literal["never", "former", "current"]
    pack_years: int
    quit_year: int
    alcohol: Literal["none", "social", "daily", "heavy"]
    living: str


@dataclass(frozen=True)
class Course:
    sex: Sex
    birth_date: date
    background: tuple[tuple[str, int], ...]
    allergies: tuple[tuple[str, str], ...]
    habits: Habits
    family: tuple[tuple[str, str, int], ...]
    surgeries: tuple[tuple[str, int], ...]
    episodes: tuple[Episode, ...]
