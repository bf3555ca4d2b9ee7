"""The medical course of a patient: what happened, free of any language.

A course is a history (background conditions, allergies, habits, family) and one or two episodes.
An episode is a condition worked up over dated encounters; vital signs, laboratory values and the
drug list move with its phase (0 = worst, 1 = recovered), so that every note that looks at them
sees one and the same story.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from llmsafe.synthetic.draw import between, chance, integer, pick, sample, weighted
from llmsafe.synthetic.identity import Sex
from llmsafe.synthetic.knowledge import Condition, DrugChoice, Knowledge

Setting = Literal["urgent", "elective", "clinic"]
DoseStatus = Literal["home", "new", "raised", "lowered", "stopped"]
PANEL = ("na", "k", "cl", "co2", "bun", "cr", "glu", "wbc", "hgb", "hct", "plt")
COMPLICATIONS = (
    "delirium", "afib_rvr", "hypokalemia", "ileus", "atelectasis", "phlebitis", "retention",
    "hyperglycemia", "rash", "fall", "hypotension", "overload",
)  # fmt: skip
ALLERGENS: Mapping[str, str] = {
    "penicillin": "pcn", "sulfa": "sulfa", "codeine": "opioid", "aspirin": "asa",
    "lisinopril": "acei", "iodinated contrast": "contrast", "latex": "latex",
    "ciprofloxacin": "fq", "cephalexin": "cef", "tetracycline": "tetra", "shellfish": "food",
    "peanuts": "food", "adhesive tape": "tape", "erythromycin": "macro", "morphine": "opioid",
    "naproxen": "nsaid", "bee stings": "venom", "metronidazole": "nitro",
}  # fmt: skip
REACTIONS = ("rash", "hives", "anaphylaxis", "nausea", "swelling", "itching", "cough", "unknown")


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


FAMILY_CODES = (
    "htn", "cad", "dm2", "stroke", "breastca", "colonca", "lungca", "prostateca", "dementia",
    "afib", "asthma", "depression", "alcohol", "ra", "ckd", "migraine", "parkinson", "lymphoma",
)  # fmt: skip
CHILD_SURGERIES = ("tonsillectomy", "ear_tubes", "hernia_child", "circumcision")
ADULT_SURGERIES = (
    "appendectomy", "cholecystectomy", "tonsillectomy", "knee_scope", "vasectomy", "hysterectomy",
    "csection", "tubal", "hernia", "cataract", "carpal_tunnel", "wisdom_teeth", "back_surgery",
    "bunion", "colon_polyp", "hip_replacement", "sinus_surgery", "thyroid_biopsy",
)  # fmt: skip
_SURGERY_SEX: Mapping[str, Sex] = {
    "vasectomy": "m", "hysterectomy": "f", "csection": "f", "tubal": "f", "circumcision": "m",
}  # fmt: skip
_SURGERY_OF: Mapping[str, str] = {
    "appendectomy": "appendectomy", "cholecystectomy": "cholecystectomy", "csection": "csection",
    "tonsillectomy": "tonsillectomy", "herniorrhaphy": "hernia", "hysterectomy": "hysterectomy",
    "phaco": "cataract", "ctr": "carpal_tunnel", "discectomy": "back_surgery",
    "thyroidectomy": "thyroid_biopsy", "fess": "sinus_surgery", "hemiarthroplasty": "hip_replacement",
    "meniscectomy": "knee_scope", "aclr": "knee_scope",
}  # fmt: skip


def make_course(
    rng: random.Random, known: Knowledge, *, first_year: int = 2009, last_year: int = 2023
) -> Course:
    """Draw a course; consistent in itself: sex, ages, allergies against drugs, dates in order."""
    main = _main_condition(rng, known)
    sex: Sex = "f" if main.sex == "f" or (main.sex == "any" and chance(rng, 0.53)) else "m"
    age = integer(rng, *main.ages)
    start = date(integer(rng, first_year, last_year), 1, 1) + timedelta(integer(rng, 0, 364))
    birth = start - timedelta(age * 365 + age // 4 + integer(rng, 1, 360))
    background = _background(rng, known, main, sex, age)
    second = _second(rng, known, main, sex, age)
    plans = [main] if second is None else [main, second]
    home = _regimen(rng, known, [known.conditions[code] for code, _ in background], plans)
    body = _body(rng, sex, age, any(code == "obesity" for code, _ in background))
    baseline = {code: _lab_value(rng, known, code) for code in PANEL}
    for code, _ in background:
        for lab in known.conditions[code].labs:
            if lab.code in ("cr", "a1c", "ldl", "bun", "glu", "tsh") and age > 15:
                baseline[lab.code] = round(between(rng, *lab.well), known.labs[lab.code].decimals)
    episodes: list[Episode] = []
    for condition in plans:
        episode, home = _episode(rng, known, condition, start, birth, body, baseline, home)
        episodes.append(episode)
        start = episode.encounters[-1].date + timedelta(integer(rng, 45, 700))
    families = {known.drugs[d.drug].family for e in episodes for n in e.encounters for d in n.doses}
    return Course(
        sex=sex,
        birth_date=birth,
        background=background,
        allergies=_allergies(rng, families),
        habits=_habits(rng, age, episodes[0].start.year, main.code),
        family=_family(rng, known, main.code),
        surgeries=_surgeries(rng, age, sex, main.procedure, episodes[0].start.year),
        episodes=tuple(episodes),
    )


def _main_condition(rng: random.Random, known: Knowledge) -> Condition:
    able = [c for c in known.conditions.values() if set(c.settings) & set("IEO")]
    return weighted(rng, able, [c.weight for c in able])


def _second(
    rng: random.Random, known: Knowledge, main: Condition, sex: Sex, age: int
) -> Condition | None:
    """A later episode of something else in a third of adults."""
    if age < 18 or not chance(rng, 0.35):
        return None
    able = [
        c
        for c in known.conditions.values()
        if set(c.settings) & set("IEO")
        and c.code != main.code
        and c.specialty != "obstetrics"
        and c.sex in ("any", sex)
        and c.ages[0] <= age <= c.ages[1] - 4
        and not (c.procedure and c.procedure == main.procedure)
    ]
    weights = [c.weight * (4 if c.code in main.often_with else 1) for c in able]
    return weighted(rng, able, weights) if able else None


def _background(
    rng: random.Random, known: Knowledge, main: Condition, sex: Sex, age: int
) -> tuple[tuple[str, int], ...]:
    """Chronic conditions and how many years each has been known."""
    want = 0 if age < 16 else integer(rng, 0, 1 if age < 40 else 3 if age < 65 else 5)
    able = [
        c
        for c in known.conditions.values()
        if "B" in c.settings
        and c.code != main.code
        and c.sex in ("any", sex)
        and c.ages[0] <= age - 1
        and age <= c.ages[1] + 4
    ]
    found: list[tuple[str, int]] = []
    for _ in range(want):
        if not able:
            break
        weights = [c.weight * (6 if c.code in main.often_with else 1) for c in able]
        condition = weighted(rng, able, weights)
        able.remove(condition)
        found.append((condition.code, integer(rng, 1, max(1, min(22, age - condition.ages[0])))))
    return tuple(found)


def _dose(rng: random.Random, known: Knowledge, choice: DrugChoice, status: DoseStatus) -> Dose:
    drug = known.drugs[pick(rng, choice.codes)]
    top = max(1, len(drug.doses) - 1) if status == "home" else len(drug.doses)
    return Dose(drug.code, drug.doses[int(rng.random() * top)], pick(rng, drug.frequencies), status)


def _add(
    rng: random.Random,
    known: Knowledge,
    doses: Sequence[Dose],
    choices: Sequence[DrugChoice],
    status: DoseStatus,
) -> tuple[Dose, ...]:
    """The list with the chosen drugs added, never two of one family."""
    out = list(doses)
    families = {known.drugs[d.drug].family for d in out if d.status != "stopped"}
    for choice in choices:
        if choice.optional and chance(rng, 0.5):
            continue
        dose = _dose(rng, known, choice, status)
        family = known.drugs[dose.drug].family
        if family in families and known.drugs[dose.drug].route not in ("iv", "neb"):
            continue
        if any(d.drug == dose.drug for d in out):
            continue
        families.add(family)
        out.append(dose)
    return tuple(out)


def _regimen(
    rng: random.Random, known: Knowledge, chronic: Sequence[Condition], plans: Sequence[Condition]
) -> tuple[Dose, ...]:
    doses: tuple[Dose, ...] = ()
    for condition in [c for c in plans[:1] if "B" not in c.settings] + list(chronic):
        doses = _add(rng, known, doses, condition.home, "home")
    return doses


def _body(rng: random.Random, sex: Sex, age: int, obese: bool) -> tuple[Vitals, int]:
    """Vital signs in health and the age they belong to."""
    if age < 13:
        weight = 4.5 + age * 2.6 + between(rng, 0, 3.5 + age * 0.4)
        return Vitals(
            sbp=84 + 2 * age + integer(rng, 0, 10),
            dbp=48 + age + integer(rng, 0, 8),
            hr=132 - 5 * age + integer(rng, -8, 8),
            rr=max(16, 34 - 2 * age + integer(rng, -2, 2)),
            temp=round(between(rng, 97.6, 98.8), 1),
            spo2=integer(rng, 97, 99),
            weight=round(weight, 1),
            height=56 + 8 * age + integer(rng, -3, 5),
            pain=0,
        ), age
    weight = between(rng, 51, 86) if sex == "f" else between(rng, 63, 101)
    return Vitals(
        sbp=integer(rng, 110, 130 + age // 8),
        dbp=integer(rng, 62, 82),
        hr=integer(rng, 60, 82),
        rr=integer(rng, 13, 18),
        temp=round(between(rng, 97.4, 98.7), 1),
        spo2=integer(rng, 96, 99),
        weight=round(weight + (between(rng, 24, 48) if obese else 0), 1),
        height=integer(rng, 151, 174) if sex == "f" else integer(rng, 165, 190),
        pain=integer(rng, 0, 2),
    ), age


def _vitals(rng: random.Random, well: Vitals, condition: Condition, phase: float) -> Vitals:
    ill, shift = 1.0 - phase, condition.shifts
    oxygen = round(well.spo2 + shift.get("spo2", 0) * ill) + integer(rng, -1, 1)
    return replace(
        well,
        sbp=round(well.sbp + shift.get("sbp", 0) * ill) + integer(rng, -7, 7),
        dbp=round(well.dbp + shift.get("dbp", shift.get("sbp", 0) * 0.4) * ill)
        + integer(rng, -5, 5),
        hr=round(well.hr + shift.get("hr", 0) * ill) + integer(rng, -6, 6),
        rr=max(11, round(well.rr + shift.get("rr", 0) * ill) + integer(rng, -1, 1)),
        temp=round(well.temp + shift.get("temp", 0) * ill * between(rng, 0.6, 1.0), 1),
        spo2=min(100, oxygen),
        weight=round(well.weight + between(rng, -0.9, 0.9) * (well.weight / 80), 1),
        pain=min(10, max(0, round(well.pain + 6 * ill * between(rng, 0.3, 1.1)))),
    )


def _lab_value(rng: random.Random, known: Knowledge, code: str) -> float:
    lab = known.labs[code]
    return round(between(rng, lab.low, lab.high), lab.decimals)


@dataclass(frozen=True)
class _LabPlan:
    worst: Mapping[str, float]
    best: Mapping[str, float]

    def at(self, rng: random.Random, known: Knowledge, phase: float) -> dict[str, float]:
        values: dict[str, float] = {}
        for code, best in self.best.items():
            worst = self.worst.get(code, best)
            value = best + (worst - best) * (1 - phase)
            wobble = 0.015 if code == "ph" else 0.03
            value *= 1 + between(rng, -wobble, wobble) * (0.08 if code == "ph" else 1)
            lab = known.labs[code]
            values[code] = round(value, lab.decimals)
        if "hct" in values:
            values["hct"] = round(values["hgb"] * 3 + between(rng, -1.2, 1.2))
        return values


def _labs(
    rng: random.Random, known: Knowledge, condition: Condition, baseline: Mapping[str, float]
) -> _LabPlan:
    worst = {
        lab.code: round(between(rng, *lab.sick), known.labs[lab.code].decimals)
        for lab in condition.labs
    }
    best = dict(baseline)
    best |= {
        lab.code: round(between(rng, *lab.well), known.labs[lab.code].decimals)
        for lab in condition.labs
    }
    return _LabPlan(worst, best)


def _schedule(
    rng: random.Random, setting: Setting, condition: Condition, stay: int, procedure_day: int
) -> list[tuple[int, int, str]]:
    """(day, minute of the day, kind), in order of time."""
    plan: list[tuple[int, int, str]] = []
    study, procedure = bool(condition.study), procedure_day >= 0

    def add(day: int, kind: str, low: int, high: int, probability: float = 1.0) -> None:
        if probability == 1.0 or chance(rng, probability):
            plan.append((day, integer(rng, low, high), kind))

    if setting == "clinic":
        add(0, "clinic", 480, 990)
        if study:
            add(integer(rng, 2, 12), "radiology", 480, 1080, 0.85)
        add(integer(rng, 13, 16), "phone", 480, 1020, 0.75)
        add(integer(rng, 17, 24), "consult", 480, 960, 0.4)
        if procedure:
            add(procedure_day, "operative", 440, 900)
            add(procedure_day + integer(rng, 1, 4), "phone", 500, 1000, 0.6)
        add(max(procedure_day, 24) + integer(rng, 8, 50), "clinic", 480, 990, 0.85)
        add(max(procedure_day, 24) + integer(rng, 52, 80), "phone", 480, 1020, 0.3)
        return plan
    arrive = 0
    if setting == "elective":
        add(0, "clinic", 480, 960)
        if study:
            add(integer(rng, 1, 6), "radiology", 480, 1000, 0.6)
        add(integer(rng, 7, 13), "phone", 480, 1000, 0.4)
        arrive = 14
        add(arrive, "admission", 340, 420, 0.8)
    else:
        add(0, "emergency", 30, 700, 0.65)
        if study:
            add(0, "radiology", 702, 860)
        add(0, "admission", 870, 1080)
        add(0, "nursing", 1100, 1400, 0.6)
        add(1, "consult", 720, 1000, 0.6)
    if procedure:
        add(procedure_day, "operative", 430 if procedure_day > 1 else 540, 700)
        add(procedure_day, "nursing", 1000, 1380, 0.5)
    for day in sample(rng, range(arrive + 1, arrive + stay), integer(rng, 1, 3)):
        add(day, "progress", 360, 640)
        add(day, "nursing", 1080, 1420, 0.2)
    add(arrive + max(stay - 1, 0), "social", 740, 1000, 0.35)
    add(arrive + stay, "discharge", 660, 1020, 0.9)
    add(arrive + stay + integer(rng, 1, 6), "phone", 480, 1040, 0.6)
    add(arrive + stay + integer(rng, 8, 20), "clinic", 480, 990, 0.6)
    return sorted(plan)


def _phase(day: int, arrive: int, stay: int, last: int) -> float:
    """Recovery so far: most of it during the stay, the rest until the last encounter."""
    if day <= arrive:
        return 0.0
    if stay and day <= arrive + stay:
        return 0.8 * (day - arrive) / stay
    begin = 0.8 if stay else 0.0
    return begin + (1 - begin) * (day - arrive - stay) / max(1, last - arrive - stay)


def _setting(rng: random.Random, condition: Condition) -> Setting:
    names: dict[str, Setting] = {"I": "urgent", "E": "elective", "O": "clinic"}
    options = [names[letter] for letter in condition.settings if letter in names]
    weights = [2.0 if option == "urgent" else 1.0 for option in options]
    return weighted(rng, options, weights)


def _episode(
    rng: random.Random,
    known: Knowledge,
    condition: Condition,
    start: date,
    birth: date,
    body: tuple[Vitals, int],
    baseline: Mapping[str, float],
    home: tuple[Dose, ...],
) -> tuple[Episode, tuple[Dose, ...]]:
    setting = _setting(rng, condition)
    stay = {"urgent": integer(rng, 2, 8), "elective": integer(rng, 1, 4), "clinic": 0}[setting]
    wanted = bool(condition.procedure) and not (condition.procedure_optional and chance(rng, 0.5))
    procedure_day = -1
    if wanted:
        procedure_day = {
            "urgent": integer(rng, 1, max(1, min(2, stay - 1))),
            "elective": 14,
            "clinic": integer(rng, 26, 40),
        }[setting]
    arrive = 14 if setting == "elective" else 0
    trouble = setting != "clinic" and stay >= 3 and (start - birth).days > 6570
    complication = pick(rng, COMPLICATIONS) if trouble and chance(rng, 0.45) else None
    complication_day = arrive + integer(rng, 1, max(1, stay - 1))
    if condition.code == "afib" and complication == "afib_rvr":
        complication = None
    known_before = "B" in condition.settings
    doses = _add(rng, known, home, condition.home, "home") if known_before else home
    plan = _labs(rng, known, condition, baseline)
    schedule = _schedule(rng, setting, condition, stay, procedure_day)
    last = schedule[-1][0]
    encounters: list[Encounter] = []
    earlier: Mapping[str, float] = {}
    timeline = _Timeline(known, condition, setting, arrive, stay, doses)
    for day, minute, kind in schedule:
        phase = _phase(day, arrive, stay, last)
        labs = plan.at(rng, known, phase)
        if encounters and encounters[-1].day == day and kind != "clinic":
            labs = dict(encounters[-1].labs)
        timeline.reach(rng, day, kind)
        encounters.append(
            Encounter(
                kind=kind,
                date=start + timedelta(day),
                minute=minute,
                day=day,
                phase=phase,
                vitals=_vitals(rng, body[0], condition, phase),
                labs=labs,
                earlier=earlier,
                doses=timeline.doses,
            )
        )
        earlier = labs if day != (encounters[-2].day if len(encounters) > 1 else -1) else earlier
    age = (start - birth).days * 4 // 1461
    episode = Episode(
        condition=condition.code,
        setting=setting,
        seed=f"{rng.random():.17f}",
        age=age,
        onset=integer(rng, 1, 5) if setting == "urgent" else integer(rng, 14, 400),
        side="left" if chance(rng, 0.5) else "right",
        start=start,
        stay=stay,
        procedure=condition.procedure if wanted else None,
        procedure_day=procedure_day,
        complication=complication,
        complication_day=complication_day,
        encounters=tuple(encounters),
    )
    return episode, timeline.settled()


class _Timeline:
    """The drug list as it changes from encounter to encounter."""

    def __init__(
        self,
        known: Knowledge,
        condition: Condition,
        setting: Setting,
        arrive: int,
        stay: int,
        doses: tuple[Dose, ...],
    ) -> None:
        self.doses = doses
        self._known = known
        self._condition = condition
        self._setting = setting
        self._arrive = arrive
        self._leave = arrive + stay
        self._admitted = False
        self._left = False
        self._visits = 0

    def reach(self, rng: random.Random, day: int, kind: str) -> None:
        """Move the list to this encounter."""
        self.doses = self.settled()
        condition = self._condition
        if self._setting == "clinic":
            if kind == "clinic":
                self._visits += 1
                if self._visits == 1:
                    chronic = () if "B" in condition.settings else condition.home
                    self._start(rng, (*chronic, *condition.stay, *condition.discharge))
                    self._titrate(rng, 0.35)
                else:
                    self._titrate(rng, 0.55)
            return
        if day >= self._arrive and not self._admitted and kind not in ("emergency", "radiology"):
            self._admitted = True
            self._start(rng, condition.stay)
        if day >= self._leave and kind == "discharge" and not self._left:
            self._left = True
            self._leave_hospital(rng)
        elif day > self._leave and not self._left:
            self._left = True
            self._leave_hospital(rng)
        elif kind == "clinic" and day > self._leave:
            self._titrate(rng, 0.4)

    def settled(self) -> tuple[Dose, ...]:
        """The list as the next encounter finds it: what was new is now taken, what was stopped is gone."""
        return tuple(replace(d, status="home", before=None) for d in self.doses if d.status != "stopped")

    def _start(self, rng: random.Random, choices: Sequence[DrugChoice]) -> None:
        self.doses = _add(rng, self._known, self.doses, choices, "new")

    def _leave_hospital(self, rng: random.Random) -> None:
        given = {code for choice in self._condition.stay for code in choice.codes}
        lasting = {code for choice in self._condition.discharge for code in choice.codes}
        self.doses = tuple(
            replace(d, status="stopped")
            if (d.drug in given and d.drug not in lasting)
            or self._known.drugs[d.drug].route in ("iv", "neb")
            else d
            for d in self.doses
        )
        self._start(rng, self._condition.discharge)
        self._titrate(rng, 0.35)

    def _titrate(self, rng: random.Random, probability: float) -> None:
        """Move one drug that is taken one step along its doses."""
        movable = [
            i
            for i, d in enumerate(self.doses)
            if d.status == "home" and len(self._known.drugs[d.drug].doses) > 1
            and self._known.drugs[d.drug].route in ("po", "sc")
        ]
        if not movable or not chance(rng, probability):
            return
        index = pick(rng, movable)
        dose = self.doses[index]
        ladder = self._known.drugs[dose.drug].doses
        at = ladder.index(dose.amount)
        up = at == 0 or (at < len(ladder) - 1 and chance(rng, 0.75))
        amount = ladder[at + 1 if up else at - 1]
        moved = replace(
            dose, amount=amount, status="raised" if up else "lowered", before=dose.amount
        )
        self.doses = (*self.doses[:index], moved, *self.doses[index + 1 :])


def _allergies(rng: random.Random, families: set[str]) -> tuple[tuple[str, str], ...]:
    """Allergens whose drug family the patient is never given."""
    if chance(rng, 0.45):
        return ()
    related = families | ({"pcn"} if "cef" in families else set())
    able = [name for name, family in ALLERGENS.items() if family not in related]
    chosen = sample(rng, able, 1 if chance(rng, 0.65) else 2)
    return tuple((name, pick(rng, REACTIONS)) for name in chosen)


def _habits(rng: random.Random, age: int, year: int, main: str) -> Habits:
    living = ("with_spouse", "alone", "with_child", "with_friend")
    if age < 16:
        return Habits("never", 0, 0, "none", "with_parents")
    heavy = main in ("alcohol", "cirrhosis")
    alcohol = "heavy" if heavy else pick(rng, ("none", "none", "social", "social", "daily"))
    if main in ("labor", "preeclampsia"):
        alcohol = "none"
    smoky = main in ("copd", "lungca", "bladderca", "pad")
    status = pick(rng, ("former", "current") if smoky else ("never", "never", "former", "current"))
    years = min(max(1, age - 17), integer(rng, 3, 50))
    quit_year = year - integer(rng, 1, max(1, min(25, age - 18)))
    place = "facility" if age > 82 and chance(rng, 0.3) else pick(rng, living)
    return Habits(status, years, quit_year, alcohol, place)  # type: ignore[arg-type]


def _family(rng: random.Random, known: Knowledge, main: str) -> tuple[tuple[str, str, int], ...]:
    members = ["mother", "father", "brother", "sister", "grandmother", "grandfather", "aunt"]
    codes = [code for code in FAMILY_CODES if code in known.conditions]
    chosen = sample(rng, members, integer(rng, 0, 3))
    out: list[tuple[str, str, int]] = []
    for member in chosen:
        code = main if main in codes and chance(rng, 0.3) else pick(rng, codes)
        if (code == "prostateca" and member in ("mother", "sister", "grandmother", "aunt")) or (
            code == "breastca" and member in ("father", "brother", "grandfather")
        ):
            code = "cad"
        low, high = known.conditions[code].ages
        out.append((member, code, integer(rng, max(low, 28), min(high, 84))))
    return tuple(out)


def _surgeries(
    rng: random.Random, age: int, sex: Sex, procedure: str, year: int
) -> tuple[tuple[str, int], ...]:
    pool = CHILD_SURGERIES if age < 14 else ADULT_SURGERIES
    later = ("cataract", "hip_replacement", "colon_polyp", "hysterectomy", "tubal", "back_surgery")
    able = [
        code
        for code in pool
        if _SURGERY_SEX.get(code, sex) == sex
        and code != _SURGERY_OF.get(procedure)
        and not (code in later and age < 48)
        and not (procedure == "csection" and code == "hysterectomy")
    ]
    chosen = sample(rng, able, integer(rng, 0, 1 if age < 30 else 3))
    youngest = 1 if age < 14 else 16
    return tuple((code, year - integer(rng, 1, max(1, min(30, age - youngest)))) for code in chosen)
