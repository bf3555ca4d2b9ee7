from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.artifacts import Audit, AuditedModel, Lineage, LineageStep, Verdict
from llmsafe.cli.check import check
from llmsafe.errors import EvidenceError, InputError
from llmsafe.privacy.accountant import Steps, composed_epsilon
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
    make_statement(plan, charges=2, noise="standard").save(tmp_path / "run/release/privacy.json")
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
    for arguments in ([str(tmp_path / "none")], [str(tmp_path)], []):
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, InputError)


def charge(run, sigma=1.0, *, released=True, noise="standard"):
    plan = make_plan(
        delta=1e-5, population=1000, units_per_step=20, steps=2, unit="note",
        noise_multiplier=sigma, noise=noise,
    )  # fmt: skip
    with Ledger.create(run / "vault/ledger.jsonl", plan) as ledger:
        ledger.charge(0)
        ledger.charge(1)
    settings = {"plan": plan.digest(), "planned": plan.as_json()}
    step = LineageStep(
        step="train",
        version="0",
        inputs={"corpus": "sha256:" + "c" * 64},
        outputs={},
        settings=settings,
    )
    Lineage(steps=[step]).save(run / "vault/lineage.json", private=True)
    if released:
        make_statement(plan, charges=2, noise=plan.noise).save(run / "release/privacy.json")


def test_a_folder_of_runs_is_checked_and_added_up(tmp_path):
    charge(tmp_path / "runs/a")
    charge(tmp_path / "runs/a/earlier-1", 1.5)
    charge(tmp_path / "runs/b", released=False)
    charge(tmp_path / "runs/c", noise="test")
    result = CliRunner().invoke(app, [str(tmp_path / "runs"), "--json"])
    data = json.loads(result.stdout)
    # Finished runs are checked; what was set aside or never ended is only counted.
    assert [run["run"] for run in data["runs"]] == ["a", "c"]
    (first,) = data["budgets"]
    assert [run["run"].rsplit("runs/")[1] for run in first["counted"]] == ["a", "a/earlier-1", "b"]
    assert [run["released"] for run in first["counted"]] == [True, True, False]
    assert [run["run"].rsplit("runs/")[1] for run in first["apart"]] == ["c"]
    parts = [Steps(1.0, 0.02, 4), Steps(1.5, 0.02, 2)]
    assert first["epsilon"] == pytest.approx(composed_epsilon(parts, delta=1e-5), rel=1e-9)
    assert first["problems"] == []
    text = CliRunner().invoke(app, [str(tmp_path / "runs")]).stdout
    assert f"together: epsilon {first['epsilon']:.4g} at delta 1e-05, the smallest" in text
    assert "not in it: 1 without private noise" in text
    assert "unfinished" in text


def test_runs_named_twice_count_once_and_one_run_alone_has_no_total(tmp_path):
    charge(tmp_path / "a")
    charge(tmp_path / "b")
    names = [str(tmp_path / name) for name in ("a", "b", "a")]
    data = json.loads(CliRunner().invoke(app, [*names, "--json"]).stdout)
    assert [len(data["runs"]), len(data["budgets"][0]["counted"])] == [2, 2]
    alone = CliRunner().invoke(app, [str(tmp_path / "a"), "--json"])
    assert json.loads(alone.stdout)["budgets"] == []
    assert "together" not in CliRunner().invoke(app, [str(tmp_path / "a")]).stdout


def test_only_unfinished_runs_have_a_total_too(tmp_path):
    charge(tmp_path / "runs/a", released=False)
    charge(tmp_path / "runs/b", released=False)
    result = CliRunner().invoke(app, [str(tmp_path / "runs")])
    assert result.exit_code == 0, result.exception
    assert "together: epsilon" in result.stdout


def test_a_total_without_evidence_is_exit_3(tmp_path):
    charge(tmp_path / "runs/a", released=False)
    charge(tmp_path / "runs/b", released=False)
    ledger = tmp_path / "runs/b/vault/ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"step":1', '"step":0', 1))
    result = CliRunner().invoke(app, [str(tmp_path / "runs")])
    assert isinstance(result.exception, EvidenceError)
    assert "no total can be stated" in str(result.exception)
    assert "together" not in result.stdout
    data = json.loads(CliRunner().invoke(app, [str(tmp_path / "runs"), "--json"]).stdout)
    assert data["status"] == "broken"
    assert data["budgets"][0]["epsilon"] is None


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


def test_an_unfinished_run_in_a_folder_is_counted(tmp_path):
    plan = make_plan(
        delta=1e-5, population=1000, units_per_step=20, steps=2, unit="note", noise_multiplier=1.0
    )
    with Ledger.create(tmp_path / "runs/a/vault/ledger.jsonl", plan) as ledger:
        ledger.charge(0)
    result = CliRunner().invoke(app, [str(tmp_path / "runs")])
    assert "unfinished" in result.stdout
    assert isinstance(result.exception, EvidenceError)  # no lineage: there is no total
