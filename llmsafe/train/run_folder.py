"""What a run folder holds already: nothing, what a refused start left, a run to resume, a run.

A run can be resumed from the moment that its ledger has a line; it is finished when its lineage
names what it released.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from llmsafe import __version__
from llmsafe.artifacts import Lineage, LineageStep
from llmsafe.config import RunConfig, load_config
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.files import LOCK, RELEASE, VAULT, check_output, locked_folder, make_folder
from llmsafe.models import weights_digest
from llmsafe.privacy.evidence import traces_of_training
from llmsafe.privacy.ledger import is_open, read_ledger, refuse_if_held
from llmsafe.privacy.plan import Plan
from llmsafe.seal.policy import LOG, POLICY
from llmsafe.train.data import TrainingData, canaries_digest

# What a start writes into the vault before its first charge.
_BEFORE_CHARGES = {"corpus", "config.yaml", "split.json", "lineage.json", "ledger.jsonl"}


@contextmanager
def claim(
    run: Path, config: RunConfig, *, resume: bool, force: bool
) -> Generator[bool, None, None]:
    """Hold the folder ``run`` alone until the block ends; yield whether to go on with its run.

    A run to resume that was not charged yet is to be started: False.

    Raises:
        InputError: the folder is taken or held (without ``resume``), or holds no run or a finished
            one (with it).
        EvidenceError: a run to resume that has lost its ledger.
        SetupError: the folder cannot be written.
    """
    admitted = functools.partial(_admitted, run, config, resume=resume, force=force)
    admitted()  # before anything is written into a folder that may be anyone's
    with locked_folder(run):
        yield admitted()  # another process may have come between


def _admitted(run: Path, config: RunConfig, *, resume: bool, force: bool) -> bool:
    if resume:
        return _to_resume(run)
    _check_start(run, config, force=force)
    return False


def set_aside(run: Path) -> None:
    """Move what an earlier run left in ``run`` to ``run/earlier-N``: its charges stay on record.

    Raises:
        InputError: the earlier run is still going.
        SetupError: it cannot be moved.
    """
    ledger = run / VAULT / "ledger.jsonl"
    if ledger.is_file():
        refuse_if_held(ledger)
    old = [run / name for name in (VAULT, RELEASE) if (run / name).exists()]
    if not old:
        return
    number = next(n for n in itertools.count(1) if not (run / f"earlier-{n}").exists())
    place = make_folder(run / f"earlier-{number}", private=True)
    try:
        for folder in old:
            folder.rename(place / folder.name)
    except OSError as error:
        raise SetupError(
            f"cannot move the earlier run in {run}: {error.strerror}; name another output"
        ) from error


def finished(run: Path) -> bool:
    """Whether training wrote its release whole: the lineage names the outputs, and last of all."""
    lineage = run / VAULT / "lineage.json"
    if not lineage.is_file():
        return False
    return any(step.step == "train" and step.outputs for step in Lineage.load(lineage).steps)


def _to_resume(run: Path) -> bool:
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
    if not _never_charged(run):
        raise InputError(
            f"there is no run in {run} to resume; check the name, or start one without --resume"
        )
    return False


def _check_start(run: Path, config: RunConfig, *, force: bool) -> None:
    sources = [Path(p) for p in (config.data.corpus, config.data.canaries) if p]
    ledger = run / VAULT / "ledger.jsonl"
    if not force and is_open(ledger) and not finished(run):
        raise InputError(
            f"{run} holds an unfinished run with {read_ledger(ledger).charges} steps charged; go "
            "on with --resume, or name another output (--force sets it aside; its charges count)"
        )
    check_output(run, force=force or _never_charged(run), inputs=sources)


def _never_charged(run: Path) -> bool:
    """Whether all that ``run`` holds is what a start leaves that ended before its first charge."""
    vault = run / VAULT
    if not run.is_dir() or is_open(vault / "ledger.jsonl") or traces_of_training(run):
        return False
    ours = (LOCK, POLICY, LOG, "earlier-")
    beside = {p.name for p in run.iterdir() if not p.name.startswith(ours)}
    inside = {p.name for p in vault.iterdir()} if vault.is_dir() else set[str]()
    written = {name for name in inside if not name.startswith(".")}  # without torn files
    return beside <= {VAULT} and written <= _BEFORE_CHARGES


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


def _how(config: RunConfig) -> dict[str, Any]:
    """Settings that shape what is learned, beside the plan: audits compare like runs by them."""
    model = config.model.model_dump(mode="json", exclude={"base", "gradient_checkpointing"})
    names = {"learning_rate", "warmup", "weight_decay"}
    return model | config.train.model_dump(include=names) | {"held_out": config.data.held_out}


def lineage_step(config: RunConfig, plan: Plan, data: TrainingData) -> LineageStep:
    """What a run trains on and how, as its lineage tells it; ``outputs`` are filled at the end."""
    columns = {k: v for k, v in config.data.model_dump().items() if k.endswith("_column")}
    return LineageStep(
        step="train",
        version=__version__,
        inputs={
            "corpus": data.corpus_digest,
            "canaries": canaries_digest(data.canaries),
            "base": weights_digest(config.model.base),
        },
        outputs={},
        settings={
            "corpus_path": str(Path(data.corpus_path).resolve()),
            "base": config.model.base,
            "plan": plan.digest(),
            "planned": plan.as_json(),
            "train": _how(config),
            "max_tokens": config.data.max_tokens,
            "max_notes_per_unit": config.data.max_notes_per_unit,
            "columns": columns,
        },
    )
