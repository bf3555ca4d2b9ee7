"""A release from a run: admitted, made, audited as it ships, judged, described, signed, moved.

All of it happens in a folder beside the output that takes its name as the very last thing. Until
then nothing is changed in the run. What a release left in the vault (the tables of its audit, its
place in the lineage) is written just before: never is there a release that its run does not know.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from llmsafe import __version__
from llmsafe.artifacts import Audit, Form, Lineage, LineageStep, Measured, Policy, Release
from llmsafe.audit.evidence import check_base, read_evidence
from llmsafe.audit.loading import Place, locate
from llmsafe.audit.phi import Detect
from llmsafe.audit.request import VARIANTS, Request
from llmsafe.audit.run import MEASURED, run_audit
from llmsafe.audit.scores import Progress, silence
from llmsafe.audit.target import open_target
from llmsafe.audit.verdict import today
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import (
    RELEASE,
    VAULT,
    check_output,
    fsync_folder,
    locked_folder,
    make_folder,
    read_bytes,
    sha256_file,
    staged_folder,
    write_atomic,
    write_text,
)
from llmsafe.models import public_name
from llmsafe.privacy import check_files
from llmsafe.release.gate import Parent, admit, refuse_unless_passed
from llmsafe.release.sbom import check_writer, write_sbom
from llmsafe.release.signing import check_signing_key, sign, write_public_key
from llmsafe.release.verify import AUDIT, CLAIM, NOTE, verify_release
from llmsafe.release.weights import METHODS, check_form, write_weights
from llmsafe.report.card import adapter_settings, release_card
from llmsafe.report.compliance import compliance
from llmsafe.report.html import write_html
from llmsafe.seal.store import policy_folder

PAGE, SCORES = "audit.html", "scores.parquet"
PARENT_AUDIT, PARENT_PAGE = "parent-audit.json", "parent-audit.html"
RELEASES = "releases"


@dataclass(frozen=True)
class Order:
    """What is asked for: the run, the policy, the form of the weights, the key, the place."""

    run: Path
    policy: Policy
    form: Form
    key: Path
    out: Path
    device: str = "auto"


def release(
    order: Order,
    *,
    detector: Callable[[], Detect] | None = None,
    progress: Progress = silence,
) -> tuple[Release, Audit, Audit]:
    """Make, audit, judge and sign a release; returns its note, its audit and its parent's.

    The audit asks of the artefact what the run's own audit asked of the adapter. One that fails
    is kept in ``OUT-refused`` to be read; it holds no weights.

    Raises:
        PolicyError: the artefact fails the policy.
        EvidenceError: evidence is missing or broken, or the artefact cannot be judged.
        InputError: no run, a wrong key, or an output that is there.
        SetupError: a package is missing, or the disk refuses.
    """
    # Whatever can be wrong is found before the first minute of work.
    signer = check_signing_key(order.key)
    check_writer()
    check_form(order.form)
    check_output(order.out, force=False, inputs=[order.run])
    sealed = policy_folder(order.out)
    if sealed is not None:
        raise InputError(
            f"output {order.out} lies in {sealed}, where all is sealed; a release is clear: name "
            "a folder outside of it by --out"
        )
    parent = admit(order.run, order.policy)
    with _held(order) as tables, staged_folder(order.out) as stage:
        note, place = _make(order, parent, stage, signer)
        audit = _audit(order, place, stage, tables, detector, progress)
        if audit.verdict.status != "pass":
            _keep_refused(order, stage)
            refuse_unless_passed(audit.verdict, order.policy, order.out.name)
        _describe(order, parent, note, audit, stage)
        _check_contents(order, stage)
        signature = sign(stage, order.key)
        _verify(stage, order.key)
        _sync(stage)
        stage.chmod(0o755)  # it is made to be handed on; the vault keeps what is not
        _record(order, note, place, tables, sha256_file(signature))
    return note, audit, parent.audit


@contextmanager
def _held(order: Order) -> Generator[Path, None, None]:
    """Hold the run alone and yield a private folder for tables; on an error all is as before."""
    vault = order.run / VAULT
    lineage = vault / "lineage.json"
    with locked_folder(vault, keep_lock=False):
        before = read_bytes(lineage)  # as it reads, not as it lies: writing seals it again
        kept = make_folder(vault / RELEASES, private=True)
        tables = kept / f".{order.out.name}.tables"
        shutil.rmtree(tables, ignore_errors=True)  # of a release that was killed
        make_folder(tables, private=True)
        known = set(kept.iterdir())
        try:
            yield tables
        except BaseException:
            if read_bytes(lineage) != before:
                write_atomic(lineage, before, private=True)
            for new in set(kept.iterdir()) - known:
                shutil.rmtree(new, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(tables, ignore_errors=True)
            if not any(kept.iterdir()):
                kept.rmdir()


def _make(order: Order, parent: Parent, stage: Path, signer: str) -> tuple[Release, Place]:
    """The weights in ``stage``, with the claim that goes with them."""
    trained = locate(str(order.run))
    _, evidence, _ = read_evidence(trained)
    train = evidence.train
    assert train is not None  # admitted
    base = evidence.base or trained.base_name()
    check_base(base, evidence)
    shutil.copyfile(trained.weights / CLAIM, stage / CLAIM)
    write_weights(trained, base, order.form, stage)
    name, vault = order.out.resolve().name, order.run / VAULT
    place = Place("release", name, stage, vault, adapter=order.form == "adapter")
    step = LineageStep(
        step="release",
        version=__version__,
        inputs={
            "adapter": trained.digest(),
            "base": train.inputs["base"],
            "audit": sha256_file(trained.weights / AUDIT),
        },
        outputs={"weights": place.digest()},
        settings={"name": name, "form": order.form, "policy": order.policy.name},
    )
    lineage = Lineage.load(vault / "lineage.json")
    scrubs = [one for one in lineage.steps if one.step == "scrub"]
    note = Release(
        name=name,
        made_on=today(),
        tool=f"llmsafe {__version__}",
        form=order.form,
        method=METHODS[order.form],
        weights_digest=place.digest(),
        adapter_digest=trained.digest(),
        base=public_name(base),
        base_digest=train.inputs["base"],
        policy=order.policy.name,
        parent_audit=sha256_file(trained.weights / AUDIT),
        lineage=sha256_file(vault / "lineage.json"),
        steps=[one.step for one in lineage.steps],
        scrub=_scrub(scrubs[-1]) if scrubs else {},
        checks={c.name: "ok" if c.status == "ok" else "absent" for c in parent.checks},
        signer=signer,
    )
    return note, replace(place, made=step)


def _scrub(step: LineageStep) -> dict[str, str]:
    """How notes were scrubbed; no count, no name of a column or file."""
    known = step.settings.get("known_identifiers", "none") != "none"  # else their digest
    said = {name: str(step.settings[name]) for name in ("method", "lang") if name in step.settings}
    return {**said, "known_identifiers": "yes" if known else "no", "version": step.version}


def _audit(
    order: Order,
    place: Place,
    stage: Path,
    tables: Path,
    detector: Callable[[], Detect] | None,
    progress: Progress,
) -> Audit:
    """The audit of what lies in ``stage``; its tables go where the vault keeps them."""
    request = _same_questions(order)
    # A copied adapter is one that the lineage names; only what was made of it needs a step.
    target = open_target(replace(place, made=None) if place.adapter else place, device=order.device)
    audit = run_audit(
        target,
        tables / SCORES,
        request,
        detect=detector() if request.generate and detector else None,
        progress=progress,
    )
    assert audit is not None  # one process
    audit.save(stage / AUDIT)
    write_html(audit, stage / PAGE)
    trained = order.run / RELEASE
    shutil.copyfile(trained / AUDIT, stage / PARENT_AUDIT)
    shutil.copyfile(trained / PAGE, stage / PARENT_PAGE)
    return audit


def _same_questions(order: Order) -> Request:
    """What the run's own audit measured, so that the two can be laid side by side."""
    measured = Measured.load(order.run / VAULT / MEASURED)
    also: set[str] = {name for name in VARIANTS if f"scores.{name}.parquet" in measured.tables}
    if measured.sampled or measured.searched:
        also.add("exposure")
    if any(found.method == "candidates" for found in measured.probed):
        also.add("candidates")
    drawn = measured.generated
    return Request(
        policy=order.policy,
        also=frozenset(also),
        generate=drawn.texts if drawn and drawn.source == "model" else 0,
        seed=measured.seed,
    )


def _keep_refused(order: Order, stage: Path) -> None:
    """The audit that says why, without any weights, beside where the release would have been."""
    folder = refused(order.out)
    for name in (AUDIT, PAGE):
        write_atomic(folder / name, (stage / name).read_bytes())


def refused(out: Path) -> Path:
    """Where the audit of a refused release lies."""
    return out.with_name(f"{out.name}-refused")


def _describe(order: Order, parent: Parent, note: Release, audit: Audit, stage: Path) -> None:
    note.save(stage / NOTE)
    _, settings = adapter_settings(order.run / RELEASE)
    statement, trained = parent.statement, parent.audit
    card = release_card(note, statement, audit, trained, settings=settings)
    write_text(stage / "README.md", card)
    write_text(stage / "compliance.md", compliance(note, statement, audit, trained))
    write_sbom(stage, note)


def _check_contents(order: Order, stage: Path) -> None:
    """What may not leave the building is not there: vault files, pickles, secrets, local paths."""
    vault = order.run / VAULT
    check_files.safe_files(stage)
    if (vault / "canaries.json").is_file():
        check_files.no_secret(vault, stage)
    if order.form == "adapter":
        check_files.no_path(stage)
    places = [str(path.resolve()).encode() for path in (order.run, stage)]
    for path in stage.rglob("*"):
        if path.suffix in (".json", ".md", ".html") and path.is_file():
            data = path.read_bytes()
            if any(place in data for place in places):
                raise EvidenceError(
                    f"{path.name} names a folder of this machine; report it, with the form "
                    f"{order.form} and the versions of transformers and peft"
                )


def _verify(stage: Path, key: Path) -> None:
    """As a receiver does, with the public half of the key."""
    with tempfile.TemporaryDirectory() as folder:
        public = write_public_key(key, Path(folder) / "signing.pub")
        verify_release(stage, public)


def _sync(folder: Path) -> None:
    """Make content and names durable before the folder takes its name."""
    try:
        for path in folder.rglob("*"):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_folder(folder)
    except OSError as error:
        raise SetupError(f"cannot write {folder}: {error.strerror}") from error


def _record(order: Order, note: Release, place: Place, tables: Path, signature: str) -> None:
    """Keep the audit's tables in the vault and name the release in the lineage of the run."""
    assert place.made is not None
    vault = order.run / VAULT
    note.save(tables / NOTE, private=True)
    names = itertools.chain([note.name], (f"{note.name}-{n}" for n in itertools.count(2)))
    kept = next(vault / RELEASES / n for n in names if not (vault / RELEASES / n).exists())
    outputs = {
        **place.made.outputs,
        "audit": sha256_file(place.weights / AUDIT),
        "measured": sha256_file(tables / MEASURED),
        "note": sha256_file(place.weights / NOTE),
        "signature": signature,
    }
    tables.rename(kept)
    fsync_folder(kept.parent)
    path = vault / "lineage.json"
    step = place.made.model_copy(update={"outputs": outputs})
    Lineage.load(path).then(step).save(path, private=True)
