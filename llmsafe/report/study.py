"""The pages of a study: one self-contained HTML file and a Markdown summary.

Every number can be followed: a figure names its table, a line of the table the rows of study.csv
that it was made from, and a row its run folder with the digests of ledger and audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmsafe.files import make_folder, write_atomic, write_text
from llmsafe.privacy.budget import Budget
from llmsafe.report import study_figures, study_summary, words
from llmsafe.report.html import environment, style
from llmsafe.report.study_figures import Figure
from llmsafe.report.study_findings import composition, findings
from llmsafe.report.study_rows import Row, table_csv, to_csv
from llmsafe.report.study_summary import (
    Compared,
    Level,
    epsilon_name,
)


@dataclass(frozen=True)
class Facts:
    """What a page says besides its rows: of the study, and of the machine that ran it.

    ``failed`` are cells that have no rows, with the reason; ``budgets`` what all runs spent.
    """

    name: str
    about: str
    command: str
    tool: str
    failed: Sequence[tuple[str, str]] = ()
    budgets: Sequence[Budget] = ()
    design: Sequence[str] = ()


def write_report(rows: Sequence[Row], facts: Facts, out: Path) -> list[Path]:
    """Write study.csv and comparisons.csv, figures, study.html and study.md into ``out``.

    Raises:
        SetupError: the folder cannot be written.
    """
    found = study_figures.figures(rows)
    folder = make_folder(out / "figures")
    written = [_write_tables(rows, out)]
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
    _write_tables(rows, folder)
    _write_figures(found, folder)
    text = markdown(rows, facts, found, tables=folder.name, pictures=folder.name)
    return [write_text(page, text), folder]


def _write_tables(rows: Sequence[Row], folder: Path) -> Path:
    compared = [asdict(one) | {"difference": one.difference.value, "low": one.difference.low,
                "high": one.difference.high, "rows": " ".join(one.rows)}
                for one in study_summary.compare(rows)]  # fmt: skip
    write_text(folder / "comparisons.csv", table_csv(compared))
    return write_text(folder / "study.csv", to_csv(rows))


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
        families=_families(study_summary.compare(rows)),
        paired=_PAIRED,
        means=_MEANS,
        named=_named,
        short=_short,
        p_value=_p,
        style=style(),
    )


def markdown(
    rows: Sequence[Row],
    facts: Facts,
    figures: Sequence[Figure],
    *,
    tables: str = ".",
    pictures: str = "figures",
) -> str:
    """The summary, as Markdown; its links lead to the folders ``tables`` and ``pictures``."""
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
        f"{_MEANS} Each number is in [study.csv]({tables}/study.csv), with its run folder and the "
        "digests of ledger and audit.",
        "",
    ]
    for figure in figures:
        place = f"{pictures}/{figure.name}"
        lines += [f"### {figure.title}", "", f"![{figure.title}]({place}.png)", ""]
        lines += [f"{figure.caption} Behind it: [{figure.name}.csv]({place}.csv).", ""]
    compared = study_summary.compare(rows)
    if compared:
        lines += ["## Paired comparisons", "", f"{_PAIRED} {_families(compared)}", ""]
        lines += ["| measure | cells | | against | difference [95 %] | pairs | p | p (Holm) |"]
        lines += ["| --- | --- | --- | --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {_named(c.measure)}{' (primary)' * c.primary} | {c.setting} | {c.one} | {c.other} "
            f"| {_difference(c)} | {c.pairs} | {_p(c.p_value)} | {_p(c.adjusted)} |"
            for c in compared
        ]
        lines += [
            "",
            f"With the rows that each is of: [comparisons.csv]({tables}/comparisons.csv).",
            "",
        ]
    lines += ["## What the whole study spent", "", *composition(facts.budgets), ""]
    if facts.failed:
        lines += ["## Cells without a result", ""]
        lines += [f"- {name}: {reason}" for name, reason in facts.failed]
        lines += [""]
    return "\n".join(lines)


_MEANS = (
    "Mean over seeds with Student's 95 % interval over seeds, or that of the runs' own intervals "
    "where it is wider; none where there is one seed, or all seeds give one figure."
)
_PAIRED = (
    "Student's test of the differences, seed by seed. Across ε a seed fixes split, canaries and "
    "first adapter; across scrubbing canaries and first adapter, but other people are held out. Of "
    "perplexity the ratio is compared."
)
_FAMILY = (
    "Primary: canary AUC and perplexity at each ε against none, in the study's first setting. p "
    "(Holm) is adjusted for the {} of them as one family, and for the {} others as another; what "
    "is at most 0.05 there may be called a finding. Pairs that all differ by the same amount have "
    "no test."
)


def _families(compared: Sequence[Compared]) -> str:
    first = sum(one.primary for one in compared)
    return _FAMILY.format(first, len(compared) - first)


_NAMES = {
    "epsilon_lower": "ε proved, mean of the seeds' bounds",
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
    "extraction_greedy", "identifier_auc", "perplexity", "task_accuracy", "task_majority",
)  # fmt: skip


_PERCENT = ("extraction_greedy", "task_accuracy", "task_majority", "canary_tpr_at_1pct_fpr")


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
    percent = measure in _PERCENT

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
