"""Slots of time and medicine: dates, measurements, findings, drugs. See `slots_people`."""

from __future__ import annotations

from datetime import date, timedelta

from llmsafe.synthetic.course import Dose
from llmsafe.synthetic.draw import chance, integer, pick, sample
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.slots import slot_sx
from llmsafe.synthetic.zh.numbers import celsius, measured, span_of_days, strength
from llmsafe.synthetic.zh.scribe import Scribe

FESTIVALS = (
    "春节", "国庆节", "中秋节", "端午节", "元旦", "清明节", "元宵节", "五一", "重阳节", "除夕",
    "国庆",
)  # fmt: skip
FESTIVALS_HANT = ("農曆新年", "中秋節", "端午節", "元旦", "清明節", "重陽節", "除夕", "冬至")

# -- dates -----------------------------------------------------------------------------------


def write_date(s: Scribe, day: date, *, short: bool = False) -> None:
    form = pick(s.rng, s.style.short_forms) if short and chance(s.rng, 0.55) else None
    s.out.phi(s.style.date(day, form), "DATE")


def slot_visit(s: Scribe) -> None:
    write_date(s, s.encounter.date)


def slot_visittime(s: Scribe) -> None:
    """Date and time of day; the time is outside the span."""
    write_date(s, s.encounter.date)
    s.out.text(" " if chance(s.rng, 0.8) else "，")
    slot_clock(s)


def slot_admitted(s: Scribe) -> None:
    write_date(s, s.admission_day)


def slot_left(s: Scribe) -> None:
    write_date(s, s.admission_day + timedelta(s.episode.stay))


def slot_staydates(s: Scribe) -> None:
    """Two dates, two spans."""
    slot_admitted(s)
    s.out.text(pick(s.rng, ("至", "—", "-", "～", "到")))
    slot_left(s)


def slot_operated(s: Scribe) -> None:
    write_date(s, s.episode.start + timedelta(max(0, s.episode.procedure_day)), short=True)


def slot_soon(s: Scribe) -> None:
    """A date in the coming weeks."""
    write_date(s, s.encounter.date + timedelta(integer(s.rng, 4, 45)), short=True)


def slot_recently(s: Scribe) -> None:
    """A date shortly before the onset."""
    back = s.encounter.day + s.episode.onset + integer(s.rng, 1, 40)
    write_date(s, s.encounter.date - timedelta(back), short=True)


def slot_began(s: Scribe) -> None:
    began = s.episode.start - timedelta(s.episode.onset)
    write_date(s, began, short=s.episode.onset < 200)


def slot_yesterday(s: Scribe) -> None:
    write_date(s, s.encounter.date - timedelta(1), short=True)


def slot_onset(s: Scribe) -> None:
    s.out.text(span_of_days(s.rng, s.episode.onset))


def slot_ago(s: Scribe) -> None:
    s.out.text(span_of_days(s.rng, s.episode.onset + max(0, s.encounter.day)) + "前")


def slot_day(s: Scribe) -> None:
    arrive = 14 if s.episode.setting == "elective" else 0
    s.out.text(str(max(1, s.encounter.day - arrive + 1)))


def slot_pod(s: Scribe) -> None:
    s.out.text(str(max(1, s.encounter.day - s.episode.procedure_day)))


def slot_year(s: Scribe) -> None:
    """A bare year: not an identifier."""
    year = s.encounter.date.year - integer(s.rng, 1, 12)
    s.out.text(f"民國{year - 1911}年" if s.place == "tw" and chance(s.rng, 0.6) else f"{year}年")


def slot_festival(s: Scribe) -> None:
    """A festival that dates an event."""
    s.out.phi(pick(s.rng, FESTIVALS if s.place == "cn" else FESTIVALS_HANT), "DATE")


def slot_clock(s: Scribe) -> None:
    """A time of day: not an identifier."""
    hour, rest = divmod(s.encounter.minute, 60)
    forms = (f"{hour:02d}:{rest:02d}", f"{hour}:{rest:02d}", f"{hour}时{rest:02d}分")
    s.out.text(forms[s.style.number % 3])


# -- medicine --------------------------------------------------------------------------------


def slot_finding(s: Scribe) -> None:
    if s.story.findings:
        s.write(pick(s.rng, s.story.findings)[1])
    else:
        slot_sx(s)


def slot_shown(s: Scribe) -> None:
    """What the imaging showed, or a finding where there was none."""
    if s.has("imp"):
        s.fill("imp")
    else:
        slot_finding(s)


def slot_bgnames(s: Scribe) -> None:
    """One or two of the background conditions, or the lack of any."""
    codes = [code for code, _ in s.course.background]
    if not codes:
        s.out.text("既往体健")
        return
    s.out.text("既往有")
    for i, code in enumerate(sample(s.rng, codes, integer(s.rng, 1, 2))):
        s.out.text("、" if i else "")
        s.about(code, "pmh")
    s.out.text("病史")


def slot_labline(s: Scribe) -> None:
    """One value of the day."""
    codes = [lab.code for lab in knowledge().conditions[s.episode.condition].labs]
    write_lab(s, pick(s.rng, codes or ["hgb"]))


def write_lab(s: Scribe, code: str) -> None:
    value, unit = measured(code, s.encounter.labs[code])
    s.fill(f"lab.{code}")
    s.out.text(pick(s.rng, ("", " ", "：")) + value + unit)


def slot_bp(s: Scribe) -> None:
    v = s.encounter.vitals
    s.out.text(f"{v.sbp}/{v.dbp}mmHg")


def slot_temp(s: Scribe) -> None:
    s.out.text(celsius(s.encounter.vitals.temp))


def slot_height(s: Scribe) -> None:
    s.out.text(f"{s.encounter.vitals.height}cm")


def slot_pain(s: Scribe) -> None:
    s.out.text(str(s.encounter.vitals.pain))


def slot_drug(s: Scribe) -> None:
    """Some drug that the patient takes, by name."""
    doses = [d for d in s.encounter.doses if d.status != "stopped"]
    if doses:
        write_drug(s, pick(s.rng, doses).drug)
    else:
        s.out.text("口服药")


def write_drug(s: Scribe, code: str) -> None:
    s.write(s.choose(f"d.{code}"))


def write_dose(s: Scribe, dose: Dose) -> None:
    """Name, strength, route and frequency."""
    drug = knowledge().drugs[dose.drug]
    write_drug(s, dose.drug)
    s.out.text(" " if chance(s.rng, 0.7) else "")
    s.out.text(strength(dose.drug, dose.amount))
    s.fill(f"u.{drug.unit.replace('/', '_')}")
    s.out.text(" " if chance(s.rng, 0.5) else "，")
    s.fill(f"r.{drug.route}")
    s.out.text(" ")
    s.fill(f"f.{dose.frequency}")
