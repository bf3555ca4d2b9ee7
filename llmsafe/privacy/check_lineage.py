"""Do the digests of a run's lineage fit what lies on the disk?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from llmsafe.artifacts import CanaryManifest, LineageStep
from llmsafe.corpus import open_corpus
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import sha256_file
from llmsafe.privacy.evidence import (
    Absent,
    present,
    read_lineage,
    read_object,
    same,
    short,
    train_step,
)


def chain(vault: Path) -> str:
    train_step(vault)
    steps = read_lineage(vault).steps
    for before, after in pairwise(steps):
        for what in ("corpus", "canaries"):
            made, used = before.outputs.get(what), after.inputs.get(what)
            if made is not None and used is not None and made != used:
                raise EvidenceError(
                    f"step {after.step} used another {what} ({short(used)}) than step "
                    f"{before.step} made ({short(made)})"
                )
    return " → ".join(step.step for step in steps)


def corpus(vault: Path) -> str:
    step = train_step(vault)
    path, digest = step.settings.get("corpus_path"), step.inputs.get("corpus")
    if path is None or digest is None:
        raise Absent("the lineage names no corpus")
    try:
        found = open_corpus(str(path)).digest()
    except InputError:
        raise Absent("the corpus is no longer at its place; its digest was not compared") from None
    return same("corpus", found, digest)


def canaries(vault: Path) -> str:
    digest = train_step(vault).inputs.get("canaries")
    path = vault / "canaries.json"
    if digest in (None, "none"):
        if path.exists():
            raise EvidenceError("canaries.json lies in the vault but training recorded none")
        raise Absent("training recorded no canaries")
    manifest = CanaryManifest.load(present(path))
    same("canaries.json", sha256_file(path), digest)
    return f"{len(manifest.canaries)} canaries, {short(digest)}"


def base(vault: Path, release: Path) -> str:
    from llmsafe.models import weights_digest

    step = train_step(vault)
    digest, name = step.inputs.get("base"), step.settings.get("base")
    if name is None:
        name = read_object(present(release / "adapter_config.json")).get("base_model_name_or_path")
    if digest is None or not isinstance(name, str):
        raise Absent("lineage and adapter configuration do not both name a base")
    if digest.startswith("hub:"):
        raise Absent("the base was named by hub id; training recorded no digest of its weights")
    try:
        found = weights_digest(name)
    except (InputError, SetupError):
        raise Absent("the base model is not on this machine; its digest was not compared") from None
    if found.startswith("hub:"):
        raise Absent("the base model is not at its place; its digest was not compared")
    return same("base model", found, digest)


def adapter(vault: Path, release: Path) -> str:
    recorded = train_step(vault).outputs.get("adapter", "none")
    return same(
        "adapter_model.safetensors",
        sha256_file(present(release / "adapter_model.safetensors")),
        recorded,
    )


def adapter_config(vault: Path, release: Path) -> str:
    return _recorded(train_step(vault), "adapter_config", release / "adapter_config.json")


def split(vault: Path) -> str:
    return _recorded(train_step(vault), "split", vault / "split.json")


def audit_files(vault: Path, release: Path) -> str:
    audits = [step for step in read_lineage(vault).steps if step.step == "audit"]
    if not audits:
        raise Absent("the lineage names no audit")
    page = _recorded(audits[-1], "page", release / "audit.html")
    return f"{_recorded(audits[-1], 'audit', release / 'audit.json')}, page {page}"


def _recorded(step: LineageStep, key: str, path: Path) -> str:
    """Compare a file with the digest that a step recorded of it; without one there is no answer."""
    digest = step.outputs.get(key)
    if digest is None:
        raise Absent(f"the lineage has no digest of {path.name}")
    if not path.is_file():
        raise EvidenceError(f"{path.name} is gone, but the lineage names it; restore it")
    return same(path.name, sha256_file(path), digest)


def statement(vault: Path, release: Path) -> str:
    recorded = train_step(vault).outputs.get("privacy", "none")
    return same("privacy.json", sha256_file(present(release / "privacy.json")), recorded)
