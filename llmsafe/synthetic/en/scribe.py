"""Writes one English note: expands the grammar and fills its slots.

A slot such as `<pt>` or `<visit>` is a method named `slot_pt`, `slot_visit`: it writes into the
note, and if what it writes identifies somebody, it writes it through `Writer.phi`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from llmsafe.synthetic.course import Course, Dose, Encounter, Episode
from llmsafe.synthetic.draw import chance, derive, digits, integer, pick, sample
from llmsafe.synthetic.en.numbers import amount, number_word, span_of_days
from llmsafe.synthetic.en.style import SHORT_DATE_FORMS, Style
from llmsafe.synthetic.grammar import Choice, Grammar, Number, Ref, Rule
from llmsafe.synthetic.grammar import Sequence as Phrase
from llmsafe.synthetic.identity import Identity, Relative, Staff
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.writer import Writer


@dataclass
class Story:
    """What the notes of one episode share: chosen findings and facts, and who is involved."""

    episode: Episode
    symptoms: tuple[Phrase, ...]
    findings: tuple[tuple[str, Phrase], ...]
    team: dict[str, Staff]
    facts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Patient:
    """All a note may refer to, apart from the episode."""

    identity: Identity
    course: Course
    earlier: tuple[Episode, ...]


class Scribe:
    """Expands phrases into one note."""

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        style: Style,
        patient: Patient,
        story: Story,
        encounter: Encounter,
        author: Staff,
    ) -> None:
        self.rng = rng
        self.grammar = grammar
        self.style = style
        self.patient = patient
        self.identity = patient.identity
        self.course = patient.course
        self.story = story
        self.episode = story.episode
        self.encounter = encounter
        self.author = author
        self.out = Writer(style.restyle, upper=style.upper)
        self.condition = self.episode.condition
        self.subject: dict[str, str] = {}
        self.relative: Relative | None = None
        self._used: dict[str, list[Phrase]] = {}
        self._symptom = integer(rng, 0, 9)
        self._named = False
        age = self.age
        female = self.identity.sex == "f"
        self.words = {
            "he": "she" if female else "he",
            "him": "her" if female else "him",
            "his": "her" if female else "his",
            "himself": "herself" if female else "himself",
            "man": ("girl" if female else "boy")
            if age < 15
            else ("woman" if female else "man"),
            "male": "female" if female else "male",
        }

    # -- grammar ---------------------------------------------------------------------------------

    def write(self, phrase: Phrase) -> None:
        """Expand a compiled phrase."""
        text, random = self.out.text, self.rng.random
        for node in phrase:
            kind = type(node)
            if kind is Choice:
                options = node.options  # type: ignore[union-attr]
                option = options[int(random() * len(options))]
                if len(option) == 1 and type(option[0]) is str:
                    text(option[0])
                elif option:
                    self.write(option)
            elif kind is str:
                text(node)  # type: ignore[arg-type]
            elif isinstance(node, Number):
                value = node.low + node.step * int(random() * node.steps)
                text(f"{value:.{node.decimals}f}")
            elif isinstance(node, Ref):
                if node.capital:
                    self.out.capital()
                self.fill(node.name)

    def fill(self, name: str) -> None:
        """A word of the patient, a slot, a fact of the episode, or a rule, in this order."""
        word = self.words.get(name) or self.subject.get(name)
        if word is not None:
            self.out.text(word)
            return
        slot = SLOTS.get(name)
        if slot is not None:
            slot(self)
            return
        facts = self.grammar.facts.get(self.condition)
        if facts is not None and name in facts:
            self.out.text(self._fact(f"{self.condition}.{name}", facts[name]))
        elif name in self._local(self.condition):
            self.write(self.choose(f"{self.condition}.{name}"))
        else:
            self.write(self.choose(name))

    def _local(self, condition: str) -> Mapping[str, Rule]:
        return self.grammar.local.get(condition) or {}

    def _fact(self, key: str, phrase: Phrase) -> str:
        """A fact's text, decided once for the episode."""
        known = self.story.facts.get(self.episode.seed + key)
        if known is None:
            keep, rng = self.out, self.rng
            self.out, self.rng = Writer(), derive(self.episode.seed, key)
            self.write(phrase)
            known = self.story.facts[self.episode.seed + key] = self.out.result()[0]
            self.out, self.rng = keep, rng
        return known

    def choose(self, name: str) -> Phrase:
        """An alternative of the rule, the ones not yet used in this note first."""
        options = self.grammar.rule(name).options
        if len(options) == 1:
            return options[0]
        left = self._used.get(name)
        if not left:
            if self.identity.employer is None:
                options = self.grammar.options_without(name, "employer")
            left = self._used[name] = list(options)
        return left.pop(int(self.rng.random() * len(left)))

    def say(self, name: str) -> None:
        """Expand a rule in place."""
        self.fill(name)

    def sentence(self, name: str, probability: float = 1.0) -> None:
        """Expand a rule as a sentence of its own."""
        if probability < 1.0 and not chance(self.rng, probability):
            return
        self.out.capital()
        self.fill(name)
        self.out.stop()

    def sentences(self, name: str, low: int, high: int) -> None:
        """Between `low` and `high` sentences from one bank, without repetition."""
        rule = self.grammar.rules.get(f"{self.condition}.{name}") or self.grammar.rule(name)
        for _ in range(min(integer(self.rng, low, high), len(rule.options))):
            self.sentence(name)

    def has(self, name: str) -> bool:
        """Whether the bank exists, for the present condition or for all."""
        return name in self._local(self.condition) or name in self.grammar.rules

    def about(self, condition: str, name: str) -> None:
        """Expand a rule of another condition; `pmh`, its name as an old problem, may be `name`."""
        keep, self.condition = self.condition, condition
        self.fill("name" if name == "pmh" and not self.has("pmh") else name)
        self.condition = keep

    def past(self, episode: Episode, name: str) -> None:
        """Expand a rule about an earlier episode: its side, not the present one."""
        keep, self.episode = self.episode, episode
        self.about(episode.condition, name)
        self.episode = keep

    # -- layout ----------------------------------------------------------------------------------

    def header(self, name: str) -> None:
        """Open a section, the way this author does."""
        style = self.style
        options = self.grammar.rule(f"h.{name}").options
        phrase = options[(style.number * 7 + len(name)) % len(options)]
        if style.layout == "run-on":
            if self.out.last not in "\n":
                self.out.newline(2)
            if chance(self.rng, 0.5):
                return
        else:
            self.out.newline(style.blank_lines)
        title = Writer()
        keep, self.out = self.out, title
        self.write(phrase)
        self.out = keep
        text = title.result()[0]
        self.out.capital()
        self.out.text((text.upper() if style.caps else text) + (style.colon or ":"))
        if style.layout == "block" and style.colon != " -":
            self.out.newline()
        else:
            self.out.text(" ")

    def items(self, writers: Sequence[Callable[[], None]]) -> None:
        """A list in the author's manner: numbered, bulleted or run together."""
        style = self.style
        inline = style.layout == "run-on" or (style.layout == "inline" and not style.bullet)
        for number, write in enumerate(writers, start=1):
            if inline:
                self.out.capital()
                write()
                self.out.stop()
                continue
            self.out.newline()
            bullet = style.bullet.replace("1", str(number))
            if bullet:
                self.out.text(bullet + ("" if bullet == "#" else " "))
            self.out.capital()
            write()
            if not style.terse:
                self.out.stop()
        if not inline:
            self.out.newline()

    def listing(self, writers: Sequence[Callable[[], None]], last: str = "and") -> None:
        """a, b and c."""
        for i, write in enumerate(writers):
            if i:
                self.out.text(f" {last} " if i == len(writers) - 1 else ", ")
            write()

    # -- the patient -----------------------------------------------------------------------------

    @property
    def age(self) -> int:
        born, day = self.identity.birth_date, self.encounter.date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    @property
    def title(self) -> str:
        return "Ms." if self.identity.sex == "f" else "Mr."

    def name(self, value: str) -> None:
        self.out.phi(value, "NAME")

    def slot_pt(self) -> None:
        way = self.rng.random()
        if self.age < 15:
            if way < 0.35:
                self.name(self.identity.first)
            else:
                self.out.text("the patient" if way < 0.8 else self.words["he"])
        elif way < 0.42:
            self.out.text("the patient")
        elif way < 0.68 and self._named:
            self.out.text(self.words["he"])
        elif way < 0.72 and self.identity.nickname:
            self.name(self.identity.nickname)
        elif way < 0.94:
            self._named = True
            self.out.text(f"{self.title} ")
            self.name(self.identity.last)
        else:
            self._named = True
            self.name(f"{self.identity.first} {self.identity.last}")

    def slot_pts(self) -> None:
        self.slot_pt_plain()
        self.out.text("'s")

    def slot_pt_plain(self) -> None:
        if chance(self.rng, 0.5):
            self.out.text("the patient")
        else:
            self.slot_mr()

    def slot_mr(self) -> None:
        if self.age < 15:
            self.name(self.identity.first)
            return
        self.out.text(f"{self.title} ")
        self.name(self.identity.last)

    def slot_fullname(self) -> None:
        who = self.identity
        form = integer(self.rng, 0, 4)
        if form == 0:
            self.name(f"{who.first} {who.middle[0]}. {who.last}")
        elif form == 1:
            self.name(f"{who.first} {who.middle} {who.last}")
        else:
            self.name(f"{who.first} {who.last}")

    def slot_lastfirst(self) -> None:
        who = self.identity
        form = pick(self.rng, ("{l}, {f}", "{l}, {f} {m}.", "{L}, {F}", "{L},{F}", "{L}, {F} {m}"))
        self.name(
            form.format(
                l=who.last, f=who.first, m=who.middle[0], L=who.last.upper(), F=who.first.upper()
            )
        )

    def slot_first(self) -> None:
        self.name(self.identity.first)

    def slot_age(self) -> None:
        if self.age > 89:
            self.out.phi(str(self.age), "AGE")
        elif self.age < 2:
            months = (self.encounter.date - self.identity.birth_date).days // 30
            self.out.text(f"{max(1, months)}-month-old")
            return
        else:
            self.out.text(str(self.age))

    def slot_agesex(self) -> None:
        """`67-year-old woman` in one of the usual notations."""
        if self.age < 2:
            self.slot_age()
            self.out.text(f" {self.words['man']}")
            return
        self.slot_age()
        letter = self.identity.sex.upper()
        if self.style.terse:
            forms = (f" y/o {letter}", f"yo {letter}", f"{letter}", f" yo {self.words['male']}")
        else:
            forms = (
                f"-year-old {self.words['male']}",
                f"-year-old {self.words['man']}",
                f" year old {self.words['man']}",
                f"-year-old {self.words['man']}",
            )
        self.out.text(pick(self.rng, forms))

    def slot_weight(self) -> None:
        kilos = self.encounter.vitals.weight
        if self.age < 13 or chance(self.rng, 0.6):
            self.out.text(f"{kilos:.1f} kg")
        else:
            self.out.text(f"{round(kilos * 2.2046)} {pick(self.rng, ('pounds', 'lb', 'lbs'))}")

    # -- identifiers -----------------------------------------------------------------------------

    def slot_dob(self) -> None:
        self.out.phi(self.style.date(self.identity.birth_date), "DATE")

    def slot_mrn(self) -> None:
        self.out.phi(self.identity.mrn, "MRN")

    def slot_ssn(self) -> None:
        ssn = self.identity.ssn or ""
        self.out.phi(ssn if chance(self.rng, 0.8) else ssn.replace("-", pick(self.rng, (" ", ""))), "SSN")

    def slot_ssn4(self) -> None:
        self.out.phi((self.identity.ssn or "")[-4:], "SSN")

    def slot_account(self) -> None:
        self.out.phi(self.identity.account, "ACCOUNT")

    def slot_plan_number(self) -> None:
        self.out.phi(self.identity.health_plan, "HEALTH_PLAN")

    def slot_insurer(self) -> None:
        self.out.phi(self.identity.insurer, "ORGANIZATION")

    def slot_phone(self) -> None:
        own = self.identity.phone if chance(self.rng, 0.5) else self.identity.mobile
        self.out.phi(own, "PHONE")

    def slot_email(self) -> None:
        if self.identity.email:
            self.out.phi(self.identity.email, "EMAIL")
        else:
            self.out.phi(self.identity.phone, "PHONE")

    def slot_plate(self) -> None:
        self.out.phi(self.identity.vehicle, "VEHICLE")

    def slot_street(self) -> None:
        self.out.phi(self.identity.street, "LOCATION")

    def slot_city(self) -> None:
        self.out.phi(self.identity.city, "LOCATION")

    def slot_address(self) -> None:
        """Street, city, state, ZIP code: four spans."""
        who = self.identity
        self._address(who.street, who.city, who.state, who.zip)

    def slot_hospital_address(self) -> None:
        place = self.identity.institution
        self._address(place.street, place.city, place.state, place.zip)

    def _address(self, street: str, city: str, state: str, code: str) -> None:
        for value, after in ((street, ", "), (city, ", "), (state, " "), (code, "")):
            self.out.phi(value, "LOCATION")
            self.out.text(after)

    def slot_employer(self) -> None:
        self.out.phi(self.identity.employer or self.identity.institution.name, "ORGANIZATION")

    def slot_occupation(self) -> None:
        self.out.text(self.identity.occupation or "retired worker")

    def slot_device(self) -> None:
        letters = "".join(pick(self.rng, "ABCDEFGHKLMNPRSTVX") for _ in range(3))
        self.out.phi(f"{letters}{digits(self.rng, 6)}{pick(self.rng, ('', 'H', '-A'))}", "DEVICE")

    def slot_accession(self) -> None:
        self.out.phi(f"{pick(self.rng, ('RA', 'S', 'XR', 'ACC'))}-{digits(self.rng, 7)}", "OTHER_ID")

    def slot_ip(self) -> None:
        block = pick(self.rng, ("192.0.2", "198.51.100", "203.0.113"))
        self.out.phi(f"{block}.{integer(self.rng, 2, 250)}", "IP")

    def slot_fingerprint(self) -> None:
        self.out.phi(f"FP-{digits(self.rng, 8)}", "BIOMETRIC")

    # -- other people and places -----------------------------------------------------------------

    def slot_rel(self) -> None:
        """Chooses a relative and writes the relationship: `his wife`, `his wife Mary`."""
        who = self.relative = pick(self.rng, self.identity.relatives)
        self.out.text(f"{self.words['his']} {who.relationship}")
        if chance(self.rng, 0.45):
            self.out.text(pick(self.rng, (" ", " ", ", ")))
            self.name(who.first if chance(self.rng, 0.6) else f"{who.first} {who.last}")

    def slot_relationship(self) -> None:
        who = self.relative = self.relative or pick(self.rng, self.identity.relatives)
        self.out.text(who.relationship)

    def slot_relname(self) -> None:
        who = self.relative = self.relative or pick(self.rng, self.identity.relatives)
        self.name(f"{who.first} {who.last}")

    def slot_relfirst(self) -> None:
        who = self.relative = self.relative or pick(self.rng, self.identity.relatives)
        self.name(who.first)

    def slot_relphone(self) -> None:
        who = self.relative = self.relative or pick(self.rng, self.identity.relatives)
        self.out.phi(who.phone, "PHONE")

    def doctor(self, who: Staff) -> None:
        way = self.rng.random()
        if way < 0.55:
            self.out.text("Dr. ")
            self.name(who.last)
        elif way < 0.8:
            self.out.text("Dr. ")
            self.name(who.name)
        elif way < 0.92:
            self.name(who.name)
            self.out.text(f", {who.credential}")
        else:
            self.out.text("Dr. ")
            self.name(f"{who.first[0]}. {who.last}")

    def slot_pcp(self) -> None:
        self.doctor(self.identity.primary_care)

    def slot_attending(self) -> None:
        self.doctor(self.story.team["attending"])

    def slot_specialist(self) -> None:
        self.doctor(self.story.team["specialist"])

    def slot_colleague(self) -> None:
        """Some other physician of the house."""
        people = [s for s in self.identity.institution.staff if s.role == "physician"]
        self.doctor(pick(self.rng, people))

    def slot_nurse(self) -> None:
        who = self.story.team["nurse"]
        self.name(who.first if chance(self.rng, 0.4) else who.name)
        if chance(self.rng, 0.6):
            self.out.text(f", {who.credential}")

    def slot_worker(self) -> None:
        self.name(self.story.team["social"].name)

    def slot_author(self) -> None:
        self.name(self.author.name)
        self.out.text(f", {self.author.credential}")

    def slot_author_name(self) -> None:
        self.name(self.author.name)

    def slot_initials(self) -> None:
        self.name(f"{self.author.first[0]}{self.author.last[0]}")

    def slot_licence(self) -> None:
        self.out.phi(self.author.licence, "LICENSE")

    def slot_pager(self) -> None:
        self.out.phi(self.author.pager, "PHONE")

    def slot_hospital(self) -> None:
        self.out.phi(self.identity.institution.name, "ORGANIZATION")

    def slot_clinic(self) -> None:
        self.out.phi(self.identity.institution.clinic, "ORGANIZATION")

    def slot_hospital_phone(self) -> None:
        self.out.phi(self.identity.institution.phone, "PHONE")

    def slot_fax(self) -> None:
        self.out.phi(self.identity.institution.fax, "FAX")

    def slot_url(self) -> None:
        self.out.phi(self.identity.institution.url, "URL")

    def slot_specialty(self) -> None:
        self.out.text(self.story.team["specialist"].specialty)

    # -- dates -----------------------------------------------------------------------------------

    def date(self, day: date, *, short: bool = False) -> None:
        if short and chance(self.rng, 0.55):
            text = self.style.date(day, pick(self.rng, SHORT_DATE_FORMS))
            if text.startswith("the "):
                self.out.text("the ")
                text = text[4:]
            self.out.phi(text, "DATE")
        else:
            self.out.phi(self.style.date(day), "DATE")

    def slot_visit(self) -> None:
        self.date(self.encounter.date)

    def slot_admitted(self) -> None:
        self.date(self.admission_day)

    @property
    def admission_day(self) -> date:
        arrive = 14 if self.episode.setting == "elective" else 0
        return self.episode.start + timedelta(arrive)

    def slot_operated(self) -> None:
        self.date(self.episode.start + timedelta(max(0, self.episode.procedure_day)), short=True)

    def slot_soon(self) -> None:
        """A date in the coming weeks."""
        self.date(self.encounter.date + timedelta(integer(self.rng, 4, 45)), short=True)

    def slot_recently(self) -> None:
        """A date shortly before the onset."""
        back = self.encounter.day + self.episode.onset + integer(self.rng, 1, 40)
        self.date(self.encounter.date - timedelta(back), short=True)

    def slot_began(self) -> None:
        self.date(self.episode.start - timedelta(self.episode.onset), short=True)

    def slot_onset(self) -> None:
        self.out.text(span_of_days(self.rng, self.episode.onset))

    def slot_ago(self) -> None:
        self.out.text(span_of_days(self.rng, self.episode.onset + self.encounter.day) + " ago")

    def slot_day(self) -> None:
        arrive = 14 if self.episode.setting == "elective" else 0
        self.out.text(str(self.encounter.day - arrive + 1))

    def slot_pod(self) -> None:
        self.out.text(str(max(0, self.encounter.day - self.episode.procedure_day)))

    def slot_stay(self) -> None:
        self.out.text(str(max(1, self.episode.stay)))

    def slot_year(self) -> None:
        self.out.phi(str(self.encounter.date.year - integer(self.rng, 1, 12)), "DATE")

    def slot_clock(self) -> None:
        """A time of day: not an identifier."""
        minute = self.encounter.minute
        hour, rest = divmod(minute, 60)
        forms = (f"{hour:02d}:{rest:02d}", f"{hour:02d}{rest:02d}", f"{hour % 12 or 12}:{rest:02d} {'AM' if hour < 12 else 'PM'}")
        self.out.text(forms[self.style.number % 3])

    # -- medicine --------------------------------------------------------------------------------

    def slot_sx(self) -> None:
        """The next of the episode's symptoms."""
        self._symptom += 1
        self.write(self.story.symptoms[self._symptom % len(self.story.symptoms)])

    def slot_finding(self) -> None:
        if self.story.findings:
            _, phrase = pick(self.rng, self.story.findings)
            self.write(phrase)
        else:
            self.slot_sx()

    def slot_indic(self) -> None:
        """What the imaging showed, or a finding where there was none."""
        if self.has("imp"):
            self.fill("imp")
        else:
            self.slot_finding()

    def slot_side(self) -> None:
        self.out.text(self.episode.side)

    def slot_oside(self) -> None:
        self.out.text("right" if self.episode.side == "left" else "left")

    def slot_dx(self) -> None:
        self.about(self.episode.condition, "name")

    def slot_bgnames(self) -> None:
        """One or two of the background conditions, or the lack of any."""
        codes = [code for code, _ in self.course.background]
        if not codes:
            self.out.text("no significant past history")
            return
        for i, code in enumerate(sample(self.rng, codes, integer(self.rng, 1, 2))):
            if i:
                self.out.text(" and ")
            self.about(code, "pmh")

    def slot_labline(self) -> None:
        """One value of the day."""
        codes = [c.code for c in knowledge().conditions[self.episode.condition].labs]
        code = pick(self.rng, codes or ["hgb"])
        self.fill(f"lab.{code}")
        self.out.text(f" {self.encounter.labs[code]:,.{knowledge().labs[code].decimals}f}")

    def slot_op(self) -> None:
        self.fill(f"p.{self.episode.procedure}.name")

    def slot_study(self) -> None:
        study = knowledge().conditions[self.episode.condition].study
        self.fill(f"s.{study}.name" if study else "s.none.name")

    def slot_a(self) -> None:
        self.out.article()

    def slot_num(self) -> None:
        self.out.text(number_word(self.rng, integer(self.rng, 2, 9)))

    def slot_bp(self) -> None:
        v = self.encounter.vitals
        self.out.text(f"{v.sbp}/{v.dbp}")

    def slot_hr(self) -> None:
        self.out.text(str(self.encounter.vitals.hr))

    def slot_rr(self) -> None:
        self.out.text(str(self.encounter.vitals.rr))

    def slot_temp(self) -> None:
        heat = self.encounter.vitals.temp
        if self.style.number % 4 == 0:
            self.out.text(f"{(heat - 32) / 1.8:.1f}")
        else:
            self.out.text(f"{heat:.1f}")

    def slot_spo2(self) -> None:
        self.out.text(str(self.encounter.vitals.spo2))

    def slot_height(self) -> None:
        tall = self.encounter.vitals.height
        inches = round(tall / 2.54)
        self.out.text(f"{tall} cm" if self.style.number % 2 else f"{inches // 12}'{inches % 12}\"")

    def slot_pain(self) -> None:
        self.out.text(f"{self.encounter.vitals.pain}/10")

    def slot_bmi(self) -> None:
        v = self.encounter.vitals
        self.out.text(f"{v.weight / (v.height / 100) ** 2:.1f}")

    def slot_drug(self) -> None:
        """Some drug that the patient takes, by name."""
        doses = [d for d in self.encounter.doses if d.status != "stopped"]
        if doses:
            self.drug_name(pick(self.rng, doses).drug)
        else:
            self.out.text("acetaminophen")

    def drug_name(self, code: str) -> None:
        drug = knowledge().drugs[code]
        generic = self.grammar.rules.get(f"d.{code}")
        if drug.brand and chance(self.rng, 0.3):
            self.out.text(drug.brand)
        elif generic:
            self.write(self.choose(f"d.{code}"))
        else:
            self.out.text(code.replace("_", " "))

    def dose(self, dose: Dose) -> None:
        """Name, strength, route and frequency."""
        drug = knowledge().drugs[dose.drug]
        self.drug_name(dose.drug)
        self.out.text(f" {amount(dose.amount)} {drug.unit} ")
        self.fill(f"r.{drug.route}")
        self.out.text(" ")
        self.fill(f"f.{dose.frequency}")


SLOTS: dict[str, Callable[[Scribe], None]] = {
    name[5:]: method for name, method in vars(Scribe).items() if name.startswith("slot_")
}


def make_story(grammar: Grammar, episode: Episode, team: dict[str, Staff]) -> Story:
    """Choose what this episode looks like, from its own seed."""
    rng = derive(episode.seed, "story")
    symptoms = sample(rng, grammar.rule(f"{episode.condition}.sx").options, integer(rng, 3, 5))
    findings: dict[str, Phrase] = {}
    for phrase in sample(rng, grammar.options(f"{episode.condition}.ex"), 3):
        head = phrase[0]
        assert isinstance(head, str)
        system, _, rest = head.partition(":")
        findings.setdefault(system, (rest.lstrip(), *phrase[1:]))
    return Story(episode, tuple(symptoms), tuple(findings.items()), team)
