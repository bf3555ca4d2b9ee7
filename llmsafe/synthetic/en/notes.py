"""The kinds of English note, each a function that writes one through a `Scribe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from llmsafe.synthetic.draw import chance, integer, pick, sample
from llmsafe.synthetic.en import sections as part
from llmsafe.synthetic.en.scribe import Scribe
from llmsafe.synthetic.knowledge import knowledge


def admission(s: Scribe) -> None:
    """Admission history and physical."""
    part.letterhead(s, "admission", 0.7)
    if chance(s.rng, 0.7):
        part.complaint(s)
    part.history(s)
    part.past_history(s)
    blocks: list[Callable[[], None]] = [
        partial(part.medications, s, home=True),
        partial(part.allergies, s),
        partial(part.social, s),
        partial(part.family, s),
    ]
    for block in sample(s.rng, blocks, 4):
        block()
    if chance(s.rng, 0.6):
        part.review(s)
    part.exam(s)
    part.data(s)
    part.plan(s, 3, 6)
    closing = ("admit.code", "admit.talk", "admit.place", "admit.prophylaxis")
    if s.age < 18:
        closing = ("admit.talk",)
    part.closing(s, closing, integer(s.rng, 0, 3))
    part.signature(s)


def emergency(s: Scribe) -> None:
    """Emergency department note."""
    part.letterhead(s, "emergency", 0.6)
    part.complaint(s)
    s.sentence("ed.arrival", 0.7)
    part.history(s)
    if chance(s.rng, 0.7):
        part.past_history(s)
    if chance(s.rng, 0.6):
        part.allergies(s)
    part.exam(s, brief=chance(s.rng, 0.5))
    s.header("course.ed")
    s.sentences("ed.course", 1, 3)
    part.laboratory(s, compare=False, count=integer(s.rng, 3, 7))
    if s.has("imp"):
        s.sentence("imaging.say", 0.7)
    s.header("disposition")
    s.sentence("ed.leave")
    part.signature(s)


def progress(s: Scribe) -> None:
    """Progress note, SOAP."""
    part.letterhead(s, "progress", 0.45)
    s.header("subjective")
    s.sentence("soap.open")
    s.sentences("soap.night", 1, 2)
    if s.encounter.phase < 0.7:
        s.sentence("sx.still")
    s.sentence("soap.ask", 0.4)
    s.header("objective")
    part.vitals(s)
    part.exam(s, brief=True, measured=True)
    if chance(s.rng, 0.85):
        part.laboratory(s, compare=True, count=integer(s.rng, 3, 6))
    _trouble(s)
    part.plan(s, 2, 4)
    s.sentence("soap.leave", 0.5)
    part.signature(s, 0.6)


def _trouble(s: Scribe) -> None:
    """The complication of the stay, on the days it matters."""
    if s.episode.complication and 0 <= s.encounter.day - s.episode.complication_day <= 1:
        s.sentence(f"comp.{s.episode.complication}")


def discharge(s: Scribe) -> None:
    """Discharge summary: what the stay found and did."""
    part.letterhead(s, "discharge", 0.85)
    s.header("dates")
    s.sentence("stay.dates")
    s.header("dx.final")
    diagnoses: list[Callable[[], None]] = [partial(s.fill, "dx")]
    if s.episode.complication:
        diagnoses.append(partial(s.fill, f"comp.{s.episode.complication}.name"))
    diagnoses += [partial(s.about, code, "pmh") for code, _ in s.course.background]
    s.items(diagnoses)
    if s.episode.procedure:
        s.header("procedures")
        s.fill("op")
        s.out.text(pick(s.rng, (", ", " on ", " - ")))
        s.fill("operated")
        s.out.stop()
    s.header("hpi.brief")
    s.sentence("hpi.open")
    s.sentence("hx")
    if chance(s.rng, 0.6):
        s.symptom()
    s.header("hospital.course")
    _stay(s)
    if chance(s.rng, 0.7):
        s.header("exam.final")
        part.vitals(s)
        s.sentence("ex.general")
        s.sentence("leave.exam", 0.7)
    part.medications(s)
    _drug_changes(s)
    s.header("instructions")
    s.sentences("leave.diet", 0, 1)
    s.sentences("edu", 1, 2)
    closing = ["leave.follow", "leave.call", "leave.copy"]
    closing += ["leave.work"] if s.identity.employer or 6 <= s.age < 18 else []
    part.closing(s, closing, integer(s.rng, 2, len(closing)))
    s.sentence("leave.state", 0.6)
    part.signature(s, 0.85)


def _stay(s: Scribe) -> None:
    s.sentence("stay.open")
    s.sentences("course", 2, 4)
    if s.episode.procedure:
        s.sentence("stay.operated")
    if s.episode.complication:
        s.sentence(f"comp.{s.episode.complication}")
    part.laboratory(s, compare=True, count=integer(s.rng, 2, 4))
    if s.has("imp"):
        s.sentence("imaging.say", 0.6)
    for code, _ in sample(s.rng, s.course.background, integer(s.rng, 0, 2)):
        s.out.capital()
        s.about(code, "pmh")
        s.out.text(" ")
        s.fill("stay.chronic")
        s.out.stop()
    s.sentence("stay.end")


def _drug_changes(s: Scribe) -> None:
    moved = [d for d in s.encounter.doses if d.status != "home"]
    if not moved:
        return
    for writer in part.changes(s):
        s.out.capital()
        writer()
        s.out.stop()


def clinic(s: Scribe) -> None:
    """Clinic letter or visit note."""
    first = s.encounter.phase < 0.2
    letter = s.author is not s.identity.primary_care and chance(s.rng, 0.4)
    if letter:
        s.fill("letter.top")
        s.out.newline(2)
        s.sentence("letter.open")
    else:
        part.letterhead(s, "clinic", 0.55)
    if first:
        part.complaint(s)
        part.history(s)
        for block in sample(
            s.rng,
            [
                partial(part.past_history, s),
                partial(part.medications, s, home=True),
                partial(part.allergies, s),
                partial(part.social, s),
                partial(part.family, s),
                partial(part.review, s),
            ],
            integer(s.rng, 2, 5),
        ):
            block()
    else:
        s.header("interval")
        s.sentence("visit.open")
        s.sentences("visit.since", 1, 3)
        if chance(s.rng, 0.6):
            part.medications(s, home=True)
    part.exam(s, brief=not first)
    if chance(s.rng, 0.7):
        part.data(s, compare=not first)
    part.plan(s, 2, 4)
    s.sentence("leave.follow", 0.7)
    s.sentence("visit.time", 0.3)
    s.fill("letter.end") if letter else part.signature(s)


def consult(s: Scribe) -> None:
    """Consultation."""
    part.letterhead(s, "consult", 0.7)
    s.header("reason")
    s.sentence("consult.reason")
    part.history(s)
    if chance(s.rng, 0.75):
        part.past_history(s)
    for block in sample(
        s.rng,
        [partial(part.medications, s), partial(part.allergies, s), partial(part.social, s)],
        integer(s.rng, 1, 3),
    ):
        block()
    part.exam(s)
    part.data(s)
    s.header("impression")
    s.sentence("assess.open")
    s.sentences("consult.think", 1, 2)
    s.header("recommendations")
    rule = s.grammar.rule(f"{s.episode.condition}.plan")
    count = min(integer(s.rng, 2, 5), len(rule.options))
    s.items([partial(s.fill, "plan") for _ in range(count)])
    s.sentence("consult.thanks")
    part.signature(s)


def radiology(s: Scribe) -> None:
    """Imaging report."""
    condition = knowledge().conditions[s.episode.condition]
    study = condition.study
    part.letterhead(s, "radiology", 0.75)
    s.header("exam.name")
    s.sentence(f"s.{study}.name")
    s.header("indication")
    s.sentence("rad.why")
    if chance(s.rng, 0.75):
        s.header("comparison")
        s.sentence("rad.compare")
    if chance(s.rng, 0.8):
        s.header("technique")
        s.sentence(f"s.{study}.tech")
    s.header("findings")
    s.sentence("rad.open", 0.4)
    lead = chance(s.rng, 0.6)
    if lead:
        s.sentence("img")
    s.sentences(f"s.{study}.normal", 2, 5)
    if not lead:
        s.sentence("img")
    s.header("impression")
    lines: list[Callable[[], None]] = [partial(s.fill, "imp")]
    if chance(s.rng, 0.4):
        lines.append(partial(s.fill, "rad.also"))
    s.items(lines)
    s.sentence("rad.call", 0.35)
    part.signature(s, 0.8)


def operative(s: Scribe) -> None:
    """Operative or procedure report."""
    procedure = s.episode.procedure
    way = s.grammar.rule(f"p.{procedure}.way").sources[0]
    part.letterhead(s, "operative", 0.75)
    s.header("preop")
    s.sentence("dx")
    s.header("postop")
    s.sentence("op.same") if chance(s.rng, 0.4) else s.sentence("dx")
    s.header("operation")
    s.sentence("op")
    if chance(s.rng, 0.8):
        s.header("surgeon")
        s.fill("author_name")
        s.out.text(f", {s.author.credential}")
        s.out.newline()
    for name, probability in (("anesthesia", 0.8), ("ebl", 0.6), ("specimens", 0.4), ("cx", 0.5)):
        if chance(s.rng, probability):
            s.header(name)
            s.sentence(f"op.{way}.{name}" if s.has(f"op.{way}.{name}") else f"op.{name}")
    s.header("indications")
    s.sentence("op.why")
    s.sentence("op.consent")
    s.header("op.detail")
    s.sentence("op.room")
    s.sentence(f"op.{way}.begin")
    s.sentence(f"p.{procedure}.core")
    s.sentence("op.implant") if s.has(f"p.{procedure}.implant") else None
    s.sentence(f"op.{way}.end")
    s.sentence("op.out")
    s.sentence("op.after", 0.5)
    part.signature(s, 0.85)


def nursing(s: Scribe) -> None:
    """Nursing shift note."""
    part.letterhead(s, "nursing", 0.3)
    s.fill("nurse.top")
    s.out.text(" ")
    s.sentence("nurse.open")
    moves = ["nurse.pain", "nurse.lines", "nurse.intake", "nurse.safety", "nurse.family"]
    moves += ["nurse.doctor", "nurse.skin", "nurse.teach"]
    if s.encounter.phase < 0.7:
        moves.append("sx.still")
    for name in sample(s.rng, moves, integer(s.rng, 3, 6)):
        s.sentence(name)
    if chance(s.rng, 0.8):
        part.vitals(s)
    if s.episode.complication and s.encounter.day == s.episode.complication_day:
        s.sentence(f"comp.{s.episode.complication}")
    s.sentence("nurse.end", 0.6)
    s.out.newline()
    s.fill("sign.nurse")


def phone(s: Scribe) -> None:
    """Telephone encounter."""
    s.fill("phone.top")
    s.out.newline()
    s.sentence("phone.open")
    s.sentences("phone.story", 1, 2)
    s.sentence("phone.ask" if s.encounter.phase > 0.4 else "phone.worry")
    if chance(s.rng, 0.5):
        s.sentence("edu")
    s.sentences("phone.advice", 1, 2)
    s.sentence("phone.plan")
    s.out.newline()
    s.fill("sign.nurse")


def social_work(s: Scribe) -> None:
    """Case management note: rich in identifiers."""
    part.letterhead(s, "social", 0.5)
    s.sentence("case.open")
    names = ("case.home", "case.insurance", "case.contact", "case.work", "case.help", "case.place")
    for name in sample(s.rng, names, integer(s.rng, 3, 5)):
        if name == "case.work" and not s.identity.employer:
            continue
        s.sentence(name)
    s.sentence("case.plan")
    part.signature(s)


KINDS: Mapping[str, Callable[[Scribe], None]] = {
    "admission": admission,
    "emergency": emergency,
    "progress": progress,
    "discharge": discharge,
    "clinic": clinic,
    "consult": consult,
    "radiology": radiology,
    "operative": operative,
    "nursing": nursing,
    "phone": phone,
    "social": social_work,
}
