"""Sections that several kinds of English note share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from llmsafe.synthetic.course import Dose
from llmsafe.synthetic.draw import chance, integer, pick, sample
from llmsafe.synthetic.en.numbers import amount
from llmsafe.synthetic.en.scribe import Scribe
from llmsafe.synthetic.en.slots_care import write_date, write_dose, write_drug
from llmsafe.synthetic.grammar import Choice
from llmsafe.synthetic.grammar import Sequence as Phrase
from llmsafe.synthetic.knowledge import knowledge

SYSTEMS = ("heent", "neck", "lungs", "heart", "abdomen", "extremities", "skin", "neuro", "psych")


def letterhead(s: Scribe, kind: str, probability: float = 0.6) -> None:
    """The demographic lines on top, where the author's template has them."""
    if chance(s.rng, probability):
        s.fill(f"top.{kind}" if s.has(f"top.{kind}") and chance(s.rng, 0.4) else "top")
        s.out.newline(2 if s.style.blank_lines == 2 else 1)


def signature(s: Scribe, probability: float = 0.7) -> None:
    """Who signed, when, and who gets a copy."""
    if chance(s.rng, probability):
        s.out.newline(2)
        s.fill("sign")


def complaint(s: Scribe) -> None:
    s.header("cc")
    s.sentence("cc")


def plain_words(phrase: Phrase) -> set[str]:
    """Longer words of a phrase, all its alternatives included."""
    words: set[str] = set()
    for node in phrase:
        if isinstance(node, str):
            words |= {w.strip(".,:").rstrip("s") for w in node.lower().split() if len(w) > 4}
        elif isinstance(node, Choice):
            for option in node.options:
                words |= plain_words(option)
    return words


def negatives(s: Scribe, count: int) -> list[Callable[[], None]]:
    """Symptoms the patient does not have: none that belongs to the condition."""
    if s.story.absent is None:
        present: set[str] = set()
        for bank in ("sx", "cc", "ex", "hx", "name"):
            for phrase in s.grammar.options(f"{s.episode.condition}.{bank}"):
                present |= plain_words(phrase)
        bank = "neg.child" if s.small else "neg"
        options = s.grammar.rule(bank).options
        s.story.absent = tuple(p for p in options if not plain_words(p) & present)
    return [partial(s.write, phrase) for phrase in sample(s.rng, s.story.absent, count)]


def denies(s: Scribe) -> None:
    s.out.capital()
    s.fill("denies")
    s.out.text(" ")
    s.listing(negatives(s, integer(s.rng, 2, 5)), pick(s.rng, ("or", "or", "and")))
    s.out.stop()


def history(s: Scribe) -> None:
    """History of present illness."""
    s.header("hpi")
    s.sentence("hpi.open")
    known = len(s.grammar.rule(f"{s.episode.condition}.hx").options)
    moves: list[Callable[[], None]] = [
        *[lambda: s.sentence("hx")] * min(known, integer(s.rng, 1, 3)),
        *[lambda: s.symptom()] * integer(s.rng, 1, 3),
        lambda: denies(s),
    ]
    extra = ["hpi.context", "hpi.relative", "hpi.quote", "hpi.course"]
    moves += [partial(s.sentence, name) for name in sample(s.rng, extra, integer(s.rng, 0, 3))]
    if s.patient.earlier and chance(s.rng, 0.6):
        moves.append(lambda: earlier_episode(s))
    for move in sample(s.rng, moves, len(moves)):
        move()
    s.sentence("hpi.close", 0.35)


def earlier_episode(s: Scribe) -> None:
    """A look back on the episode before this one."""
    past = s.patient.earlier[-1]
    s.out.capital()
    s.fill("past.open")
    s.out.text(" ")
    write_date(s, past.start, short=False)
    s.out.text(" ")
    s.fill("past.for")
    s.out.text(" ")
    s.past(past, "name")
    if past.procedure:
        s.out.text(", ")
        s.fill("past.with")
        s.out.text(" ")
        s.past(past, f"p.{past.procedure}.name")
    s.out.stop()


def past_history(s: Scribe) -> None:
    """Past medical and surgical history."""
    s.header("pmh")
    known = [(code, years) for code, years in s.course.background]
    entries: list[Callable[[], None]] = [partial(_chronic, s, code, years) for code, years in known]
    entries += [partial(s.past, past, "pmh") for past in s.patient.earlier]
    if entries:
        s.items(sample(s.rng, entries, len(entries)))
    else:
        s.sentence("pmh.none")
    if chance(s.rng, 0.85):
        s.header("psh")
        operations: list[Callable[[], None]] = [
            partial(_operation, s, code, year) for code, year in s.course.surgeries
        ]
        operations += [
            partial(s.past, past, f"p.{past.procedure}.name")
            for past in s.patient.earlier
            if past.procedure
        ]
        if operations:
            s.items(operations)
        else:
            s.sentence("psh.none")


def _chronic(s: Scribe, code: str, years: int) -> None:
    s.about(code, "pmh")
    if chance(s.rng, 0.35):
        s.out.text(", ")
        if chance(s.rng, 0.5):
            s.out.text(pick(s.rng, ("since ", "diagnosed in ", "dx ")))
            s.out.phi(str(s.encounter.date.year - years), "DATE")
        else:
            s.fill("pmh.state")


def _operation(s: Scribe, code: str, year: int) -> None:
    s.fill(f"psh.{code}")
    if chance(s.rng, 0.6):
        s.out.text(pick(s.rng, (", ", " in ", " ")))
        s.out.phi(str(year), "DATE")


def medications(s: Scribe, *, home: bool = False) -> None:
    """The drug list; with `home` only what the patient took before."""
    doses = [d for d in s.encounter.doses if d.status != "stopped"]
    if home:
        doses = [d for d in doses if d.status != "new"]
    s.header("meds.home" if home else "meds")
    if not doses:
        s.sentence("meds.none")
    else:
        s.items([partial(write_dose, s, dose) for dose in sample(s.rng, doses, len(doses))])


def allergies(s: Scribe) -> None:
    s.header("allergies")
    if not s.course.allergies:
        s.sentence("allergies.none")
        return
    writers: list[Callable[[], None]] = []
    for allergen, reaction in s.course.allergies:
        writers.append(partial(_allergy, s, allergen, reaction))
    s.listing(writers)
    s.out.stop()


def _allergy(s: Scribe, allergen: str, reaction: str) -> None:
    s.out.text(allergen.capitalize() if chance(s.rng, 0.5) else allergen)
    if chance(s.rng, 0.7):
        form = pick(s.rng, (" ({})", " - {}", " causes {}", ", {}", " (reaction: {})"))
        if reaction == "unknown" and "causes" in form:
            form = " ({})"
        s.out.text(form.format(reaction))


def social(s: Scribe) -> None:
    """Living, work, tobacco, alcohol."""
    s.header("social")
    habits = s.course.habits
    if s.age < 16:
        s.sentences("social.child", 2, 3)
        return
    moves = [
        partial(s.sentence, f"living.{habits.living}"),
        partial(_smoking, s),
        partial(s.sentence, f"alcohol.{habits.alcohol}"),
    ]
    if s.identity.employer:
        moves.append(partial(s.sentence, "work"))
    elif s.age >= 65:
        moves.append(partial(s.sentence, "retired"))
    if chance(s.rng, 0.5):
        moves.append(partial(s.sentence, "social.more"))
    for move in sample(s.rng, moves, integer(s.rng, 2, len(moves))):
        move()


def _smoking(s: Scribe) -> None:
    habits = s.course.habits
    s.subject["packs"] = str(habits.pack_years)
    s.out.capital()
    s.fill(f"smoking.{habits.smoking}")
    if habits.smoking == "former":
        s.out.text(pick(s.rng, (" in ", " back in ", ", last cigarette in ")))
        s.out.phi(str(habits.quit_year), "DATE")
    s.out.stop()


def family(s: Scribe) -> None:
    s.header("family")
    if not s.course.family:
        s.sentence("family.none")
        return
    for member, code, age in s.course.family:
        s.subject |= {"member": member, "atage": str(age)}
        women = ("mother", "sister", "grandmother", "aunt")
        s.subject["theirs"] = "her" if member in women else "his"
        s.out.capital()
        s.about(code, "family.say")
        s.out.stop()


def review(s: Scribe) -> None:
    """Review of systems."""
    s.header("ros")
    if chance(s.rng, 0.3):
        s.sentence("ros.short")
        return
    s.symptom()
    for _ in range(integer(s.rng, 1, 3)):
        denies(s)
    s.sentence("ros.rest", 0.4)


def vitals(s: Scribe) -> None:
    s.sentence("vitals.child" if s.age < 13 else "vitals")


def exam(s: Scribe, *, brief: bool = False, measured: bool = False) -> None:
    """Physical examination: the episode's findings fade as the patient recovers."""
    s.header("exam")
    if not measured:
        vitals(s)
    s.sentence(("ex.general.child" if s.small else "ex.general") + _ill(s))
    found = {} if s.encounter.phase > 0.85 else dict(s.story.findings)
    systems = [name for name in SYSTEMS if name not in found]
    count = integer(s.rng, 1, 3) if brief else integer(s.rng, 4, 7)
    shown = [*found, *sample(s.rng, systems, count)]
    order = ("eyes", "ears", "breast", "back", "pelvic", "gu", "joint", *SYSTEMS)
    labelled = s.style.layout != "run-on" and (s.style.number % 3 > 0)
    for system in sorted(shown, key=order.index):
        if labelled:
            if s.style.layout == "block":
                s.out.newline()
            s.out.capital()
            s.fill(f"sys.{system}")
            s.out.text(": ")
        s.out.capital()
        if system in found:
            _finding(s, found[system], bare=labelled, adjective=system in ("psych", "neuro"))
        else:
            child = f"ex.{system}.child"
            s.fill(child if s.small and s.has(child) else f"ex.{system}")
        s.out.stop()


def _ill(s: Scribe) -> str:
    return "" if s.encounter.phase > 0.3 else ".ill"


def _finding(s: Scribe, phrase: Phrase, *, bare: bool, adjective: bool) -> None:
    fading = s.encounter.phase > 0.3
    before = "" if bare and chance(s.rng, 0.6) else "find.fading" if fading else "find"
    if before == "find.fading" and adjective:
        before = ""
    if before and not adjective:
        s.fill(before)
        s.out.text(" ")
    s.write(phrase)
    if fading and not before:
        s.out.text(", ")
        s.fill("find.better")


def lab_codes(s: Scribe, count: int) -> list[str]:
    """The tests worth a word: those of the condition first, then some of the panel."""
    own = [lab.code for lab in knowledge().conditions[s.episode.condition].labs]
    rest = [code for code in s.encounter.labs if code not in own and code != "hct"]
    return (own + sample(s.rng, rest, len(rest)))[: max(count, min(len(own), 2))]


def _lab(s: Scribe, code: str, *, compare: bool) -> None:
    lab = knowledge().labs[code]
    value, before = s.encounter.labs[code], s.encounter.earlier.get(code)
    s.subject["labname"] = ""
    s.fill(f"lab.{code}")
    text = f"{value:,.{lab.decimals}f}"
    if compare and before is not None and abs(value - before) > 0.04 * abs(before) + 1e-9:
        s.subject |= {"new": text, "old": f"{before:,.{lab.decimals}f}"}
        s.subject["way"] = "up" if value > before else "down"
        s.out.text(" ")
        s.fill("lab.moved")
        return
    s.out.text(pick(s.rng, (" ", " ", " of ", " was ", " is ", ": ", " at ")) + text)
    if chance(s.rng, 0.15):
        s.out.text(f" {lab.unit}")


def laboratory(s: Scribe, *, compare: bool, count: int) -> None:
    """Values of the day, with the earlier ones where they moved."""
    codes = lab_codes(s, count)
    if s.style.layout == "block" and chance(s.rng, 0.3):
        for code in codes:
            lab = knowledge().labs[code]
            s.out.newline()
            s.fill(f"lab.{code}")
            value = s.encounter.labs[code]
            flag = " H" if value > lab.high else " L" if value < lab.low else ""
            s.out.text(f"  {value:,.{lab.decimals}f}{flag} {lab.unit}")
        s.out.newline()
        return
    while codes:
        chunk, codes = codes[: integer(s.rng, 1, 4)], codes[4:]
        s.out.capital()
        s.listing([partial(_lab, s, code, compare=compare) for code in chunk])
        s.out.stop()


def data(s: Scribe, *, compare: bool = False) -> None:
    """Laboratory and imaging results."""
    s.header("data")
    if s.encounter.labs:
        laboratory(s, compare=compare, count=integer(s.rng, 4, 9))
    if s.has("imp") and chance(s.rng, 0.8) and s.encounter.day >= 0:
        s.sentence("imaging.say")


def changes(s: Scribe) -> list[Callable[[], None]]:
    """One writer per drug that was started, stopped or moved at this encounter."""
    out: list[Callable[[], None]] = []
    for dose in s.encounter.doses:
        if dose.status == "home":
            continue
        out.append(partial(_change, s, dose))
    return out


def _change(s: Scribe, dose: Dose) -> None:
    s.fill(f"do.{dose.status}")
    s.out.text(" ")
    if dose.status == "new":
        write_dose(s, dose)
        return
    write_drug(s, dose.drug)
    if dose.before is not None:
        unit = knowledge().drugs[dose.drug].unit
        s.out.text(f" from {amount(dose.before)} to {amount(dose.amount)} {unit}")


def plan(s: Scribe, low: int, high: int) -> None:
    """Assessment in a sentence or two, then the list of what to do."""
    s.header("assessment")
    s.sentence("assess.open")
    s.sentence("assess.more", 0.5)
    steps: list[Callable[[], None]] = changes(s)
    rule = s.grammar.rule(f"{s.episode.condition}.plan")
    steps += [
        partial(s.fill, "plan") for _ in range(min(integer(s.rng, low, high), len(rule.options)))
    ]
    for code, _ in sample(s.rng, s.course.background, integer(s.rng, 0, 2)):
        steps.append(partial(_chronic_plan, s, code))
    if chance(s.rng, 0.5):
        inside = s.encounter.kind in ("admission", "progress")
        steps.append(partial(s.fill, "plan.inside" if inside else "plan.outside"))
    if s.style.layout == "block":
        s.header("plan")
    s.items(sample(s.rng, steps, len(steps)))


def _chronic_plan(s: Scribe, code: str) -> None:
    s.about(code, "pmh")
    s.out.text(pick(s.rng, (": ", ", ", " - ", "; ")))
    s.about(
        code, "plan" if chance(s.rng, 0.5) and s.grammar.options(f"{code}.plan") else "plan.stable"
    )


def closing(s: Scribe, names: Sequence[str], count: int) -> None:
    """Some of the closing sentences, in random order."""
    for name in sample(s.rng, names, count):
        s.sentence(name)
