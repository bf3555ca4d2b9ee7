"""The pages of a study: one self-contained HTML file and a Markdown summary.

Every number can be followed: a figure names its table, a line of the table the rows of study.csv
that it was made from, and a row its run folder with the digests of ledger and audit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmsafe.files import make_folder, write_atomic, write_text
from llmsafe.privacy.budget import Budget
from llmsafe.report import study_figures, study_summary, words
from llmsafe.report.html import environment, style
from llmsafe.report.study_figures import Figure
from llmsafe.report.study_rows import Row, table_csv, to_csv
from llmsafe.report.study_summary import (
    Compared,
    ControlLeak,
    Level,
    Protection,
    epsilon_name,
    protections,
)

FLAT = 0.02
"""Leakage that differs by less than this AUC between the largest and the smallest ε is flat."""


@dataclass(frozen=True)
class Facts:
    """What a page says besides its rows: of the study, and of the machine that ran it.

    ``failed`` are cells that have no rows, with the reason; ``budgets`` what all runs spent.
    """

    name: str
    about: str
    command: str
    tool: str
    cells: int
    failed: Sequence[tuple[str, str]] = ()
    budgets: Sequence[Budget] = ()
    design: Sequence[str] = ()


def write_report(rows: Sequence[Row], facts: Facts, out: Path) -> list[Path]:
    """Write study.csv, the figures with their tables, study.html and study.md into ``out``.

    Raises:
        SetupError: the folder cannot be written.
    """
    found = study_figures.figures(rows)
    folder = make_folder(out / "figures")
    written = [write_text(out / "study.csv", to_csv(rows))]
    _write_figures(found, folder)
    for figure in found:
        write_text(folder / f"{figure.name}.svg", f"{figure.plot.svg}\n")
    written.append(write_text(out / "study.html", html(rows, facts, found)))
    written.append(write_text(out / "study.md", markdown(rows, facts, found)))
    return [*written, folder]


def write_page(rows: Sequence[Row], facts: Facts, page: Path) -> list[Path]:
    """Write the summary as ``page``, and what it links to into a folder beside it of its name.

    Raises:
        SetupError: the folder cannot be written.
    """
    found = study_figures.figures(rows)
    folder = make_folder(page.with_suffix(""))
    write_text(folder / "study.csv", to_csv(rows))
    _write_figures(found, folder)
    text = markdown(rows, facts, found, csv=f"{folder.name}/study.csv", pictures=folder.name)
    return [write_text(page, text), folder]


def _write_figures(figures: Sequence[Figure], folder: Path) -> None:
    for figure in figures:
        write_atomic(folder / f"{figure.name}.png", figure.plot.png)
        write_text(folder / f"{figure.name}.csv", table_csv(figure.table))


def html(rows: Sequence[Row], facts: Facts, figures: Sequence[Figure]) -> str:
    """The page, as a string."""
    page = environment().get_template("study.html.j2")
    return page.render(
        facts=facts,
        rows=rows,
        figures=figures,
        summary=_summary(rows),
        findings=findings(rows),
        leaks=study_summary.control_leaks(rows),
        compared=study_summary.compare(rows),
        composition=composition(facts.budgets),
        difference=_difference,
        epsilon_name=epsilon_name,
        short=_short,
        p_value=_p,
        style=style(),
    )


def markdown(
    rows: Sequence[Row],
    facts: Facts,
    figures: Sequence[Figure],
    *,
    csv: str = "study.csv",
    pictures: str = "figures",
) -> str:
    """The summary, as Markdown; ``csv`` and ``pictures`` are where its links lead."""
    lines = [
        f"# Leakage against ε: {facts.name}",
        "",
        f"Written by `eval/leakage_vs_epsilon.py` ({facts.tool}); do not edit.",
        "",
        "```console",
        f"$ {facts.command}",
        "```",
        "",
        *([facts.about, ""] if facts.about else []),
        *(f"- {line}" for line in facts.design),
        "",
        "## What is seen",
        "",
        *(f"- {line}" for line in findings(rows)),
        "",
        "## Figures",
        "",
        *_summary_table(rows),
        "",
        f"Mean over seeds with Student's 95 % interval over seeds. Each number is in [study.csv]"
        f"({csv}), with its run folder and the digests of ledger and audit.",
        "",
    ]
    for figure in figures:
        place = f"{pictures}/{figure.name}"
        lines += [f"### {figure.title}", "", f"![{figure.title}]({place}.png)", ""]
        lines += [f"{figure.caption} Behind it: [{figure.name}.csv]({place}.csv).", ""]
    compared = study_summary.compare(rows)
    if compared:
        lines += ["## Paired comparisons", "", _FAMILY.format(len(compared)), ""]
        lines += ["| measure | cells | | against | difference [95 %] | pairs | p | p (Holm) |"]
        lines += ["| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {_named(c.measure)} | {c.setting} | {c.one} | {c.other} | {_difference(c)} | "
            f"{c.pairs} | {_p(c.p_value)} | {_p(c.adjusted)} |"
            for c in compared
        ]
        lines += [""]
    lines += ["## What the whole study spent", "", *composition(facts.budgets), ""]
    if facts.failed:
        lines += ["## Cells without a result", ""]
        lines += [f"- {name}: {reason}" for name, reason in facts.failed]
        lines += [""]
    return "\n".join(lines)


_FAMILY = (
    "Seed by seed (same split, canaries and first adapter), Student's paired test. p (Holm) is "
    "adjusted for all {} comparisons of this study as one family: what is at most 0.05 there may "
    "be called a finding. Of perplexity the ratio is compared."
)
_NAMES = {
    "epsilon_lower": "ε at least",
    "canary_auc": "canary AUC",
    "canary_tpr_at_1pct_fpr": "TPR at 1 % FPR",
    "exposure_excess_bits": "exposure above chance, bits",
    "extraction_greedy": "secrets extracted, greedy",
    "extraction_sampled": "secrets extracted, sampled",
    "people_auc": "membership of people, AUC",
    "perplexity": "held-out perplexity",
    "task_accuracy": "kinds of notes told right",
    "task_majority": "the same by the commonest kind",
    "identifier_auc": "true identifiers, AUC",
    "identifier_extraction": "true identifiers said",
    "identifier_extraction_held_out": "the same of people held out",
}
_COLUMNS = (
    "epsilon_lower", "canary_auc", "canary_tpr_at_1pct_fpr", "exposure_excess_bits",
    "extraction_greedy", "identifier_auc", "perplexity", "task_accuracy",
)  # fmt: skip


def _named(measure: str) -> str:
    return _NAMES.get(measure, measure.replace("_", " "))


@dataclass(frozen=True)
class _Summary:
    """Measures across, settings and ε down."""

    measures: list[str]
    lines: list[tuple[str, str, int, list[tuple[str, tuple[str, ...]]]]]


def _summary(rows: Sequence[Row]) -> _Summary:
    found = {measure: study_summary.levels(rows, measure) for measure in _COLUMNS}
    shown = [measure for measure in _COLUMNS if found[measure]]
    settings = list(dict.fromkeys(row.setting for row in rows))
    names = study_summary.setting_names(settings)
    lines: list[tuple[str, str, int, list[tuple[str, tuple[str, ...]]]]] = []
    for setting in settings:
        every = {row.epsilon for row in rows if row.setting == setting}
        for epsilon in sorted(every, reverse=True):
            cells: list[tuple[str, tuple[str, ...]]] = []
            for measure in shown:
                levels = found[measure].get(setting, [])
                one = next((one for one in levels if one.epsilon == epsilon), None)
                cells.append(_cell(measure, one))
            seeds = len({r.seed for r in rows if r.setting == setting and r.epsilon == epsilon})
            lines.append((names[setting], epsilon_name(epsilon), seeds, cells))
    return _Summary([_named(measure) for measure in shown], lines)


def _cell(measure: str, one: Level | None) -> tuple[str, tuple[str, ...]]:
    if one is None:
        return words.ABSENT, ()
    percent = measure in ("extraction_greedy", "task_accuracy", "canary_tpr_at_1pct_fpr")

    def show(value: float) -> str:
        return words.percent(value) if percent else words.number(value)

    text = show(one.mean)
    if one.low is not None and one.high is not None:
        text += f" ({show(one.low)} to {show(one.high)})"
    return text, tuple(row.row for row in one.rows)


def _summary_table(rows: Sequence[Row]) -> list[str]:
    table = _summary(rows)
    head = ["cells", "ε", "seeds", *table.measures]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for name, epsilon, seeds, cells in table.lines:
        lines.append(f"| {' | '.join([name, epsilon, str(seeds), *(c for c, _ in cells)])} |")
    return lines


# --- words ----------------------------------------------------------------------------------------


def findings(rows: Sequence[Row]) -> list[str]:
    """What the rows show and what they do not, in sentences made from the numbers."""
    said = [_leak_sentence(leak) for leak in study_summary.control_leaks(rows)]
    broken = study_summary.above_theory(rows)
    judged = [row for row in rows if row.theory is not None and row.low is not None]
    if broken:
        said.append(
            f"**{len(broken)} of {len(judged)} figures lie above what their claim permits** "
            f"({', '.join(row.row for row in broken[:5])}): the training or its accounting is "
            "broken, or chance has struck; at 95 % one interval in forty errs upwards."
        )
    elif judged:
        said.append(
            f"No lower end of the {len(judged)} intervals that have a limit lies above it: nothing "
            "contradicts a claim."
        )
    said += _trend(rows, "canary_auc", "How well canaries are told apart (AUC)")
    said += _trend(rows, "perplexity", "Perplexity of held-out notes")
    said += _trend(rows, "task_accuracy", "Kinds of notes told right")
    for measure, what in _PROTECTED.items():
        said += [_protection_sentence(four, what) for four in protections(rows, measure)]
    said += _idle(rows)
    return said


def _leak_sentence(leak: ControlLeak) -> str:
    chance = 0.025**leak.seeds
    return (
        f"Without privacy{_where(leak.setting)} the canaries are told apart in "
        f"{leak.significant} of {leak.seeds} seeds (95 % interval of the AUC above 0.5; lowest end "
        f"{words.number(leak.lowest)}; by chance alone in all of them: {words.significant(chance)}"
        f"); the bound on ε is above 0 in {leak.bounds}."
    )


def _where(setting: str) -> str:
    return "" if setting == study_summary.ALL else f" ({setting})"


def _trend(rows: Sequence[Row], measure: str, what: str) -> list[str]:
    """How a measure goes from ε = ∞ down; said to be flat or noisy where it is."""
    found = study_summary.levels([row for row in rows if row.repetition == 1], measure)
    names = study_summary.setting_names(found)
    said: list[str] = []
    for setting, levels in found.items():
        if len(levels) < 2:
            continue
        falling = list(reversed(levels))
        values = [one.mean for one in falling]
        path = ", ".join(
            f"{words.number(one.mean)} at ε = {epsilon_name(one.epsilon)}" for one in falling
        )
        steps = [b - a for a, b in itertools.pairwise(values)]
        if all(step >= 0 for step in steps) or all(step <= 0 for step in steps):
            shape = "in one direction"
        else:
            shape = "not in one direction: neighbouring levels differ by less than the noise"
        if measure.endswith("auc") and abs(values[0] - values[-1]) < FLAT:
            shape = "flat"
        said.append(f"{what}{_where(names[setting])}: {path} ({shape}).")
    return said


_PROTECTED = {
    "identifier_auc": "True identifiers, of people trained on against others",
    "canary_auc": "Canaries, which stand for what the scrubber misses",
}


def _protection_sentence(four: Protection, what: str) -> str:
    """Neither, scrubbing alone, noise alone, both: the numbers."""

    def mean(name: str, one: Level) -> str:
        ends = "" if one.low is None or one.high is None else (
            f" [{words.number(one.low)}, {words.number(one.high)}]"
        )  # fmt: skip
        return f"{name} {words.number(one.mean)}{ends}"

    return (
        f"{what} (AUC){_where(four.name)}: {mean('neither scrubbed nor private', four.neither)}, "
        f"{mean('scrubbed alone', four.scrubbed)}, "
        f"{mean(f'ε = {epsilon_name(four.budget)} alone', four.private)}, "
        f"{mean('both', four.both)}."
    )


def _idle(rows: Sequence[Row]) -> list[str]:
    """Measures that showed nothing anywhere, which a reader must not take for safety."""
    idle = [
        _named(measure)
        for measure in ("extraction_greedy", "extraction_sampled", "identifier_extraction")
        if (own := [row for row in rows if row.measure == measure])
        and max(row.value for row in own) == 0
    ]
    if not idle:
        return []
    return [
        f"Nothing at all in any cell, the control too: {', '.join(idle)}. These figures say "
        "nothing about privacy; model, training or number of samples are too small for them."
    ]


def composition(budgets: Sequence[Budget]) -> list[str]:
    """What every run of the study spent together, if all their outputs were released."""
    said: list[str] = []
    for budget in budgets:
        private, apart = len(budget.counted), len(budget.apart)
        if private:
            own = [run.epsilon for run in budget.counted if run.epsilon is not None]
            total = "cannot be told" if budget.epsilon is None else f"ε = {budget.epsilon:.2f}"
            second = "" if budget.second is None else f" (by PLD {budget.second:.2f})"
            said.append(
                f"{private} private trainings touched one corpus (unfinished and repeated ones "
                f"count). If all their adapters were released, they would together be {total}"
                f"{second} at δ = {budget.delta:g} per {budget.unit}, against at most "
                f"{max(own, default=0.0):.2f} for any one of them; adding up the single ε would "
                f"give {sum(own):.2f}."
            )
            said += [f"Not to be relied on: {problem}" for problem in budget.problems[:3]]
        if apart:
            said.append(
                f"{apart} trainings without noise are apart from every total: released, any one of "
                "them voids it."
            )
    if said:
        said.append(
            "The measures themselves are not noised: a choice of ε, or of anything else, that is "
            "made by looking at this page is not covered by any of these ε."
        )
    return said or ["No ledger was read."]


def _difference(one: Compared) -> str:
    digits = 3
    low, high = one.difference.low, one.difference.high
    text = f"{words.number(one.difference.value, digits)} "
    text += f"[{words.number(low, digits)}, {words.number(high, digits)}]"
    return f"× {text}" if one.ratio else text


def _p(value: float) -> str:
    return "under 0.001" if value < 0.001 else words.number(value, 3)


def _short(value: Any) -> str:
    match value:
        case None:
            return words.ABSENT
        case float():
            return words.significant(value, 4)
        case _:
            return str(value)
