"""What a study's rows show and what they do not, in sentences made from the numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from llmsafe.privacy.budget import Budget
from llmsafe.report import study_summary, words
from llmsafe.report.study_rows import Row
from llmsafe.report.study_summary import (
    ControlLeak,
    Level,
    Protection,
    epsilon_name,
    levels,
    paired,
    protections,
    setting_names,
)

FLAT = 0.02
"""An AUC that differs by less than this between any two ε is flat."""
CHANCE = 0.5
_PROTECTED = {
    "identifier_auc": "True identifiers, of people trained on against others",
    "canary_auc": "Canaries, which stand for what the scrubber misses",
}
_IDLE = {
    "extraction_greedy": "secrets extracted, greedy",
    "extraction_sampled": "secrets extracted, sampled",
    "identifier_extraction": "true identifiers said",
}


def findings(rows: Sequence[Row]) -> list[str]:
    """The sentences; secrets planted with several patients are left to their own figures."""
    once = [row for row in rows if row.repetition == 1]
    said = [_leak_sentence(leak) for leak in study_summary.control_leaks(once)]
    if once and not any(math.isinf(row.epsilon) for row in once):
        said.append(
            'There is no control without privacy: "private" cannot be told from "learned nothing".'
        )
    said += _limits(rows)
    said += _trend(once, "canary_auc", "How well canaries are told apart (AUC)")
    said += _trend(once, "perplexity", "Perplexity of held-out notes")
    said += _trend(once, "task_accuracy", "Kinds of notes told right")
    said += _no_skill(once)
    for measure, what in _PROTECTED.items():
        said += [_protection_sentence(four, what) for four in protections(once, measure)]
    said += _idle(rows)
    said += _length(once)
    return said


def _leak_sentence(leak: ControlLeak) -> str:
    every = leak.significant == leak.seeds
    chance = f"; by chance alone in all of them, were they independent: {_all_by_chance(leak)}"
    bounds = "" if leak.bounds is None else f"; the bound on ε is above 0 in {leak.bounds}"
    return (
        f"Without privacy{_where(leak.setting)} the canaries are told apart in "
        f"{leak.significant} of {leak.seeds} seeds (95 % interval of the AUC above 0.5; lowest end "
        f"{words.number(leak.lowest)}{chance if every else ''}){bounds}."
    )


def _all_by_chance(leak: ControlLeak) -> str:
    return words.significant(0.025**leak.seeds)


def _where(setting: str) -> str:
    return "" if setting == study_summary.ALL else f" ({setting})"


def _limits(rows: Sequence[Row]) -> list[str]:
    """Whether any figure lies above its claim, and how many could have."""
    judged = [row for row in rows if row.theory is not None and row.low is not None]
    broken = study_summary.above_theory(rows)
    if broken:
        return [
            f"**{len(broken)} of {len(judged)} figures lie above what their claim permits** "
            f"({', '.join(row.row for row in broken[:5])}): the training or its accounting is "
            "broken, or chance has struck; of bounds on ε one in twenty errs upwards, of the other "
            "intervals one in forty."
        ]
    if not judged:
        return []
    bounds = [row for row in judged if row.measure == "epsilon_lower"]
    able = sum((row.ceiling or 0.0) > (row.theory or 0.0) for row in bounds)
    could = (
        f" {able} of the {len(bounds)} bounds on ε could have: the design proves at most "
        f"{words.number(max(row.ceiling or 0.0 for row in bounds))}, no test of a larger ε."
        if bounds
        else ""
    )
    return [f"None of the {len(judged)} figures with a claim lies above what it permits.{could}"]


def _trend(rows: Sequence[Row], measure: str, what: str) -> Iterator[str]:
    """How a measure goes from ε = ∞ down; said to be flat or noisy where it is."""
    found = levels(rows, measure)
    names = setting_names(found)
    for setting, rising in found.items():
        if len(rising) < 2:
            continue
        several = rising[::-1]
        path = ", ".join(
            f"{words.number(one.mean)} at ε = {epsilon_name(one.epsilon)}" for one in several
        )
        values = [one.mean for one in several]
        if measure.endswith("auc") and max(values) - min(values) < FLAT:
            shape = "flat"
        else:
            shape = "; ".join(_steps(several, FLAT if measure.endswith("auc") else 0.0))
        yield f"{what}{_where(names[setting])}: {path} ({shape})."


def _steps(several: Sequence[Level], least: float) -> Iterator[str]:
    """Steps that are clear of the spread over seeds (95 %, unadjusted), and those that are not.

    A step of less than ``least`` is none: few seeds may agree on it by luck.
    """
    if max(len(one.rows) for one in several) < 2:
        yield "one seed: what of it is noise is not known"
        return
    unclear: list[str] = []
    for one, other in itertools.pairwise(several):
        ends = f"{epsilon_name(one.epsilon)} to {epsilon_name(other.epsilon)}"
        test = paired(other, one)
        if test is None or abs(other.mean - one.mean) < least:
            unclear.append(ends)
        elif test.difference.low > 0:
            yield f"rises from {ends}"
        elif test.difference.high < 0:
            yield f"falls from {ends}"
        else:
            unclear.append(ends)
    if unclear:
        yield f"no clear step over the seeds: {', '.join(unclear)}"


def _no_skill(rows: Sequence[Row]) -> Iterator[str]:
    """Where the task is done no better than by always naming the commonest kind."""
    found, common = levels(rows, "task_accuracy"), levels(rows, "task_majority")
    names = setting_names(found)
    for setting, several in found.items():
        majority = {one.epsilon: one.mean for one in common.get(setting, [])}
        poor = [
            epsilon_name(one.epsilon)
            for one in several[::-1]
            if (one.low if one.low is not None else one.mean) <= majority.get(one.epsilon, 0.0)
        ]
        if poor:
            yield (
                f"Kinds of notes{_where(names[setting])} are not shown to be told better than by "
                f"always naming the commonest at ε = {', '.join(poor)}."
            )


def _protection_sentence(four: Protection, what: str) -> str:
    """Neither, scrubbing alone, noise alone, both: the numbers."""

    def mean(name: str, one: Level) -> str:
        known = one.low is not None and one.high is not None
        ends = f" [{words.number(one.low)}, {words.number(one.high)}]" if known else ""
        return f"{name} {words.number(one.mean)}{ends}"

    bare = four.neither.low if four.neither.low is not None else four.neither.mean
    idle = (
        "" if bare > CHANCE else " Without any protection they are not told from guessing either: "
        "this contrast shows nothing."
    )  # fmt: skip
    return (
        f"{what} (AUC){_where(four.name)}: {mean('neither scrubbed nor private', four.neither)}, "
        f"{mean('scrubbed alone', four.scrubbed)}, "
        f"{mean(f'ε = {epsilon_name(four.budget)} alone', four.private)}, "
        f"{mean('both', four.both)}.{idle}"
    )


def _idle(rows: Sequence[Row]) -> Iterator[str]:
    """Measures that showed nothing anywhere, which a reader must not take for safety."""
    idle = [
        name
        for measure, name in _IDLE.items()
        if (own := [row for row in rows if row.measure == measure])
        and max(row.value for row in own) == 0
    ]
    if idle:
        control = any(math.isinf(row.epsilon) for row in rows)
        yield (
            f"Nothing at all in any cell{', the control too' if control else ''}: "
            f"{', '.join(idle)}. These figures say nothing about privacy; model, training or "
            "number of samples are too small for them."
        )


def _length(rows: Sequence[Row]) -> Iterator[str]:
    """Notes all cut alike have no length to compare by."""
    measured = {row.measure for row in rows}
    if "canaries_auc_by_length" in measured and "notes_auc_by_length" not in measured:
        yield (
            "Memorisation against the length of notes is not shown: nearly all are cut to the same "
            "number of tokens."
        )


def composition(budgets: Sequence[Budget]) -> list[str]:
    """What every run of the study spent together, if all their outputs were released."""
    said: list[str] = []
    for number, budget in enumerate(budgets, start=1):
        which = f"Corpus {number}: " if len(budgets) > 1 else ""
        private, apart = len(budget.counted), len(budget.apart)
        if private:
            own = [run.epsilon for run in budget.counted if run.epsilon is not None]
            total = "cannot be told" if budget.epsilon is None else f"ε = {budget.epsilon:.2f}"
            second = "" if budget.second is None else f" (by PLD {budget.second:.2f})"
            said.append(
                f"{which}{private} private trainings touched one corpus (unfinished and repeated "
                f"ones count). If all their adapters were released, they would together be {total}"
                f"{second} at δ = {budget.delta:g} per {budget.unit}, against at most "
                f"{max(own, default=0.0):.2f} for any one of them; adding up the single ε would "
                f"give {sum(own):.2f}."
            )
            said += [f"Not to be relied on: {problem}" for problem in budget.problems[:3]]
        if apart:
            said.append(
                f"{which}{apart} trainings without noise are apart from every total: released, any "
                "one of them voids it."
            )
    if said:
        said.append(
            "The measures themselves are not noised: a choice of ε, or of anything else, that is "
            "made by looking at this page is not covered by any of these ε."
        )
    return said or ["No ledger was read."]
