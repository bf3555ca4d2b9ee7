"""The files that pass between the parts: one pydantic model per file, written atomically.

Every artifact carries ``schema_version``; an unknown key is an error, so a file written by a
newer version is refused rather than half understood. An infinite ε is stored as ``null``: JSON has
no infinity.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmsafe.errors import EvidenceError
from llmsafe.files import write_text

A = TypeVar("A", bound="Artifact")


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
    """One canary: a patient of its own with one note; the secret is ``text[start:end]``.

    ``sort`` is what the secret is (``mrn``, ``phone``, ``random``, …). ``secret_template`` says
    which strings it could have been (``9##-##-####``, with ``#`` a digit and ``*`` a check
    character) and ``secret_space_bits`` how many, as log2; ``None`` where that is not known.
    """

    canary_id: str
    patient_id: str
    note_id: str
    planted: bool
    text: str
    secret_start: int
    secret_end: int
    sort: str | None = None
    secret_template: str | None = None
    secret_space_bits: float | None = None


class CanaryManifest(Artifact):
    """``vault/canaries.json``: planted and withheld canaries; ``manifest_id`` names the draw.

    ``kind`` is what was asked for (several joined by ``+``), ``sorts`` how many canaries of each
    sort came of it, and ``base`` the model that kinds fitted on one were made with.
    """

    manifest_id: str
    kind: str
    lang: str
    seed: int
    probability: float
    corpus_digest: str
    sorts: dict[str, int] = {}
    base: str | None = None
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
    """A lower bound on ε and the ceiling that its design could have certified.

    ``family`` ``gaussian`` holds for mechanisms with a Gaussian trade-off curve alone: it is shown,
    but neither refutes a claim nor decides a policy. ``choices`` is how many ways to guess were
    tried, each at its share of the error probability.
    """

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
    family: Literal["dp", "gaussian"] = "dp"
    choices: int = 1


class SearchedExposure(Record):
    """Exposure of secrets in bits among *all* that they might have been, by a search.

    ``closed`` searches gave the rank itself, the others bounds of it: ``mean_low`` and
    ``mean_high`` are the means of the least and the most bits that it allows. ``excess_bits`` is
    the mean above a secret never seen, with an interval that takes in both.
    """

    secrets: int
    closed: int
    space_bits: float
    mean_low: float
    mean_high: float
    null_mean_bits: float
    excess_bits: Rate
    base_mean_low: float | None
    base_mean_high: float | None
    withheld_mean_low: float | None
    withheld_mean_high: float | None


class Exposure(Record):
    """Exposure of planted canaries in bits against withheld twins, and its excess over chance."""

    canaries: int
    references: int
    mean_bits: float
    max_bits: float
    ceiling_bits: float
    null_mean_bits: float
    excess_bits: Rate
    searched: SearchedExposure | None = None


class ExtractionPoint(Record):
    """What is extracted within ``n``: samples, or first places of a list of candidates."""

    n: int
    extracted: int
    base_extracted: int | None
    withheld_extracted: int | None
    chance: float | None = None


class Extraction(Record):
    """Secrets emitted: the target's rate, the base's rate and the withheld twins' rate.

    ``sampler`` and ``probability``: how often n samples must hold a secret for it to count.
    ``chance`` is the share that a guesser without any model has right. ``boilerplate`` counts what
    was emitted but is nobody's own; it is not among the extracted.
    """

    method: str
    what: str
    tried: int
    extracted: int
    rate: Rate
    base_extracted: int | None
    withheld_tried: int | None
    withheld_extracted: int | None
    sampler: str | None = None
    probability: float | None = None
    chance: float | None = None
    boilerplate: int | None = None
    curve: list[ExtractionPoint] = []


class PhiLeak(Record):
    """PHI of one category: in the corpus, missed by the scrubber, emitted by model and base.

    ``counted`` says what a count is of: different values, each once, or every place where one
    stands. ``generated_by_*`` are the values of this form in the generated texts, whether or not
    they are anyone's.
    """

    category: str
    in_corpus: int
    missed_by_scrubber: int | None
    emitted_by_model: int | None
    emitted_by_base: int | None
    counted: Literal["values", "places"] = "places"
    generated_by_model: int | None = None
    generated_by_base: int | None = None


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

    Each is judged on the confidence bound, not on the point estimate; a ``tpr`` is the share
    identified while 1 in 100 outsiders is wrongly flagged. ``require`` names evidence
    (``canaries``, ``membership``, ``extraction``, ``privacy``) whose absence is INCONCLUSIVE.
    ``require_unit`` and ``require_noise`` are the least that the privacy statement must claim.
    """

    name: str = "unnamed"
    max_claimed_epsilon: float | None = None
    max_epsilon_lower: float | None = None
    max_canary_auc: float | None = None
    max_canary_tpr: float | None = None
    max_membership_auc: float | None = None
    max_membership_tpr: float | None = None
    max_extraction_excess: float | None = None
    max_exposure_excess_bits: float | None = None
    require: list[Literal["canaries", "membership", "extraction", "privacy"]] = []
    require_unit: Literal["patient", "note"] | None = None
    require_noise: Literal["standard", "secure"] | None = None


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
