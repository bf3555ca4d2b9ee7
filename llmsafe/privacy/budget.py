"""What all runs on one corpus cost together: every charge counts, whatever became of the run.

A patient is in every run that was trained on the patient's notes, so the claim of one run alone
says too little. :func:`find_runs` looks for ledgers, also of unfinished runs and of those set
aside in ``earlier-N/``; :func:`read_charges` reads one; :func:`compose` puts those together that
share a corpus or a unit. Two ledgers of equal content count twice: a copy cannot be told from a
repetition.

**δ of a total** is the smallest δ of its runs, and it is not a sum. The mechanisms themselves are
composed, as one long run of steps of different σ and q; that has an ε for every δ, and one is
looked up. Adding pairs (ε, δ) instead would add the δs, and more to ε than is true.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmsafe.artifacts import CanaryManifest, Lineage, PrivacyStatement, Split
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.files import RELEASE, VAULT
from llmsafe.notes import UnitKind
from llmsafe.privacy import accountant
from llmsafe.privacy.evidence import planned_settings, traces_of_training
from llmsafe.privacy.ledger import LedgerSummary, read_ledger
from llmsafe.privacy.plan import NoiseLevel
from llmsafe.privacy.truncation import overflow_probability

# Each cap may cost a tenth of its δ; together, at a larger ε, they cost more.
_CAP_SHARE = 0.5


@dataclass(frozen=True)
class Charges:
    """What one run was charged, and on which corpus.

    Args:
        run: its folder.
        corpora: digests of the corpus in all its forms (raw, scrubbed, with canaries); empty when
            no lineage tells.
        units: ids of the units it trained on, without canaries; empty when no split tells.
        steps: charges with their noise, sampling and cap; ``None`` when the ledger is unreadable.
        delta, unit, noise: of the plan; ``None`` when nothing tells.
        released: whether a privacy statement was written, that is, whether the run ended.
        problem: why the evidence does not hold; ``None`` when it does.
    """

    run: Path
    corpora: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    steps: accountant.Steps | None = None
    delta: float | None = None
    unit: UnitKind | None = None
    noise: NoiseLevel | None = None
    released: bool = False
    problem: str | None = None

    @property
    def private(self) -> bool:
        """Whether ε can be counted at all: real noise, or noise of a level nobody tells."""
        return self.noise not in ("test", "none")

    @property
    def epsilon(self) -> float | None:
        """ε of this run alone at its own δ; ``None`` where it claims nothing or evidence lacks."""
        if self.steps is None or self.delta is None or not self.private:
            return None
        return accountant.composed_epsilon([self.steps], delta=self.delta)


@dataclass(frozen=True)
class Budget:
    """The total of the runs on one corpus.

    Args:
        corpora: digests under which the corpus appears; empty when unknown.
        counted: runs in the total; ``apart``: those without private noise, which no total covers.
        epsilon: ε of all counted runs together; ``None`` when there is none or evidence lacks.
        delta: the smallest δ of the counted runs.
        second: ε by the PLD accountant, ``None`` where it is not installed or ε is too large.
        problems: why there is no total to rely on.
    """

    corpora: tuple[str, ...]
    unit: UnitKind | None
    counted: tuple[Charges, ...]
    apart: tuple[Charges, ...]
    epsilon: float | None
    delta: float | None
    second: float | None
    problems: tuple[str, ...]


def find_runs(folder: Path) -> list[Path]:
    """Every folder at or below ``folder`` that holds a ledger or what training leaves, sorted.

    Links are not followed; what lies inside a ``vault/`` or ``release/`` is not searched.
    """

    def walk() -> Iterator[Path]:
        for place, names, _ in os.walk(folder):
            here = Path(place)
            if _ledger(here).is_file() or traces_of_training(here):
                yield here
            names[:] = [name for name in names if name not in (VAULT, RELEASE)]

    return sorted(walk())


def read_charges(run: Path) -> Charges:
    """Read ledger, lineage, split and statement of a run; what is wrong is told in ``problem``."""
    charges = Charges(run, released=_statement(run).is_file())
    try:
        lineage = _lineage(run)
        charges = replace(charges, corpora=_corpora(lineage), units=_units(run))
        statement = PrivacyStatement.load(_statement(run)) if charges.released else None
        if not _ledger(run).is_file():
            if statement is None:
                return _with_problem(charges, "it has trained, but its ledger is gone")
            # Still counted, by what the statement admits to.
            charges = _of_statement(charges, statement)
            return _with_problem(charges, "its ledger is gone; counted by its statement")
        charges = _charges(charges, read_ledger(_ledger(run)), lineage, statement)
    except LlmsafeError as error:
        return _with_problem(charges, str(error))
    if not charges.corpora:
        return _with_problem(charges, "no lineage tells which corpus it was trained on")
    return charges


def compose(runs: Iterable[Charges]) -> list[Budget]:
    """One budget per corpus and privacy unit.

    Runs belong together when any digest of their corpora is the same (a corpus, its scrubbed form
    and that with canaries are one), or any unit that they trained on: a corpus that grew, or was
    written anew in another format, has another digest and the same patients. Patients who have
    other ids in another corpus are not recognised. Runs whose corpus nobody tells form a budget of
    their own.
    """
    return [budget for together in _share_a_corpus(list(runs)) for budget in _per_unit(together)]


def _per_unit(runs: Sequence[Charges]) -> Iterator[Budget]:
    found = {run.unit for run in runs if run.private}
    units: list[UnitKind | None] = [unit for unit in ("patient", "note") if unit in found]
    for unit in units or [None]:
        mine = [run for run in runs if run.unit in (unit, None) or not run.private]
        mixed = ()
        if len(units) > 1:
            mixed = (
                "runs on it protect patients and others notes: their epsilons do not add, and no "
                "total holds for both",
            )
        yield _total(unit, mine, mixed)


def _total(unit: UnitKind | None, runs: Sequence[Charges], problems: tuple[str, ...]) -> Budget:
    counted = tuple(run for run in runs if run.private)
    apart = tuple(run for run in runs if not run.private)
    problems += tuple(f"{run.run}: {run.problem}" for run in runs if run.problem)
    corpora = tuple(sorted(frozenset[str]().union(*(run.corpora for run in runs))))
    deltas = [run.delta for run in counted if run.delta is not None]
    delta = min(deltas, default=None)
    epsilon = second = None
    if counted and not problems and delta is not None:
        parts = [run.steps for run in counted if run.steps is not None]
        try:
            epsilon = accountant.composed_epsilon(parts, delta=delta, cap_share=_CAP_SHARE)
            second = _second(parts, delta, epsilon)
        except InputError as error:
            problems += (str(error),)
        if epsilon is not None and math.isinf(epsilon):
            epsilon, problems = None, (*problems, "epsilon is too large to be computed")
        limit = (epsilon or 0.0) * (1 + accountant.SECOND_TOLERANCE) + accountant.SECOND_TOLERANCE
        if second is not None and second > limit:
            problems += (f"PRV finds epsilon {epsilon:.4f}, PLD {second:.4f}",)
    return Budget(corpora, unit, counted, apart, epsilon, delta, second, problems)


def _second(parts: Sequence[accountant.Steps], delta: float, epsilon: float) -> float | None:
    if not 0 < epsilon <= accountant.LARGEST_PLD:
        return None
    try:
        return accountant.composed_epsilon(
            parts, delta=delta, accountant="pld", cap_share=_CAP_SHARE
        )
    except SetupError:
        return None


def _share_a_corpus(runs: Sequence[Charges]) -> list[list[Charges]]:
    groups: list[tuple[set[str], list[Charges]]] = []
    for run in runs:
        # Digests begin with "sha256:"; a unit of that name would only join what is apart.
        marks = run.corpora | run.units
        touched = [g for g in groups if not g[0].isdisjoint(marks) or not (g[0] or marks)]
        groups = [g for g in groups if g not in touched]
        every = set(marks).union(*(known for known, _ in touched))
        groups.append((every, [*(one for _, members in touched for one in members), run]))
    return [members for _, members in groups]


# --- the evidence of one run --------------------------------------------------------------------


def _ledger(run: Path) -> Path:
    return run / VAULT / "ledger.jsonl"


def _statement(run: Path) -> Path:
    return run / RELEASE / "privacy.json"


def _lineage(run: Path) -> Lineage:
    path = run / VAULT / "lineage.json"
    return Lineage.load(path) if path.is_file() else Lineage()


def _corpora(lineage: Lineage) -> frozenset[str]:
    if not any(step.step == "train" for step in lineage.steps):
        return frozenset()
    both = [side.get("corpus") for step in lineage.steps for side in (step.inputs, step.outputs)]
    return frozenset(digest for digest in both if digest)


def _units(run: Path) -> frozenset[str]:
    path = run / VAULT / "split.json"
    if not path.is_file():
        return frozenset()
    members = frozenset(Split.load(path).members)
    canaries = run / VAULT / "canaries.json"
    if not canaries.is_file():
        lineage = _lineage(run).steps
        beside = next((s.settings.get("corpus_path") for s in lineage if s.step == "train"), None)
        canaries = Path(str(beside)) / VAULT / "canaries.json"
    if canaries.is_file():
        made = CanaryManifest.load(canaries)
        members -= {name for c in made.canaries for place in made.places(c) for name in place}
    return members


def _charges(
    charges: Charges,
    summary: LedgerSummary,
    lineage: Lineage,
    statement: PrivacyStatement | None,
) -> Charges:
    """The ledger says σ, q and how often; the plan it was opened for says the rest."""
    planned: dict[str, Any] | None = None
    for step in lineage.steps:
        if step.step == "train":
            planned = planned_settings(step, summary)
    if statement is not None:
        _same_mechanism(summary, statement)
        planned = planned or statement.model_dump()
    if planned is None:
        steps = accountant.Steps(
            summary.noise_multiplier, summary.sampling_probability, summary.charges
        )
        none = "none" if summary.noise_multiplier == 0 else None
        missing = "neither lineage nor statement tells its delta, unit and noise level"
        return replace(charges, steps=steps, noise=none, problem=None if none else missing)
    level: NoiseLevel = planned["noise"]
    if statement is not None and level != "test":
        level = statement.noise  # what was really used
    population, cap = planned["population"], planned.get("max_units_per_step")
    return replace(
        charges,
        steps=accountant.Steps(
            summary.noise_multiplier,
            summary.sampling_probability,
            summary.charges,
            overflow_probability(population, summary.sampling_probability, cap),
        ),
        delta=planned["delta"],
        unit=planned["unit"],
        noise=level,
    )


def _of_statement(charges: Charges, statement: PrivacyStatement) -> Charges:
    summary = LedgerSummary(
        charges=statement.steps,
        plan_digest="",
        noise_multiplier=statement.noise_multiplier,
        sampling_probability=statement.sampling_probability,
        resumes=0,
        last_step=statement.steps,
        torn=False,
    )
    return _charges(charges, summary, Lineage(), statement)


def _same_mechanism(summary: LedgerSummary, statement: PrivacyStatement) -> None:
    same = summary.charges == statement.steps and all(
        math.isclose(getattr(summary, name), getattr(statement, name), rel_tol=1e-9)
        for name in ("noise_multiplier", "sampling_probability")
    )
    if not same:
        raise EvidenceError("its statement is not of its ledger: steps, noise or sampling differ")


def _with_problem(charges: Charges, problem: str) -> Charges:
    return replace(charges, problem=charges.problem or problem)
