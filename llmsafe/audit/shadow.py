"""Membership attacks calibrated by shadow runs: other adapters trained on other splits.

A shadow is a run on the same corpus and base whose split was drawn with another seed, so each note
is known to be inside or outside its training. What the shadows say of a note tells how well it is
known by models that saw it and by models that did not; the target's score is judged against that.
Nothing is calibrated by what it judges: the target is no shadow, the shadows' splits must not
give away the target's, and a population to compare with shares no unit with the judged. All three
are checked here.

Shadows want ``data.held_out=0.5`` and different seeds, so that every note is often inside and
often outside.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from llmsafe.artifacts import Membership
from llmsafe.audit.attacks import Attack, Scores, loss
from llmsafe.audit.forward import Text
from llmsafe.audit.membership import hold_back, judge_attack, scores_by_unit, scores_of
from llmsafe.audit.ranks import ALONE, Ranks
from llmsafe.audit.scores import Progress, Row, ScoreTable, score_texts, silence
from llmsafe.errors import EvidenceError, InputError
from llmsafe.stats import auc_interval

if TYPE_CHECKING:
    from llmsafe.audit.evidence import Evidence
    from llmsafe.audit.target import Target

_OWN_VARIANCE = 32
"""Shadows a side from which LiRA gives each note its own variance: 64 in all (section VI-C)."""

_POPULATION = 0.25  # share of the held-out units that RMIA compares with and does not judge


# --- from scores to attack scores ---------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Signals:
    """What the target and its shadows say of the same notes, or patients.

    ``units`` [n] names the privacy unit of each; ``target`` [n] and ``shadows`` [shadows, n] are
    scores, higher for what is known better (the mean log-probability per token); ``inside``
    [shadows, n] says which shadow was trained on which.

    Raises:
        InputError: shapes that do not agree, no shadow, or a score that is not finite.
    """

    units: tuple[str, ...]
    target: Scores
    shadows: Scores
    inside: NDArray[np.bool_]

    def __post_init__(self) -> None:
        wanted = (self.shadows.shape[0], len(self.units))
        shapes = self.target.shape, self.shadows.shape, self.inside.shape
        if shapes != (wanted[1:], wanted, wanted) or 0 in wanted:
            raise InputError(
                f"signals of {len(self.units)} notes have the shapes {shapes}; give [notes], "
                "[shadows, notes] and [shadows, notes], at least one of each"
            )
        if not (np.isfinite(self.target).all() and np.isfinite(self.shadows).all()):
            raise InputError("a score of target or shadows is not finite; audit the run again")


def lira(signals: Signals, *, online: bool) -> Scores:
    """Likelihood-ratio attack, score [n] (Carlini et al. 2022, arXiv 2112.03570).

    Offline: how many standard deviations the target's score lies above those of the shadows that
    did not see the note. Online: log N(score; inside) - log N(score; outside), normal
    distributions fitted to the shadows of each side. With few shadows one variance a side serves
    all notes. To subtract the base model's score changes nothing: it is the same everywhere.

    Raises:
        EvidenceError: a note that no shadow left out, or (online) none was trained on; online
            with one shadow a side, which has no variance.
    """
    _check_sides(signals, online=online)
    away, spread = _side(signals, inside=False)
    if not online:
        return (signals.target - away) / np.where(spread > 0, spread, 1.0)
    near, width = _side(signals, inside=True)
    if not (spread > 0).all() or not (width > 0).all():
        raise EvidenceError(
            "the shadows leave no variance to fit: online LiRA needs two or more that saw a note, "
            "and two that did not; train more shadows or use the offline attack"
        )
    return _log_normal(signals.target, near, width) - _log_normal(signals.target, away, spread)


def rmia(
    signals: Signals, population: Signals, *, gamma: float = 1.0, scale: float | None = None
) -> Scores:
    """Robust membership inference attack, score [n] in [0, 1] (arXiv 2312.03262).

    The share of population notes z that the note x beats: (p(x|target) / p(x)) over
    (p(z|target) / p(z)) at least ``gamma``. p is the geometric mean of the token probabilities,
    so scores must be mean log-probabilities; p(x) averages the shadows, those trained on x and
    those not weighing alike. With ``scale`` a it is offline: ((1 + a) p_out + 1 - a) / 2 from
    the shadows not trained on x, 1 for p_out itself. For a fixed population the score rises with
    the target's ratio, so the population sets its scale: 1 - score is the share of outsiders
    that would be flagged with x.

    Raises:
        EvidenceError: the population shares a unit with what is judged, or a note lacks a shadow.
        InputError: a score above zero, gamma not above zero, or a scale outside [0, 1].
    """
    shared = set(signals.units) & set(population.units)
    if shared:
        raise EvidenceError(
            f"{len(shared)} units are judged and in RMIA's population; what calibrates an attack "
            "is not judged by it: take the population from other units (hold_back)"
        )
    if not gamma > 0 or (scale is not None and not 0 <= scale <= 1):
        raise InputError(f"RMIA with gamma {gamma}, scale {scale}: gamma > 0, scale in [0, 1]")
    ratios, others = (_log_ratio(s, scale) for s in (signals, population))
    beaten = np.searchsorted(np.sort(others), ratios - math.log(gamma), side="right")
    return beaten / others.size


def _log_ratio(signals: Signals, scale: float | None) -> Scores:
    if max(signals.target.max(), signals.shadows.max()) > 0:
        raise InputError("RMIA compares probabilities: give mean log-probabilities, none above 0")
    _check_sides(signals, online=scale is None)
    chance = np.exp(signals.shadows)
    outside = _mean(chance, ~signals.inside)
    if scale is None:
        reference = (outside + _mean(chance, signals.inside)) / 2
    else:
        reference = ((1 + scale) * outside + 1 - scale) / 2
    return signals.target - np.log(reference)


def check_design(signals: Signals, members: NDArray[np.bool_]) -> None:
    """Refuse shadows whose splits tell the target's members apart without any model.

    How often the shadows were trained on a unit must say nothing about ``members`` [n]; splits
    drawn with the target's own seed, or made to complement its split, say all.

    Raises:
        EvidenceError: the counts separate members from non-members (AUC, 99.9 % interval).
    """
    counts = signals.inside.mean(axis=0)
    found = auc_interval(counts[members], counts[~members], 0.999)
    if not found.low <= 0.5 <= found.high:
        raise EvidenceError(
            f"the shadows' splits tell the target's members apart by themselves (AUC "
            f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] without a model); train "
            "shadows with seeds of their own"
        )


def _check_sides(signals: Signals, *, online: bool) -> None:
    always, never = signals.inside.all(axis=0).sum(), (~signals.inside).all(axis=0).sum()
    if always or (online and never):
        raise EvidenceError(
            f"of {len(signals.units)} notes {always} were trained on by every shadow and {never} "
            "by none; train more shadows, with data.held_out=0.5 and seeds of their own"
        )


def _side(signals: Signals, *, inside: bool) -> tuple[Scores, Scores]:
    """Mean and standard deviation [n] of the shadows on one side; 0 where it cannot be known."""
    taken = signals.inside == inside
    mean, count = _mean(signals.shadows, taken), taken.sum(axis=0)
    squares = (np.square(signals.shadows - mean) * taken).sum(axis=0)
    if count.min() >= _OWN_VARIANCE:
        return mean, np.sqrt(squares / (count - 1))
    freedom = int((count - 1).sum())
    pooled = math.sqrt(float(squares.sum()) / freedom) if freedom else 0.0
    return mean, np.full(mean.shape, pooled)


def _mean(values: Scores, taken: NDArray[np.bool_]) -> Scores:
    return (values * taken).sum(axis=0) / taken.sum(axis=0)


def _log_normal(x: Scores, mean: Scores, deviation: Scores) -> Scores:
    return -np.square((x - mean) / deviation) / 2 - np.log(deviation)


# --- from runs to scores ------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Shadow:
    """The scores of one shadow and the units it was trained on; ``name`` and digest say which."""

    members: frozenset[str]
    table: ScoreTable
    name: str = ""
    weights_digest: str = ""


def score_shadows(
    target: Target,
    runs: Sequence[str | Path],
    texts: Sequence[Text],
    folder: Path,
    *,
    max_tokens: int,
    batch_tokens: int | None = None,
    ranks: Ranks = ALONE,
    progress: Progress = silence,
) -> list[Shadow]:
    """Score ``texts`` by every shadow run, each into ``folder``/scores.shadow-K.parquet (0600).

    The runs are opened one after the other, so one model more than the target is in memory.

    Raises:
        InputError: no run, or one that cannot be opened.
        EvidenceError: a run without a split or lineage, of another corpus or base, that is the
            target or another shadow once more, or whose split does not know a unit of ``texts``.
        SetupError: the scores cannot be written.
    """
    from llmsafe.audit.target import open_target

    if not runs:
        raise InputError("no shadow runs; train some with other seeds and data.held_out=0.5")
    digests = {target.weights_digest}
    shadows: list[Shadow] = []
    for number, run in enumerate(runs):
        shadow = open_target(run, device=str(target.device))
        if shadow.weights_digest in digests:
            raise EvidenceError(
                f"shadow {shadow.name} has the weights of the target or of another shadow; a "
                "model must not calibrate itself: give each run once"
            )
        digests.add(shadow.weights_digest)
        members = _trained_on(shadow.name, shadow.evidence, target.evidence, texts)
        table = score_texts(
            replace(shadow, adapter=False, reference=None),  # the base's scores are known
            texts,
            folder / f"scores.shadow-{number}.parquet",
            max_tokens=max_tokens,
            batch_tokens=batch_tokens,
            ranks=ranks,
            progress=progress,
        )
        shadows.append(Shadow(members, table, shadow.name, shadow.weights_digest))
    return shadows


def _trained_on(
    name: str, shadow: Evidence, target: Evidence, texts: Sequence[Text]
) -> frozenset[str]:
    if shadow.split is None or shadow.train is None or not shadow.names_weights:
        raise EvidenceError(
            f"shadow {name}: no split and lineage say what it was trained on; give run folders "
            "with their vault"
        )
    for part in ("corpus", "base"):
        own, wanted = (e.train.inputs.get(part) if e.train else None for e in (shadow, target))
        if own != wanted:
            raise EvidenceError(
                f"shadow {name} was trained on another {part} than the target; shadows differ "
                "from it in nothing but the split"
            )
    members, known = frozenset(shadow.split.members), {*shadow.split.held_out}
    lost = sum(text.unit_id not in members and text.unit_id not in known for text in texts)
    if lost:
        raise EvidenceError(
            f"the split of shadow {name} names the unit of {lost} texts neither as trained on nor "
            "as held out; leave them out, or train the shadow anew"
        )
    return members


def signals_of(
    rows: Sequence[Row], shadows: Sequence[Shadow], *, by_unit: bool, attack: Attack = loss
) -> Signals:
    """The signals of rows, or of their units (all notes of one as one text, in order of id).

    Raises:
        EvidenceError: a shadow has no score of a row.
    """
    score = scores_by_unit if by_unit else scores_of
    found: list[Scores] = []
    for shadow in shadows:
        known = {(row.role, row.text_id): row for row in shadow.table.rows}
        absent = sum((row.role, row.text_id) not in known for row in rows)
        if absent:
            raise EvidenceError(f"a shadow lacks {absent} of {len(rows)} texts; score it again")
        found.append(score(attack, [known[row.role, row.text_id] for row in rows]))
    target = score(attack, rows)
    units = tuple(row.unit_id for row in rows)
    if by_unit:
        units = tuple(sorted(set(units)))
    inside = np.array([[unit in shadow.members for unit in units] for shadow in shadows])
    return Signals(units, target, np.array(found), inside)


def shadow_membership(
    members: Sequence[Row],
    non_members: Sequence[Row],
    shadows: Sequence[Shadow],
    *,
    patients: bool,
    rng: random.Random,
) -> list[Membership]:
    """LiRA and RMIA, both offline, and LiRA online where the shadows allow it.

    On patients, if there are any, then on notes. Judged is what a shadow left out (for LiRA online
    also what one was trained on): their coins decide that, not the target's. ``rng`` draws the
    held-out units that are RMIA's population and that it does not judge.

    Raises:
        EvidenceError: shadows that give the split away, or that leave nothing to judge.
    """
    units = len({row.unit_id for row in non_members})
    aside, _ = hold_back(non_members, max(1, round(_POPULATION * units)), rng)
    apart = {row.unit_id for row in aside}
    levels: list[Literal["patients", "notes"]] = ["patients", "notes"] if patients else ["notes"]
    results: list[Membership] = []
    for level in levels:
        inside, outside = (
            signals_of(rows, shadows, by_unit=level == "patients")
            for rows in (members, non_members)
        )
        # Both sides as one: a variance of its own for each would use the answers.
        both = _join(inside, outside)
        truth = np.repeat([True, False], [len(inside.units), len(outside.units)])
        check_design(both, truth)
        count: NDArray[np.int64] = both.inside.sum(axis=0)
        left, seen = count < len(shadows), count > 0
        population = left & np.array([unit in apart for unit in both.units])
        found = {"lira_offline": (left, partial(lira, online=False))}
        if _has_variance(both, left & seen):
            found["lira_online"] = left & seen, partial(lira, online=True)
        if population.any():
            others = _take(both, population)
            found["rmia"] = left & ~population, partial(rmia, population=others, scale=1.0)
        for name, (kept, attack) in found.items():
            if not (kept & truth).any() or not (kept & ~truth).any():
                raise EvidenceError(
                    f"{name}: of {level}, too few were left out by a shadow to compare members "
                    "with others; train more shadows, with data.held_out=0.5"
                )
            scores, side = attack(_take(both, kept)), truth[kept]
            results.append(judge_attack(name, level, scores[side], scores[~side], primary=False))
    return results


def _has_variance(signals: Signals, kept: NDArray[np.bool_]) -> bool:
    """Whether some kept note has two shadows on one side, and some on the other."""
    count = signals.inside[:, kept].sum(axis=0)
    return bool((count > 1).any() and (len(signals.shadows) - count > 1).any())


def _take(signals: Signals, kept: NDArray[np.bool_]) -> Signals:
    units = tuple(unit for unit, keep in zip(signals.units, kept, strict=True) if keep)
    return Signals(units, signals.target[kept], signals.shadows[:, kept], signals.inside[:, kept])


def _join(one: Signals, other: Signals) -> Signals:
    return Signals(
        one.units + other.units,
        np.concatenate([one.target, other.target]),
        np.concatenate([one.shadows, other.shadows], axis=1),
        np.concatenate([one.inside, other.inside], axis=1),
    )
