"""One audit from model to verdict: gather, score once, ask what was asked for, assess."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np

from llmsafe.artifacts import Audit, CanaryManifest, Measured, Policy, Unmeasured
from llmsafe.audit.assess import assess, canary_outcomes
from llmsafe.audit.blind import blind_auc
from llmsafe.audit.evidence import read_evidence
from llmsafe.audit.loading import locate
from llmsafe.audit.phi import Detect
from llmsafe.audit.planted import find_canaries
from llmsafe.audit.population import Population, gather
from llmsafe.audit.probes import check_files, probe
from llmsafe.audit.ranks import ALONE, Ranks
from llmsafe.audit.request import DEFAULT, EXTRAS, Request
from llmsafe.audit.scores import Progress, silence
from llmsafe.audit.tables import SHADOWS, Tables, read_tables, score_tables
from llmsafe.audit.target import Target
from llmsafe.audit.verdict import today
from llmsafe.errors import EvidenceError
from llmsafe.files import sha256_file, sha256_json

MEASURED = "measured.json"
OUTCOMES = "canary_outcomes.json"


def run_audit(
    target: Target,
    scores: Path,
    request: Request = DEFAULT,
    *,
    reveal: bool = False,
    detect: Detect | None = None,
    ranks: Ranks = ALONE,
    progress: Progress = silence,
) -> Audit | None:
    """Audit ``target``. The score table is written to ``scores``; beside it go the tables of
    further attacks, ``measured.json`` and ``canary_outcomes.json``: private, for the vault.

    With no text to score the audit lists everything as not measured. ``detect`` finds personal
    data in generated texts; ``progress`` opens a progress bar. Of several processes all score,
    then the leader alone goes on; the others get ``None``.

    Raises:
        InputError: input that cannot be read.
        EvidenceError: canaries, corpus or weights are not those of the run.
        SetupError: the scores cannot be written.
    """
    start = time.monotonic()
    limit = target.max_tokens(request.max_tokens)
    check_files(request, target.tokenizer)
    population = _gather(target, request)
    missing = [*target.unmeasured, *population.unmeasured, *_other_length(target, limit)]
    tables, seconds = score_tables(
        target,
        population,
        scores,
        request,
        missing,
        max_tokens=limit,
        ranks=ranks,
        progress=progress,
    )
    if not ranks.leader:
        return None
    unfinished = Unmeasured(what="searches and generated texts", why="the audit ended before them")
    measured = _measured(target, population, request, tables, scores, seconds)
    # Saved at once: what fails from here on loses no score.
    _save(measured, [*missing, unfinished], scores)
    probes = probe(target, population, request, max_tokens=limit, detect=detect, progress=progress)
    measured = measured.model_copy(
        update={
            "sampled": probes.sampled,
            "searched": probes.searched,
            "probed": probes.extraction,
            "phi": probes.phi,
            "generated": probes.generated,
            "seconds": round(time.monotonic() - start, 3),
        }
    )
    measured = _save(measured, [*missing, *probes.unmeasured, *_not_asked(request)], scores)
    manifest = population.canaries
    audit = assess(
        tables, measured, privacy=target.privacy, canaries=manifest, policy=request.policy
    )
    if manifest is not None:
        outcomes = canary_outcomes(tables.scores, manifest, measured, reveal=reveal)
        outcomes.save(scores.with_name(OUTCOMES), private=True)
    return audit


def _gather(target: Target, request: Request) -> Population:
    population = gather(target, request, rng=random.Random(request.seed))
    if "recall" not in request.also:
        return population
    return population.with_prefix(random.Random(f"prefix {request.seed}"))


def _other_length(target: Target, limit: int) -> list[Unmeasured]:
    """A doubt unless texts are scored at the very length that they were trained on.

    Of a longer text the rest was never trained on: it dilutes every attack. Of a shorter one
    something that was trained on is not looked at.
    """
    evidence = target.evidence
    trained = evidence.max_tokens
    if trained == limit or evidence.train is None:  # without a lineage all is in doubt anyway
        return []
    why = "the lineage does not record how many tokens of a note were trained on"
    if trained is not None:
        why = f"{limit} tokens of a note were scored, {trained} trained on; leave --max-tokens out"
    what = "texts at the length that was trained on"
    return [Unmeasured(what=what, why=why, doubt="length")]


def _measured(
    target: Target,
    population: Population,
    request: Request,
    tables: Tables,
    scores: Path,
    seconds: float,
) -> Measured:
    """What is known once all is scored."""
    # Without a model: a membership result is worth what this leaves of it.
    rng = np.random.default_rng(request.seed)
    blind = blind_auc(population.of("member"), population.of("non_member"), rng)
    shadows = scores.with_name(SHADOWS)
    return Measured(
        model=target.described(),
        unit=population.unit,
        seed=request.seed,
        tables={name: sha256_file(scores.with_name(name)) for name in tables.names},
        shadows=sha256_file(shadows) if tables.shadows else None,
        manifest=_digest(population.canaries),
        trained_tokens=target.evidence.max_tokens,
        repeats=list(tables.repeated),
        scoring=tables.scoring(seconds),
        blind_auc=blind,
        measured_on=today(),
        seconds=seconds,
    )


def _save(measured: Measured, unmeasured: list[Unmeasured], scores: Path) -> Measured:
    measured = measured.model_copy(update={"unmeasured": unmeasured})
    measured.save(scores.with_name(MEASURED), private=True)
    return measured


def run_again(
    model: str,
    folder: Path,
    *,
    canaries: Path | None = None,
    policy: Policy | None = None,
    in_run: bool = False,
) -> Audit:
    """Assess the tables of an earlier audit in ``folder``; no model is loaded.

    ``model`` is the path that was audited: claim, lineage and canaries are read from it anew.
    ``in_run`` says that ``folder`` is the run's vault, whose lineage names the audit there.

    Raises:
        InputError: no model there.
        EvidenceError: no tables of an audit, or they are of other weights or other canaries.
    """
    place = locate(model)
    privacy, evidence, lacking = read_evidence(place)
    path = folder / MEASURED
    measured = Measured.load(path)
    recorded = evidence.audited.get("measured") if in_run else None
    if recorded not in (None, sha256_file(path)):
        raise EvidenceError(f"{path} is not the file that lineage.json names; audit again")
    if measured.model.weights_digest != place.digest():
        raise EvidenceError(f"{path} is of other weights than {place.name} holds now; audit again")
    tables = read_tables(folder, measured)
    manifest = None
    if measured.manifest is not None:
        manifest = find_canaries(place.name, evidence, canaries, lacking)
    if measured.manifest != _digest(manifest):
        raise EvidenceError(
            f"the scores in {folder} are of other canaries; name those of that audit by --canaries"
        )
    # What has come to lack since then counts as well.
    fresh = [one for one in lacking if one not in measured.unmeasured]
    measured = measured.model_copy(update={"unmeasured": [*measured.unmeasured, *fresh]})
    return assess(tables, measured, privacy=privacy, canaries=manifest, policy=policy)


def _digest(manifest: CanaryManifest | None) -> str | None:
    """Of all that a manifest says, coins and probability included."""
    return None if manifest is None else sha256_json(manifest.model_dump(mode="json"))


def _not_asked(request: Request) -> list[Unmeasured]:
    """What this audit could have measured and was not told to."""
    found: list[Unmeasured] = []
    left = [name for name in EXTRAS if name not in request.also]
    if left:
        what = f"further attacks ({', '.join(left)})"
        found.append(Unmeasured(what=what, why="not asked for; --also NAME or --also all"))
    if not request.shadows:
        why = "no other runs were given to compare with; --shadow RUN"
        found.append(Unmeasured(what="attacks calibrated by shadow models (LiRA, RMIA)", why=why))
    if not request.generate and request.generations is None:
        what = "freely generated texts, and personal data in them"
        found.append(Unmeasured(what=what, why="not asked for; --generate N"))
    return found
