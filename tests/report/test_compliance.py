"""``compliance.md``: every figure is of the files, and what has no evidence says so."""

from __future__ import annotations

import datetime
import importlib.util
from pathlib import Path

import pytest

from llmsafe.artifacts import Policy, Release
from llmsafe.report.compliance import compliance, evidence_tables


def load(name):
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"compliance_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example():
    return load("example")


def note(**change):
    fields = {
        "name": "ward-7",
        "made_on": datetime.date(2026, 5, 4),
        "tool": "llmsafe 0",
        "form": "merged",
        "method": "the adapter added to its base",
        "weights_digest": "sha256:w",
        "adapter_digest": "sha256:a",
        "base": "tiny",
        "base_digest": "sha256:b",
        "policy": "release",
        "parent_audit": "sha256:p",
        "lineage": "sha256:l",
        "steps": ["scrub", "canary", "train", "audit"],
        "scrub": {"method": "surrogate", "lang": "en", "known_identifiers": "yes", "version": "0"},
        "checks": {"ledger: covers the statement": "ok", "lineage: corpus": "absent"},
        "signer": "f" * 64,
    }
    return Release(**(fields | change))


def lines(tables):
    return [line for table in tables for line in table.lines]


def test_figures_are_those_of_the_files(example):
    audit = example.audit()
    page = compliance(note(), audit.privacy, audit, audit)
    bound = audit.bounds[0]
    assert f"proved by attacks: ε ≥ {bound.epsilon_lower:.2f}" in page
    assert f"could have proved {bound.ceiling:.2f}" in page
    assert f"ε = {audit.privacy.epsilon:.2f}" in page
    assert "method surrogate, language en, with the patients' known identifiers" in page
    assert f"{audit.privacy.steps:,} charges" in page
    assert "not looked at: lineage: corpus" in page
    assert "scrub → canary → train → audit → release" in page
    for text in ("164.312", "164.308", "164.514(b)", "Article 32", "PIPL", "39725", "800-226"):
        assert text in page


def test_the_count_is_that_of_the_lines_and_every_line_says_where_or_why(example):
    audit = example.audit()
    tables = evidence_tables(note(), audit.privacy, audit)
    found = [line for line in lines(tables) if line.evidence is not None]
    page = compliance(note(), audit.privacy, audit, audit)
    assert f"**{len(found)} of {len(lines(tables))} lines have evidence" in page
    assert page.count("**not covered**") == len(lines(tables)) - len(found)
    files = {"audit.json", "privacy.json", "release.json", "model.sig", "sbom.cdx.json"}
    assert all(set(line.place.split(", ")) <= files for line in found)
    assert all(line.place for line in lines(tables))


def test_encryption_at_rest_is_shown_where_the_run_was_sealed_and_not_elsewhere(example):
    audit = example.audit()
    rules = ("164.312(a)(2)(iv)", "32(1)(a)", "PIPL 51(3)", "GB/T 39725, 10.1")
    for status, shown in (("ok", True), ("absent", False)):
        checks = {"ledger: covers the statement": "ok", "access: policy and log": status}
        found = [
            line
            for line in lines(evidence_tables(note(checks=checks), audit.privacy, audit))
            if line.evidence and "AES-256-GCM" in line.evidence
        ]
        assert {line.rule for line in found} >= set(rules) if shown else found == []


def test_without_evidence_a_line_is_not_covered(example):
    """No scrub, no ledger, no promise, no measurement: the same lines, and nothing to show."""
    audit = example.audit()
    whole = evidence_tables(note(), audit.privacy, audit)
    bare = audit.model_copy(
        update={"bounds": [], "membership": [], "extraction": [], "phi": [], "canaries": None}
    )
    statement = audit.privacy.model_copy(
        update={"private": False, "epsilon": None, "noise": "none"}
    )
    empty = note(scrub={}, checks={})
    tables = evidence_tables(empty, statement, bare)
    assert [line.rule for line in lines(tables)] == [line.rule for line in lines(whole)]
    covered = {(line.rule, line.asks) for line in lines(tables) if line.evidence}
    before = {(line.rule, line.asks) for line in lines(whole) if line.evidence}
    assert covered < before
    gone = {asks for _, asks in before - covered}
    assert {"risk analysis", "pseudonymisation", "ε and δ", "de-identification"} <= gone
    page = compliance(empty, statement, bare, bare)
    assert "none: NOT PRIVATE" in page
    assert "ε = " not in page


def test_a_doubt_goes_with_the_figure(example):
    from llmsafe.artifacts import Unmeasured

    audit = example.audit()
    doubt = Unmeasured(what="x", why="y", doubt="canaries")
    audit = audit.model_copy(update={"unmeasured": [doubt]})
    page = compliance(note(), audit.privacy, audit, audit)
    assert "(the canaries are not known to be this model's)" in page


def test_review_is_evidence_only_if_the_policy_asks_for_it(example):
    audit = example.audit()

    def repeated(**more):
        judged = audit.model_copy(update={"policy": Policy(name="p", max_canary_auc=0.6, **more)})
        tables = evidence_tables(note(), audit.privacy, judged)
        return next(line for line in lines(tables) if line.asks == "that it is repeated")

    assert repeated().evidence is None
    assert "365 days" in repeated(max_audit_age_days=365).evidence
    assert "2027-01-02" in repeated(expires=datetime.date(2027, 1, 2)).evidence


def test_names_cannot_add_cells_or_markup(example):
    audit = example.audit()
    page = compliance(note(name="a | b <script>", base="c|d\n| e"), audit.privacy, audit, audit)
    assert "<script>" not in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {4, 5}
