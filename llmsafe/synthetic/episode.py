"""One episode: its encounters, and how vital signs and laboratory values move between them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from llmsafe.synthetic.course import Dose, Encounter, Episode, Setting, Vitals
from llmsafe.synthetic.draw import between, chance, integer, pick, sample, weighted
from llmsafe.synthetic.knowledge import Condition, Knowledge
from llmsafe.synthetic.regimen import Timeline, add_doses

COMPLICATIONS = (
    "delirium", "afib_rvr", "hypokalemia", "ileus", "atelectasis", "phlebitis", "retention",
    "hyperglycemia", "rash", "fall", "hypotension", "overload",
)  # fmt: skip
# Conditions that bring people in within days, wherever they are seen.
ACUTE = frozenset((
    "labor", "preeclampsia", "wristfx", "anklefx", "croup", "otitis", "uti", "zoster", "bells",
    "dvt", "pericarditis", "stone", "diverticulitis", "asthma", "gout", "epistaxis", "sinusitis",
))  # fmt: skip


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


def lab_value(rng: random.Random, known: Knowledge, code: str) -> float:
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


def _onset(rng: random.Random, condition: Condition, setting: Setting) -> int:
    """Days from the first symptom to the first encounter."""
    if setting == "urgent":
        return integer(rng, 1, 5)
    return integer(rng, 2, 10) if condition.code in ACUTE else integer(rng, 14, 400)


def _setting(rng: random.Random, condition: Condition) -> Setting:
    names: dict[str, Setting] = {"I": "urgent", "E": "elective", "O": "clinic"}
    options: list[Setting] = [names[letter] for letter in condition.settings if letter in names]
    weights = [2.0 if option == "urgent" else 1.0 for option in options]
    return weighted(rng, options, weights)


def make_episode(
    rng: random.Random,
    known: Knowledge,
    condition: Condition,
    start: date,
    birth: date,
    body: Vitals,
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
    doses = home
    if known_before:
        doses = add_doses(rng, known, home, condition.home, "home", body.weight)
    plan = _labs(rng, known, condition, baseline)
    schedule = _schedule(rng, setting, condition, stay, procedure_day)
    last = schedule[-1][0]
    encounters: list[Encounter] = []
    earlier: Mapping[str, float] = {}
    timeline = Timeline(known, condition, setting, arrive, stay, doses, body.weight)
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
                vitals=_vitals(rng, body, condition, phase),
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
        onset=_onset(rng, condition, setting),
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
