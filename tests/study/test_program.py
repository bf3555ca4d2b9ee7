"""eval/leakage_vs_epsilon.py: what it refuses, says, counts and writes; nothing is trained here."""

from __future__ import annotations

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from llmsafe.cli.common import run_program
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import locked_folder
from llmsafe.privacy.budget import Charges
from llmsafe.report.study_rows import Row
from llmsafe.study import estimate
from llmsafe.study.scheduler import Failure, State, record_of
from llmsafe.study.stages import Done, Job, Stage

ROOT = Path(__file__).resolve().parents[2]
INF = float("inf")
STUDY = {
    "name": "x",
    "corpora": {"some": {"patients": 100}, "other": {"patients": 50}},
    "config": "configs/demo.yaml",
    "grids": [
        {"epsilon": [INF, 8], "seed": [0, 1], "corpus": "some"},
        {"epsilon": 8, "corpus": "other"},
    ],
}


@pytest.fixture(scope="module")
def program():
    import importlib.util

    spec = importlib.util.spec_from_file_location("leakage", ROOT / "eval/leakage_vs_epsilon.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def call(program, tmp_path, monkeypatch):
    """The program with a study in a folder of its own; a trial of the machine takes no time."""
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(estimate, "start_up", lambda: 1.0)
    monkeypatch.setattr(estimate, "tokens_a_second", lambda *_: 1000.0)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["leakage", "--study", "x.yaml", "--work", "w", *words])
        return program.main()

    return call


# --- what is refused, before anything is run ------------------------------------------------------


@pytest.mark.parametrize("words", [("--limit", "0"), ("--limit", "-3"), ("--jobs", "0")])
def test_numbers_below_one_are_refused(call, words, capsys):
    with pytest.raises(SystemExit) as ended:
        call(*words)
    assert ended.value.code == 2
    assert "above 0" in capsys.readouterr().err


def test_an_unknown_study_is_an_error_of_input(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["leakage", "--study", "quik"])
    with pytest.raises(InputError, match="quick"):
        program.main()


@pytest.mark.parametrize("page", ["README.md", "mine.csv", "noext", "docs.md", "taken.md"])
def test_a_page_replaces_nothing_of_others(call, page, tmp_path):
    Path("README.md").write_text("# Mine\n")
    Path("mine.csv").write_text("a,b\n")
    Path("docs.md").mkdir()
    Path("taken").write_text("no folder")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match=page.removesuffix(".md")):
        call("--page", page)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert Path("README.md").read_text() == "# Mine\n"


def test_a_report_replaces_no_summary_of_others(call):
    Path("out").mkdir()
    Path("out/study.md").write_text("# My study\n")
    with pytest.raises(InputError, match=r"out/study\.md was not written by this program"):
        call("--out", "out")


def test_an_output_that_cannot_be_written_is_found_at_the_start(call, program, monkeypatch):
    def no_run(*_, **__):
        raise AssertionError("run")

    monkeypatch.setattr(program, "run", no_run)
    Path("file").touch()
    with pytest.raises(SetupError, match="file"):
        call("--out", "file/out")
    with pytest.raises(SetupError, match="file"):
        call("--page", "file/page.md")


# --- what it says ---------------------------------------------------------------------------------


def test_a_dry_run_tells_cells_and_makes_nothing(call, capsys, tmp_path):
    assert call("--dry-run", "--limit", "2", "--page", "docs/study.md") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert "epsilon inf, seed 0" in said.out
    assert "2 cells, 0 cached" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.yaml"]


@pytest.mark.parametrize(
    ("allowed", "found"),
    [
        ("", []), ("-1", []), ("NoDevFiles", []), ("0", ["0"]), ("1, 3", ["1", "3"]),
        ("0,-1,1", ["0"]), ("0,,1", ["0"]), ("GPU-8f3a,MIG-b1", ["GPU-8f3a", "MIG-b1"]),
    ],
)  # fmt: skip
def test_devices_are_counted_as_cuda_does(program, monkeypatch, allowed, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert program.devices() == found


def test_cached_stages_are_neither_told_nor_learned_again(program, tmp_path, capsys):
    class Learned(list):
        learn = list.append

        def seconds(self, stage):
            return 1.0

    old, new = (
        Stage("notes", name * 64, ("true",), tmp_path / name, (), {}) for name in ("a", "b")
    )
    records = {
        stage: Done(stage="notes", key=stage.key, seconds=2, command=[], determined_by={})
        for stage in (old, new)
    }
    learned = Learned()
    with program.watching(learned, 1, [old]) as watch:
        # The first look is when the first stage already runs.
        watch(State(running=[(new, "cpu 1", 0.0)], done={old: records[old]}))
        assert not learned
        watch(State(done=records))
    assert learned == [records[new]]
    assert [line[:10] for line in capsys.readouterr().err.splitlines()] == ["done notes"]


# --- what it writes -------------------------------------------------------------------------------


def a_row(job: Job, **changes) -> Row:
    cell = job.cell
    row = Row(
        row=f"{cell.cell_id}-canary-auc", study="x", cell=cell.cell_id, corpus=cell.corpus,
        model=cell.base, unit=cell.unit, kind=cell.kind, repetition=1, scrub=True, rank=16,
        seed=cell.seed, epsilon=cell.epsilon, claimed=cell.epsilon if cell.private else None,
        delta=1e-5, measure="canary_auc", x=None, value=0.6, low=0.5, high=0.7, interval="",
        n=9, base=None, ceiling=1.0, theory=None, run="train/a", ledger="", audit="",
    )  # fmt: skip
    return dataclasses.replace(row, **changes)


@pytest.fixture
def ended(program, monkeypatch):
    """The program's stages are all done, but for the training of the second cell."""

    def run(stages, work, places, *, watch):
        records = {s: Done(stage=s.name, key=s.key, seconds=1, command=[], determined_by={})
                   for s in stages}  # fmt: skip
        for stage, record in records.items():
            if stage.output.suffix != ".json":
                stage.output.mkdir(parents=True, exist_ok=True)
                record.save(record_of(work, stage))
        trained = [stage for stage in stages if stage.name == "train"]
        return State(done=records, failed={trained[1]: Failure("train ended with 2", "/a/path")})

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr("llmsafe.study.measures.rows_of", lambda name, job, work: [a_row(job)])


def test_a_cell_that_cannot_be_read_spoils_no_other(call, ended, monkeypatch, capsys):
    def rows_of(name, job, work):
        if job.cell.corpus == "other":
            raise EvidenceError("cannot read /secret/audit.json")
        if job.cell.seed:
            return [a_row(job, value=INF if job.cell.private else 0.6)]
        if job.cell.private:
            raise KeyError("a patient's name")
        return [a_row(job)]

    monkeypatch.setattr("llmsafe.study.measures.rows_of", rows_of)
    assert call("--page", "docs/study.md") == 3
    said = capsys.readouterr().err
    assert "train ended with 2: /a/path" in said
    assert "cannot read /secret/audit.json" in said
    assert "canary_auc is not finite" in said
    assert "unexpected KeyError" in said
    assert "patient's" not in said
    csv = Path("w/report/study.csv").read_text().splitlines()
    assert len(csv) == 2  # the head, and the one cell of five
    for page in ("w/report/study.md", "w/report/study.html", "docs/study.md"):
        text = Path(page).read_text()
        assert text.count("its figures cannot be read") == 3
        assert "train ended with 2" in text
        assert "/secret" not in text
        assert "/a/path" not in text


def test_results_are_written_while_nobody_else_may_run(call, ended, monkeypatch):
    def write_report(rows, facts, out):
        with pytest.raises(InputError, match="another run"), locked_folder(Path("w")):
            pass
        return [out]

    monkeypatch.setattr("llmsafe.report.study.write_report", write_report)
    assert call() == 3


def test_a_limited_study_says_so_and_names_what_it_has(call, ended):
    assert call("--limit", "3", "--page", "docs/study.md") == 3
    page = Path("docs/study.md").read_text()
    assert "The first 3 of 5 cells" in page
    assert "some: 100 invented patients" in page
    assert "other:" not in page
    # What this program wrote it may write again.
    assert call("--page", "docs/study.md") == 3
    page = Path("docs/study.md").read_text()
    assert "other: 50 invented patients" in page
    assert "- 5 cells, " in page


def test_nothing_done_is_no_report(call, ended, monkeypatch, capsys):
    assert call("--limit", "2") == 3
    monkeypatch.setattr("llmsafe.study.measures.rows_of", lambda *_: 1 / 0)
    assert call() == 3
    assert "nothing to report" in capsys.readouterr().err


def test_run_folders_are_told_from_the_work_folder_on(program, tmp_path, monkeypatch):
    run = tmp_path / "train" / "epsilon-8"
    broken = Charges(run, problem=f"cannot read {run}/vault/lineage.json: no permission")
    monkeypatch.setattr("llmsafe.privacy.budget.find_runs", lambda _: [run])
    monkeypatch.setattr("llmsafe.privacy.budget.read_charges", lambda _: broken)
    [budget] = program.spent_together(tmp_path)
    assert budget.problems == (
        "train/epsilon-8: cannot read train/epsilon-8/vault/lineage.json: no permission",
    )


# --- what its stages say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "place", "words"),
    [
        ("prepare", "llmsafe.corpus.open_corpus", ["notes", "out"]),
        ("evaluate", "llmsafe.audit.target.open_target", ["run", "prepared", "out"]),
    ],
)
def test_a_librarys_words_stay_out_of_the_log(monkeypatch, capsys, module, place, words):
    def fail(*_):
        raise ValueError("Jane Roe, born 1950")

    monkeypatch.setattr(place, fail)
    monkeypatch.setattr(sys, "argv", [module, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"llmsafe.study.{module}", run_name="__main__", alter_sys=True)
    assert ended.value.code == 4
    said = capsys.readouterr().err
    assert said.startswith(f"{module}: error: unexpected ValueError")
    assert "Jane" not in said


def test_a_program_ends_as_a_verb_does(capsys, monkeypatch):
    def refuse():
        raise InputError("no such thing; name another")

    def interrupt():
        raise KeyboardInterrupt

    for main, code in ((refuse, 2), (interrupt, 130), (lambda: 3, 3), (lambda: None, None)):
        with pytest.raises(SystemExit) as ended:
            run_program("it", main, interrupted="goes on")
        assert ended.value.code == code
    said = capsys.readouterr().err.splitlines()
    assert said == ["it: error: no such thing; name another", "it: goes on"]


def test_the_program_itself_ends_with_a_line(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "eval/leakage_vs_epsilon.py"), "--study", "no-such"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("leakage_vs_epsilon: error: ")
    assert "Traceback" not in done.stderr
