"""Runs side by side: the same figures as cells, Markdown, on a terminal and as JSON."""

from __future__ import annotations

import io
import json

from rich.console import Console

from llmsafe.report import tables


def test_cells_show_the_headline_figures(example):
    rows = tables.comparison_rows([("private", example.audit()), ("control", example.control())])
    assert rows[0] == ["", "private", "control"]
    cells = {row[0]: row[1:] for row in rows[1:]}
    assert list(cells) == list(tables.MEASURES)
    assert cells["Claimed ε (δ)"] == ["8.00 (δ 1 × 10⁻⁵)", "none (ε = ∞)"]
    assert cells["Held-out perplexity, base → tuned"] == ["52.7 → 31.4", "52.7 → 14.2"]
    assert cells["Canary secrets extracted, above base"] == [
        "0% (0 of 512, base 0)",
        "37% (187 of 512, base 0)",
    ]
    assert cells["Canary AUC (0.50 = guessing)"][0] == "0.55 (0.52 to 0.59)"
    assert cells["Verdict"] == ["PASS", "FAIL"]


def test_the_base_rate_is_subtracted(example):
    audit = example.audit(extracted=60)
    found = audit.extraction[0].model_copy(update={"tried": 100, "base_extracted": 10})
    assert tables.extracted(audit.model_copy(update={"extraction": [found]})) == (
        "50% (60 of 100, base 10)"
    )


def test_what_is_missing_is_a_dash(example):
    column = [row[1] for row in tables.comparison_rows([("bare", example.bare())])[1:]]
    assert column == ["no statement", "–", "–", "–", "–", "–", "NO POLICY"]


def test_a_bound_above_the_claim_says_so(example):
    broken = example.control().model_copy(update={"privacy": example.statement(1.0)})
    assert tables.bounded(broken).endswith("above the claim")
    assert tables.figures("x", broken)["bound_above_claim"] is True


def test_a_bound_that_is_not_the_headline_and_breaks_the_claim_is_told_apart(everything):
    broken = everything.bounds[2].model_copy(update={"epsilon_lower": 9.0, "ceiling": 9.5})
    audit = everything.model_copy(update={"bounds": [everything.bounds[0], broken]})
    assert tables.bounded(audit).endswith("another is above the claim")
    assert tables.figures("x", audit)["bound_above_claim"] is True
    assert "above" not in tables.bounded(everything)


def test_markdown_keeps_its_shape_whatever_the_names(example):
    name = "a|b `c` <script>\n[x](y) *z* \\ \x1b[31m\u202e"
    text = tables.comparison_markdown([(name, example.audit()), ("two", example.bare())])
    lines = text.splitlines()
    assert len(lines) == 2 + len(tables.MEASURES)
    for line in lines:
        unescaped = line.replace("\\\\", "").replace("\\|", "")
        assert unescaped.count("|") == 4
    assert "\\<script\\>" in lines[0]
    assert "\\[x\\](y)" in lines[0]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert lines[1] == "| --- | ---: | ---: |"


def test_no_runs_make_an_empty_table():
    assert tables.comparison_markdown([]).splitlines()[0] == "|  |"


def test_a_terminal_shows_names_as_they_are(example):
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    tables.print_comparison([("[red]x[/red] \x1b[31m", example.audit())], console)
    assert "[red]x[/red] ⟨U+001B⟩[31m" in out.getvalue()
    assert "8.00" in out.getvalue()
    assert all(len(line) <= 100 for line in out.getvalue().splitlines())


def test_the_table_of_two_runs_fits_eighty_columns(example):
    out = io.StringIO()
    rows = [("private", example.audit()), ("non-private", example.control())]
    tables.print_comparison(rows, Console(file=out, width=80))
    assert "…" not in out.getvalue()
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())


def test_figures_are_the_numbers_themselves(example):
    audit = example.audit()
    found = json.loads(json.dumps(tables.figures("r", audit)))
    assert found["epsilon_lower"] == audit.bounds[0].epsilon_lower
    assert found["canary_auc"] == audit.membership[0].auc.model_dump()
    assert found["claimed_epsilon"] == 8.0
    assert tables.figures("b", example.bare())["ceiling"] is None
