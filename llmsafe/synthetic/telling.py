"""Tells the course of a patient: expands phrases into one note, in any language.

What a name in the grammar such as `<pt>` or `<visit>` writes is a slot of the language.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from llmsafe.synthetic.course import Course, Encounter, Episode
from llmsafe.synthetic.draw import chance, derive, integer, sample
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


class Teller:
    """Expands phrases into one note; a language adds its words and its layout."""

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        patient: Patient,
        story: Story,
        encounter: Encounter,
        author: Staff,
        slots: Mapping[str, Callable[[Any], None]],
        out: Writer,
    ) -> None:
        self.rng = rng
        self.grammar = grammar
        self.patient = patient
        self.identity = patient.identity
        self.course = patient.course
        self.story = story
        self.episode = story.episode
        self.encounter = encounter
        self.author = author
        self.out = out
        self.words: dict[str, str] = {}
        self.condition = self.episode.condition
        self.subject: dict[str, str] = {}
        self.relative: Relative | None = None
        self._used: dict[str, list[Phrase]] = {}
        self._slots = slots
        self.turn = integer(rng, 0, 9)
        self.named = False

    @property
    def age(self) -> int:
        born, day = self.identity.birth_date, self.encounter.date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    @property
    def small(self) -> bool:
        """Too young to tell the story or to be examined like an adult."""
        return self.age < 6

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
