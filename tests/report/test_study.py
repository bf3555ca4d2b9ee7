"""The pages of a study: every number can be followed, and no text can do harm."""

from __future__ import annotations

import csv
import io
import math
import random
import re
import runpy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from llmsafe.errors import EvidenceError
from llmsafe.privacy.accountant import Steps
from llmsafe.privacy.budget import Charges, compose
from llmsafe.report.study import (
    Facts,
    composition,
    findings,
    html,
    markdown,
    write_page,
    write_report,
)
from llmsafe.report.study_figures import figures
from llmsafe.report.study_rows import Row, read_csv, table_csv, to_csv
from llmsafe.report.study_summary import (
    above_theory,
    compare,
    control_leaks,
    level,
    levels,
    protections,
    setting_names,
)
from llmsafe.stats import holm, paired_difference, seed_interval

EXAMPLE = runpy.run_path(str(Path(__file__).with_name("example_study.py")))
cell, row, rows = (EXAMPLE[name] for name in ("cell", "row", "rows"))
INF = math.inf
FACTS = Facts("example", "About.", "python eval/leakage_vs_epsilon.py", "llmsafe 0", 22)


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return rows()


@pytest.fixture(scope="module")
def drawn(found):
    return figures(found)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named["href"]] if tag == "a" else []


def test_the_csv_says_all_that_was_written(found, tmp_path):
    path = tmp_path / "study.csv"
    path.write_text(to_csv(found))
    assert read_csv(path) == found
    assert "inf" in path.read_text()
    path.write_text("a,b\n1,2\n")
    with pytest.raises(EvidenceError, match="columns"):
        read_csv(path)


def test_no_cell_of_a_table_is_a_formula():
    assert "'=1+1" in table_csv([{"a": "=1+1", "b": -1.5}])
    assert "-1.5" in table_csv([{"a": "=1+1", "b": -1.5}])


def test_levels_are_students_over_seeds(found):
    chosen = [r for r in found if r.scrub and r.repetition == 1 and r.epsilon == 4.0]
    auc = level(4.0, [r for r in chosen if r.measure == "canary_auc"])
    expected = seed_interval([r.value for r in auc.rows])
    assert (auc.mean, auc.low, auc.high) == pytest.approx(tuple(expected))
    costs = level(4.0, [r for r in chosen if r.measure == "perplexity"])
    logs = seed_interval([math.log(r.value) for r in costs.rows])
    assert costs.mean == pytest.approx(math.exp(logs.value))  # a geometric mean
    assert costs.high == pytest.approx(math.exp(logs.high))
    assert level(4.0, chosen[:1]).low is None


def test_settings_are_named_by_what_differs(found):
    names = setting_names(r.setting for r in found if r.repetition == 1)
    assert set(names.values()) == {"scrubbed", "not scrubbed"}
    assert set(setting_names([found[0].setting]).values()) == {"all cells"}


def test_comparisons_are_paired_and_one_family(found):
    every = compare(found)
    assert [c.adjusted for c in every] == holm([c.p_value for c in every])
    one = next(
        c for c in every
        if (c.measure, c.one, c.other) == ("canary_auc", "ε = 1", "ε = ∞")
        and "not" not in c.setting
    )  # fmt: skip
    by_id = {r.row: r for r in found}
    low, high = one.rows[:3], one.rows[3:]
    test = paired_difference([by_id[i].value for i in low], [by_id[i].value for i in high])
    assert one.p_value == test.p_value
    assert one.difference == test.difference
    assert [by_id[i].seed for i in low] == [by_id[i].seed for i in high] == [0, 1, 2]
    assert any(c.one == "scrubbed at ε = 8" for c in every)
    ratio = next(c for c in every if c.ratio)
    assert ratio.difference.value > 1  # a smaller ε costs


def test_scrubbing_alone_is_set_against_privacy_alone(found):
    once = [r for r in found if r.repetition == 1]
    [four] = protections(once, "identifier_auc")
    assert four.budget == 8.0  # the only private ε with cells that are not scrubbed
    arms = [four.neither, four.scrubbed, four.private, four.both]
    assert [(r.scrub, r.epsilon) for arm in arms for r in arm.rows[:1]] == [
        (False, INF), (True, INF), (False, 8.0), (True, 8.0)
    ]  # fmt: skip
    assert four.neither.mean > four.scrubbed.mean
    said = next(line for line in findings(once) if line.startswith("True identifiers"))
    for arm in arms:
        assert f"{arm.mean:.2f} [" in said
    [one] = [c for c in compare(once) if c.one == "scrubbed alone" and c.measure == "perplexity"]
    by_id = {r.row: r for r in once}
    assert {(by_id[i].scrub, by_id[i].epsilon) for i in one.rows} == {(True, INF), (False, 8.0)}
    assert protections([r for r in once if r.scrub], "identifier_auc") == []
    no_control = [r for r in once if r.scrub or r.epsilon == 8.0]
    assert protections(no_control, "identifier_auc") == []


def test_a_control_that_does_not_leak_is_told(found):
    leaks = {leak.setting: leak for leak in control_leaks([r for r in found if r.repetition == 1])}
    assert (leaks["scrubbed"].significant, leaks["scrubbed"].seeds) == (3, 3)
    weak = [row("canary_auc", INF, seed, 0.52, low=0.49 + seed / 50) for seed in range(3)]
    [leak] = control_leaks(weak)
    assert (leak.significant, leak.lowest) == (2, 0.49)


def test_a_figure_above_its_claim_is_an_alarm():
    good = row("epsilon_lower", 1.0, 0, 0.9, low=0.9, theory=1.0)
    bad = row("epsilon_lower", 1.0, 1, 1.2, low=1.2, theory=1.0)
    assert above_theory([good, bad]) == [bad]
    assert any("above what their claim permits" in line for line in findings([good, bad]))
    assert any("nothing" in line for line in findings([good]))


def test_flat_and_noisy_curves_are_called_so():
    flat = [row("canary_auc", e, 0, v) for e, v in ((INF, 0.505), (8.0, 0.5), (1.0, 0.5))]
    assert any("flat" in line for line in findings(flat))
    noisy = [row("canary_auc", e, 0, v) for e, v in ((INF, 0.9), (8.0, 0.5), (1.0, 0.55))]
    assert any("not in one direction" in line for line in findings(noisy))
    idle = [row("extraction_greedy", INF, 0, 0.0)]
    assert any("nothing about privacy" in line for line in findings(idle))


def test_every_figure_of_the_issue_is_there(drawn):
    names = {figure.name for figure in drawn}
    assert names >= {
        "epsilon", "tpr", "exposure", "extraction-greedy", "perplexity", "task", "frontier",
        "contrast-identifiers", "contrast-canaries", "repetition-auc", "length-canaries",
    }  # fmt: skip
    for figure in drawn:
        assert figure.plot.png.startswith(b"\x89PNG")
        assert "<svg" in figure.plot.svg
        assert "n = " in figure.caption


def test_a_number_leads_from_figure_to_ledger(found, tmp_path):
    found = [r for r in found if r.measure in ("canary_auc", "perplexity", "epsilon_lower")]
    drawn = figures(found)
    page = Page(html(found, FACTS, drawn))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {f"row-{r.row}" for r in found} <= set(page.ids)
    written = write_report(found, FACTS, tmp_path)
    known = {r.row: r for r in read_csv(written[0])}
    for figure in drawn:
        text = (tmp_path / "figures" / f"{figure.name}.csv").read_text()
        for line in csv.DictReader(io.StringIO(text)):
            behind = [known[name] for name in line["rows"].split()]
            assert behind
            assert all(r.run and r.ledger.startswith("sha256:") for r in behind)
            values = [r.value for r in behind]
            assert min(values) - 1e-9 <= float(line["mean"]) <= max(values) + 1e-9
        svg = (tmp_path / "figures" / f"{figure.name}.svg").read_text()
        assert svg.startswith("<svg xmlns=")


def test_a_page_of_the_docs_leads_to_its_own_folder(found, tmp_path):
    some = [r for r in found if r.measure in ("canary_auc", "perplexity")]
    written = write_page(some, FACTS, tmp_path / "docs" / "leakage.md")
    assert written == [tmp_path / "docs" / "leakage.md", tmp_path / "docs" / "leakage"]
    text = written[0].read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "leakage/study.csv" in links
    assert {link.rpartition(".")[2] for link in links} == {"csv", "png"}
    assert all((written[0].parent / link).is_file() for link in links)
    assert read_csv(written[1] / "study.csv") == some


def test_the_same_rows_give_the_same_bytes(found, drawn):
    auc = [r for r in found if r.measure == "canary_auc" and r.repetition == 1]
    one, two = (figures(auc)[0] for _ in range(2))
    assert (one.plot.png, one.plot.svg) == (two.plot.png, two.plot.svg)
    assert html(found, FACTS, drawn) == html(found, FACTS, drawn)


def test_the_page_holds_no_script_and_shows_hostile_words_as_words(found, drawn):
    evil = "<script>alert(1)</script>\u202e"
    facts = Facts(evil, evil, evil, evil, 1, [(evil, evil)], design=[evil])
    text = html(found, facts, drawn)
    page = Page(text)
    assert "script" not in page.tags
    assert "\u202e" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)
    some = [r for r in found if r.measure == "task_accuracy"]
    named = [Row(**{**vars(r), "corpus": evil}) for r in some] + some
    assert "<script" not in html(named, FACTS, figures(named))


def test_the_summary_in_markdown(found, drawn):
    text = markdown(found, FACTS, drawn)
    assert "| planted once, scrubbed | ∞ | 3 |" in text
    assert "![" in text
    assert "p (Holm)" in text
    assert "No ledger was read" in text


def test_one_seed_and_one_cell_make_a_page():
    few = cell(INF, 0, random.Random(0))[:2]
    text = markdown(few, FACTS, figures(few))
    assert "## Paired comparisons" not in text
    assert levels(few, "canary_auc")


def test_what_was_spent_is_told_with_what_is_apart():
    steps = Steps(8.0, 1.0, 1)
    run = Charges(
        Path("a"), frozenset({"sha256:1"}), steps=steps, delta=1e-5, unit="patient",
        noise="standard", released=True,
    )  # fmt: skip
    control = replace(run, run=Path("c"), noise="none", steps=Steps(0.0, 1.0, 1))
    budgets = compose([run, replace(run, run=Path("b")), control])
    said = " ".join(composition(budgets))
    assert f"together be ε = {budgets[0].epsilon:.2f}" in said
    assert "2 private trainings" in said
    assert "1 trainings without noise are apart" in said
    assert run.epsilon is not None
    assert budgets[0].epsilon is not None
    assert run.epsilon < budgets[0].epsilon < 2 * run.epsilon
