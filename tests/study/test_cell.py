"""One cell as it is: every command of it, run here without the seconds that processes take."""

from __future__ import annotations

import runpy
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from llmsafe.artifacts import CanaryManifest
from llmsafe.corpus import open_corpus
from llmsafe.models import load_tokenizer
from llmsafe.privacy.budget import compose, find_runs, read_charges
from llmsafe.report.study_findings import composition
from llmsafe.study.definition import Study
from llmsafe.study.evaluate import StudyMeasures, candidates, totals
from llmsafe.study.measures import rows_of
from llmsafe.study.prepare import COLUMNS, STUDY_ID, Labels, header, prepare
from llmsafe.study.stages import Job, jobs


def in_this_process(command: tuple[str, ...]) -> int:
    """A stage's command: a verb, the recipe, or a module of the package."""
    words = list(command)
    if words[1] == "-m" and words[2] == "accelerate.commands.launch":
        start = next(i for i, word in enumerate(words) if word.endswith("dp_lora.py"))
        argv, how = words[start:], lambda: runpy.run_path(words[start], run_name="__main__")
    else:
        argv = words[2:]
        how = lambda: runpy.run_module(words[2], run_name="__main__", alter_sys=True)  # noqa: E731
    before, sys.argv = sys.argv, argv
    try:
        how()
    except SystemExit as error:
        return int(error.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture(scope="module")
def cell(tmp_path_factory, tiny_model) -> tuple[Study, Job, Path]:
    work = tmp_path_factory.mktemp("study")
    study = Study.model_validate(
        {
            "name": "one", "corpora": {"invented": {"patients": 30}},
            "config": "configs/demo.yaml", "canaries": 20, "delta": 1e-3, "held_back": 20,
            "identifiers": 10, "task_notes": 6,
            "set": {"data.max_tokens": 200, "data.held_out": 0.4, "train.steps": 2,
                    "train.units_per_step": 10, "train.checkpoint_every": 0},
            "grids": [{"epsilon": 8, "base": str(tiny_model), "rank": 2}],
        }
    )  # fmt: skip
    [job] = jobs(study, work, gpu=False)
    for stage in job.stages:
        with suppress(FileExistsError):
            stage.output.parent.mkdir(parents=True)
        assert in_this_process(stage.command) in stage.accept, stage.name
        assert stage.output.exists(), stage.name
    return study, job, work


def test_a_cell_gives_its_rows_and_what_they_come_from(cell):
    study, job, work = cell
    rows = {row.measure: row for row in rows_of(study.name, job, work)}
    assert rows.keys() >= {
        "epsilon_lower", "canary_auc", "exposure_excess_bits", "extraction_greedy", "perplexity",
        "task_accuracy", "identifier_auc",
    }  # fmt: skip
    # Twenty canaries say nothing of 1 % false alarms.
    assert "canary_tpr_at_1pct_fpr" not in rows
    for row in rows.values():
        assert (work / row.run / "vault" / "ledger.jsonl").is_file()
        assert row.claimed == pytest.approx(8, abs=0.05)
        assert row.low is None or row.low <= row.value
    bound = rows["epsilon_lower"]
    assert bound.theory == bound.claimed
    assert rows["canary_auc"].theory == pytest.approx(1, abs=0.01)
    assert rows["task_accuracy"].n == 6
    measured = StudyMeasures.load(job.evaluation)
    assert measured.task is not None
    assert measured.task.correct <= measured.task.notes
    assert oct(job.evaluation.stat().st_mode)[-3:] == "600"


def test_an_audit_whose_file_is_gone_is_made_again(cell):
    """As when the file was of other settings, and the scheduler took it away."""
    _, job, _ = cell
    audit = next(stage for stage in job.stages if stage.name == "audit")
    audit.output.unlink()
    assert in_this_process(audit.command) in audit.accept
    assert audit.output.is_file()


def test_what_the_cell_spent_is_on_its_ledger(cell):
    _, _, work = cell
    budgets = compose(read_charges(run) for run in find_runs(work / "train"))
    assert "1 private trainings" in composition(budgets)[0]


def test_every_note_keeps_its_number_and_canaries_have_none(cell):
    _, job, _ = cell
    stages = {stage.name: stage.output for stage in job.stages}
    numbers = {
        name: {note.note_id: note.extra[STUDY_ID] for note in open_corpus(path).notes(COLUMNS)}
        for name, path in stages.items()
        if name in ("prepare", "scrub", "plant")
    }
    assert set(numbers["scrub"].values()) == set(numbers["prepare"].values())
    assert not set(numbers["scrub"]) & set(numbers["prepare"])  # ids do not go through
    manifest = CanaryManifest.load(stages["plant"] / "vault" / "canaries.json")
    for canary in manifest.canaries:
        if canary.planted:
            assert numbers["plant"][canary.note_id] is None
    # The first line is no identifier: the scrubber leaves it.
    labels = Labels.load(stages["prepare"] / "vault" / "labels.json").labels
    for note in open_corpus(stages["scrub"]).notes(COLUMNS):
        assert note.text.startswith("Note type: ")
    assert labels


def test_gold_spans_move_with_the_first_line(tmp_path):
    from llmsafe.corpus import Columns, write_corpus
    from llmsafe.synthetic import patients

    notes = [note for person in patients(3, 5, max_notes=1) for note in person.notes]
    write_corpus(tmp_path / "notes" / "corpus", notes)
    prepare(str(tmp_path / "notes"), tmp_path / "out", Columns(), "kind")
    for before, after in zip(notes, open_corpus(tmp_path / "out").notes(COLUMNS), strict=True):
        first = header(before.extra["kind"])
        assert after.text == first + before.text
        old = [before.text[s["start"] : s["end"]] for s in before.extra["spans"]]
        assert [after.text[s["start"] : s["end"]] for s in after.extra["spans"]] == old
        assert after.patient_id == before.patient_id


def test_the_end_of_text_speaks_for_no_kind():
    """It fits in after a short first line only, and comes as a surprise in mid-sentence."""
    tokenizer = load_tokenizer("llmsafe:base-en")
    judge = SimpleNamespace(tokenizer=tokenizer, max_tokens=24)
    labels = ["phone", "electroencephalography"]
    body = "Patient resting, asks about the test results. Tolerating a regular diet. " * 3
    texts = candidates(judge, header(labels[0]) + body, labels[0], labels)
    ends = [text.ids[-1] == tokenizer.eos_token_id for text in texts]
    assert ends == [True, False]  # without it there would be nothing to test
    stats = []
    for text, end in zip(texts, ends, strict=True):
        logp = np.full(text.scored, -1.0)
        logp[-1] = -15.0 if end else -1.0
        stats.append(SimpleNamespace(logp=logp))
    lengths = [text.scored - end for text, end in zip(texts, ends, strict=True)]
    assert totals(texts, stats).tolist() == [-length for length in lengths]
    shown = {text.source.text.split("\n", 1)[1] for text in texts}
    assert len(shown) == 1  # the same piece of the note under both
