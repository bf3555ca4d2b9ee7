"""Chinese: eleven kinds of note, in simplified characters (mainland) or traditional ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from llmsafe.notes import Note
from llmsafe.synthetic.course import Course, Encounter, Episode
from llmsafe.synthetic.draw import chance, derive, pick
from llmsafe.synthetic.grammar import Audience, Grammar, load_grammar
from llmsafe.synthetic.identity import Identity, Staff
from llmsafe.synthetic.knowledge import Knowledge, knowledge
from llmsafe.synthetic.options import Options
from llmsafe.synthetic.telling import Patient, Story, make_story
from llmsafe.synthetic.zh import people, people_hant
from llmsafe.synthetic.zh.notes import KINDS
from llmsafe.synthetic.zh.scribe import Scribe
from llmsafe.synthetic.zh.slots import SLOTS
from llmsafe.synthetic.zh.style import style

SHORT_KINDS = frozenset(("phone", "chat", "nursing", "radiology"))
_AUTHOR = {
    "nursing": "nurse", "phone": "nurse", "chat": "resident", "radiology": "radiologist",
    "emergency": "emergency", "consult": "specialist", "operative": "specialist",
}  # fmt: skip
MakeIdentity: TypeAlias = Callable[[random.Random, str, int, Audience, Course], Identity]


class Chinese:
    """Renders courses in Chinese for one audience, in one of the scripts."""

    def __init__(self, audience: Audience, lang: str, identity: MakeIdentity) -> None:
        self._audience: Audience = audience
        self._lang = lang
        self._make_identity = identity
        self._grammar: Grammar = load_grammar(__name__, audience)
        able = [c for c in knowledge().conditions if f"{c}.name" in self._grammar.rules]
        self._knowledge = knowledge().only(able)

    def knowledge(self) -> Knowledge:
        """The conditions with a name in the grammar."""
        return self._knowledge

    def identity(self, rng: random.Random, patient_id: str, seed: int, course: Course) -> Identity:
        """An identity of the mainland, of Taiwan or of Hong Kong."""
        return self._make_identity(rng, patient_id, seed, self._audience, course)

    def notes(
        self, rng: random.Random, identity: Identity, course: Course, options: Options
    ) -> tuple[Note, ...]:
        """All notes of the course in order of time."""
        out: list[Note] = []
        for number, episode in enumerate(course.episodes):
            story = make_story(self._grammar, episode, self._team(episode, identity))
            patient = Patient(identity, course, course.episodes[:number])
            for encounter in _chosen(episode, options):
                if options.max_notes is not None and len(out) >= options.max_notes:
                    return tuple(out)
                out.append(self._note(rng, patient, story, encounter, len(out)))
        return tuple(out)

    def _note(
        self, rng: random.Random, patient: Patient, story: Story, encounter: Encounter, number: int
    ) -> Note:
        author = _author(rng, encounter, story.team, patient.identity)
        manner = style(author.style, _place(patient.identity))
        scribe = Scribe(rng, self._grammar, manner, patient, story, encounter, author, SLOTS)
        specialty = self._knowledge.conditions[story.episode.condition].specialty
        scribe.subject["dept"] = people.DEPARTMENTS[specialty]
        KINDS[encounter.kind](scribe)
        text, spans = scribe.out.result()
        gold = [{"start": s, "end": e, "category": c} for s, e, c in spans]
        return Note(
            note_id=f"{patient.identity.patient_id}-{number:02d}",
            text=text,
            patient_id=patient.identity.patient_id,
            date=encounter.date.isoformat(),
            lang=self._lang,
            extra={"kind": encounter.kind, "author": author.name, "spans": gold},
        )

    def _team(self, episode: Episode, identity: Identity) -> dict[str, Staff]:
        """Who looks after this episode."""
        rng = derive(episode.seed, "team")
        staff = identity.institution.staff
        specialty = self._knowledge.conditions[episode.condition].specialty

        def one(specialty: str = "", role: str = "physician") -> Staff:
            return pick(
                rng, [s for s in staff if s.role == role and specialty in ("", s.specialty)]
            )

        return {
            "attending": one("pediatrics" if episode.age < 16 else "internal medicine"),
            "specialist": one(specialty),
            "resident": one(role="resident"),
            "nurse": one(role="nurse"),
            "radiologist": one("radiology"),
            "emergency": one("emergency"),
        }


def _place(identity: Identity) -> str:
    return {"臺灣": "tw", "香港": "hk"}.get(identity.institution.state, "cn")


def _author(
    rng: random.Random, encounter: Encounter, team: dict[str, Staff], identity: Identity
) -> Staff:
    role = _AUTHOR.get(encounter.kind)
    if role == "nurse":
        return pick(rng, [s for s in identity.institution.staff if s.role == "nurse"])
    if role is not None:
        return team[role]
    if encounter.kind == "clinic":
        return identity.primary_care if chance(rng, 0.3) else team["specialist"]
    return team["attending"] if chance(rng, 0.4) else team["resident"]


def _chosen(episode: Episode, options: Options) -> tuple[Encounter, ...]:
    """The encounters that are written up. Chats take the place of the social worker's notes, and
    of a third of the calls."""
    rng = derive(episode.seed, "chat")
    told: list[Encounter] = []
    for encounter in episode.encounters:
        chats = encounter.kind == "social" or (encounter.kind == "phone" and chance(rng, 0.35))
        told.append(replace(encounter, kind="chat") if chats else encounter)
    if options.length == "mixed":
        return tuple(told)
    brief = tuple(e for e in told if e.kind in SHORT_KINDS)
    return brief or (replace(told[-1], kind="phone"),)


def load(audience: Audience) -> Chinese:
    """Simplified characters: the mainland."""
    return Chinese(audience, "zh", people.make_identity)


def load_traditional(audience: Audience) -> Chinese:
    """Traditional characters: Taiwan and Hong Kong."""
    return Chinese(audience, "zh-Hant", people_hant.make_identity)
