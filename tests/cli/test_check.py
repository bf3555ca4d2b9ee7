from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.artifacts import Audit, AuditedModel, Verdict
from llmsafe.cli.check import check
from llmsafe.errors import EvidenceError, InputError
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.plan import make_plan
from llmsafe.privacy.statement import make_statement

app = typer.Typer()
app.command()(check)


@pytest.fixture
def run(tmp_path):
    """A run whose ledger and statement agree, without lineage and weights."""
    plan = make_plan(
        delta=1e-5, population=1000, units_per_step=20, steps=2, unit="note", noise_multiplier=1.0
    )
    with Ledger.create(tmp_path / "run/vault/ledger.jsonl", plan) as ledger:
        ledger.charge(0)
        ledger.charge(1)
    make_statement(plan, charges=2).save(tmp_path / "run/release/privacy.json")
    return tmp_path / "run"


def test_missing_evidence_is_exit_3_and_named(run):
    result = CliRunner().invoke(app, [str(run)])
    assert isinstance(result.exception, EvidenceError)
    assert result.exception.exit_code == 3
    assert "lineage: adapter weights" in str(result.exception)
    rows = {line[8:].split("  ")[0]: line.split()[0] for line in result.stdout.splitlines()}
    assert rows["ledger: hash chain"] == "ok"
    assert rows["statement: epsilon computed anew"] == "ok"
    assert rows["ledger: belongs to the plan"] == "absent"
    assert rows["vault: private file modes"] == "ok"


def test_json_is_the_only_thing_on_stdout(run):
    result = CliRunner().invoke(app, [str(run), "--json"])
    data = json.loads(result.stdout)
    assert data["status"] == "broken"
    status = {one["name"]: one["status"] for one in data["checks"]}
    assert status["ledger: covers the statement"] == "ok"
    assert status["lineage: steps follow each other"] == "absent"


def test_no_run(tmp_path):
    result = CliRunner().invoke(app, [str(tmp_path / "none")])
    assert isinstance(result.exception, InputError)


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("pass", "every check that could be made is ok"),
        ("inconclusive", "is ok; the audit's verdict is INCONCLUSIVE"),
        ("fail", "is ok; the audit's verdict is FAIL"),
        ("none", "is ok; its audit was judged by no policy"),
        (None, "is ok; the run has no audit"),
    ],
)
def test_sound_evidence_is_not_taken_for_a_good_verdict(run, monkeypatch, status, end):
    from llmsafe.privacy import check as checks

    if status:
        model = AuditedModel(
            kind="run", name="r", base=None, weights_digest="d", parameters=1,
            adapter_parameters=None,
        )  # fmt: skip
        Audit(
            tool="t", model=model, privacy=None, canaries=None, membership=[], bounds=[],
            exposure=None, extraction=[], phi=[], blind_auc=None, utility=None, seconds=0,
            verdict=Verdict(status=status),
        ).save(run / "release/audit.json")  # fmt: skip
    sound = [checks.Check("one", "ok", "", True)]
    monkeypatch.setattr(checks, "check_run", lambda run: sound)
    result = CliRunner().invoke(app, [str(run)])
    assert result.exit_code == 0
    assert result.stderr.strip().endswith(end)
    data = json.loads(CliRunner().invoke(app, [str(run), "--json"]).stdout)
    assert (data["status"], data["audit_verdict"]) == ("ok", status)
