"""Runs side by side: the one table a newcomer reads, as cells, Markdown or on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmsafe.artifacts import Audit
from llmsafe.report import headline, words

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Comparison:
    """Measures down, runs across; ``cells[i][j]`` is measure ``i`` of run ``j``."""

    runs: list[str]
    measures: list[str]
    cells: list[list[str]]


MEASURES = (
    "Claimed ε (δ)",
    "Held-out perplexity, base → tuned",
    "Canary secrets extracted, above base",
    "Exposure above chance, bits",
    "Canary AUC (0.50 = guessing)",
    "Measured ε ≥, ceiling",
    "Verdict",
)


def comparison(rows: Sequence[tuple[str, Audit]]) -> Comparison:
    """The headline figures of named audits, in the given order."""
    columns = [_column(audit) for _, audit in rows]
    return Comparison(
        runs=[words.visible(name) for name, _ in rows],
        measures=list(MEASURES),
        cells=[list(cells) for cells in zip(*columns, strict=True)] or [[] for _ in MEASURES],
    )


def comparison_rows(rows: Sequence[tuple[str, Audit]]) -> list[list[str]]:
    """The table as plain text cells; the first row holds the run names."""
    table = comparison(rows)
    body = [[m, *cells] for m, cells in zip(table.measures, table.cells, strict=True)]
    return [["", *table.runs], *body]


def figures(name: str, audit: Audit) -> dict[str, Any]:
    """The headline figures of one audit as JSON values; ``None`` where not measured."""
    found = headline.canary_extraction(audit)
    bound = headline.headline_bound(audit)
    membership = headline.canary_membership(audit)
    return {
        "run": name,
        "verdict": audit.verdict.status,
        "claimed_epsilon": headline.claimed_epsilon(audit.privacy),
        "delta": audit.privacy.delta if audit.privacy else None,
        "perplexity_base": audit.utility.perplexity_base if audit.utility else None,
        "perplexity": audit.utility.perplexity if audit.utility else None,
        "canaries_tried": found.tried if found else None,
        "canaries_extracted": found.extracted if found else None,
        "canaries_extracted_by_base": found.base_extracted if found else None,
        "exposure_excess_bits": audit.exposure.excess_bits.model_dump() if audit.exposure else None,
        "canary_auc": membership.auc.model_dump() if membership else None,
        "epsilon_lower": bound.epsilon_lower if bound else None,
        "ceiling": bound.ceiling if bound else None,
        "bound_above_claim": bool(audit.breaking),
    }


def comparison_markdown(rows: Sequence[tuple[str, Audit]]) -> str:
    """The table in Markdown; names cannot add cells, HTML or emphasis to it."""
    head, *body = [[_escape(cell) for cell in row] for row in comparison_rows(rows)]
    rule = ["---", *("---:" for _ in head[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))


def print_comparison(rows: Sequence[tuple[str, Audit]], console: Console | None = None) -> None:
    """The table drawn on a terminal (standard output unless ``console`` is given)."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    head, *body = comparison_rows(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # Text, not str: a name is shown as it is, never read as markup.
    table.add_column(Text(head[0]), max_width=38)
    for name in head[1:]:
        table.add_column(Text(words.shorten(name), style="bold"), justify="right")
    for row in body:
        table.add_row(*(Text(cell, style=_COLOUR.get(cell, "")) for cell in row))
    (console or Console()).print(table)


_COLOUR = {
    words.STATUS["pass"]: "green",
    words.STATUS["fail"]: "bold red",
    words.STATUS["inconclusive"]: "yellow",
}


def _escape(cell: str) -> str:
    return re.sub(r"([\\`*\[\]<>|&])", r"\\\1", cell)


def _column(audit: Audit) -> list[str]:
    return [
        words.claim(audit.privacy),
        perplexities(audit),
        extracted(audit),
        exposed(audit),
        canary_auc(audit),
        bounded(audit),
        words.STATUS[audit.verdict.status],
    ]


def perplexities(audit: Audit) -> str:
    """``120 → 63.1``."""
    if audit.utility is None:
        return words.ABSENT
    base, tuned = audit.utility.perplexity_base, audit.utility.perplexity
    return f"{words.significant(base)} → {words.significant(tuned)}"


def extracted(audit: Audit) -> str:
    """``24% (12 of 50, base 0)``: the share above the base model, and the counts it is from."""
    found = headline.canary_extraction(audit)
    if found is None:
        return words.ABSENT
    counts = f"{words.count(found.extracted)} of {words.count(found.tried)}"
    above = headline.excess(found)
    if above is None:
        return f"{counts} (base not tried)"
    return f"{words.percent(above)} ({counts}, base {words.count(found.base_extracted)})"


def exposed(audit: Audit) -> str:
    """``0.12 (−0.30 to 0.55)``."""
    return words.ABSENT if audit.exposure is None else words.interval(audit.exposure.excess_bits)


def canary_auc(audit: Audit) -> str:
    """``0.53 (0.46 to 0.60)``."""
    found = headline.canary_membership(audit)
    return words.ABSENT if found is None else words.interval(found.auc)


def bounded(audit: Audit) -> str:
    """``0.42, ceiling 4.41``; a bound above the claim says so."""
    bound = headline.headline_bound(audit)
    if bound is None:
        return words.ABSENT
    text = f"{words.number(bound.epsilon_lower)}, ceiling {words.number(bound.ceiling)}"
    breaking = audit.breaking
    if not breaking:
        return text
    return text + (" — above the claim" if bound in breaking else " — another is above the claim")
