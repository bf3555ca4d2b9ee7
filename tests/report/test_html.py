"""The page: safe, well-formed, self-contained, the same each time, and true to its audit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from llmsafe.artifacts import (
    Audit,
    Histogram,
    Membership,
    PrivacyStatement,
    Rate,
    TprAtFpr,
    Verdict,
)
from llmsafe.errors import SetupError
from llmsafe.report.html import render, write_html


@pytest.fixture(scope="module")
def full(example) -> str:
    return render(example.audit(), compare=[("control", example.control())])


def test_the_full_page_is_well_formed_and_loads_nothing(full, page):
    seen = page.check(full)
    assert page.addresses(full) == {"http://www.w3.org/2000/svg"}
    # Two gauges, a histogram, two pairs of curves; the rest are swatches of the legends.
    assert sum(value == "img" for name, value in seen.attributes if name == "role") == 7


def test_equal_audits_give_equal_bytes(example, full):
    again = render(example.audit(), compare=[("control", example.control())])
    assert again == full


def test_page_one_holds_what_an_officer_needs(example, page):
    audit = example.audit()
    html = render(audit)
    front = page.Page(html[html.index("<main>") + 6 : html.index("<section>")]).text
    bound = audit.bounds[0]
    for needed in (
        "PASS",
        *audit.verdict.reasons,
        "claimed ε = 8.00",
        f"measured ≥ {bound.epsilon_lower:.2f}",
        f"ceiling {bound.ceiling:.2f}",
        "at most 1 in 100 outsiders identifies 1.6% (0% to 6.6%) of the 512 planted",
        "0 of 512 planted secrets",
        "each patient, with all its notes",
        "with or without one patient",
        "1 in 100,000",
        "Poisson",
        "PRV",
        "What was not tested",
        "probabilistic extraction : not asked for",
    ):
        assert needed in front, needed


def test_every_section_shows_its_numbers(example, page, full):
    text = page.Page(full).text
    audit: Audit = example.audit()
    assert "52.7 (base) to 31.4" in text
    assert "14,212" in text
    assert audit.model.weights_digest in text
    assert "2,016,512" in text
    assert "NIST SP 800-226" in text
    assert "28/2024" in text
    assert "164.514(b)" in text
    assert "GB/T 39725-2020" in text
    assert "去标识化" in text
    # The table of the two runs side by side.
    assert "37% (187 of 512, base 0)" in text
    assert "none (ε = ∞)" in text


@pytest.mark.parametrize("status", ["pass", "fail", "inconclusive", "none"])
@pytest.mark.parametrize("reasons", [[], ["a reason"]])
def test_every_verdict_has_its_own_badge(example, page, status, reasons):
    verdict = Verdict(status=status, reasons=reasons)
    seen = page.check(render(example.bare().model_copy(update={"verdict": verdict})))
    word = {"none": "NO POLICY"}.get(status, status.upper())
    assert word in seen.text
    others = {"PASS", "FAIL", "INCONCLUSIVE", "NO POLICY"} - {word}
    assert not any(other in seen.text for other in others)
    assert ("class", f"verdict verdict-{status}") in seen.attributes


def test_a_bare_model_says_that_nothing_was_measured(example, page):
    seen = page.check(render(example.bare()))
    for sentence in (
        "No privacy statement came with this model",
        "No lower bound was measured",
        "Neither exposure nor extraction was measured",
        "no canaries.json was given",
        "Usefulness was not measured",
    ):
        assert sentence in seen.text
    assert "None" not in seen.text
    assert "nan" not in seen.text.split()


def test_a_bound_above_the_claim_is_an_alarm_even_if_the_audit_has_none(example, page):
    broken = example.control().model_copy(update={"privacy": example.statement(1.0)})
    assert broken.verdict.alarms == []
    seen = page.check(render(broken))
    assert "Alarm" in seen.text
    assert "the training or its accounting is broken. Do not release this model." in seen.text
    assert "Alarm" not in page.check(render(example.audit())).text
    kept = broken.model_copy(update={"verdict": Verdict(status="fail", alarms=["bell 4711"])})
    assert "bell 4711" in page.check(render(kept)).text


def test_two_bounds_that_judge_share_their_chance_of_a_false_alarm(everything_leaks, example, page):
    bounds = [b.model_copy(update={"confidence": 0.975}) for b in everything_leaks.bounds]
    assert [b.family for b in bounds] == ["dp", "gaussian", "dp"]
    broken = everything_leaks.model_copy(
        update={"bounds": bounds, "privacy": example.statement(0.01)}
    )
    assert "would show one in at most 5% of audits" in page.check(render(broken)).text


def test_a_blind_baseline_that_fails_proves_no_likeness(example, page):
    wide = example.audit().model_copy(update={"blind_auc": Rate(value=0.6, low=0.3, high=0.85)})
    seen = page.check(render(wide)).text
    assert "0.60 (0.30 to 0.85)" in seen
    assert "may still be a difference of the groups" in seen
    assert "no better than" not in seen


@pytest.mark.parametrize(("copies", "said"), [(1, "notes once,"), (8, "notes 8 times each,")])
def test_the_page_says_how_often_a_canary_was_planted(example, page, copies, said):
    audit = example.audit()
    canaries = audit.canaries.model_copy(update={"copies": copies})
    assert said in page.check(render(audit.model_copy(update={"canaries": canaries}))).text


def test_values_without_end_or_sense_are_shown_and_not_drawn(example, page):
    audit: Audit = example.audit()
    nowhere = Rate(value=math.nan, low=-math.inf, high=math.inf)
    member = Membership(
        attack="loss",
        population="canaries",
        members=0,
        non_members=0,
        auc=nowhere,
        tpr=[TprAtFpr(fpr=0.0, tpr=nowhere, meaningful=True)],
        roc=[(math.nan, 0.5), (0.0, 0.0), (math.inf, 1.0), (1.0, 1.0)],
    )
    bounds = [audit.bounds[0].model_copy(update={"epsilon_lower": math.inf, "ceiling": math.inf})]
    assert audit.canaries is not None
    canaries = audit.canaries.model_copy(
        update={"scores": Histogram(edges=[0.0, math.inf], planted=[1], withheld=[1])}
    )
    odd = audit.model_copy(update={"membership": [member], "bounds": bounds, "canaries": canaries})
    seen = page.check(render(odd))
    assert "∞" in seen.text
    assert "not a number" in seen.text


@pytest.mark.parametrize(
    ("scores", "drawn"),
    [
        (Histogram(edges=[], planted=[], withheld=[]), False),
        (Histogram(edges=[0.0, 1.0], planted=[], withheld=[]), False),
        (Histogram(edges=[0.0, 1.0], planted=[0], withheld=[0]), True),
        (Histogram(edges=[1.0, 1.0], planted=[3], withheld=[0]), True),
    ],
)
def test_a_histogram_of_any_shape_does_not_break_the_page(example, page, scores, drawn):
    audit = example.audit()
    canaries = audit.canaries.model_copy(update={"scores": scores})
    seen = page.check(render(audit.model_copy(update={"canaries": canaries, "membership": []})))
    title = f"Attack scores of {sum(scores.planted)} planted and {sum(scores.withheld)} withheld"
    assert (title in seen.text) == drawn


def test_lists_may_be_empty_and_statements_extreme(example, page):
    audit: Audit = example.audit()
    assert audit.privacy is not None
    extreme: PrivacyStatement = audit.privacy.model_copy(
        update={"epsilon": 5000.0, "delta": 0.0, "covers": [], "not_covered": []}
    )
    seen = page.check(
        render(audit.model_copy(update={"privacy": extreme, "bounds": [], "phi": []}))
    )
    assert "any number of times" in seen.text
    infinite = extreme.model_copy(update={"epsilon": math.inf})
    assert (
        "No guarantee is claimed"
        in page.check(render(audit.model_copy(update={"privacy": infinite}))).text
    )


def test_the_page_is_written_whole_or_not_at_all(example, tmp_path: Path):
    path = write_html(example.bare(), tmp_path / "deep" / "audit.html")
    assert path.read_text(encoding="utf-8") == render(example.bare())
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError):
        write_html(example.bare(), tmp_path / "file" / "audit.html")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["audit.html"]
