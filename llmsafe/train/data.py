"""The training set of a run: corpus, canaries and split, read once and named by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmsafe import __version__
from llmsafe.artifacts import Canary, CanaryManifest, Lineage, LineageStep, Split
from llmsafe.canary import (
    DEFAULT_KIND,
    load_manifest,
    make_canaries,
    make_manifest,
    plant,
    planting_stream,
)
from llmsafe.config import DataConfig
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError
from llmsafe.files import CORPUS, VAULT, make_folder, sha256_file
from llmsafe.notes import Note, Unit, UnitKind, group_units, latest_notes, texts_digest
from llmsafe.train.units import TokenUnit, split_units, tokenise_unit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYNTHETIC = "llmsafe:synthetic"


@dataclass(frozen=True)
class TrainingData:
    """Tokenised member units and where they came from.

    ``canaries`` is the manifest's path; ``without_patient`` counts the notes that name no patient
    in a corpus whose unit is the patient: the guarantee covers each of them alone.
    """

    kind: UnitKind
    members: tuple[TokenUnit, ...]
    split: Split
    corpus_path: str
    corpus_digest: str
    canaries: Path | None
    lineage: Lineage
    without_patient: int

    @property
    def empty(self) -> int:
        """Members without a token to learn from: they contribute nothing."""
        return sum(not unit.rows for unit in self.members)


def load_training_data(
    config: DataConfig, tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> TrainingData:
    """Read the corpus, group it into privacy units, hold some out, tokenise the members.

    The canary manifest is ``config.canaries``, else the ``vault/canaries.json`` of the corpus
    folder, else there are no canaries.

    Raises:
        InputError: a corpus that cannot be read (see :meth:`llmsafe.corpus.Corpus.notes`).
        EvidenceError: the canary manifest does not belong to this corpus.
    """
    corpus = open_corpus(config.corpus)
    kind, units = group_units(corpus.notes(config.columns))
    manifest_path = _manifest_path(config)
    planted: set[str] = set()
    if manifest_path is not None:
        manifest = load_manifest(manifest_path)
        planted = _planted_units(manifest, kind, units)
    split = split_units(units, kind, held_out=config.held_out, seed=seed, always_members=planted)
    split = split.model_copy(update={"texts": _texts(split, units, config.max_notes_per_unit)})
    chosen = set(split.members)
    members = tuple(
        tokenise_unit(
            unit, tokenizer, max_tokens=config.max_tokens, max_notes=config.max_notes_per_unit
        )
        for unit in units
        if unit.unit_id in chosen
    )
    before = Path(config.corpus) / VAULT / "lineage.json"
    return TrainingData(
        kind,
        members,
        split,
        config.corpus,
        corpus.digest(),
        manifest_path,
        Lineage.load(before) if before.is_file() else Lineage(),
        sum(n.patient_id is None for u in units for n in u.notes) if kind == "patient" else 0,
    )


def members_digest(units: Sequence[TokenUnit]) -> str:
    """Digest of the members, their order and their tokens: what a draw's indices mean."""
    digest = hashlib.sha256()
    for unit in units:
        digest.update(json.dumps([unit.unit_id, unit.rows]).encode())
    return f"sha256:{digest.hexdigest()}"


def synthetic_corpus(folder: Path, *, patients: int, canaries: int, seed: int) -> Path:
    """Make the embedded corpus in ``folder``: synthetic patients with planted canaries.

    Its layout is that of ``llmsafe canary``; it lies in the run's vault like any private corpus.
    """
    from llmsafe.synthetic import patients as synthetic_patients

    def notes() -> Iterator[Note]:
        for patient in synthetic_patients(seed, patients):
            yield from patient.notes

    chosen = make_canaries(count=canaries, kind=DEFAULT_KIND, seed=seed) if canaries else []
    make_folder(folder, private=True)
    write_corpus(folder / CORPUS, plant(notes(), chosen, planting_stream(seed)))
    digest = open_corpus(folder).digest()
    if chosen:
        manifest = make_manifest(
            chosen, kind=DEFAULT_KIND, lang="en", seed=seed, probability=0.5, corpus_digest=digest
        )
        manifest.save(folder / VAULT / "canaries.json", private=True)
    step = LineageStep(
        step="synth",
        version=__version__,
        inputs={},
        outputs={"corpus": digest},
        settings={"patients": patients, "canaries": canaries, "seed": seed},
    )
    Lineage().then(step).save(folder / VAULT / "lineage.json", private=True)
    return folder


def canaries_digest(path: Path | None) -> str:
    """Digest of the manifest file, ``none`` without one."""
    return "none" if path is None else sha256_file(path)


def _manifest_path(config: DataConfig) -> Path | None:
    if config.canaries is not None:
        return Path(config.canaries)
    beside = Path(config.corpus) / VAULT / "canaries.json"
    return beside if beside.is_file() else None


def _planted_units(manifest: CanaryManifest, kind: UnitKind, units: Collection[Unit]) -> set[str]:
    """Ids of the planted canaries' units, each of which must hold the canary's note and no other.

    An id alone proves nothing: an audit of canaries whose texts the model never saw finds no leak.
    """

    def units_of(canary: Canary) -> list[str]:
        return [place[kind == "note"] for place in manifest.places(canary)]

    planted = {unit: c.text for c in manifest.canaries if c.planted for unit in units_of(c)}
    withheld = [c for c in manifest.canaries if not c.planted]
    found = {u.unit_id: [note.text for note in u.notes] for u in units if u.unit_id in planted}
    wrong = sum(found[unit] != [text] for unit, text in planted.items() if unit in found)
    kept_out, secret = {u for c in withheld for u in units_of(c)}, {c.text for c in withheld}
    leaked = sum(
        unit.unit_id in kept_out or any(note.text in secret for note in unit.notes)
        for unit in units
    )
    missing = len(planted) - len(found)
    if missing or wrong or leaked:
        raise EvidenceError(
            f"canaries are not those of this corpus: {missing} of {len(planted)} planted ones are "
            f"absent, {wrong} have another text there and {leaked} withheld ones are present; give "
            "the manifest that `llmsafe canary` wrote with the corpus (data.canaries=FILE), and "
            "plant after scrubbing"
        )
    return set(planted)


def _texts(split: Split, units: Collection[Unit], max_notes: int) -> dict[str, str]:
    """Of each unit of the split the digest of the notes that training takes of it."""
    named = {*split.members, *split.held_out}
    return {
        unit.unit_id: texts_digest(note.text for note in latest_notes(unit, max_notes))
        for unit in units
        if unit.unit_id in named
    }
