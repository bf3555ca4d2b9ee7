"""The files of the job itself: statement, canaries, scrub manifest, lineage, ledger, split."""

from __future__ import annotations

import datetime
import math
from typing import Any, Literal

from llmsafe.artifacts.base import Artifact, Record


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

    @property
    def claimed(self) -> float | None:
        """The ε that the training may be held to; ``None`` when nothing is claimed."""
        if not self.private or self.epsilon is None or not math.isfinite(self.epsilon):
            return None
        return self.epsilon


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
    sort came of it, and ``base`` the model that kinds fitted on one were made with. Each planted
    canary stands in the corpus ``copies`` times, each time as another patient (:meth:`places`).
    """

    manifest_id: str
    kind: str
    lang: str
    seed: int
    probability: float
    corpus_digest: str
    sorts: dict[str, int] = {}
    base: str | None = None
    copies: int = 1
    canaries: list[Canary]

    def places(self, canary: Canary) -> list[tuple[str, str]]:
        """(patient id, note id) of every place where a planted canary stands."""
        return canary_places(canary, self.copies)


def canary_places(canary: Canary, copies: int) -> list[tuple[str, str]]:
    """The ids of a canary itself, then those of its further copies."""
    return [
        (canary.patient_id + mark, canary.note_id + mark)
        for mark in ("", *(f"-{number}" for number in range(2, copies + 1)))
    ]


class Residual(Record):
    """Spans of a category that the rules and the tagger saw, and an estimate of what neither did.

    ``missed`` with its 95 % interval supposes that the two miss independently of each other; as
    they mostly miss the same hard cases, read it as the least to expect. ``high`` is null where the
    two never agreed.
    """

    both: int
    rules_only: int
    tagger_only: int
    missed: float
    low: float
    high: float | None


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
    residual: dict[str, Residual] = {}
    quarantined: list[str]
    seconds: float


class LineageStep(Record):
    """One step of the way from notes to release: names and digests only."""

    step: Literal["synth", "scrub", "reveal", "canary", "train", "audit", "release"]
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


class Split(Artifact):
    """``vault/split.json``: which privacy units were trained on and which were held out.

    ``texts`` has a digest of each unit's notes as training took them, so that an audit can tell
    whether notes under these ids are the very notes; empty in a run of an older version.
    """

    unit: Literal["patient", "note"]
    members: list[str]
    held_out: list[str]
    texts: dict[str, str] = {}


Form = Literal["adapter", "merged", "int8", "int4"]
"""How weights are released: the adapter as trained, or merged into its base and then, if asked
for, with the linear layers stored in 8 or 4 bits."""


class Release(Artifact):
    """``release.json``: what left the building, what it was made of, and what was checked before.

    ``weights_digest`` is that of the weights beside it, ``adapter_digest`` and ``base_digest`` are
    those that they were made of, ``lineage`` the digest of the lineage up to the release, which
    stays in the vault. ``checks`` are the answers of ``llmsafe check`` on the run, ``signer`` the
    SHA-256 of the public key whose owner signed.
    """

    name: str
    made_on: datetime.date
    tool: str
    form: Form
    method: str
    weights_digest: str
    adapter_digest: str
    base: str
    base_digest: str
    policy: str
    parent_audit: str
    lineage: str
    steps: list[str]
    scrub: dict[str, str] = {}
    checks: dict[str, Literal["ok", "absent"]]
    signer: str
