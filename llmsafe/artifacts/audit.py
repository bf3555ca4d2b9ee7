"""``audit.json``, what it is made of, and the policy that it is judged by."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from llmsafe.artifacts.base import Artifact, Record
from llmsafe.artifacts.job import PrivacyStatement


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


class BoundPoint(Record):
    """The bound with one number of guesses; all points of a curve hold at once."""

    guesses: int
    correct: int
    epsilon_lower: float
    ceiling: float


class Bound(Record):
    """A lower bound on ε and the ceiling that its design could have certified.

    ``design``: many canaries of one run were guessed, or one canary of each of many runs.
    ``family`` ``gaussian`` holds for mechanisms with a Gaussian trade-off curve alone: it is shown,
    but neither refutes a claim nor decides a policy. ``choices`` is how many ways to guess were
    tried, each at its share of the error probability; ``curve`` is what each of them gave. Of
    repeated runs ``canaries`` is the number of runs.
    """

    method: str
    design: Literal["one-run", "repeated-runs"]
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
    curve: list[BoundPoint] = []


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


class ExtrapolatedExposure(Record):
    """Exposure in bits of secrets likelier than every sample, by a curve fitted to the samples.

    ``fitting`` of ``secrets`` curves were not rejected (goodness of fit at 5 %); the bits are
    means over those, ``None`` where there are none.
    """

    secrets: int
    fitting: int
    mean_bits: float | None
    mean_low: float | None
    mean_high: float | None


class SampledExposure(Record):
    """Exposure of secrets in bits among random ones of their form, ``samples`` for each secret.

    ``beyond`` secrets were likelier than every sample: of them the samples say only that they
    have at least so many bits. ``mean_low`` and ``mean_high`` are means of the exact intervals.
    """

    secrets: int
    samples: int
    beyond: int
    mean_bits: float
    mean_low: float
    mean_high: float
    null_mean_bits: float
    excess_bits: Rate
    base_mean_bits: float | None
    withheld_mean_bits: float | None
    extrapolated: ExtrapolatedExposure | None = None


class Exposure(Record):
    """Exposure of planted canaries in bits against withheld twins, and its excess over chance.

    ``curve`` holds at most 200 points (bits, share of the planted secrets with at least as many).
    """

    canaries: int
    references: int
    mean_bits: float
    max_bits: float
    ceiling_bits: float
    null_mean_bits: float
    excess_bits: Rate
    curve: list[tuple[float, float]] = []
    sampled: SampledExposure | None = None
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

    ``about`` says whose secrets: of canaries, or of the notes trained on. ``match`` ``near`` counts
    a passage with a few edits, too. ``what`` says it all in words, for a reader.
    ``sampler`` and ``probability``: how often n samples must hold a secret for it to count.
    ``chance`` is the share that a guesser without any model has right. ``boilerplate`` counts what
    was emitted but is nobody's own; it is not among the extracted. ``source`` ``file`` was drawn by
    another program, whose word it is.
    """

    method: Literal["greedy", "sampled", "candidates", "generated"]
    about: Literal["canaries", "notes"]
    match: Literal["verbatim", "near"] = "verbatim"
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
    source: Literal["model", "file"] = "model"
    curve: list[ExtractionPoint] = []


class PhiLeak(Record):
    """PHI of one category: in the corpus, missed by the scrubber, emitted by model and base.

    ``counted`` says what a count is of: different values, each once, or every place where one
    stands. ``generated_by_*`` are the values of this form in the generated texts, whether or not
    they are anyone's. ``None`` is not known.
    """

    category: str
    in_corpus: int | None
    missed_by_scrubber: int | None
    emitted_by_model: int | None
    emitted_by_base: int | None
    counted: Literal["values", "places"] = "places"
    generated_by_model: int | None = None
    generated_by_base: int | None = None


class Generated(Record):
    """Texts that were drawn: from the model, and as many from its base by the same chances.

    ``source`` is ``file`` where another program drew them.
    """

    texts: int
    tokens: int
    base_texts: int | None
    prompts: str
    sampler: str
    source: Literal["model", "file"] = "model"


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
    copies: int = 1


class Utility(Record):
    """Perplexity per token on held-out notes, base and target."""

    notes: int
    tokens: int
    perplexity_base: float | None
    perplexity: float


class Scoring(Record):
    """What the score tables cost: texts and tokens scored, and forward passes per text by table."""

    texts: int
    tokens: int
    passes: dict[str, float]
    seconds: float


class Unmeasured(Record):
    """Something the audit could not measure, and why.

    ``doubt`` says what nothing ties to the audited weights because of it: the ``canaries``, the
    ``members`` and others, the ``length`` that texts were scored at, the ``claim``. What is in
    doubt may fail a model and never passes one.
    """

    what: str
    why: str
    doubt: Literal["canaries", "members", "length", "claim"] | None = None


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
    After the day ``expires`` the policy judges nothing.
    """

    name: str = "unnamed"
    expires: datetime.date | None = None
    max_audit_age_days: int | None = None
    max_claimed_epsilon: float | None = None
    max_claimed_delta: float | None = None
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

    schema_version: Literal[3] = 3  # pyright: ignore[reportIncompatibleVariableOverride]
    tool: str
    model: AuditedModel
    privacy: PrivacyStatement | None
    canaries: CanarySummary | None
    membership: list[Membership]
    bounds: list[Bound]
    exposure: Exposure | None
    extraction: list[Extraction]
    phi: list[PhiLeak]
    generated: Generated | None = None
    blind_auc: Rate | None
    utility: Utility | None
    scoring: Scoring | None = None
    unmeasured: list[Unmeasured] = []
    policy: Policy | None = None
    verdict: Verdict
    measured_on: datetime.date | None = None
    seconds: float = Field(ge=0)

    @property
    def breaking(self) -> list[Bound]:
        """Bounds for any mechanism that exceed the claimed ε: the training is broken."""
        claimed = self.privacy.claimed if self.privacy else None
        if claimed is None:
            return []
        return [b for b in self.bounds if b.family == "dp" and b.epsilon_lower > claimed]

    @property
    def voided(self) -> bool:
        """Whether members and others differ without the model, so that membership says nothing."""
        return self.blind_auc is not None and self.blind_auc.low > 0.5

    def in_doubt(self, *doubts: str) -> bool:
        """Whether any of ``doubts`` is cast by what could not be measured."""
        return any(missing.doubt in doubts for missing in self.unmeasured)

    @classmethod
    def _way_out(cls) -> str:
        return "audit again"


class CanaryOutcome(Record):
    """What the attacks made of one canary.

    ``samples_needed`` is how many draws hold the secret with probability one half, ``None`` for
    never. ``secret`` is its SHA-256, or the secret itself where it was asked for.
    """

    canary_id: str
    sort: str | None
    planted: bool
    score: float
    exposure_bits: float | None
    extracted: bool | None
    samples_needed: int | None
    secret: str


class CanaryOutcomes(Artifact):
    """``vault/canary_outcomes.json``: one line per canary, the highest score first."""

    manifest_id: str
    weights_digest: str
    attack: str
    revealed: bool
    canaries: list[CanaryOutcome]


class ShadowRun(Record):
    """A shadow model: its score table in the same folder, and the units it was trained on."""

    name: str
    weights_digest: str
    table: str
    members: list[str]


class ShadowRuns(Artifact):
    """``vault/shadows.json``: what LiRA and RMIA need to be computed again."""

    shadows: list[ShadowRun]


class Measured(Artifact):
    """``vault/measured.json``: what an audit found out that its score tables do not hold.

    With the tables named here it is all that the figures are computed from. ``tables`` has their
    digests, the main one first, ``shadows`` that of ``shadows.json``, ``manifest`` that of the
    canary manifest, ``repeats`` those of the weights of repeated runs. ``trained_tokens`` is how
    much of a note training took, ``measured_on`` the day (UTC). ``probed`` are the extraction
    figures that asked the model more than the tables know.
    """

    schema_version: Literal[3] = 3  # pyright: ignore[reportIncompatibleVariableOverride]
    model: AuditedModel
    unit: Literal["patient", "note"]
    seed: int
    tables: dict[str, str] = Field(min_length=1)
    shadows: str | None = None
    manifest: str | None
    trained_tokens: int | None = None
    repeats: list[str] = []
    scoring: Scoring
    blind_auc: Rate | None
    sampled: SampledExposure | None = None
    searched: SearchedExposure | None = None
    probed: list[Extraction] = []
    phi: list[PhiLeak] = []
    generated: Generated | None = None
    unmeasured: list[Unmeasured] = []
    measured_on: datetime.date | None = None
    seconds: float

    @classmethod
    def _way_out(cls) -> str:
        return "audit again"
