"""Planting: the chosen canaries among the notes of a corpus, once, or in several copies."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llmsafe.artifacts import Canary, canary_places
from llmsafe.errors import InputError
from llmsafe.notes import Note


@dataclass(frozen=True)
class Survey:
    """What planting must know of a corpus beforehand: its size, and whether it names patients."""

    notes: int
    patients: bool


def survey(notes: Iterable[Note], canaries: Sequence[Canary], *, copies: int = 1) -> Survey:
    """Count a corpus and check that no id of a canary is taken, withheld ones included.

    Raises:
        InputError: an id occurs twice; choose another seed.
    """
    places = [place for canary in canaries for place in canary_places(canary, copies)]
    patient_ids, note_ids = ({place[side] for place in places} for side in (0, 1))
    total, patients = 0, False
    for note in notes:
        if note.note_id in note_ids or note.patient_id in patient_ids:
            raise InputError(
                f"an id of note {total + 1} is also that of a canary; "
                "choose another --seed, or a corpus without these canaries"
            )
        total += 1
        patients = patients or note.patient_id is not None
    return Survey(total, patients)


def plant(
    notes: Iterable[Note],
    canaries: Sequence[Canary],
    rng: random.Random,
    *,
    surveyed: Survey | None = None,
    copies: int = 1,
) -> Iterator[Note]:
    """Stream ``notes`` with the planted canaries at random places among them.

    Order and content of the notes stay. A canary takes the date, the language mark and the
    columns (emptied) of the note before it, and a patient id where the corpus has patients: its
    unit is then ``patient_id``, else ``note_id``. Of several ``copies`` each is a unit of its own,
    as of a note that was copied into other charts. Give ``surveyed`` to stream a corpus of any
    size; without it the notes are held in memory.

    Raises:
        InputError: an id of a canary is taken, or the corpus is empty.
    """
    if surveyed is None:
        notes = list(notes)
        surveyed = survey(notes, canaries, copies=copies)
    if surveyed.notes == 0:
        raise InputError("the corpus holds no note; canaries need notes to hide among")
    planted = [
        (canary, place)
        for canary in canaries
        if canary.planted
        for place in canary_places(canary, copies)
    ]
    rng.shuffle(planted)
    places = sorted(rng.randrange(surveyed.notes + 1) for _ in planted)
    waiting = list(zip(places, planted, strict=True))[::-1]
    neighbour: Note | None = None
    for index, note in enumerate(notes):
        while waiting and waiting[-1][0] == index:
            yield _as_note(*waiting.pop()[1], neighbour or note, patients=surveyed.patients)
        yield note
        neighbour = note
    assert neighbour is not None
    while waiting:
        yield _as_note(*waiting.pop()[1], neighbour, patients=surveyed.patients)


def planting_stream(seed: int) -> random.Random:
    """The stream of places that belongs to ``seed``, independent of texts and coins."""
    return random.Random(f"llmsafe canary {seed} places")


def _as_note(canary: Canary, place: tuple[str, str], neighbour: Note, *, patients: bool) -> Note:
    patient_id, note_id = place
    return Note(
        note_id=note_id,
        text=canary.text,
        patient_id=patient_id if patients else None,
        date=neighbour.date,
        lang=neighbour.lang,
        extra={name: _empty(value) for name, value in neighbour.extra.items()},
    )


def _empty(value: Any) -> Any:
    match value:
        case list():
            return []
        case dict():
            return {}
        case _:
            return None
