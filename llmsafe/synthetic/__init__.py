"""Invented patients: longitudinal clinical notes with gold PHI spans and an identity table.

    >>> from llmsafe.synthetic import patients
    >>> for patient in patients(seed=7, count=100):
    ...     patient.identity.as_row(), patient.notes

Every patient is made from a seed of its own, derived from (seed, language, audience, index): the
k-th patient is the same however many are asked for, any slice can be made on its own, and memory
does not grow. Nobody in here exists; see `en.people` and `zh.ids` for why no number is a real one.

The audiences share no name and no sentence frame (see `grammar`): `public` is for pretraining
a base model, `private` plays the hospital, and `test`, which Chinese has, is for test sets alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmsafe.errors import InputError
from llmsafe.notes import Note
from llmsafe.synthetic.course import Course
from llmsafe.synthetic.draw import derive
from llmsafe.synthetic.grammar import AUDIENCES, Audience
from llmsafe.synthetic.history import make_course
from llmsafe.synthetic.identity import Identity
from llmsafe.synthetic.language import language, languages
from llmsafe.synthetic.options import KINDS, Length, Options

__all__ = [
    "AUDIENCES",
    "KINDS",
    "Audience",
    "Course",
    "Identity",
    "Length",
    "Patient",
    "identity_table",
    "languages",
    "patients",
]


@dataclass(frozen=True, repr=False)
class Patient:
    """One invented patient: who, what happened, and what was written.

    Each note carries in `extra`: `spans` (gold, `{"start", "end", "category"}`, ordered, half-open,
    code points), `kind` (one of `KINDS`, in Chinese `chat` instead of `social`) and `author`.
    """

    identity: Identity
    course: Course
    notes: tuple[Note, ...]

    def __repr__(self) -> str:
        return f"Patient(<{len(self.notes)} notes>)"


def patients(
    seed: int,
    count: int,
    *,
    lang: str = "en",
    audience: Audience = "private",
    length: Length = "mixed",
    max_notes: int | None = None,
    start: int = 0,
) -> Iterator[Patient]:
    """Patients `start` to `start + count - 1` of the corpus that the seed names, one at a time.

    `length="short"` gives only brief notes (about 50 to 150 words); `max_notes` bounds the notes of
    a patient, the first ones being kept. InputError: unknown language or audience, a negative
    count, or options out of range; raised at the call, not at the first patient.
    """
    if count < 0 or start < 0:
        raise InputError(f"count {count} and start {start} must not be negative")
    if audience not in AUDIENCES:
        raise InputError(f"audience is {audience!r}; it must be one of {', '.join(AUDIENCES)}")
    options = Options(length, max_notes)
    writer = language(lang, audience)

    def make(index: int) -> Patient:
        rng = derive("patient", seed, lang, audience, index)
        course = make_course(rng, writer.knowledge())
        patient_id = f"{lang}-{audience}-{seed}-{index:06d}"
        identity = writer.identity(rng, patient_id, seed, course)
        return Patient(identity, course, writer.notes(rng, identity, course, options))

    return (make(index) for index in range(start, start + count))


def identity_table(people: Iterable[Patient]) -> Iterator[dict[str, str | None]]:
    """The structured identities, one flat row per patient, all with the same columns."""
    return (patient.identity.as_row() for patient in people)
