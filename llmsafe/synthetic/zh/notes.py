"""The kinds of Chinese note, each a function that writes one through a `Scribe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from llmsafe.synthetic.draw import chance, integer, sample
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.zh import sections as part
from llmsafe.synthetic.zh.scribe import Scribe

# Study -> (bank of what is normal, bank of techniques).
STUDIES: Mapping[str, tuple[str, str]] = {
    "cxr": ("chest", "xr"), "ctchest": ("chest", "ct"), "ctpa": ("chest", "ct"),
    "ctabd": ("abdomen", "ct"), "cte": ("abdomen", "ct"), "ctkub": ("abdomen", "ct"),
    "cturo": ("abdomen", "ct"), "cthead": ("head", "ct"), "mribrain": ("head", "mr"),
    "mriknee": ("bone", "mr"), "mrispine": ("bone", "mr"), "mrishoulder": ("bone", "mr"),
    "mripelvis": ("other", "mr"), "ctsinus": ("head", "ct"), "cta": ("other", "ct"),
    "echo": ("heart", "us"), "usabd": ("abdomen", "us"), "usruq": ("abdomen", "us"),
    "usrenal": ("abdomen", "us"), "xrabd": ("other", "xr"), "xrfoot": ("bone", "xr"),
    "xrhand": ("bone", "xr"), "xrhip": ("bone", "xr"), "xrknee": ("bone", "xr"),
    "xrankle": ("bone", "xr"), "xrwrist": ("bone", "xr"),
}  # fmt: skip
WHO = ("name", "sex", "age")
ADMISSION = (
    "nation", "job", "work", "native", "address", "dob", "rid", "phone", "contact", "plan", "ward",
    "bed", "inpatient", "mrn", "zip", "email", "admitted", "written", "teller",
)  # fmt: skip
DISCHARGE = (
    "job", "work", "address", "phone", "inpatient", "mrn", "rid", "plan", "ward", "bed",
    "admitted", "left",
)  # fmt: skip


def admission(s: Scribe) -> None:
    """入院记录."""
    part.letterhead(s, "admission", WHO, ADMISSION, integer(s.rng, 5, 11))
    part.complaint(s)
    part.history(s)
    part.past_history(s)
    part.social(s)
    part.family(s)
    if chance(s.rng, 0.5):
        part.medications(s, home=True)
    part.exam(s)
    part.data(s)
    part.plan(s, 2, 4)
    part.signature(s)


def emergency(s: Scribe) -> None:
    """急诊病历."""
    more = ("phone", "address", "rid", "outpatient", "visit", "contact", "plan", "work")
    part.letterhead(s, "emergency", WHO, more, integer(s.rng, 2, 5))
    part.complaint(s)
    s.sentence("ed.arrival", 0.8)
    part.history(s)
    if chance(s.rng, 0.6):
        part.past_history(s)
    part.exam(s, brief=True)
    s.header("course")
    s.sentences("ed.course", 1, 3)
    part.laboratory(s, compare=False, count=integer(s.rng, 3, 6))
    s.sentence("ed.leave")
    part.signature(s)


def progress(s: Scribe) -> None:
    """病程记录."""
    if chance(s.rng, 0.5):
        part.letterhead(s, "progress", ("name",), ("bed", "inpatient", "ward", "age"), 2)
    s.fill("visittime")
    s.out.newline()
    s.sentence("round.open")
    s.sentences("round.more", 1, 2)
    if s.episode.procedure and s.encounter.day > s.episode.procedure_day:
        s.sentence("round.postop")
    part.exam(s, brief=True)
    if chance(s.rng, 0.85):
        part.laboratory(s, compare=True, count=integer(s.rng, 2, 5))
    if s.episode.complication and 0 <= s.encounter.day - s.episode.complication_day <= 1:
        s.sentence(f"comp.{s.episode.complication}")
    if chance(s.rng, 0.7):
        part.plan(s, 1, 3)
    s.sentence("round.ask", 0.6)
    part.signature(s)


def discharge(s: Scribe) -> None:
    """出院小结."""
    part.letterhead(s, "discharge", WHO, DISCHARGE, integer(s.rng, 3, 7))
    s.header("dates")
    s.sentence("stay.dates")
    s.header("hpi.brief")
    s.sentence("hpi.open")
    s.sentence("hx")
    s.header("dx.final")
    part.diagnoses(s)
    s.header("course")
    _stay(s)
    s.header("exam.final")
    s.sentence("leave.state")
    part.vitals(s)
    part.medications(s)
    s.header("instructions")
    names = ["leave.diet", "edu", "leave.follow", "leave.call"]
    if s.identity.employer and chance(s.rng, 0.5):
        names.append("leave.work")
    s.items([partial(s.fill, name) for name in names])
    part.signature(s)
    if chance(s.rng, 0.3):
        s.out.newline()
        s.sentence("closing.contact")


def _stay(s: Scribe) -> None:
    s.sentence("stay.open")
    s.sentences("course" if s.has("course") else "edu", 1, 3)
    if s.episode.procedure:
        s.sentence("stay.operated")
    if s.episode.complication:
        s.sentence(f"comp.{s.episode.complication}")
    part.laboratory(s, compare=True, count=integer(s.rng, 2, 4))
    if s.has("imp"):
        s.sentence("img.say", 0.6)
    s.sentence("stay.end")


def clinic(s: Scribe) -> None:
    """门诊病历."""
    first = s.encounter.phase < 0.2
    more = ("outpatient", "phone", "visit", "ward", "rid", "address", "plan", "work")
    part.letterhead(s, "clinic", WHO, more, integer(s.rng, 1, 4))
    part.complaint(s, again=not first)
    if first:
        part.history(s)
        part.past_history(s)
    else:
        s.header("interval")
        s.sentence("visit.open")
        s.sentences("visit.since", 1, 2)
    part.exam(s, brief=True)
    if chance(s.rng, 0.7):
        part.data(s, compare=not first)
    part.plan(s, 1, 3)
    s.sentence("leave.follow", 0.5)
    part.signature(s)


def consult(s: Scribe) -> None:
    """会诊."""
    part.letterhead(
        s, "consult", WHO, ("bed", "inpatient", "ward", "written"), integer(s.rng, 1, 3)
    )
    s.header("reason")
    s.sentence("consult.reason")
    if chance(s.rng, 0.6):
        part.history(s)
    part.exam(s, brief=True)
    part.data(s)
    s.header("impression")
    s.sentence("assess.open")
    s.sentences("consult.think", 1, 2)
    s.header("recommendations")
    options = s.grammar.rule(f"{s.episode.condition}.plan").options
    s.items([partial(s.fill, "plan") for _ in range(min(integer(s.rng, 2, 4), len(options)))])
    s.out.newline()
    s.sentence("consult.thanks")
    part.signature(s)


def radiology(s: Scribe) -> None:
    """影像报告."""
    study = knowledge().conditions[s.episode.condition].study
    normal, technique = STUDIES.get(study, ("other", "us"))
    more = ("outpatient", "inpatient", "bed", "ward", "visit", "phone")
    part.letterhead(s, "radiology", (*WHO, "accession"), more, integer(s.rng, 1, 4))
    s.header("exam.name")
    s.fill(f"s.{study}.name")
    s.header("indication")
    s.sentence("rad.why")
    if chance(s.rng, 0.5):
        s.header("comparison")
        s.sentence("rad.compare")
    if chance(s.rng, 0.5):
        s.header("technique")
        s.sentence(f"tech.{technique}")
    s.header("findings")
    s.sentence("rad.open", 0.3)
    s.sentence("img")
    s.sentences(f"n.{normal}", 2, 3)
    s.header("rad.impression")
    lines: list[Callable[[], None]] = [partial(s.fill, "imp")]
    if chance(s.rng, 0.5):
        lines.append(partial(s.fill, "rad.also"))
    s.items(lines)
    if chance(s.rng, 0.4):
        s.out.newline()
        s.sentence("rad.call")
    part.signature(s, "sign.rad", 0.9)


def operative(s: Scribe) -> None:
    """手术记录."""
    procedure = s.episode.procedure
    way = s.grammar.rule(f"p.{procedure}.way").sources[0]
    more = ("bed", "inpatient", "ward", "mrn", "written")
    part.letterhead(s, "operative", WHO, more, integer(s.rng, 1, 4))
    s.header("preop")
    s.fill("dx")
    s.header("postop")
    s.fill("op.same") if chance(s.rng, 0.4) else s.fill("dx")
    s.header("operation")
    s.fill("op")
    s.header("surgeon")
    s.fill("author")
    if chance(s.rng, 0.7):
        s.header("assistant")
        s.fill("colleague_name")
    if chance(s.rng, 0.7):
        s.header("anesthesia")
        s.fill(f"op.{way}.anes" if s.has(f"op.{way}.anes") else "op.anes")
    s.header("op.detail")
    s.sentence("op.why", 0.6)
    s.sentence("op.consent", 0.6)
    s.sentence(f"op.{way}.begin")
    s.sentence(f"p.{procedure}.core")
    s.sentence(f"op.{way}.end")
    s.sentences("op.after", 1, 2)
    part.signature(s)


def nursing(s: Scribe) -> None:
    """护理记录."""
    if chance(s.rng, 0.5):
        part.letterhead(s, "nursing", ("name",), ("bed", "inpatient", "ward", "age", "sex"), 2)
    s.fill("nurse.top")
    s.out.newline()
    s.sentence("nurse.open")
    s.sentences("nurse.do", 2, 4)
    if chance(s.rng, 0.8):
        part.vitals(s)
    if s.episode.complication and s.encounter.day == s.episode.complication_day:
        s.sentence(f"comp.{s.episode.complication}")
    s.sentence("nurse.end", 0.6)
    part.signature(s, "sign.nurse", 0.9)


def phone(s: Scribe) -> None:
    """电话随访."""
    s.fill("phone.top")
    s.out.newline()
    s.sentence("phone.open")
    s.sentences("phone.story", 1, 3)
    s.sentences("phone.advice", 1, 3)
    s.sentence("phone.end", 0.8)
    part.signature(s, "sign.nurse", 0.5)


def chat(s: Scribe) -> None:
    """微信: the patient or a relative writes, the ward answers."""
    s.fill("chat.top")
    me, you = sample(s.rng, ((("患者", "医生"), ("家属", "护士"), ("", ""))), 1)[0]
    for _ in range(integer(s.rng, 1, 3)):
        _turn(s, me, "name", "chat.pt")
        _turn(s, you, "author", "chat.doc")
    if chance(s.rng, 0.5):
        _turn(s, me, "name", "chat.bye")


def _turn(s: Scribe, role: str, who: str, rule: str) -> None:
    """One line of a chat: by role, or by name where the messenger shows names."""
    s.out.newline()
    if role:
        s.out.text(role)
    else:
        s.fill("fullname" if who == "name" else "author")
    s.out.text("：")
    s.sentence(rule)


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
    "chat": chat,
}
