"""The files that pass between the parts: one pydantic model per file, written atomically.

Every artifact carries ``schema_version``; an unknown key is an error, so a file written by a
newer version is refused rather than half understood. Files under ``vault/`` are created 0600 in a
0700 folder. An infinite ε is stored as ``null``: JSON has no infinity.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmsafe.errors import EvidenceError, InputError, SetupError

A = TypeVar("A", bound="Artifact")

CORPUS = "corpus"
VAULT = "vault"
RELEASE = "release"


# --- writing ------------------------------------------------------------------------------------


def make_folder(path: Path, *, private: bool = False) -> Path:
    """Create ``path`` (and parents); a private one is readable by its owner alone (0700).

    The mode of a folder that exists is its owner's business and stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"cannot create folder {path}: {error.strerror}; choose a writable output"
        ) from error
    return path


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> Path:
    """Write ``data`` so that ``path`` holds either the old content or all of the new.

    A temporary file in the same folder is written, fsynced and renamed, then the folder is
    fsynced. ``private`` files are 0600, others 0666 less the umask.
    """
    folder = make_folder(path.parent, private=private)
    temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _fsync_folder(folder)
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}; free space or choose a writable output"
        ) from error
    return path


def write_text(path: Path, text: str, *, private: bool = False) -> Path:
    """:func:`write_atomic` for text (UTF-8)."""
    return write_atomic(path, text.encode(), private=private)


def append_line(path: Path, line: str) -> None:
    """Append one line to a private file (0600), in one write.

    Raises:
        SetupError: the disk refuses.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}; free space or choose a writable output"
        ) from error


def remove_torn(folder: Path) -> None:
    """Remove the temporary files that a killed :func:`write_atomic` left anywhere in ``folder``.

    Call it only where no other process writes into the folder.
    """
    for path in folder.rglob(".*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}", path.name) and path.is_file():
            path.unlink()


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staged_folder(output: Path, *, force: bool = False) -> Generator[Path, None, None]:
    """Yield a private folder beside ``output`` that becomes ``output`` only if the block succeeds.

    An existing, non-empty ``output`` is refused unless ``force``; even then it is replaced only
    after the new content is complete. On an error nothing is left behind.

    Raises:
        InputError: ``output`` exists and ``force`` is off, or it is a file.
        SetupError: the parent cannot be written.
    """
    check_output(output, force=force)
    make_folder(output.parent)
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise SetupError(
            f"cannot write {output}: {error.strerror}; choose a writable output"
        ) from error
    try:
        yield stage
        if output.exists():
            # Set the old folder aside first: a rename cannot replace a folder that is not empty.
            old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
            os.replace(output, old / "content")
            os.replace(stage, output)
            shutil.rmtree(old)
        else:
            os.replace(stage, output)
        _fsync_folder(output.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def check_output(output: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse an output that would overwrite something; say how to go on.

    ``force`` replaces only what llmsafe made (a folder with ``vault/``), and never a folder that
    is, holds or lies in one of ``inputs``.

    Raises:
        InputError: the output is a file, exists without ``force``, is not llmsafe's, or overlaps
            an input.
        SetupError: it cannot be read.
    """
    place = output.resolve()
    for source in (path.resolve() for path in inputs if path.exists()):
        if source == place or source in place.parents or place in source.parents:
            raise InputError(f"output {output} and input {source} overlap; choose another output")
    if output.is_file():
        raise InputError(f"output {output} is a file; name a folder that does not exist yet")
    if not output.is_dir():
        return
    try:
        occupied = any(output.iterdir())
    except OSError as error:
        raise SetupError(
            f"cannot read {output}: {error.strerror}; choose another output"
        ) from error
    if occupied and not force:
        raise InputError(f"output {output} exists; choose another name or pass --force")
    if occupied and not (output / VAULT).is_dir():
        raise InputError(
            f"output {output} was not made by llmsafe (it has no {VAULT}/), so --force does not "
            "replace it; choose another name or remove it yourself"
        )


# --- digests ------------------------------------------------------------------------------------


def sha256_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """``sha256:<hex>`` of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """One digest over several files: their names and contents, in name order."""
    lines = [f"{path.name} {sha256_file(path)}\n" for path in sorted(paths)]
    return sha256_bytes("".join(lines).encode())


def sha256_json(value: Any) -> str:
    """Digest of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


# --- models -------------------------------------------------------------------------------------


class Record(BaseModel):
    """A frozen part of an artifact; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Artifact(Record):
    """A JSON file on disk."""

    schema_version: Literal[1] = 1

    def to_json(self) -> str:
        """Readable JSON, one trailing newline."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def save(self, path: Path, *, private: bool = False) -> Path:
        """Write atomically; ``private`` for the vault."""
        return write_text(path, self.to_json(), private=private)

    @classmethod
    def load(cls: type[A], path: Path) -> A:
        """Read and validate.

        Raises:
            EvidenceError: the file is absent, no JSON, of another schema, or has unknown keys.
                The message names fields, never their values (a vault file may hold secrets).
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise EvidenceError(f"cannot read {path}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise EvidenceError(
                f"{path} is no valid {cls.__name__}: {where}: {first['msg']}; "
                "make it anew with this version of llmsafe"
            ) from error


class PrivacyStatement(Artifact):
    """``release/privacy.json``: what is claimed, under which assumptions, and what is not covered.

    ``epsilon`` is ``None`` when nothing is claimed (no noise, test noise or an infinite ε).
    ``max_units_per_step`` is the declared cap on a draw; ε accounts for it.
    """

    private: bool
    epsilon: float | None
    delta: float
    unit: Literal["patient", "note"]
    adjacency: Literal["add-or-remove-one"] = "add-or-remove-one"
    sampling: Literal["poisson"] = "poisson"
    sampling_probability: float
    population: int
    units_per_step: float
    steps: int
    noise_multiplier: float
    clip_norm: float
    noise: Literal["test", "standard", "secure", "none"]
    accountant: Literal["prv", "rdp"] = "prv"
    max_units_per_step: int | None = None
    covers: list[str] = []
    not_covered: list[str] = []


class Canary(Record):
    """One canary: a patient of its own with one note; the secret is ``text[start:end]``."""

    canary_id: str
    patient_id: str
    note_id: str
    planted: bool
    text: str
    secret_start: int
    secret_end: int


class CanaryManifest(Artifact):
    """``vault/canaries.json``: planted and withheld canaries; ``manifest_id`` names the draw."""

    manifest_id: str
    kind: str
    lang: str
    seed: int
    probability: float
    corpus_digest: str
    canaries: list[Canary]


class ScrubManifest(Artifact):
    """``vault/scrub_manifest.json``: what a scrub did; counts and ids, no text."""

    method: str
    lang: str
    settings: dict[str, Any]
    input_digest: str
    output_digest: str
    notes: int
    patients: int
    characters: int
    spans_by_category: dict[str, int]
    spans_by_source: dict[str, int]
    quarantined: list[str]
    seconds: float


class LineageStep(Record):
    """One step of the way from notes to release: names and digests only."""

    step: Literal["synth", "scrub", "canary", "train", "audit"]
    version: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    settings: dict[str, Any] = {}


class Lineage(Artifact):
    """``vault/lineage.json``: the steps so far, oldest first."""

    steps: list[LineageStep] = []

    def then(self, step: LineageStep) -> Lineage:
        """A new lineage with ``step`` appended."""
        return Lineage(steps=[*self.steps, step])


class LedgerLine(Record):
    """A line of ``vault/ledger.jsonl``; ``hash`` covers the line and the hash before it.

    ``kind`` is ``open`` (first line; ``plan`` is the digest of the plan), ``charge`` (written
    before the step is applied) or ``resume``.
    """

    kind: Literal["open", "charge", "resume"]
    index: int
    step: int
    plan: str
    noise_multiplier: float
    sampling_probability: float
    previous: str
    hash: str


class Rate(Record):
    """A share with an exact interval: ``low ≤ value ≤ high``."""

    value: float
    low: float
    high: float


class TprAtFpr(Record):
    """True positive rate at a target false positive rate; ``meaningful`` if n allows it."""

    fpr: float
    tpr: Rate
    meaningful: bool


class Membership(Record):
    """One attack on one population. ``roc`` holds at most 200 (fpr, tpr) points."""

    attack: str
    population: Literal["canaries", "notes", "patients"]
    members: int
    non_members: int
    auc: Rate
    tpr: list[TprAtFpr]
    roc: list[tuple[float, float]] = []
    primary: bool = False


class Bound(Record):
    """A lower bound on ε and the ceiling that its design could have certified."""

    method: str
    assumption: str
    attack: str
    delta: float
    confidence: float
    canaries: int
    guesses: int
    correct: int
    epsilon_lower: float
    ceiling: float


class Exposure(Record):
    """Exposure of planted canaries in bits against withheld twins, and its excess over chance."""

    canaries: int
    references: int
    mean_bits: float
    max_bits: float
    ceiling_bits: float
    null_mean_bits: float
    excess_bits: Rate


class Extraction(Record):
    """Secrets emitted: the target's rate, the base's rate and the withheld twins' rate."""

    method: str
    what: str
    tried: int
    extracted: int
    rate: Rate
    base_extracted: int | None
    withheld_tried: int | None
    withheld_extracted: int | None


class PhiLeak(Record):
    """PHI of one category: in the corpus, missed by the scrubber, emitted by model and base."""

    category: str
    in_corpus: int
    missed_by_scrubber: int | None
    emitted_by_model: int | None
    emitted_by_base: int | None


class Histogram(Record):
    """Counts of canary scores per bin; ``edges`` has one entry more than each count list."""

    edges: list[float]
    planted: list[int]
    withheld: list[int]


class CanarySummary(Record):
    """The design of the canary game and the spread of its scores."""

    manifest_id: str
    kind: str
    count: int
    planted: int
    withheld: int
    probability: float
    attack: str
    scores: Histogram


class Utility(Record):
    """Perplexity per token on held-out notes, base and target."""

    notes: int
    tokens: int
    perplexity_base: float | None
    perplexity: float


class Unmeasured(Record):
    """Something the audit could not measure, and why."""

    what: str
    why: str


class AuditedModel(Record):
    """What was audited: kind of input, names and digests (no local path)."""

    kind: Literal["run", "release", "adapter", "model"]
    name: str
    base: str | None
    weights_digest: str
    parameters: int
    adapter_parameters: int | None


class Verdict(Record):
    """The decision on a policy; ``none`` when no policy was given."""

    status: Literal["pass", "fail", "inconclusive", "none"]
    reasons: list[str] = []
    alarms: list[str] = []


class Policy(Record):
    """Thresholds of an audit policy file (YAML); ``None`` leaves a criterion out.

    Each is judged on the confidence bound, not on the point estimate. ``require`` names evidence
    (``canaries``, ``membership``, ``extraction``, ``privacy``) whose absence is INCONCLUSIVE.
    """

    name: str = "unnamed"
    max_claimed_epsilon: float | None = None
    max_epsilon_lower: float | None = None
    max_canary_auc: float | None = None
    max_membership_auc: float | None = None
    max_extraction_excess: float | None = None
    max_exposure_excess_bits: float | None = None
    require: list[Literal["canaries", "membership", "extraction", "privacy"]] = []


class Audit(Artifact):
    """``audit.json``: everything the report shows, nothing that names a patient or a secret."""

    tool: str
    model: AuditedModel
    privacy: PrivacyStatement | None
    canaries: CanarySummary | None
    membership: list[Membership]
    bounds: list[Bound]
    exposure: Exposure | None
    extraction: list[Extraction]
    phi: list[PhiLeak]
    blind_auc: Rate | None
    utility: Utility | None
    unmeasured: list[Unmeasured] = []
    policy: Policy | None = None
    verdict: Verdict
    seconds: float = Field(ge=0)


class Split(Artifact):
    """``vault/split.json``: which privacy units were trained on and which were held out."""

    unit: Literal["patient", "note"]
    members: list[str]
    held_out: list[str]
