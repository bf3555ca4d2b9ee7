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
from llmsafe.report.study import Facts, html, markdown, write_page, write_report
from llmsafe.report.study_figures import figures
from llmsafe.report.study_findings import composition, findings
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
FACTS = Facts("example", "About.", "python eval/leakage_vs_epsilon.py", "llmsafe 0")


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


def test_a_mean_is_no_surer_than_its_runs():
    """Three seeds that agree by luck, each with an interval of its own of ± 0.06."""
    lucky = [row("canary_auc", 8.0, seed, 0.52 + seed / 1000, low=0.46, high=0.58 + seed / 500)
             for seed in range(3)]  # fmt: skip
    found = level(8.0, lucky)
    student = seed_interval([r.value for r in lucky])
    assert found.low is not None
    assert found.high is not None
    assert found.low < student.low
    halves = [(r.high - r.low) / 2 for r in lucky]
    assert found.high - found.mean == pytest.approx(math.hypot(*halves) / 3)
    bare = level(8.0, [replace(r, low=None, high=None) for r in lucky])
    assert (bare.low, bare.high) == pytest.approx((student.low, student.high))


def test_equal_figures_have_no_interval_and_no_test():
    cells = [
        row("extraction_greedy", epsilon, seed, 0.0, low=0.0, high=0.008)
        for epsilon in (INF, 8.0) for seed in range(3)
    ]  # fmt: skip
    assert level(8.0, cells[3:]).low is None
    # A difference of −0.25 in both seeds says nothing of how much seeds vary.
    tasks = [row("task_accuracy", e, seed, v + seed / 10)
             for e, v in ((INF, 0.5), (8.0, 0.25)) for seed in range(2)]  # fmt: skip
    assert compare(tasks) == []
    assert compare([*tasks[:-1], replace(tasks[-1], value=0.33)])


def test_comparisons_are_paired_and_two_families(found):
    every = compare(found)
    first = [c for c in every if c.primary]
    rest = [c for c in every if not c.primary]
    assert every == [*first, *rest]
    assert {(c.measure, c.one, c.other) for c in first} == {
        (measure, f"ε = {epsilon}", "ε = ∞")
        for measure in ("canary_auc", "perplexity") for epsilon in (8, 4, 1)
    }  # fmt: skip
    for family in (first, rest):
        assert [c.adjusted for c in family] == holm([c.p_value for c in family])
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
    # Other people are held out of scrubbed notes, and the words are others.
    across = {c.measure for c in every if c.one == "scrubbed at ε = 8"}
    assert across == {"canary_auc", "exposure_excess_bits", "identifier_auc"}
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
    [one] = [c for c in compare(once) if c.one == "scrubbed alone" and c.measure == "canary_auc"]
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
    assert any("None of the 1 figures" in line for line in findings([good]))


def curve(*values: tuple[float, ...], measure: str = "canary_auc") -> list[Row]:
    """ε = ∞, 8, 1 and so many seeds as there are values at each."""
    return [
        row(measure, epsilon, seed, value)
        for epsilon, several in zip((INF, 8.0, 1.0), values, strict=True)
        for seed, value in enumerate(several)
    ]


def test_flat_and_noisy_curves_are_called_so():
    [flat] = [s for s in findings(curve((0.505,), (0.5,), (0.5,))) if "told apart (AUC)" in s]
    assert flat.endswith("(flat).")
    # Both ends alike, the middle not: not flat.
    [hump] = [s for s in findings(curve((0.5,), (0.9,), (0.51,))) if "told apart (AUC)" in s]
    assert "one seed: what of it is noise is not known" in hump
    steep = findings(curve((0.80, 0.81, 0.79), (0.52, 0.50, 0.51), (0.50, 0.52, 0.51)))
    [line] = [s for s in steep if "told apart (AUC)" in s]
    assert line.endswith("(falls from ∞ to 8; no clear step over the seeds: 8 to 1).")
    lucky = findings(curve((0.8, 0.83), (0.5, 0.51), (0.49, 0.501)))
    assert [s for s in lucky if "no clear step over the seeds: 8 to 1" in s]
    idle = [row("extraction_greedy", INF, 0, 0.0)]
    assert any("the control too" in line for line in findings(idle))
    alone = findings([row("extraction_greedy", 8.0, 0, 0.0)])
    assert not any("the control too" in line for line in alone)
    assert any('"private" cannot be told' in line for line in alone)


def test_a_task_without_skill_is_called_so():
    good = curve((0.8,), (0.6,), (0.4,), measure="task_accuracy")
    common = curve((0.45,), (0.45,), (0.45,), measure="task_majority")
    [line] = [s for s in findings([*good, *common]) if "commonest" in s]
    assert line.endswith("at ε = 1.")
    assert not [s for s in findings([*good[:2], *common]) if "commonest" in s]


def test_a_contrast_of_nothing_says_so(found):
    def four(neither: float) -> list[Row]:
        arms = ((INF, False, neither), (INF, True, 0.5), (8.0, False, 0.5), (8.0, True, 0.5))
        return [row("identifier_auc", e, 0, v, scrub=s) for e, s, v in arms]

    assert "shows nothing" in findings(four(0.5))[-1]
    assert "shows nothing" not in findings(four(0.7))[-1]
    # The ε of the contrast has both arms: 1 is run without scrubbing only.
    more = [*four(0.7), row("identifier_auc", 1.0, 0, 0.5, scrub=False)]
    assert [one.budget for one in protections(more, "identifier_auc")] == [8.0]


def test_bounds_that_could_not_have_contradicted_are_counted():
    weak = row("epsilon_lower", 8.0, 0, 0.2, low=0.2, theory=8.0, ceiling=4.5)
    able = row("epsilon_lower", 1.0, 0, 0.2, low=0.2, theory=1.0, ceiling=4.5)
    [line] = [s for s in findings([weak, able]) if "claim" in s]
    assert "1 of the 2 bounds" in line
    assert "at most 4.50" in line


def test_seeds_that_do_not_all_leak_have_no_chance_of_all():
    rows = [row("canary_auc", INF, seed, 0.6, low=low) for seed, low in enumerate((0.55, 0.49))]
    [line] = [s for s in findings(rows) if s.startswith("Without privacy")]
    assert "1 of 2 seeds" in line
    assert "by chance alone" not in line
    assert "the bound on ε" not in line


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
    known = {r.row for r in some}
    with (written[1] / "comparisons.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert lines
    assert all(set(line["rows"].split()) <= known for line in lines)
    assert all(float(line["low"]) <= float(line["difference"]) for line in lines)


def test_the_same_rows_give_the_same_bytes(found, drawn):
    auc = [r for r in found if r.measure == "canary_auc" and r.repetition == 1]
    one, two = (figures(auc)[0] for _ in range(2))
    assert (one.plot.png, one.plot.svg) == (two.plot.png, two.plot.svg)
    assert html(found, FACTS, drawn) == html(found, FACTS, drawn)


def test_the_page_holds_no_script_and_shows_hostile_words_as_words(found, drawn):
    evil = "<script>alert(1)</script>\u202e"
    facts = Facts(evil, evil, evil, evil, [(evil, evil)], design=[evil])
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
