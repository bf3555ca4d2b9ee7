# pyright: reportUnknownLambdaType=false
"""What a cell runs: the commands of the real job, each named by a digest of what determines it.

    notes -> prepare -> scrub -> plant -> train -> audit -> evaluate

Stages of equal digest are one, so that a scrubbed corpus is made once for all cells that want it.
A stage is done when its record lies in ``work/done/``; the record is written last.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import llmsafe
from llmsafe.artifacts import Artifact
from llmsafe.cli.jobs import AUDITED, config_file, recipe_command, verb_command
from llmsafe.cli.library import find
from llmsafe.files import sha256_file, sha256_files, sha256_json
from llmsafe.models import folder_of
from llmsafe.study.definition import Cell, CorpusSpec, Study, override
from llmsafe.study.prepare import PERSON, STUDY_ID

StageName = Literal["notes", "prepare", "scrub", "plant", "train", "audit", "evaluate"]
STAGES: tuple[StageName, ...] = (
    "notes", "prepare", "scrub", "plant", "train", "audit", "evaluate",
)  # fmt: skip

_READING = ("corpus", "notes.py")
_MODEL = ("models.py", "stats", *_READING)
_INVENTING = ("synthetic", "assets/lexicons/en", "assets/lexicons/zh")
_CANARIES = ("canary", "assets/lexicons/canary_*.json")

# Which files of the package decide what a stage makes; a folder stands for all in it. A change of
# the report trains nothing anew.
DECIDING: dict[StageName, tuple[str, ...]] = {
    "notes": ("cli/synth.py", *_INVENTING, *_READING),
    "prepare": ("study/prepare.py", *_READING),
    "scrub": (
        "cli/scrub.py", "cli/columns.py", "scrub", "assets/lexicons/scrub_*", "assets/phi-ner-*",
        "config.py", *_MODEL,
    ),
    "plant": (
        "cli/canary.py", "cli/columns.py", "fitted_canaries.py", *_CANARIES, *_INVENTING, *_MODEL,
    ),
    "train": ("train", "privacy", "config.py", *_CANARIES, *_INVENTING, *_MODEL),
    "audit": (
        "cli/audit.py", "cli/audit_files.py", "cli/columns.py", "audit", "artifacts",
        "assets/policies", *_CANARIES, *_MODEL,
    ),
    "evaluate": ("study/prepare.py", "study/evaluate.py", "audit", "artifacts", *_MODEL),
}  # fmt: skip

_OF_MODELS = (".json", ".safetensors", ".model", ".txt")
_TORCH = ("torch", "transformers", "tokenizers", "peft")
# Packages whose versions do; for fitted canaries _TORCH too.
_PACKAGES: dict[StageName, tuple[str, ...]] = {
    "scrub": ("presidio-analyzer",),
    "train": (*_TORCH, "accelerate", "opacus"),
    "audit": _TORCH,
    "evaluate": _TORCH,
}


class Done(Artifact):
    """``work/done/STAGE-KEY.json``: a stage that has been run, and what determined it.

    ``made`` is the digest of an output that is a file: it lies where other settings put theirs.
    """

    stage: StageName
    key: str
    seconds: float
    command: list[str]
    determined_by: dict[str, Any]
    made: str | None = None


@dataclass(frozen=True)
class Stage:
    """One command. ``output`` is what it makes, ``size`` about how much work it is."""

    name: StageName
    key: str
    command: tuple[str, ...]
    output: Path
    needs: tuple[Stage, ...]
    determined_by: dict[str, Any]
    accept: tuple[int, ...] = (0,)
    size: float = 1.0

    @property
    def label(self) -> str:
        """Its name and the first letters of its digest, as in the names of its files."""
        return f"{self.name}-{self.key[:12]}"

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Job:
    """All stages of one cell; ``run`` is its run folder."""

    cell: Cell
    stages: tuple[Stage, ...]

    @property
    def run(self) -> Path:
        return next(stage.output for stage in self.stages if stage.name == "train")

    @property
    def evaluation(self) -> Path:
        return self.stages[-1].output


def jobs(study: Study, work: Path, *, gpu: bool) -> list[Job]:
    """The stages of every cell of ``study`` under ``work``.

    Raises:
        InputError: a corpus, base or configuration that does not exist.
    """
    maker = _Maker(study, work, gpu)
    return [maker.job(cell) for cell in study.cells()]


class _Maker:
    def __init__(self, study: Study, work: Path, gpu: bool) -> None:
        self._study = study
        self._work = work
        self._gpu = gpu
        self._config = config_file(study.config)

    def job(self, cell: Cell) -> Job:
        spec = self._study.corpora[cell.corpus]
        notes = self._notes(spec)
        prepared = self._prepare(spec, notes)
        scrubbed = self._scrub(spec, notes, prepared)
        planted = self._plant(cell, scrubbed if cell.scrub else prepared)
        trained = self._train(cell, spec, planted)
        audited = self._audit(cell, trained)
        done = self._evaluate(cell, prepared, scrubbed, audited, trained)
        before = (notes,) if notes else ()
        return Job(cell, (*before, prepared, scrubbed, planted, trained, audited, done))

    def _notes(self, spec: CorpusSpec) -> Stage | None:
        if spec.patients is None:
            return None
        facts = {"patients": spec.patients, "seed": spec.seed, "length": spec.length}
        facts |= {"notes_per_patient": spec.notes_per_patient}
        words = ["--patients", spec.patients, "--seed", spec.seed, "--force"]
        words += ["--short"] if spec.length == "short" else []
        words += ["--max-notes", spec.notes_per_patient]
        return self._stage(
            "notes", facts, (), lambda out: verb_command("synth", out, *words), size=spec.patients
        )

    def _prepare(self, spec: CorpusSpec, notes: Stage | None) -> Stage:
        columns = spec.model_dump(
            include={"text_column", "id_column", "patient_column", "date_column"}
        )
        label = spec.label
        if notes is not None:
            source, facts, label = str(notes.output), dict[str, Any](), label or "kind"
        else:
            source = str(spec.path)
            facts = {"corpus": _corpus_digest(source)} | columns
        facts |= {"label": label}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in columns.items() if value]
        words += [f"--label={label}"] if label else []
        program = [sys.executable, "-m", "llmsafe.study.prepare"]
        return self._stage(
            "prepare", facts, [notes] if notes else [],
            lambda out: [*program, source, str(out), *words], size=spec.units,
        )  # fmt: skip

    def _scrub(self, spec: CorpusSpec, notes: Stage | None, prepared: Stage) -> Stage:
        known = [Path(path) for path in spec.known_identifiers]
        facts: dict[str, Any] = {"known": sha256_files(known) if known else None}
        if notes is not None:
            known = [notes.output / "identities.csv"]
        more = [word for path in known for word in ("--known-identifiers", path)]

        def command(out: Path) -> list[str]:
            return verb_command(
                "scrub", prepared.output, out, *more, "--patient-column", PERSON, "--keep-column",
                STUDY_ID, "--spans", spans_of(out), "--workers", 1, "--force",
            )  # fmt: skip

        # Notes that are quarantined (3) are set aside and counted; the rest goes on.
        return self._stage("scrub", facts, [prepared], command, accept=(0, 3), size=spec.units)

    def _plant(self, cell: Cell, notes: Stage) -> Stage:
        count = self._study.canaries
        facts = {"kind": cell.kind, "canaries": count, "copies": cell.repetition}
        facts |= {"seed": cell.seed, "unit": cell.unit}
        words: list[object] = ["--kind", cell.kind, "--count", count, "--copies", cell.repetition]
        words += ["--seed", cell.seed, "--force"]
        words += ["--patient-column", PERSON] if cell.unit == "patient" else []
        if _fitted(cell.kind):
            facts |= {"base": base_digest(cell.base), "fitted by": versions(*_TORCH)}
            words += ["--base", cell.base]
        return self._stage(
            "plant", facts, [notes], lambda out: verb_command("canary", notes.output, out, *words)
        )

    def _train(self, cell: Cell, spec: CorpusSpec, planted: Stage) -> Stage:
        study = self._study
        population = spec.units + study.canaries // 2 * cell.repetition
        settings: dict[str, Any] = {
            "seed": cell.seed,
            "model.lora_rank": cell.rank,
            "model.lora_alpha": 2 * cell.rank,
            "privacy.epsilon": cell.epsilon,
            "privacy.delta": study.delta,
            "privacy.population": population,
            "privacy.unit": cell.unit,
            **study.set,
        }
        if cell.unit == "patient":
            settings["data.patient_column"] = PERSON
        words = [override(name, value) for name, value in settings.items()]
        facts = {"config": sha256_file(self._config), "base": base_digest(cell.base)}
        facts |= {"recipe": sha256_file(find("dp_lora.py").path), "set": words}
        places = {"data.corpus": planted.output, "model.base": cell.base}

        def command(out: Path) -> list[str]:
            where = [override(name, value) for name, value in {**places, "output": out}.items()]
            return recipe_command(self._config, *where, *words, gpu=self._gpu)

        epsilon = f"{cell.epsilon:g}"
        name = f"epsilon-{epsilon}-seed-{cell.seed}"
        return self._stage("train", facts, [planted], command, prefix=name)

    def _audit(self, cell: Cell, trained: Stage) -> Stage:
        facts = {"limit": self._study.held_back, "seed": cell.seed}
        words = ["--limit", self._study.held_back, "--seed", cell.seed, "--force"]
        command = verb_command("audit", "--model", trained.output, *words)
        out = trained.output / "release" / "audit.json"
        return self._stage("audit", facts, [trained], lambda _: command, accept=AUDITED, output=out)

    def _evaluate(
        self, cell: Cell, prepared: Stage, scrubbed: Stage, audited: Stage, trained: Stage
    ) -> Stage:
        study = self._study
        facts = {"identifiers": study.identifiers, "task_notes": study.task_notes}
        program = [sys.executable, "-m", "llmsafe.study.evaluate"]
        words = [f"--identifiers={study.identifiers}", f"--task-notes={study.task_notes}"]
        words += [f"--seed={cell.seed}", f"--spans={spans_of(scrubbed.output)}"]
        out = trained.output / "vault" / "study.json"
        command = [*program, str(trained.output), str(prepared.output), str(out), *words]
        return self._stage("evaluate", facts, [audited, scrubbed], lambda _: command, output=out)

    def _stage(
        self,
        name: StageName,
        facts: dict[str, Any],
        needs: Sequence[Stage],
        command: Callable[[Path], Sequence[str]],
        *,
        accept: tuple[int, ...] = (0,),
        output: Path | None = None,
        size: float = 1.0,
        prefix: str | None = None,
    ) -> Stage:
        determined_by = {
            "stage": name,
            "code": code_digest(name),
            "versions": versions(*_PACKAGES[name]) if name in _PACKAGES else {},
            "needs": [stage.key for stage in needs],
            **facts,
        }
        key = sha256_json(determined_by).removeprefix("sha256:")
        out = output or self._work / name / f"{prefix or name}-{key[:12]}"
        return Stage(name, key, tuple(command(out)), out, tuple(needs), determined_by, accept, size)


def spans_of(scrubbed: Path) -> Path:
    """Where the spans that the scrubber found lie: beside its output."""
    return scrubbed.with_name(f"{scrubbed.name}.spans.jsonl")


def _fitted(kind: str) -> bool:
    from llmsafe.canary import FITTED_KINDS

    return kind in FITTED_KINDS


@functools.cache
def code_digest(stage: StageName) -> str:
    """Digest of the files of the package that decide what a stage makes."""
    package = Path(llmsafe.__file__).parent
    found = [f"{file.relative_to(package)} {sha256_file(file)}" for file in deciding(stage)]
    return sha256_json(found)


def deciding(stage: StageName) -> list[Path]:
    """The files of the package that decide what a stage makes; cards of assets do not."""
    package = Path(llmsafe.__file__).parent
    parts = [path for pattern in DECIDING[stage] for path in package.glob(pattern)]
    files = {file for part in parts for file in (part.rglob("*") if part.is_dir() else [part])}
    undecided = {file for file in files if "__pycache__" in file.parts or file.suffix == ".md"}
    return sorted(file for file in files - undecided if file.is_file())


@functools.cache
def versions(*packages: str) -> dict[str, str]:
    """Those of llmsafe and of ``packages``."""
    return {name: metadata.version(name) for name in packages} | {"llmsafe": llmsafe.__version__}


@functools.cache
def base_digest(base: str) -> str:
    """Digest of a model's weights, configuration and tokenizer.

    Raises:
        InputError: it is not at hand.
    """
    return sha256_files(p for p in folder_of(base).iterdir() if p.suffix in _OF_MODELS)


@functools.cache
def _corpus_digest(path: str) -> str:
    from llmsafe.corpus import open_corpus

    return open_corpus(path).digest()
