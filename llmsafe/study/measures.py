"""The figures of a cell, read off the files of its run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmsafe.artifacts import Audit, PrivacyStatement, Rate
from llmsafe.files import sha256_file
from llmsafe.models import public_name
from llmsafe.report import headline
from llmsafe.report.study_rows import Row
from llmsafe.stats import binomial_interval, dp_auc_ceiling, dp_tpr_ceiling, group_privacy
from llmsafe.study.evaluate import StudyMeasures
from llmsafe.study.stages import Job

ACROSS_CANARIES = "over canaries"


def rows_of(study: str, job: Job, work: Path) -> list[Row]:
    """Every row of one cell whose stages are done.

    Raises:
        EvidenceError: a file of the run is missing or of another form.
    """
    release, vault = job.run / "release", job.run / "vault"
    audit = Audit.load(release / "audit.json")
    statement = PrivacyStatement.load(release / "privacy.json")
    measures = StudyMeasures.load(job.evaluation)
    cell = job.cell
    shared: dict[str, Any] = {
        "study": study,
        "cell": cell.cell_id,
        "corpus": cell.corpus,
        "model": public_name(cell.base),
        "unit": statement.unit,
        "kind": cell.kind,
        "repetition": cell.repetition,
        "scrub": cell.scrub,
        "rank": cell.rank,
        "seed": cell.seed,
        "epsilon": cell.epsilon,
        "claimed": statement.claimed,
        "delta": statement.delta,
        "run": job.run.relative_to(work).as_posix(),
        "ledger": sha256_file(vault / "ledger.jsonl"),
        "audit": sha256_file(release / "audit.json"),
    }
    claim = _Claim(statement, cell.repetition)
    return [
        Row(row=f"{cell.cell_id}-{_slug(one)}", **shared, **one)
        for one in (*_audited(audit, claim), *_evaluated(measures))
    ]


class _Claim:
    """What the statement rules out for a canary that stands with several patients."""

    def __init__(self, statement: PrivacyStatement, copies: int) -> None:
        epsilon = math.inf if statement.claimed is None else statement.claimed
        self.epsilon, self.delta = group_privacy(epsilon, statement.delta, copies)

    @property
    def bound(self) -> float | None:
        return None if math.isinf(self.epsilon) else self.epsilon

    def tpr(self, fpr: float) -> float | None:
        """``None`` without a claim, as of the others: a control permits everything."""
        if self.bound is None:
            return None
        return float(dp_tpr_ceiling(fpr, self.epsilon, self.delta))

    @property
    def auc(self) -> float | None:
        return None if self.bound is None else dp_auc_ceiling(self.epsilon, self.delta)


def _measure(
    name: str,
    value: float,
    n: int,
    low: float | None = None,
    high: float | None = None,
    interval: str = "",
    **more: float | None,
) -> dict[str, Any]:
    rest = {"x": None, "base": None, "ceiling": None, "theory": None} | more
    return {
        "measure": name, "value": value, "n": n, "low": low, "high": high, "interval": interval,
        **rest,
    }  # fmt: skip


def _rated(name: str, rate: Rate, n: int, interval: str, **more: float | None) -> dict[str, Any]:
    return _measure(name, rate.value, n, rate.low, rate.high, interval, **more)


def _audited(audit: Audit, claim: _Claim) -> Iterator[dict[str, Any]]:
    bound = headline.headline_bound(audit)
    if bound is not None:
        yield _measure(
            "epsilon_lower", bound.epsilon_lower, bound.canaries, bound.epsilon_lower, None,
            f"one-sided {bound.confidence:.0%} bound {ACROSS_CANARIES}; attack and guesses "
            "chosen on the scores and corrected for",
            ceiling=bound.ceiling, theory=claim.bound,
        )  # fmt: skip
    game = headline.canary_membership(audit)
    if game is not None:
        n = game.members + game.non_members
        yield _rated(
            "canary_auc", game.auc, n, f"95 % {ACROSS_CANARIES}", ceiling=1.0, theory=claim.auc
        )
        at = headline.at_fpr(game, 0.01)
        if at is not None:
            yield _rated(
                "canary_tpr_at_1pct_fpr", at.tpr, game.members, f"95 % {ACROSS_CANARIES}",
                ceiling=1.0, theory=claim.tpr(0.01),
            )  # fmt: skip
    if audit.exposure is not None:
        found = audit.exposure
        yield _rated(
            "exposure_excess_bits", found.excess_bits, found.canaries, f"95 % {ACROSS_CANARIES}",
            ceiling=found.ceiling_bits - found.null_mean_bits,
        )  # fmt: skip
    for name, extraction in (
        ("extraction_greedy", headline.canary_extraction(audit)),
        ("extraction_sampled", headline.sampled_extraction(audit)),
    ):
        if extraction is not None and extraction.tried:
            base = extraction.base_extracted
            yield _rated(
                name, extraction.rate, extraction.tried, f"95 % exact {ACROSS_CANARIES}",
                base=None if base is None else base / extraction.tried, ceiling=1.0,
            )  # fmt: skip
    # No limit is drawn for people and identifiers: canaries enter by a coin, people do not, and of
    # those held out near-duplicates are dropped, so members can differ from them without a leak.
    people = headline.people_membership(audit)
    if people is not None:
        yield _rated(
            "people_auc", people.auc, people.members + people.non_members,
            f"95 % over {people.population}", ceiling=1.0,
        )  # fmt: skip
    if audit.utility is not None:
        yield _measure(
            "perplexity", audit.utility.perplexity, audit.utility.notes,
            base=audit.utility.perplexity_base,
        )  # fmt: skip


def _evaluated(found: StudyMeasures) -> Iterator[dict[str, Any]]:
    if found.task is not None:
        task = found.task
        yield _rated(
            "task_accuracy", task.accuracy, task.notes, "95 % exact over notes",
            base=task.correct_base / task.notes, ceiling=1.0,
        )  # fmt: skip
        yield _measure("task_majority", task.majority / task.notes, task.notes)
    if found.identifiers is not None:
        ids = found.identifiers
        over = "over identifiers, one a note"
        yield _rated(
            "identifier_auc", ids.auc, ids.members + ids.held_out, f"95 % {over}", ceiling=1.0
        )
        yield _rated(
            "identifier_extraction", ids.rate, ids.members, f"95 % exact {over}",
            base=ids.extracted_base / ids.members, ceiling=1.0,
        )  # fmt: skip
        others = binomial_interval(ids.extracted_held_out, ids.held_out)
        yield _measure(
            "identifier_extraction_held_out", others.value, ids.held_out, others.low, others.high,
            f"95 % exact {over}", ceiling=1.0,
        )  # fmt: skip
    for one in found.lengths:
        yield _rated(
            f"{one.population}_auc_by_length", one.auc, one.members + one.non_members,
            f"95 % over {one.population}", x=one.tokens, ceiling=1.0,
        )  # fmt: skip


def _slug(one: dict[str, Any]) -> str:
    at = "" if one["x"] is None else f"-{one['x']:g}"
    return f"{one['measure'].replace('_', '-')}{at}"
