"""A bound on ε from repeated runs: the same training again and again, one canary judged in each.

One run's canaries share one training, so only a bound made for that may count them all
(:func:`llmsafe.stats.epsilon_one_run`). Of independent runs each has one canary that is judged,
planted or withheld by its own coin: then errors are binomial and Clopper-Pearson holds (Jagielski,
Ullman, Oprea 2020, arXiv 2006.07709). Which canary is fixed beforehand: the first of the draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmsafe.artifacts import (
    Bound,
    CanaryManifest,
    LineageStep,
    PrivacyStatement,
    Unmeasured,
)
from llmsafe.audit.attacks import Attack
from llmsafe.audit.membership import scores_of
from llmsafe.audit.planted import canary_texts, find_canaries
from llmsafe.audit.scores import Row, ScoreTable, score_texts
from llmsafe.errors import EvidenceError
from llmsafe.stats import clopper_pearson_search

if TYPE_CHECKING:
    from llmsafe.audit.target import Target

METHOD = "Clopper-Pearson over repeated runs (arXiv 2006.07709)"
_OF_ONE_RUN = ("corpus_path",)  # its canaries are its own, so its corpus is, too
_RECORDED = ("train", "max_tokens", "max_notes_per_unit")


class Repeat(NamedTuple):
    """The table of the canary that a repeated run is judged by, its file, and the run's weights."""

    name: str
    table: ScoreTable
    weights_digest: str


def score_repeats(
    target: Target,
    canaries: CanaryManifest | None,
    runs: Sequence[str],
    path: Path,
    *,
    max_tokens: int,
    **limits: Any,
) -> list[Repeat]:
    """Score the judged canary of every further run, each into a table beside ``path``.

    ``limits`` go to :func:`score_texts`. The runs are
    opened one after the other, so one model more than the target is in memory.

    Raises:
        InputError: a run that cannot be opened.
        EvidenceError: a run given twice or with canaries of another one, of another claim, base,
            settings or kind of canary than the target, or whose canaries are not proven to be its
            own; a target without canaries or claim.
    """
    from llmsafe.audit.target import open_target

    found: list[Repeat] = []
    if runs and (canaries is None or target.privacy is None):
        raise EvidenceError(
            f"--repeat compares like runs by their canaries and promises, and {target.name} lacks "
            "one of the two"
        )
    digests = {target.weights_digest}
    draws = _draws(canaries) if canaries else set[str | int]()
    for number, place in enumerate(runs):
        run = open_target(place, device=str(target.device))
        if run.weights_digest in digests:
            raise EvidenceError(
                f"repeated run {run.name} has the weights of another one; give each run once"
            )
        digests.add(run.weights_digest)
        missing: list[Unmeasured] = []
        manifest = find_canaries(run.name, run.evidence, None, missing)
        if manifest is None or missing:
            raise EvidenceError(
                f"repeated run {run.name}: its canaries are not proven to be its own "
                "(no manifest in its vault, or no lineage that names it); give whole run folders"
            )
        if draws & _draws(manifest):
            raise EvidenceError(
                f"repeated run {run.name} has the canaries of another one: the coins of one draw "
                "are not independent; plant every run's anew with a --seed of its own"
            )
        draws |= _draws(manifest)
        _check_same_promise(target, run)
        ours, theirs = ((m.kind, m.lang, m.probability) for m in (canaries, manifest) if m)
        if ours != theirs:
            raise EvidenceError(
                f"repeated run {run.name} has canaries {theirs}, {target.name} {ours}; they are "
                "judged together, so they must come from one distribution"
            )
        judged = min(canary_texts(manifest), key=lambda text: text.text_id)
        file = path.with_name(f"{path.stem}.repeat-{number}.parquet")
        table = score_texts(run, [judged], file, max_tokens=max_tokens, **limits)
        found.append(Repeat(file.name, table, run.weights_digest))
    return found


def repeated_runs_bound(
    own: Sequence[Row],
    repeats: Sequence[ScoreTable],
    *,
    name: str,
    attack: Attack,
    delta: float,
    confidence: float,
) -> Bound:
    """The bound over this run (``own`` are the rows of its canaries) and the repeated ones.

    Raises:
        EvidenceError: the judged canary was planted in all of the runs, or in none.
    """
    rows = [min(own, key=lambda row: row.text_id), *(table.rows[0] for table in repeats)]
    planted, withheld = ([r for r in rows if r.role == role] for role in ("planted", "withheld"))
    if not planted or not withheld:
        raise EvidenceError(
            f"the judged canary of {len(rows)} runs was planted in {len(planted)}; runs with "
            "other canary seeds are needed, so that both occur"
        )
    found = clopper_pearson_search(
        scores_of(attack, planted), scores_of(attack, withheld), delta, confidence
    )
    return Bound(
        method=METHOD,
        design="repeated-runs",
        assumption="independent runs, one canary of each judged, threshold corrected for",
        attack=name,
        delta=delta,
        confidence=confidence,
        canaries=len(rows),
        guesses=len(rows),
        correct=found.true_positives + found.negatives - found.false_positives,
        epsilon_lower=found.epsilon_lower,
        ceiling=found.ceiling,
        choices=found.choices,
    )


def _draws(manifest: CanaryManifest) -> set[str | int]:
    """What names a draw: the seed too, for more canaries of one seed begin with the same ones."""
    return {manifest.manifest_id, manifest.seed}


def _check_same_promise(target: Target, run: Target) -> None:
    ours, theirs = (_promise(one.privacy) for one in (target, run))
    if ours != theirs:
        raise EvidenceError(
            f"repeated run {run.name} does not make the promise of {target.name} (ε, δ, unit, "
            "sampling, steps and noise); a bound over both would be about neither"
        )
    ours, theirs = (_settings(one.evidence.train) for one in (target, run))
    absent = [key for key in _RECORDED if key not in ours or key not in theirs]
    if absent:
        raise EvidenceError(
            f"repeated run {run.name}: its lineage, or that of {target.name}, does not record "
            f"{', '.join(absent)}, so nothing says that the two are alike; train anew"
        )
    different = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if different:
        raise EvidenceError(
            f"repeated run {run.name} was trained with another {', '.join(different)} than "
            f"{target.name}; repeated runs differ in canaries and chance alone: train it anew"
        )


def _settings(train: LineageStep | None) -> dict[str, Any]:
    """What must be the same in like runs: the base and every setting but where the corpus lies."""
    if train is None:
        return {}
    own = {key: value for key, value in train.settings.items() if key not in _OF_ONE_RUN}
    return own | {"base": train.inputs.get("base")}


def _promise(statement: PrivacyStatement | None) -> dict[str, Any] | None:
    return statement.model_dump(exclude={"covers", "not_covered"}) if statement else None
