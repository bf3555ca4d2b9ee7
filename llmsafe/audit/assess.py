"""Every figure of an audit from its files alone: score tables, and what else was measured.

No model is needed, so an audit can be judged again by another policy, or by a newer version, on any
machine.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence

import numpy as np

import llmsafe
from llmsafe.artifacts import (
    Audit,
    Bound,
    CanaryManifest,
    CanaryOutcome,
    CanaryOutcomes,
    CanarySummary,
    Exposure,
    Extraction,
    Measured,
    Membership,
    Policy,
    PrivacyStatement,
    Unmeasured,
    Utility,
    Verdict,
)
from llmsafe.audit.attacks import game_attacks
from llmsafe.audit.canaries import (
    CONFIDENCE,
    DEFAULT_DELTA,
    canary_exposures,
    canary_membership,
    measure_exposure,
    one_run_bounds,
    summary,
)
from llmsafe.audit.extraction import (
    passage_extraction,
    sampled_passage_extraction,
    sampled_secret_extraction,
    samples_needed,
    secret_extraction,
    secret_logp,
)
from llmsafe.audit.membership import judge_attack, judge_rows, note_membership, scores_of
from llmsafe.audit.repeats import repeated_runs_bound
from llmsafe.audit.scores import Row, ScoreTable
from llmsafe.audit.shadow import shadow_membership
from llmsafe.audit.tables import Tables
from llmsafe.audit.variants import variant_of, variant_scorer
from llmsafe.audit.verdict import judge
from llmsafe.errors import EvidenceError


def assess(
    tables: Tables,
    measured: Measured,
    *,
    privacy: PrivacyStatement | None,
    canaries: CanaryManifest | None,
    policy: Policy | None,
) -> Audit:
    """The audit: figures and verdict. ``canaries`` is the manifest that the tables were scored by.

    Raises:
        EvidenceError: canaries without a score.
    """
    table, missing = tables.scores, list(measured.unmeasured)
    planted, withheld = table.of("planted"), table.of("withheld")
    members, non_members = table.of("member"), table.of("non_member")
    game, bounds = None, list[Bound]()
    if canaries is not None:
        game, bounds = _play(tables, canaries, privacy, measured, missing)
    if members and non_members and measured.blind_auc is None:
        missing.append(Unmeasured(what="blind baseline", why="fewer than five units on a side"))
    missing += _no_effect(table)
    audit = Audit(
        tool=f"llmsafe {llmsafe.__version__}",
        model=measured.model,
        privacy=privacy,
        canaries=game,
        membership=_membership(tables, measured, missing),
        bounds=bounds,
        exposure=_exposure(planted, withheld, measured),
        extraction=[*_verbatim(table), *measured.probed],
        phi=measured.phi,
        generated=measured.generated,
        blind_auc=measured.blind_auc,
        utility=utility(non_members),
        scoring=measured.scoring,
        unmeasured=missing,
        policy=policy,
        verdict=Verdict(status="none"),
        measured_on=measured.measured_on,
        seconds=measured.seconds,
    )
    return audit.model_copy(update={"verdict": judge(audit, policy)})


# --- parts --------------------------------------------------------------------------------------


def _play(
    tables: Tables,
    manifest: CanaryManifest,
    privacy: PrivacyStatement | None,
    measured: Measured,
    missing: list[Unmeasured],
) -> tuple[CanarySummary, list[Bound]]:
    table = tables.scores
    planted, withheld = table.of("planted"), table.of("withheld")
    if len(planted) + len(withheld) != len(manifest.canaries):
        raise EvidenceError(
            f"{len(planted) + len(withheld)} of {len(manifest.canaries)} canaries have a score; "
            "a game that loses canaries after the coins fell proves nothing: audit again"
        )
    played = game_attacks(table.has_base)
    inside = {name: scores_of(attack, planted) for name, attack in played.items()}
    outside = {name: scores_of(attack, withheld) for name, attack in played.items()}
    name = next(iter(played))
    missing += _cut_secrets([*planted, *withheld], table.max_tokens, measured.trained_tokens)
    delta = privacy.delta if privacy else DEFAULT_DELTA
    # Two bounds that judge share the chance of error, so that their alarm keeps it. Whether there
    # are two is decided by the coins alone.
    fair, shared = manifest.probability == 0.5, 1 - (1 - CONFIDENCE) / 2
    repeated = _repeated(tables, shared if fair else CONFIDENCE, delta, missing)
    bounds: list[Bound] = []
    if manifest.copies > 1:
        why = (
            f"each canary was planted {manifest.copies} times, as so many patients: what is proved "
            f"of them is no bound for one, but for groups of {manifest.copies}"
        )
        missing.append(Unmeasured(what="ε lower bound from one run", why=why))
    elif fair:
        rng = np.random.default_rng(measured.seed)
        confidence = shared if repeated else CONFIDENCE
        bounds += one_run_bounds(inside, outside, delta=delta, rng=rng, confidence=confidence)
    else:
        why = (
            f"canaries were planted with probability {manifest.probability}; the bound needs fair "
            "coins (0.5)"
        )
        missing.append(Unmeasured(what="ε lower bound from one run", why=why))
    game = summary(manifest, inside[name], outside[name], attack=name)
    return game, [*bounds, *repeated]


def _cut_secrets(
    rows: Sequence[Row], max_tokens: int, trained_tokens: int | None
) -> list[Unmeasured]:
    cut = sum(row.secret is None for row in rows)
    if not cut:
        return []
    way = "raise --max-tokens"
    if trained_tokens is not None and max_tokens >= trained_tokens:
        way = "training did not see it either: make shorter canaries, or raise data.max_tokens"
    return [
        Unmeasured(
            what=f"exposure and extraction of {cut} canaries",
            why=f"their secret lies beyond {max_tokens} tokens; {way}",
        )
    ]


def _repeated(
    tables: Tables, confidence: float, delta: float, missing: list[Unmeasured]
) -> list[Bound]:
    if not tables.repeats:
        return []
    name, attack = next(iter(game_attacks(tables.scores.has_base).items()))
    own = tables.scores.of("planted", "withheld")
    try:
        bound = repeated_runs_bound(
            own, tables.repeats, name=name, attack=attack, delta=delta, confidence=confidence
        )
    except EvidenceError as error:
        missing.append(Unmeasured(what="ε lower bound from repeated runs", why=str(error)))
        return []
    return [bound]


def _membership(tables: Tables, measured: Measured, missing: list[Unmeasured]) -> list[Membership]:
    """Canaries first, then patients and notes; of each the primary attack first."""
    table, patients = tables.scores, measured.unit == "patient"
    planted, withheld = table.of("planted"), table.of("withheld")
    members, non_members = table.of("member"), table.of("non_member")
    games: list[Membership] = []
    people: list[Membership] = []
    if planted and withheld:
        games += canary_membership(planted, withheld, has_base=table.has_base)
    if members and non_members:
        people += note_membership(members, non_members, patients=patients, has_base=table.has_base)
    for name, copies in tables.variants.items():
        score = variant_scorer(variant_of(name, (), random.Random()), copies)
        if planted and withheld:
            games.append(
                judge_attack(name, "canaries", score(planted), score(withheld), primary=False)
            )
        if members and non_members:
            people += judge_rows(name, score, members, non_members, patients=patients)
    if tables.shadows and members and non_members:
        rng = random.Random(measured.seed)
        try:
            people += shadow_membership(
                members, non_members, tables.shadows, patients=patients, rng=rng
            )
        except EvidenceError as error:
            missing.append(Unmeasured(what="attacks by shadow models", why=str(error)))
    people.sort(key=lambda result: result.population != "patients")
    return [*games, *people]


def _exposure(
    planted: Sequence[Row], withheld: Sequence[Row], measured: Measured
) -> Exposure | None:
    found = measure_exposure(planted, withheld)
    more = {"sampled": measured.sampled, "searched": measured.searched}
    return found and found.model_copy(update=more)


def _verbatim(table: ScoreTable) -> list[Extraction]:
    planted, withheld = table.of("planted"), table.of("withheld")
    members, non_members = table.of("member"), table.of("non_member")
    found = (
        secret_extraction(planted, withheld),
        sampled_secret_extraction(planted, withheld, table.sampler),
        passage_extraction(members, non_members),
        sampled_passage_extraction(members, non_members, table.sampler),
    )
    return [one for one in found if one is not None]


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


def _no_effect(table: ScoreTable) -> list[Unmeasured]:
    pairs = [(row.target, row.base) for row in table.rows if row.base is not None]
    if not pairs or not all(np.array_equal(ours.logp, theirs.logp) for ours, theirs in pairs):
        return []
    return [
        Unmeasured(
            what="any effect of training",
            why="target and base give the very same scores: the adapter changes nothing, "
            "so nothing can leak and nothing was learned; was it trained?",
        )
    ]


# --- canary by canary ---------------------------------------------------------------------------


def canary_outcomes(
    table: ScoreTable, manifest: CanaryManifest, measured: Measured, *, reveal: bool = False
) -> CanaryOutcomes:
    """What the attacks made of each canary, the highest score first; for the vault.

    ``reveal`` writes the secrets themselves, which are invented; else their SHA-256.
    """
    name, attack = next(iter(game_attacks(table.has_base).items()))
    planted, withheld = table.of("planted"), table.of("withheld")
    bits = canary_exposures(planted, withheld)
    known = {canary.canary_id: canary for canary in manifest.canaries}
    found: list[CanaryOutcome] = []
    for row in (*planted, *withheld):
        canary = known[row.text_id]
        secret = canary.text[canary.secret_start : canary.secret_end]
        shown = secret if reveal else f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
        needed = None
        if row.secret is not None:
            samples = samples_needed(secret_logp(row.target, row.secret))
            needed = int(samples) if math.isfinite(samples) else None
        found.append(
            CanaryOutcome(
                canary_id=row.text_id,
                sort=canary.sort,
                planted=canary.planted,
                score=float(attack(row)),
                exposure_bits=bits.get(row.text_id),
                extracted=bool(row.target.slice(*row.secret).hit.all()) if row.secret else None,
                samples_needed=needed,
                secret=shown,
            )
        )
    return CanaryOutcomes(
        manifest_id=manifest.manifest_id,
        weights_digest=measured.model.weights_digest,
        attack=name,
        revealed=reveal,
        canaries=sorted(found, key=lambda one: -one.score),
    )
