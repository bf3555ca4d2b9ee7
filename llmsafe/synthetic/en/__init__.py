"""English: American identities and eleven kinds of note."""

from __future__ import annotations

import random
from dataclasses import replace

from llmsafe.notes import Note
from llmsafe.synthetic.course import Course, Encounter, Episode
from llmsafe.synthetic.draw import chance, derive, pick
from llmsafe.synthetic.en.notes import KINDS
from llmsafe.synthetic.en.people import by_specialty, make_identity
from llmsafe.synthetic.en.scribe import Scribe
from llmsafe.synthetic.en.slots import SLOTS
from llmsafe.synthetic.en.style import style
from llmsafe.synthetic.grammar import Audience, Grammar, load_grammar
from llmsafe.synthetic.identity import Identity, Staff
from llmsafe.synthetic.knowledge import Knowledge, knowledge
from llmsafe.synthetic.options import Options
from llmsafe.synthetic.telling import Patient, Story, make_story

_AUTHOR = {
    "nursing": "nurse",
    "phone": "nurse",
    "social": "social",
    "radiology": "radiologist",
    "emergency": "emergency",
    "consult": "specialist",
    "operative": "specialist",
}
SHORT_KINDS = frozenset(("phone", "nursing", "progress", "radiology", "social"))


class English:
    """Renders courses in English for one audience."""

    def __init__(self, audience: Audience) -> None:
        self._audience: Audience = audience
        self._grammar: Grammar = load_grammar(__name__, audience)
        able = [c for c in knowledge().conditions if f"{c}.name" in self._grammar.rules]
        self._knowledge = knowledge().only(able)

    def knowledge(self) -> Knowledge:
        """The conditions with a name in the grammar."""
        return self._knowledge

    def identity(self, rng: random.Random, patient_id: str, seed: int, course: Course) -> Identity:
        """An American identity."""
        return make_identity(rng, patient_id, seed, self._audience, course)

    def notes(
        self, rng: random.Random, identity: Identity, course: Course, options: Options
    ) -> tuple[Note, ...]:
        """All notes of the course in order of time."""
        out: list[Note] = []
        for number, episode in enumerate(course.episodes):
            team = self._team(episode, identity)
            story = make_story(self._grammar, episode, team)
            patient = Patient(identity, course, course.episodes[:number])
            for encounter in _chosen(episode, options):
                if options.max_notes is not None and len(out) >= options.max_notes:
                    return tuple(out)
                out.append(self._note(rng, patient, story, encounter, len(out), options))
        return tuple(out)

    def _note(
        self,
        rng: random.Random,
        patient: Patient,
        story: Story,
        encounter: Encounter,
        number: int,
        options: Options,
    ) -> Note:
        author = _author(rng, encounter, story.team, patient.identity)
        scribe = Scribe(
            rng, self._grammar, style(author.style), patient, story, encounter, author, SLOTS
        )
        KINDS[encounter.kind](scribe)
        text, spans = scribe.out.result()
        gold = [{"start": s, "end": e, "category": c} for s, e, c in spans]
        extra = {"kind": encounter.kind, "author": author.name, "spans": gold}
        return Note(
            note_id=f"{patient.identity.patient_id}-{number:02d}",
            text=text,
            patient_id=patient.identity.patient_id,
            date=encounter.date.isoformat(),
            lang="en",
            extra=extra,
        )

    def _team(self, episode: Episode, identity: Identity) -> dict[str, Staff]:
        """Who looks after this episode."""
        rng = derive(episode.seed, "team")
        staff = identity.institution.staff
        doctors = [s for s in staff if s.role == "physician"]
        specialty = self._knowledge.conditions[episode.condition].specialty
        specialists = by_specialty(doctors, specialty)
        general = "pediatrics" if episode.age < 16 else "internal medicine"
        return {
            "attending": pick(rng, by_specialty(doctors, general)),
            "specialist": pick(rng, specialists),
            "resident": pick(rng, [s for s in staff if s.role == "resident"]),
            "nurse": pick(rng, [s for s in staff if s.role == "nurse"]),
            "social": pick(rng, [s for s in staff if s.role == "social"]),
            "radiologist": pick(rng, [s for s in staff if s.specialty == "radiology"]),
            "emergency": pick(rng, [s for s in staff if s.specialty == "emergency"]),
        }


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
    """The encounters that are written up."""
    if options.length == "mixed":
        return episode.encounters
    brief = tuple(e for e in episode.encounters if e.kind in SHORT_KINDS)
    return brief or (replace(episode.encounters[-1], kind="phone"),)


def load(audience: Audience) -> English:
    """The language for one audience."""
    return English(audience)
