"""One audit from model to verdict: gather, score once, measure everything from the table."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import llmsafe
from llmsafe.artifacts import (
    Audit,
    AuditedModel,
    Bound,
    CanaryManifest,
    CanarySummary,
    Membership,
    Policy,
    PrivacyStatement,
    Rate,
    Unmeasured,
    Utility,
    Verdict,
)
from llmsafe.audit.blind import blind_auc
from llmsafe.audit.canaries import (
    DEFAULT_DELTA,
    canary_membership,
    measure_exposure,
    one_run_bounds,
    summary,
)
from llmsafe.audit.extraction import (
    passage_extraction,
    sampled_passage_extraction,
    sampled_secret_extraction,
    secret_extraction,
)
from llmsafe.audit.membership import attacks, note_membership, scores_of
from llmsafe.audit.population import gather
from llmsafe.audit.scores import Progress, Row, ScoreTable, score_texts, silence
from llmsafe.audit.target import Target
from llmsafe.audit.verdict import judge
from llmsafe.corpus import Columns
from llmsafe.errors import EvidenceError
from llmsafe.notes import UnitKind


@dataclass(frozen=True)
class Context:
    """What a score table does not hold: the model, its claim, the coins' design, the baseline."""

    model: AuditedModel
    privacy: PrivacyStatement | None
    canaries: CanaryManifest | None
    unit: UnitKind
    blind_auc: Rate | None
    unmeasured: tuple[Unmeasured, ...]


def run_audit(
    target: Target,
    scores: Path,
    *,
    canaries: Path | None = None,
    members: str | None = None,
    non_members: str | None = None,
    columns: Columns | None = None,
    policy: Policy | None = None,
    max_texts: int = 2000,
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
    seed: int = 0,
    progress: Progress = silence,
) -> tuple[Audit, ScoreTable]:
    """Audit ``target``; the score table is written to ``scores`` (private, stays in the vault).

    ``max_texts`` caps members and non-members alike; canaries are all scored. ``seed`` draws the
    sample of notes, breaks ties and makes the folds of the blind baseline. ``progress`` opens a
    progress bar. With no text to score the audit lists everything as not measured.

    Raises:
        InputError: input that cannot be read.
        EvidenceError: canaries, corpus or weights are not those of the run.
        SetupError: the scores cannot be written.
    """
    start = time.monotonic()
    limit = target.max_tokens(max_tokens)
    population = gather(
        target,
        canaries=canaries,
        members=members,
        non_members=non_members,
        columns=columns,
        max_texts=max_texts,
        rng=random.Random(seed),
    )
    rng = np.random.default_rng(seed)
    # Without a model, and before it: a membership result is worth this much.
    blind = blind_auc(population.of("member"), population.of("non_member"), rng)
    table = score_texts(
        target,
        population.texts,
        scores,
        max_tokens=limit,
        batch_tokens=batch_tokens,
        progress=progress,
    )
    context = Context(
        model=target.described(),
        privacy=target.privacy,
        canaries=population.canaries,
        unit=population.unit,
        blind_auc=blind,
        unmeasured=(*target.unmeasured, *population.unmeasured),
    )
    audit = assess(table, context, policy=policy, seed=seed)
    return audit.model_copy(update={"seconds": round(time.monotonic() - start, 3)}), table


def assess(table: ScoreTable, context: Context, *, policy: Policy | None, seed: int) -> Audit:
    """Every figure of an audit from its score table; needs no model."""
    rng = np.random.default_rng(seed)
    planted, withheld = table.of("planted"), table.of("withheld")
    members, non_members = table.of("member"), table.of("non_member")
    missing = list(context.unmeasured)
    membership: list[Membership] = []
    bounds: list[Bound] = []
    game: CanarySummary | None = None
    if context.canaries is not None:
        game, bounds = _play(table, context, context.canaries, rng, missing)
        if planted and withheld:
            membership += canary_membership(planted, withheld, has_base=table.has_base)
    exposure = measure_exposure(planted, withheld)
    if members and non_members:
        membership += note_membership(
            members, non_members, patients=context.unit == "patient", has_base=table.has_base
        )
        if context.blind_auc is None:
            missing.append(Unmeasured(what="blind baseline", why="fewer than five units on a side"))
    extraction = [
        found
        for found in (
            secret_extraction(planted, withheld),
            sampled_secret_extraction(planted, withheld, table.sampler),
            passage_extraction(members, non_members),
            sampled_passage_extraction(members, non_members, table.sampler),
        )
        if found is not None
    ]
    missing += _always_missing(table)
    audit = Audit(
        tool=f"llmsafe {llmsafe.__version__}",
        model=context.model,
        privacy=context.privacy,
        canaries=game,
        membership=membership,
        bounds=bounds,
        exposure=exposure,
        extraction=extraction,
        phi=[],
        blind_auc=context.blind_auc,
        utility=utility(non_members),
        unmeasured=missing,
        policy=policy,
        verdict=Verdict(status="none"),
        seconds=0.0,
    )
    return audit.model_copy(update={"verdict": judge(audit, policy)})


def _play(
    table: ScoreTable,
    context: Context,
    manifest: CanaryManifest,
    rng: np.random.Generator,
    missing: list[Unmeasured],
) -> tuple[CanarySummary | None, list[Bound]]:
    planted, withheld = table.of("planted"), table.of("withheld")
    if len(planted) + len(withheld) != len(manifest.canaries):
        raise EvidenceError(
            f"{len(planted) + len(withheld)} of {len(manifest.canaries)} canaries have a score; "
            "a game that loses canaries after the coins fell proves nothing: audit again"
        )
    name, attack = next(iter(attacks(table.has_base).items()))
    inside, outside = scores_of(attack, planted), scores_of(attack, withheld)
    cut = sum(row.secret is None for row in (*planted, *withheld))
    if cut:
        missing.append(
            Unmeasured(
                what=f"exposure and extraction of {cut} canaries",
                why=f"their secret lies beyond {table.max_tokens} tokens; raise --max-tokens",
            )
        )
    game = summary(manifest, inside, outside, attack=name)
    if manifest.probability != 0.5:
        missing.append(
            Unmeasured(
                what="ε lower bound",
                why=f"canaries were planted with probability {manifest.probability}; the bound "
                "needs fair coins (0.5)",
            )
        )
        return game, []
    delta = context.privacy.delta if context.privacy else DEFAULT_DELTA
    return game, one_run_bounds(inside, outside, attack=name, delta=delta, rng=rng)


def utility(rows: Sequence[Row]) -> Utility | None:
    """Perplexity per token (BOS given, EOS counted) on notes that were not trained on."""
    if not rows:
        return None
    tokens = sum(len(row.target) for row in rows)
    bases = [row.base for row in rows if row.base is not None]
    ours = sum(float(row.target.logp.sum(dtype=np.float64)) for row in rows)
    theirs = sum(float(base.logp.sum(dtype=np.float64)) for base in bases)
    return Utility(
        notes=len(rows),
        tokens=tokens,
        perplexity=float(np.exp(-ours / tokens)),
        perplexity_base=float(np.exp(-theirs / tokens)) if len(bases) == len(rows) else None,
    )


def _always_missing(table: ScoreTable) -> list[Unmeasured]:
    found = [
        Unmeasured(
            what="personal data by category in generated text",
            why="the corpus has no gold labels to count against, and no text was generated",
        )
    ]
    pairs = [(row.target, row.base) for row in table.rows if row.base is not None]
    if pairs and all(np.array_equal(target.logp, base.logp) for target, base in pairs):
        found.append(
            Unmeasured(
                what="any effect of training",
                why="target and base give the very same scores: the adapter changes nothing, "
                "so nothing can leak and nothing was learned; was it trained?",
            )
        )
    return found
