"""Slots of time and medicine: dates, measurements, findings, drugs. See `slots_people`."""

from __future__ import annotations

from datetime import date, timedelta

from llmsafe.synthetic.course import Dose
from llmsafe.synthetic.draw import chance, integer, pick, sample
from llmsafe.synthetic.en.numbers import amount, number_word, span_of_days
from llmsafe.synthetic.en.scribe import Scribe
from llmsafe.synthetic.en.style import SHORT_DATE_FORMS
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.slots import slot_sx

# -- dates -----------------------------------------------------------------------------------


def write_date(s: Scribe, day: date, *, short: bool = False) -> None:
    if short and chance(s.rng, 0.55):
        text = s.style.date(day, pick(s.rng, SHORT_DATE_FORMS))
        if text.startswith("the "):
            s.out.text("the ")
            text = text[4:]
        s.out.phi(text, "DATE")
    else:
        s.out.phi(s.style.date(day), "DATE")


def slot_visit(s: Scribe) -> None:
    write_date(s, s.encounter.date)


def slot_admitted(s: Scribe) -> None:
    write_date(s, s.admission_day)


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


def slot_onset(s: Scribe) -> None:
    s.out.text(span_of_days(s.rng, s.episode.onset))


def slot_ago(s: Scribe) -> None:
    s.out.text(span_of_days(s.rng, s.episode.onset + s.encounter.day) + " ago")


def slot_day(s: Scribe) -> None:
    arrive = 14 if s.episode.setting == "elective" else 0
    s.out.text(str(s.encounter.day - arrive + 1))


def slot_pod(s: Scribe) -> None:
    s.out.text(str(max(0, s.encounter.day - s.episode.procedure_day)))


def slot_year(s: Scribe) -> None:
    s.out.phi(str(s.encounter.date.year - integer(s.rng, 1, 12)), "DATE")


def slot_clock(s: Scribe) -> None:
    """A time of day: not an identifier."""
    minute = s.encounter.minute
    hour, rest = divmod(minute, 60)
    forms = (
        f"{hour:02d}:{rest:02d}",
        f"{hour:02d}{rest:02d}",
        f"{hour % 12 or 12}:{rest:02d} {'AM' if hour < 12 else 'PM'}",
    )
    s.out.text(forms[s.style.number % 3])


# -- medicine --------------------------------------------------------------------------------


def slot_finding(s: Scribe) -> None:
    if s.story.findings:
        _, phrase = pick(s.rng, s.story.findings)
        s.write(phrase)
    else:
        slot_sx(s)


def slot_indic(s: Scribe) -> None:
    """What the imaging showed, or a finding where there was none."""
    if s.has("imp"):
        s.fill("imp")
    else:
        slot_finding(s)


def slot_side(s: Scribe) -> None:
    s.out.text(s.episode.side)


def slot_oside(s: Scribe) -> None:
    s.out.text("right" if s.episode.side == "left" else "left")


def slot_bgnames(s: Scribe) -> None:
    """One or two of the background conditions, or the lack of any."""
    codes = [code for code, _ in s.course.background]
    if not codes:
        s.out.text("no significant past history")
        return
    for i, code in enumerate(sample(s.rng, codes, integer(s.rng, 1, 2))):
        if i:
            s.out.text(" and ")
        s.about(code, "pmh")


def slot_labline(s: Scribe) -> None:
    """One value of the day."""
    codes = [c.code for c in knowledge().conditions[s.episode.condition].labs]
    code = pick(s.rng, codes or ["hgb"])
    s.fill(f"lab.{code}")
    s.out.text(f" {s.encounter.labs[code]:,.{knowledge().labs[code].decimals}f}")


def slot_a(s: Scribe) -> None:
    s.out.article()


def slot_num(s: Scribe) -> None:
    s.out.text(number_word(s.rng, integer(s.rng, 2, 9)))


def slot_bp(s: Scribe) -> None:
    v = s.encounter.vitals
    s.out.text(f"{v.sbp}/{v.dbp}")


def slot_temp(s: Scribe) -> None:
    heat = s.encounter.vitals.temp
    if s.style.number % 4 == 0:
        s.out.text(f"{(heat - 32) / 1.8:.1f}")
    else:
        s.out.text(f"{heat:.1f}")


def slot_height(s: Scribe) -> None:
    tall = s.encounter.vitals.height
    inches = round(tall / 2.54)
    s.out.text(f"{tall} cm" if s.style.number % 2 else f"{inches // 12}'{inches % 12}\"")


def slot_pain(s: Scribe) -> None:
    s.out.text(f"{s.encounter.vitals.pain}/10")


def slot_bmi(s: Scribe) -> None:
    v = s.encounter.vitals
    s.out.text(f"{v.weight / (v.height / 100) ** 2:.1f}")


def slot_drug(s: Scribe) -> None:
    """Some drug that the patient takes, by name."""
    doses = [d for d in s.encounter.doses if d.status != "stopped"]
    if doses:
        write_drug(s, pick(s.rng, doses).drug)
    else:
        s.out.text("acetaminophen")


def write_drug(s: Scribe, code: str) -> None:
    drug = knowledge().drugs[code]
    generic = s.grammar.rules.get(f"d.{code}")
    if drug.brand and chance(s.rng, 0.3):
        s.out.text(drug.brand)
    elif generic:
        s.write(s.choose(f"d.{code}"))
    else:
        s.out.text(code.replace("_", " "))


def write_dose(s: Scribe, dose: Dose) -> None:
    """Name, strength, route and frequency."""
    drug = knowledge().drugs[dose.drug]
    write_drug(s, dose.drug)
    s.out.text(f" {amount(dose.amount)} {drug.unit} ")
    s.fill(f"r.{drug.route}")
    s.out.text(" ")
    s.fill(f"f.{dose.frequency}")
