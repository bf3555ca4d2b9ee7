"""All score tables of an audit: what is scored into which file, and reading them back.

``scores.parquet`` holds every text, by target and base. Beside it lie the tables of altered copies
(``scores.lowercase.parquet``), of shadow runs (``scores.shadow-0.parquet``, with ``shadows.json``)
and of the canary that each repeated run is judged by (``scores.repeat-0.parquet``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmsafe.artifacts import Measured, Scoring, ShadowRun, ShadowRuns, Unmeasured
from llmsafe.audit.population import Population
from llmsafe.audit.ranks import ALONE, Ranks
from llmsafe.audit.repeats import score_repeats
from llmsafe.audit.request import VARIANTS, Request, VariantName
from llmsafe.audit.scores import Progress, ScoreTable, read_scores, score_texts, silence
from llmsafe.audit.shadow import Shadow, score_shadows
from llmsafe.audit.variants import score_variant, variant_of
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import sha256_file

if TYPE_CHECKING:
    from llmsafe.audit.target import Target

SHADOWS = "shadows.json"


@dataclass(frozen=True, repr=False)
class Tables:
    """What an audit's figures are computed from; ``names`` are the files, the main one first.

    ``repeated`` are the digests of the weights of the repeated runs.
    """

    scores: ScoreTable
    variants: Mapping[VariantName, ScoreTable]
    shadows: tuple[Shadow, ...]
    repeats: tuple[ScoreTable, ...]
    names: tuple[str, ...]
    repeated: tuple[str, ...] = ()

    def scoring(self, seconds: float) -> Scoring:
        """Texts, tokens, and the forward passes that each text took, by table."""
        texts = len(self.scores.rows)
        passes: dict[str, float] = {"scores": 2.0 if self.scores.has_base else 1.0}
        for name, table in self.variants.items():
            # The neighbours are found by a pass of their own.
            passes[name] = len(table.rows) / max(1, texts) + (name == "neighbourhood")
        if self.shadows:
            passes["shadows"] = sum(len(s.table.rows) for s in self.shadows) / max(1, texts)
        return Scoring(
            texts=texts,
            tokens=sum(len(row.target) for row in self.scores.rows),
            passes={name: round(count, 2) for name, count in passes.items()},
            seconds=round(seconds, 3),
        )


def score_tables(
    target: Target,
    population: Population,
    path: Path,
    request: Request,
    missing: list[Unmeasured],
    *,
    max_tokens: int,
    ranks: Ranks = ALONE,
    progress: Progress = silence,
) -> tuple[Tables, float]:
    """Score everything that the request asks for into ``path`` and the files beside it.

    Also returns the seconds that it took. A variant that does not fit the model goes to
    ``missing`` with the reason. Of several processes each gets the tables; see
    :func:`llmsafe.audit.scores.score_texts`.

    Raises:
        InputError, EvidenceError, SetupError: as the parts do.
    """
    begun = time.monotonic()
    limits: dict[str, Any] = {
        "max_tokens": max_tokens,
        "batch_tokens": request.batch_tokens,
        "ranks": ranks,
        "progress": progress,
    }
    scores = score_texts(target, population.texts, path, **limits)
    variants = _score_variants(target, population, path, request, missing, limits)
    shadows = _score_shadows(target, population, path, request, limits)
    repeats = score_repeats(target, population.canaries, request.repeats, path, **limits)
    tables = Tables(
        scores,
        {name: table for name, (_, table) in variants.items()},
        tuple(shadows.values()),
        tuple(repeat.table for repeat in repeats),
        (path.name, *(file for file, _ in variants.values()), *shadows, *(r.name for r in repeats)),
        tuple(repeat.weights_digest for repeat in repeats),
    )
    return tables, round(time.monotonic() - begun, 3)


def _score_variants(
    target: Target,
    population: Population,
    path: Path,
    request: Request,
    missing: list[Unmeasured],
    limits: Mapping[str, Any],
) -> dict[VariantName, tuple[str, ScoreTable]]:
    """File and table of each kind of altered copies that was asked for."""
    rng = random.Random(f"copies {request.seed}")
    found: dict[VariantName, tuple[str, ScoreTable]] = {}
    for name in VARIANTS:
        if name not in request.also or not population.texts:
            continue
        if name == "recall" and not population.prefix:
            why = "too few non-members to set some aside as its prefix; ten units or more"
            missing.append(Unmeasured(what="ReCaLL", why=why))
            continue
        variant = variant_of(name, population.prefix, rng)
        file = path.with_name(f"{path.stem}.{name}.parquet")
        try:
            table = score_variant(target, variant, population.texts, file, **limits)
        except InputError as error:
            missing.append(Unmeasured(what=f"attack {name}", why=str(error)))
        else:
            found[name] = file.name, table
    return found


def _score_shadows(
    target: Target,
    population: Population,
    path: Path,
    request: Request,
    limits: Mapping[str, Any],
) -> dict[str, Shadow]:
    """The shadows by the file of their table; the leader also writes who was in which."""
    if not request.shadows:
        return {}
    people = population.of("member", "non_member")
    if not people:
        raise EvidenceError("--shadow compares members with others, and there are none")
    shadows = score_shadows(target, request.shadows, people, path.parent, **limits)
    found = {f"scores.shadow-{number}.parquet": one for number, one in enumerate(shadows)}
    if limits["ranks"].leader:
        _describe(shadows, list(found)).save(path.with_name(SHADOWS), private=True)
    return found


def read_tables(folder: Path, measured: Measured) -> Tables:
    """The tables that an earlier audit wrote into ``folder``.

    Raises:
        EvidenceError: one of them is missing, damaged or another one.
    """
    main, *others = measured.tables
    for name, digest in measured.tables.items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            raise EvidenceError(
                f"{path} is missing, or not the table that this audit wrote; audit again"
            )
    variants: dict[VariantName, ScoreTable] = {}
    repeats: list[ScoreTable] = []
    shadows: list[Shadow] = []
    known = {run.table: run for run in _shadow_runs(folder, measured)}
    for name in others:
        table, part = read_scores(folder / name), name.split(".")[-2]
        if part in VARIANTS:
            variants[part] = table
        elif part.startswith("shadow-"):
            if name not in known:
                raise EvidenceError(f"{folder / SHADOWS} does not name {name}; audit again")
            run = known[name]
            shadows.append(Shadow(frozenset(run.members), table, run.name, run.weights_digest))
        elif part.startswith("repeat-"):
            repeats.append(table)
        else:
            raise EvidenceError(f"{folder / name} is no table of an audit; audit again")
    return Tables(
        read_scores(folder / main),
        variants,
        tuple(shadows),
        tuple(repeats),
        (main, *others),
        tuple(measured.repeats),
    )


def _shadow_runs(folder: Path, measured: Measured) -> list[ShadowRun]:
    """Who was trained on what decides LiRA and RMIA, so it must be what this audit wrote."""
    if not any(".shadow-" in name for name in measured.tables):
        return []
    path = folder / SHADOWS
    if not path.is_file() or sha256_file(path) != measured.shadows:
        raise EvidenceError(f"{path} is missing, or not what this audit wrote; audit again")
    return ShadowRuns.load(path).shadows


def _describe(shadows: list[Shadow], files: list[str]) -> ShadowRuns:
    return ShadowRuns(
        shadows=[
            ShadowRun(
                name=shadow.name,
                weights_digest=shadow.weights_digest,
                table=file,
                members=sorted(shadow.members),
            )
            for shadow, file in zip(shadows, files, strict=True)
        ]
    )
