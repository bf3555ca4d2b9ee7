"""The training set of a run: planted texts are checked, the split records what was trained on."""

from __future__ import annotations

import dataclasses

import pytest

from llmsafe.canary import make_canaries, make_manifest, plant, planting_stream
from llmsafe.config import DataConfig
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError
from llmsafe.models import load_tokenizer
from llmsafe.notes import Note, texts_digest
from llmsafe.train.data import load_training_data

CANARIES = make_canaries(count=12, kind="phi", seed=3)


def corpus_of(folder, change=None, *, more=()):
    """A corpus with planted canaries, changed after planting, and its untouched manifest."""
    notes = [
        Note(f"n{p}-{k}", f"note {k} of {p}", f"p{p}", f"2020-01-0{k + 1}")
        for p in range(6)
        for k in range(3)
    ]
    planted = list(plant(notes, CANARIES, planting_stream(3)))
    changed = [change(note) if change else note for note in planted]
    write_corpus(folder / "corpus", [*changed, *more])
    digest = open_corpus(folder).digest()
    make_manifest(
        CANARIES, kind="phi", seed=3, probability=0.5, lang="en", corpus_digest=digest
    ).save(folder / "vault" / "canaries.json")
    return folder


def load(folder, model):
    config = DataConfig(corpus=str(folder), max_notes_per_unit=2, held_out=0.4)
    return load_training_data(config, load_tokenizer(str(model)), seed=1)


def test_the_split_records_the_texts_that_training_takes(tmp_path, tiny_model):
    data = load(corpus_of(tmp_path), tiny_model)
    assert set(data.split.texts) == {*data.split.members, *data.split.held_out}
    assert data.split.held_out
    # The two latest notes of each patient, in whatever order.
    assert data.split.texts["p0"] == texts_digest(["note 2 of 0", "note 1 of 0"])
    planted = next(c for c in CANARIES if c.planted)
    assert data.split.texts[planted.patient_id] == texts_digest([planted.text])


def test_planted_ids_with_other_texts_are_refused(tmp_path, tiny_model):
    """As a scrub after planting leaves them: the ids are there, the secrets are not."""
    planted = {c.note_id for c in CANARIES if c.planted}

    def scrubbed(note):
        return dataclasses.replace(note, text="[removed]") if note.note_id in planted else note

    with pytest.raises(EvidenceError, match=f"{len(planted)} have another text") as caught:
        load(corpus_of(tmp_path, scrubbed), tiny_model)
    assert "plant after scrubbing" in str(caught.value)


def test_a_withheld_text_under_another_id_is_refused(tmp_path, tiny_model):
    held = next(c for c in CANARIES if not c.planted)
    folder = corpus_of(tmp_path, more=[Note("other", held.text, "someone")])
    with pytest.raises(EvidenceError, match="1 withheld ones are present"):
        load(folder, tiny_model)


def test_a_second_note_under_a_planted_patient_is_refused(tmp_path, tiny_model):
    planted = next(c for c in CANARIES if c.planted)
    folder = corpus_of(tmp_path, more=[Note("more", "a note", planted.patient_id)])
    with pytest.raises(EvidenceError, match="1 have another text"):
        load(folder, tiny_model)
