"""Sections that several kinds of Chinese note share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from llmsafe.synthetic.course import Dose
from llmsafe.synthetic.draw import chance, integer, pick, sample
from llmsafe.synthetic.grammar import Choice
from llmsafe.synthetic.grammar import Sequence as Phrase
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.zh.numbers import measured, strength
from llmsafe.synthetic.zh.scribe import Scribe
from llmsafe.synthetic.zh.slots_care import write_date, write_dose, write_drug, write_lab

SYSTEMS = ("skin", "heent", "neck", "lungs", "heart", "abdomen", "extremities", "neuro", "psych")
SPECIAL = ("eyes", "ears", "breast", "back", "pelvic", "gu", "joint")
# Label -> what fills it.
FIELDS: Mapping[str, str] = {
    "name": "fullname", "sex": "sex", "age": "age", "nation": "nation", "job": "occupation",
    "work": "employer", "school": "employer", "address": "address", "native": "birthplace",
    "dob": "dob", "rid": "rid", "mrn": "mrn", "inpatient": "inpatient", "outpatient": "outpatient",
    "plan": "plan_number", "phone": "phone", "admitted": "admitted", "written": "visittime",
    "left": "left", "bed": "bed", "ward": "department", "hospital": "hospital",
    "accession": "accession", "visit": "visit", "email": "email", "zip": "zip",
}  # fmt: skip
MAINLAND = ("nation", "zip")


def _contact(s: Scribe) -> None:
    s.fill("relname")
    s.out.text("（")
    s.fill("relationship")
    s.out.text("）")
    if chance(s.rng, 0.7):
        s.fill("relphone")


def _teller(s: Scribe) -> None:
    if s.age < 15 or chance(s.rng, 0.5):
        s.fill("relname")
        s.out.text("（")
        s.fill("relationship")
        s.out.text("）")
    else:
        s.out.text("患者本人")


def entry(s: Scribe, name: str) -> None:
    """One labelled field."""
    if name in ("work", "school"):
        if s.identity.employer is None:
            return
        name = "school" if s.age < 18 else "work"
    s.label(name)
    if name == "contact":
        _contact(s)
    elif name == "teller":
        _teller(s)
    else:
        s.fill(FIELDS[name])


def entries(s: Scribe, names: Sequence[str]) -> None:
    """Labelled fields in the author's layout."""
    apart = ("　", "  ", "，", "\n", "；")[s.style.number % 5]
    if s.style.layout == "run-on" and apart == "\n":
        apart = "，"
    for i, name in enumerate(
        n for n in names if n not in ("work", "school") or s.identity.employer
    ):
        if i:
            s.out.plain(apart)
        entry(s, name)


def letterhead(s: Scribe, kind: str, first: Sequence[str], more: Sequence[str], count: int) -> None:
    """House, title, then fields: all of `first`, and `count` of `more` in their order."""
    if chance(s.rng, 0.55):
        s.fill("top.house")
        s.out.newline()
    if chance(s.rng, 0.7):
        options = s.grammar.rule(f"t.{kind}").sources
        s.out.text(options[s.style.number % len(options)])
        s.out.newline()
    able = [name for name in more if s.place == "cn" or name not in MAINLAND]
    chosen = set(sample(s.rng, able, count))
    entries(s, [*first, *(name for name in able if name in chosen)])
    s.out.newline()


def signature(s: Scribe, rule: str = "sign", probability: float = 0.85) -> None:
    if chance(s.rng, probability):
        s.out.newline()
        s.fill(rule)


def complaint(s: Scribe, *, again: bool = False) -> None:
    s.header("cc")
    # What began within days has not grown worse within days.
    first = "complaint" if s.episode.onset > 5 else "complaint.short"
    s.sentence("complaint.again" if again else first)


# -- history -----------------------------------------------------------------------------------


def plain_words(phrase: Phrase) -> set[str]:
    """Pairs of characters of a phrase, all its alternatives included."""
    words: set[str] = set()
    for node in phrase:
        if isinstance(node, str):
            words |= {node[i : i + 2] for i in range(len(node) - 1)}
        elif isinstance(node, Choice):
            for option in node.options:
                words |= plain_words(option)
    return words


def denies(s: Scribe) -> None:
    """Symptoms the patient does not have: none that belongs to the condition."""
    if s.story.absent is None:
        present: set[str] = set()
        for bank in ("sx", "cc", "ex", "hx", "name"):
            for phrase in s.grammar.options(f"{s.episode.condition}.{bank}"):
                present |= plain_words(phrase)
        options = s.grammar.rule("neg").options
        s.story.absent = tuple(p for p in options if not plain_words(p) & present)
    s.fill("denies")
    chosen = sample(s.rng, s.story.absent, integer(s.rng, 2, 4))
    s.listing([partial(s.write, phrase) for phrase in chosen], pick(s.rng, ("，无", "、", "，")))
    s.out.stop()


def history(s: Scribe) -> None:
    """History of present illness."""
    s.header("hpi")
    s.sentence("hpi.open")
    known = len(s.grammar.rule(f"{s.episode.condition}.hx").options)
    for _ in range(min(known, integer(s.rng, 1, 3))):
        s.sentence("hx")
    denies(s)
    middle = sample(s.rng, ("hpi.relative", "hpi.context", "hpi.context"), integer(s.rng, 1, 2))
    for name in middle:
        s.sentence(name)
    if s.patient.earlier and chance(s.rng, 0.6):
        earlier_episode(s)
    s.sentence("hpi.close", 0.7)


def earlier_episode(s: Scribe) -> None:
    """A look back on the episode before this one."""
    past = s.patient.earlier[-1]
    s.fill("past.open")
    write_date(s, past.start)
    s.fill("past.for")
    s.past(past, "name")
    s.fill("past.end")
    if past.procedure:
        s.out.text("，行")
        s.past(past, f"p.{past.procedure}.name")
    s.out.stop()


def past_history(s: Scribe) -> None:
    """Old conditions, operations, allergies."""
    s.header("pmh")
    known = list(s.course.background)
    for code, years in sample(s.rng, known, len(known)):
        s.about(code, "pmh")
        s.out.text(pick(s.rng, ("病史", "史")) + f"{years}年" + pick(s.rng, ("余", "", "")))
        if chance(s.rng, 0.6):
            s.fill("pmh.state")
        s.out.stop()
    if not known:
        s.sentence("pmh.none")
    s.sentence("pmh.infect", 0.6)
    operations(s)
    allergies(s)


def operations(s: Scribe) -> None:
    if not s.course.surgeries:
        s.sentence("psh.none", 0.7)
    for code, year in s.course.surgeries:
        # A bare year is not an identifier.
        shown = f"民國{year - 1911}年" if s.place == "tw" and chance(s.rng, 0.5) else f"{year}年"
        s.out.text(pick(s.rng, ("{}行", "{}因病行", "{}在外院行", "曾于{}行")).format(shown))
        s.fill(f"psh.{code}")
        s.out.stop()


def allergies(s: Scribe) -> None:
    if chance(s.rng, 0.3):
        s.header("allergies")
    if not s.course.allergies:
        s.sentence("allergies.none")
        return
    for allergen, reaction in s.course.allergies:
        s.out.text(pick(s.rng, ("对", "既往对")))
        s.fill(f"c.{allergen.replace(' ', '_')}")
        s.out.text("过敏")
        if chance(s.rng, 0.7):
            s.out.text("（")
            s.fill(f"x.{reaction}")
            s.out.text("）")
        s.out.stop()


def social(s: Scribe) -> None:
    """Where from, work, habits, marriage."""
    s.header("social")
    if s.age < 16:
        rule = s.grammar.options_without("social.child", "employer")
        s.sentences("social.child", 1, min(3, len(rule)))
        return
    s.sentence("social.place", 0.8)
    if s.identity.employer:
        s.sentence("social.work", 0.6)
    s.subject["packs"] = str(s.course.habits.pack_years)
    s.fill(f"smoke.{s.course.habits.smoking}")
    s.out.text("，")
    s.fill(f"drink.{s.course.habits.alcohol}")
    s.out.stop()
    if chance(s.rng, 0.6):
        s.header("marital")
        s.sentence("marital" if s.age > 26 else "marital.single")


def family(s: Scribe) -> None:
    s.header("family")
    if not s.course.family:
        s.sentence("family.none")
        return
    for member, code, _ in s.course.family:
        options = s.grammar.rule(f"k.{member}").sources
        s.subject["member"] = options[0]
        s.about(code, "family.say")
        s.out.stop()


# -- examination -------------------------------------------------------------------------------


def vitals(s: Scribe) -> None:
    s.sentence("vitals.child" if s.age < 13 else "vitals")


def exam(s: Scribe, *, brief: bool = False) -> None:
    """Physical examination: the episode's findings fade as the patient recovers."""
    s.header("exam")
    vitals(s)
    s.sentence("general" if s.encounter.phase > 0.3 else "general.ill")
    found = {} if s.encounter.phase > 0.85 else dict(s.story.findings)
    rest = [name for name in SYSTEMS if name not in found]
    shown = [*found, *sample(s.rng, rest, integer(s.rng, 1, 2) if brief else integer(s.rng, 4, 6))]
    labelled = s.style.layout == "block" and s.style.number % 3 == 0
    for system in sorted(shown, key=(*SYSTEMS, *SPECIAL).index):
        if labelled:
            s.out.newline()
            options = s.grammar.rule(f"sys.{system}").sources
            s.out.text(options[s.style.number % len(options)] + "：")
        if system in found:
            s.write(found[system])
            if s.encounter.phase > 0.3:
                s.fill("find.better")
        else:
            s.fill(f"ex.{system}")
        s.out.stop()


# -- results and plan --------------------------------------------------------------------------


def laboratory(s: Scribe, *, compare: bool, count: int) -> None:
    """Values of the day, with the earlier ones where they moved."""
    own = [lab.code for lab in knowledge().conditions[s.episode.condition].labs]
    rest = [code for code in s.encounter.labs if code not in own and code != "hct"]
    codes = (own + sample(s.rng, rest, len(rest)))[: max(count, min(len(own), 2))]
    s.fill("lab.say")
    s.listing(
        [partial(_lab, s, code, compare=compare) for code in codes], pick(s.rng, ("，", "、"))
    )
    s.out.stop()


def _lab(s: Scribe, code: str, *, compare: bool) -> None:
    value, before = s.encounter.labs[code], s.encounter.earlier.get(code)
    if not compare or before is None or abs(value - before) <= 0.04 * abs(before) + 1e-9:
        write_lab(s, code)
        return
    s.fill(f"lab.{code}")
    unit = measured(code, value)[1]
    s.subject |= {"new": measured(code, value)[0] + unit, "old": measured(code, before)[0]}
    s.fill("lab.moved")


def data(s: Scribe, *, compare: bool = False) -> None:
    """Laboratory and imaging results."""
    s.header("data")
    if s.encounter.labs:
        laboratory(s, compare=compare, count=integer(s.rng, 3, 7))
    if s.has("imp") and chance(s.rng, 0.8):
        s.sentence("img.say")


def medications(s: Scribe, *, home: bool = False) -> None:
    """The drug list; with `home` only what the patient took before."""
    doses = [d for d in s.encounter.doses if d.status != "stopped"]
    if home:
        doses = [d for d in doses if d.status != "new"]
    if doses:
        s.header("meds.home" if home else "meds")
        s.items([partial(write_dose, s, dose) for dose in sample(s.rng, doses, len(doses))])


def _change(s: Scribe, dose: Dose) -> None:
    s.fill(f"do.{dose.status}")
    if dose.status == "new":
        write_dose(s, dose)
        return
    write_drug(s, dose.drug)
    if dose.before is not None:
        unit = knowledge().drugs[dose.drug].unit.replace("/", "_")
        s.out.text(f"（{strength(dose.drug, dose.before)}→{strength(dose.drug, dose.amount)}")
        s.fill(f"u.{unit}")
        s.out.text("）")


def plan(s: Scribe, low: int, high: int) -> None:
    """Diagnosis in a sentence, then the list of what to do."""
    s.header("dx")
    s.sentence("assess.open")
    steps: list[Callable[[], None]] = [
        partial(_change, s, dose) for dose in s.encounter.doses if dose.status != "home"
    ][:3]
    options = s.grammar.rule(f"{s.episode.condition}.plan").options
    steps += [partial(s.fill, "plan") for _ in range(min(integer(s.rng, low, high), len(options)))]
    for code, _ in sample(s.rng, s.course.background, integer(s.rng, 0, 2)):
        steps.append(partial(_chronic, s, code))
    inside = s.encounter.kind in ("admission", "progress")
    if chance(s.rng, 0.8):
        steps.append(partial(s.fill, "plan.inside" if inside else "plan.outside"))
    s.header("plan")
    s.items(sample(s.rng, steps, len(steps)))


def _chronic(s: Scribe, code: str) -> None:
    s.about(code, "pmh")
    s.fill("plan.stable")


def diagnoses(s: Scribe) -> None:
    """The main one, a complication, the chronic ones."""
    writers: list[Callable[[], None]] = [partial(s.fill, "dx")]
    if s.episode.complication:
        writers.append(partial(s.fill, f"comp.{s.episode.complication}.name"))
    writers += [partial(s.about, code, "pmh") for code, _ in s.course.background]
    s.items(writers)
