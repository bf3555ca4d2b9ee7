"""Writes one English note: expands the grammar and lays it out as the author would.

What a name in the grammar such as `<pt>` or `<visit>` writes is a slot, see `slots`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from llmsafe.synthetic.course import Course, Encounter, Episode
from llmsafe.synthetic.draw import chance, derive, integer, sample
from llmsafe.synthetic.en.style import Style
from llmsafe.synthetic.grammar import Choice, Grammar, Number, Ref, Rule
from llmsafe.synthetic.grammar import Sequence as Phrase
from llmsafe.synthetic.identity import Identity, Relative, Staff
from llmsafe.synthetic.writer import Writer


@dataclass
class Story:
    """What the notes of one episode share: chosen findings and facts, and who is involved."""

    episode: Episode
    symptoms: tuple[Phrase, ...]
    findings: tuple[tuple[str, Phrase], ...]
    team: dict[str, Staff]
    facts: dict[str, str] = field(default_factory=dict[str, str])
    absent: tuple[Phrase, ...] | None = None


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
        slots: Mapping[str, Callable[[Scribe], None]],
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
        self._slots = slots
        self.turn = integer(rng, 0, 9)
        self.named = False
        age = self.age
        female = self.identity.sex == "f"
        self.words = {
            "he": "she" if female else "he",
            "him": "her" if female else "him",
            "his": "her" if female else "his",
            "himself": "herself" if female else "himself",
            "man": ("girl" if female else "boy") if age < 15 else ("woman" if female else "man"),
            "male": "female" if female else "male",
        }

    @property
    def age(self) -> int:
        born, day = self.identity.birth_date, self.encounter.date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    @property
    def small(self) -> bool:
        """Too young to tell the story or to be examined like an adult."""
        return self.age < 6

    @property
    def title(self) -> str:
        return "Ms." if self.identity.sex == "f" else "Mr."

    @property
    def admission_day(self) -> date:
        arrive = 14 if self.episode.setting == "elective" else 0
        return self.episode.start + timedelta(arrive)

    # -- grammar ---------------------------------------------------------------------------------

    def write(self, phrase: Phrase) -> None:
        """Expand a compiled phrase."""
        text, random = self.out.text, self.rng.random
        for node in phrase:
            kind = type(node)
            if kind is Choice:
                options = node.options  # type: ignore[union-attr]
                option = options[int(random() * len(options))]
                if len(option) == 1 and isinstance(only := option[0], str):
                    text(only)
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
        slot = self._slots.get(name)
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

    def symptom(self) -> None:
        """A sentence that reports symptoms."""
        self.sentence("sx.say.child" if self.small else "sx.say")

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
