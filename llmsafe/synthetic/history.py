"""Draws a course: the history a patient brings along, then the episodes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta

from llmsafe.synthetic.course import Course, Episode, Habits, Vitals
from llmsafe.synthetic.draw import between, chance, integer, pick, sample, weighted
from llmsafe.synthetic.episode import lab_value, make_episode
from llmsafe.synthetic.identity import Sex
from llmsafe.synthetic.knowledge import Condition, Knowledge
from llmsafe.synthetic.regimen import home_regimen

PANEL = ("na", "k", "cl", "co2", "bun", "cr", "glu", "wbc", "hgb", "hct", "plt")
ALLERGENS: Mapping[str, str] = {
    "penicillin": "pcn", "sulfa": "sulfa", "codeine": "opioid", "aspirin": "asa",
    "lisinopril": "acei", "iodinated contrast": "contrast", "latex": "latex",
    "ciprofloxacin": "fq", "cephalexin": "cef", "tetracycline": "tetra", "shellfish": "food",
    "peanuts": "food", "adhesive tape": "tape", "erythromycin": "macro", "morphine": "opioid",
    "naproxen": "nsaid", "bee stings": "venom", "metronidazole": "nitro",
}  # fmt: skip
REACTIONS = ("rash", "hives", "anaphylaxis", "nausea", "swelling", "itching", "cough", "unknown")
FAMILY_CODES = (
    "htn", "cad", "dm2", "stroke", "breastca", "colonca", "lungca", "prostateca", "dementia",
    "afib", "asthma", "depression", "alcohol", "ra", "ckd", "migraine", "parkinson", "lymphoma",
)  # fmt: skip
INFANT_SURGERIES = ("circumcision",)
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
    "thyroidectomy": "thyroid_biopsy", "fess": "sinus_surgery",
    "hemiarthroplasty": "hip_replacement",
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
    body = _body(rng, sex, age, any(code == "obesity" for code, _ in background))
    chronic = [known.conditions[code] for code, _ in background]
    home = home_regimen(rng, known, chronic, plans, body.weight)
    baseline = {code: lab_value(rng, known, code) for code in PANEL}
    if age < 13:
        baseline["cr"], baseline["hgb"] = (
            round(between(rng, 0.3, 0.6), 1),
            round(between(rng, 11.2, 13.4), 1),
        )
    for code, _ in background:
        for lab in known.conditions[code].labs:
            if lab.code in ("cr", "a1c", "ldl", "bun", "glu", "tsh") and age > 15:
                baseline[lab.code] = round(between(rng, *lab.well), known.labs[lab.code].decimals)
    episodes: list[Episode] = []
    for condition in plans:
        episode, home = make_episode(rng, known, condition, start, birth, body, baseline, home)
        episodes.append(episode)
        start = episode.encounters[-1].date + timedelta(integer(rng, 45, 700))
    families = {known.drugs[d.drug].family for e in episodes for n in e.encounters for d in n.doses}
    return Course(
        sex=sex,
        birth_date=birth,
        background=background,
        allergies=_allergies(rng, families),
        habits=_habits(rng, age, episodes[0].start.year, main.code),
        family=_family(rng, known, main.code, age),
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


def _body(rng: random.Random, sex: Sex, age: int, obese: bool) -> Vitals:
    """Vital signs in health."""
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
        )
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
    )


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


def _family(
    rng: random.Random, known: Knowledge, main: str, age: int
) -> tuple[tuple[str, str, int], ...]:
    """(relative, condition, age at diagnosis): nobody older than such a relative can be."""
    members = {"mother": 32, "father": 34, "brother": 8, "sister": 8, "grandmother": 60, "aunt": 34}
    codes = [code for code in FAMILY_CODES if code in known.conditions]
    out: list[tuple[str, str, int]] = []
    for member in sample(rng, list(members), integer(rng, 0, 3)):
        code = main if main in codes and chance(rng, 0.3) else pick(rng, codes)
        women = member not in ("father", "brother")
        if code == ("prostateca" if women else "breastca"):
            code = "cad"
        low, high = known.conditions[code].ages
        high = min(high, 84, age + members[member])
        if max(low, 20) <= high:
            out.append((member, code, integer(rng, max(low, 20), high)))
    return tuple(out)


def _surgeries(
    rng: random.Random, age: int, sex: Sex, procedure: str, year: int
) -> tuple[tuple[str, int], ...]:
    pool = INFANT_SURGERIES if age < 4 else CHILD_SURGERIES if age < 14 else ADULT_SURGERIES
    later = ("cataract", "hip_replacement", "colon_polyp", "hysterectomy", "tubal", "back_surgery")
    able = [
        code
        for code in pool
        if _SURGERY_SEX.get(code, sex) == sex
        and code != _SURGERY_OF.get(procedure)
        and not (code in later and age < 48)
        and not (procedure == "csection" and code == "hysterectomy")
    ]
    chosen = sample(rng, able, integer(rng, 0, 1 if age < 30 else 3) if age > 1 else 0)
    youngest = 1 if age < 14 else 16
    return tuple((code, year - integer(rng, 1, max(1, min(30, age - youngest)))) for code in chosen)
