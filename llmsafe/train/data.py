"""The training set of a run: corpus, canaries and split, read once and named by digest."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmsafe import __version__
from llmsafe.artifacts import (
    CORPUS,
    RELEASE,
    VAULT,
    CanaryManifest,
    Lineage,
    LineageStep,
    Split,
    check_output,
    make_folder,
    sha256_file,
)
from llmsafe.canary import load_manifest, make_canaries, make_manifest, plant, planting_stream
from llmsafe.config import DataConfig, RunConfig, load_config
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.notes import Note, UnitKind, group_units
from llmsafe.privacy.evidence import traces_of_training
from llmsafe.privacy.ledger import is_open, read_ledger, refuse_if_held
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
        planted = _planted_units(manifest, kind, {unit.unit_id for unit in units})
    split = split_units(units, kind, held_out=config.held_out, seed=seed, always_members=planted)
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


def set_aside(run: Path) -> None:
    """Move what an earlier run left in ``run`` to ``run/earlier-N``: its charges stay on record.

    Raises:
        InputError: the earlier run is still going.
    """
    ledger = run / VAULT / "ledger.jsonl"
    if ledger.is_file():
        refuse_if_held(ledger)
    old = [run / name for name in (VAULT, RELEASE) if (run / name).exists()]
    if not old:
        return
    number = next(n for n in itertools.count(1) if not (run / f"earlier-{n}").exists())
    place = make_folder(run / f"earlier-{number}", private=True)
    for folder in old:
        folder.rename(place / folder.name)


def finished(run: Path) -> bool:
    """Whether training wrote its release whole: the lineage names the outputs, and last of all."""
    lineage = run / VAULT / "lineage.json"
    if not lineage.is_file():
        return False
    return any(step.step == "train" and step.outputs for step in Lineage.load(lineage).steps)


def to_resume(run: Path) -> bool:
    """Whether ``run`` holds a run to go on with; False where none was charged yet.

    Raises:
        InputError: the run is finished.
        EvidenceError: it trained, but its ledger is gone.
    """
    if finished(run):
        raise InputError(f"{run} is finished; there is nothing to resume")
    if is_open(run / VAULT / "ledger.jsonl"):
        return True
    left = traces_of_training(run)
    if left:
        raise EvidenceError(
            f"{run} has trained ({', '.join(left)}) but its ledger is gone; restore "
            "vault/ledger.jsonl to resume, or start a new run elsewhere"
        )
    return False


def check_start(run: Path, config: RunConfig, *, force: bool) -> None:
    """Refuse a new run in a folder that holds one; what a refused start left is no obstacle.

    Raises:
        InputError: the folder is taken (see :func:`llmsafe.artifacts.check_output`).
    """
    sources = [Path(p) for p in (config.data.corpus, config.data.canaries) if p]
    ledger = run / VAULT / "ledger.jsonl"
    if not force and is_open(ledger) and not finished(run):
        raise InputError(
            f"{run} holds an unfinished run with {read_ledger(ledger).charges} steps charged; go "
            "on with --resume, or name another output (--force sets it aside; its charges count)"
        )
    untouched = not (ledger.exists() or traces_of_training(run))
    debris = untouched and (run / VAULT / "corpus").is_dir()
    check_output(run, force=force or debris, inputs=sources)


def members_digest(units: Sequence[TokenUnit]) -> str:
    """Digest of the members, their order and their tokens: what a draw's indices mean."""
    digest = hashlib.sha256()
    for unit in units:
        digest.update(json.dumps([unit.unit_id, unit.rows]).encode())
    return f"sha256:{digest.hexdigest()}"


def check_agreement(facts: Mapping[str, str], everywhere: Sequence[Mapping[str, str]]) -> None:
    """Refuse ranks that differ: one of another clip norm or corpus would break the guarantee.

    ``facts`` are this rank's, ``everywhere`` those gathered from all ranks.

    Raises:
        EvidenceError: something differs; the message names it.
    """
    different = sorted(name for name in facts if len({other[name] for other in everywhere}) > 1)
    if different:
        raise EvidenceError(
            f"the {len(everywhere)} processes do not agree on {', '.join(different)}; start all of "
            "them with the same files, packages and settings; nothing was released"
        )


def check_same_run(vault: Path, config: RunConfig, origin: LineageStep) -> None:
    """Refuse to resume with other settings, another corpus, other canaries or another base.

    The number of processes may change: it does not change the update.

    Raises:
        EvidenceError: something differs; the message names it.
    """
    try:
        began = load_config(RunConfig, vault / "config.yaml")
        lineage = Lineage.load(vault / "lineage.json")
    except LlmsafeError as error:
        raise EvidenceError(
            f"what this run began with is gone or damaged ({error}); restore vault/config.yaml and "
            "vault/lineage.json, or start a new run elsewhere"
        ) from error
    free = {"processes": config.processes, "output": config.output}
    changed = _differences(began.model_copy(update=free).model_dump(), config.model_dump())
    inputs = next((step.inputs for step in lineage.steps[::-1] if step.step == "train"), {})
    changed += [name for name in origin.inputs if inputs.get(name) != origin.inputs[name]]
    if changed:
        raise EvidenceError(
            f"cannot resume with another {', '.join(changed)} than the run began with; use the "
            "settings in its vault/config.yaml, or start a new run"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            names += _differences(old[key], cast("dict[str, Any]", value), f"{prefix}{key}.")
        elif old.get(key) != value:
            names.append(prefix + key)
    return names


def synthetic_corpus(folder: Path, *, patients: int, canaries: int, seed: int) -> Path:
    """Make the embedded corpus in ``folder``: synthetic patients with planted canaries.

    Its layout is that of ``llmsafe canary``; it lies in the run's vault like any private corpus.
    """
    from llmsafe.synthetic import patients as synthetic_patients

    def notes() -> Iterator[Note]:
        for patient in synthetic_patients(seed, patients):
            yield from patient.notes

    chosen = make_canaries(count=canaries, kind="phi", seed=seed) if canaries else []
    make_folder(folder, private=True)
    write_corpus(folder / CORPUS, plant(notes(), chosen, planting_stream(seed)))
    digest = open_corpus(folder).digest()
    if chosen:
        manifest = make_manifest(
            chosen, kind="phi", lang="en", seed=seed, probability=0.5, corpus_digest=digest
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


def _planted_units(manifest: CanaryManifest, kind: UnitKind, present: set[str]) -> set[str]:
    def unit_of(patient_id: str, note_id: str) -> str:
        return patient_id if kind == "patient" else note_id

    planted = {unit_of(c.patient_id, c.note_id) for c in manifest.canaries if c.planted}
    withheld = {unit_of(c.patient_id, c.note_id) for c in manifest.canaries if not c.planted}
    missing, leaked = len(planted - present), len(withheld & present)
    if missing or leaked:
        raise EvidenceError(
            f"canaries are not those of this corpus: {missing} of {len(planted)} planted ones are "
            f"absent and {leaked} withheld ones present; give the manifest that `llmsafe canary` "
            "wrote with the corpus (data.canaries=FILE)"
        )
    return planted
