"""``llmsafe report``: finds the audit, writes the page, prints the table, refuses the rest."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.cli.report import report
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.report.html import render
from llmsafe.report.tables import comparison_markdown

APP = typer.Typer()
APP.command()(report)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = Path(__file__).parent.parent / "report" / "example.py"
    spec = importlib.util.spec_from_file_location("report_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(example, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    example.bare().save(folder / "release" / "audit.json")
    return folder


def call(*args: object):
    return CliRunner().invoke(APP, [str(arg) for arg in args])


def raised(*args: object) -> Exception:
    result = call(*args)
    assert isinstance(result.exception, Exception), result.output
    return result.exception


@pytest.mark.parametrize("part", ["", "release", "release/audit.json"])
def test_a_run_a_release_and_a_file_give_the_same(example, run, part):
    result = call(run / part)
    assert result.exit_code == 0, result.exception
    audit = example.bare()
    page = run / "release" / "audit.html"
    assert page.read_text(encoding="utf-8") == render(audit)
    assert result.stdout == comparison_markdown([("gpt2", audit)])
    assert result.stderr == f"wrote {page}\n"


def test_further_audits_stand_beside_it(example, run, tmp_path):
    other = tmp_path / "other"
    example.control("control").save(other / "audit.json")
    out = tmp_path / "page.html"
    result = call(run, "--compare", other, "--out", out)
    assert result.exit_code == 0, result.exception
    assert "|  | gpt2 | control |" in result.stdout
    assert "37% (187 of 512, base 0)" in out.read_text(encoding="utf-8")
    assert not (run / "release" / "audit.html").exists()


def test_a_comparison_never_becomes_the_page_of_a_release(example, run, tmp_path):
    other = tmp_path / "other"
    example.control("control").save(other / "audit.json")
    assert call(run).exit_code == 0
    page = run / "release" / "audit.html"
    before = page.read_bytes()
    for out in ((), ("--out", page), ("--out", run / "release" / "both.html")):
        error = raised(run, "--compare", other, *out)
        assert isinstance(error, InputError)
        assert "side-by-side.html" in str(error)
    assert page.read_bytes() == before
    assert [path.name for path in other.iterdir()] == ["audit.json"]


def test_runs_of_one_name_are_told_apart_by_path(run, tmp_path):
    result = call(run, "--compare", run / "release", "--out", tmp_path / "both.html")
    assert str(run / "release") in result.stdout


def test_json_is_all_that_stdout_holds(run):
    result = call(run, "--json")
    data = json.loads(result.stdout)
    assert data["html"] == str(run / "release" / "audit.html")
    assert data["runs"][0]["verdict"] == "none"
    assert data["runs"][0]["epsilon_lower"] is None
    assert "wrote" in result.stderr


def test_bad_input_is_named_with_a_way_out(example, run, tmp_path):
    missing = raised(tmp_path / "nowhere")
    assert isinstance(missing, InputError)
    assert "nowhere does not exist" in str(missing)
    (tmp_path / "empty").mkdir()
    empty = raised(tmp_path / "empty")
    assert isinstance(empty, EvidenceError)
    assert "llmsafe audit --model" in str(empty)
    beside = ("--compare", tmp_path / "empty", "--out", tmp_path / "both.html")
    assert isinstance(raised(run, *beside), EvidenceError)
    page = raised(run, "--out", tmp_path)
    assert isinstance(page, InputError)
    notes = tmp_path / "notes.jsonl"
    notes.write_text("{}")
    assert "ends in .html" in str(raised(run, "--out", notes))
    assert notes.read_text() == "{}"
    assert isinstance(raised(run, "--out", notes / "a.html"), SetupError)
    assert not (run / "release" / "audit.html").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00secret", b"[]", b'{"schema_version": 3}', b'{"secret": "secret"}'],
)
def test_a_broken_audit_is_refused_without_showing_it(run, content):
    file = run / "release" / "audit.json"
    file.write_bytes(content)
    error = raised(file)
    assert isinstance(error, EvidenceError)
    assert "no valid Audit" in str(error)
    assert "\n" not in str(error)
    assert '"secret"' not in str(error)
    assert not file.with_name("audit.html").exists()


@pytest.mark.parametrize("compared", [False, True])
def test_a_verdict_that_its_figures_do_not_bear_out_is_not_rendered(
    example, run, tmp_path, compared
):
    audit = example.audit()
    policy = audit.policy.model_copy(update={"max_extraction_excess": 0.05})
    audit = audit.model_copy(update={"policy": policy})
    assert audit.verdict.status == "pass"
    bound = audit.bounds[0].model_copy(update={"epsilon_lower": 20.0})
    changed = tmp_path / "changed"
    audit.model_copy(update={"bounds": [bound]}).save(changed / "audit.json")
    call_of = (run, "--compare", changed) if compared else (changed,)
    error = raised(*call_of, "--out", tmp_path / "page.html")
    assert isinstance(error, EvidenceError)
    assert "does not follow from its figures" in str(error)
    assert "--from-scores" in str(error)
    assert not (tmp_path / "page.html").exists()
    audit.save(changed / "audit.json")
    assert call(*call_of, "--out", tmp_path / "page.html").exit_code == 0
