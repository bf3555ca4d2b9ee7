"""The scheduler, with stages that are small programs: order, failure, kill -9, left-overs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmsafe.study import scheduler
from llmsafe.study.scheduler import again, finished, log_of, record_of, run, slots
from llmsafe.study.stages import Stage

ROOT = Path(__file__).resolve().parents[2]


def stage(work: Path, name: str, *needs: Stage, code: str = "", key: str | None = None) -> Stage:
    """A stage that notes in a file that it ran, and makes its output."""
    out = work / name
    program = (
        f"import os, pathlib, time, sys\n"
        f"open({str(work / 'ran.txt')!r}, 'a').write('{name} ' + os.environ['OMP_NUM_THREADS']"
        f" + '\\n')\n{code}\npathlib.Path({str(out)!r}).write_text('x')\n"
    )
    return Stage(
        "notes", key or f"{name:0<64}", (sys.executable, "-c", program), out, needs, {"name": name}
    )


def ran(work: Path) -> list[str]:
    path = work / "ran.txt"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def test_each_stage_once_and_after_what_it_needs(tmp_path):
    first = stage(tmp_path, "a")
    left, right = stage(tmp_path, "b", first), stage(tmp_path, "c", first)
    last = stage(tmp_path, "d", left, right)
    seen = []
    state = run([last, left, right, first, first], tmp_path, slots(2, []), watch=seen.append)
    order = ran(tmp_path)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert (order[0], order[-1]) == ("a", "d")
    assert not state.failed
    assert not state.waiting
    assert seen
    record = finished(tmp_path, last)
    assert record is not None
    assert record.determined_by == {"name": "d"}
    # All is cache; another digest, or an output that is gone, is not.
    run([last, left, right, first], tmp_path, slots(1, []))
    assert len(ran(tmp_path)) == 4
    run([stage(tmp_path, "a", key="f" * 64)], tmp_path, slots(1, []))
    last.output.unlink()
    run([last], tmp_path, slots(1, []))
    assert ran(tmp_path)[4:] == ["a", "d"]


def test_a_failure_takes_what_needs_it_and_nothing_else(tmp_path):
    bad = stage(tmp_path, "bad", code="sys.exit('error: no such thing')")
    silent = stage(tmp_path, "silent", code="os._exit(0)")  # ends well and makes nothing
    behind = stage(tmp_path, "behind", stage(tmp_path, "between", bad))
    good = stage(tmp_path, "good")
    every = [bad, silent, *behind.needs, behind, good]
    state = run(every, tmp_path, slots(1, []))
    assert sorted(ran(tmp_path)) == ["bad", "good", "silent"]
    assert set(state.done) == {good}
    assert "error: no such thing" in str(state.failed[bad])
    assert state.failed[behind] == state.failed[bad]
    assert "ended with 0" in str(state.failed[silent])
    assert oct((tmp_path / "logs" / f"{bad.label}.log").stat().st_mode)[-3:] == "600"
    # What failed is tried again.
    assert finished(tmp_path, bad) is None


def test_a_file_of_other_settings_is_no_result(tmp_path):
    """An audit lies in its run's folder, whatever it was asked: K1, K2, K1 again."""

    def audit(key: str) -> Stage:
        code = f"pathlib.Path({str(tmp_path / 'audit.json')!r}).write_text('{key}'); os._exit(0)"
        return stage(tmp_path, "audit.json", code=code, key=key * 64)

    one, other = audit("1"), audit("2")
    for turn in (one, other, one):
        run([turn], tmp_path, slots(1, []))
        assert one.output.read_text() == turn.key[0]
        assert finished(tmp_path, turn) is not None
    assert finished(tmp_path, other) is None
    assert len(ran(tmp_path)) == 3
    one.output.write_text("by hand")
    assert finished(tmp_path, one) is None


def test_an_old_file_does_not_pass_for_what_a_stage_did_not_make(tmp_path):
    silent = stage(tmp_path, "a", code="os._exit(0)")
    silent.output.write_text("of other settings")
    assert set(run([silent], tmp_path, slots(1, [])).failed) == {silent}


def test_a_record_that_is_torn_is_none(tmp_path):
    first = stage(tmp_path, "a")
    run([first], tmp_path, slots(1, []))
    record_of(tmp_path, first).write_text('{"stage": "no')
    assert finished(tmp_path, first) is None
    assert first in run([first], tmp_path, slots(1, [])).done
    assert ran(tmp_path) == ["a", "a"]


def test_a_failure_gives_its_cause_and_pages_only_where_it_stands(tmp_path):
    """accelerate repeats its whole command after the program's own words."""
    says = (
        "dp_lora: error: config: train.steps: 0 is refused\n"
        "subprocess.CalledProcessError: Command '[data.corpus=/secret/notes]' returned 2\n"
        "ChildFailedError: error_file: /secret/error.json\n"
    )
    bad = stage(tmp_path, "bad", code=f"sys.stderr.write({says!r}); os._exit(1)")
    [why] = run([bad], tmp_path, slots(1, [])).failed.values()
    assert why.public == f"notes ended with 1 (log {bad.label}.log)"
    assert "train.steps: 0 is refused" in why.more
    assert str(log_of(tmp_path, bad)) in why.more
    assert "/secret" not in str(why)


def test_a_slot_is_a_gpu_or_a_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [s.environment["OMP_NUM_THREADS"] for s in slots(4, [])] == ["2"] * 4
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in slots(9, ["0", "3"])] == ["0", "3"]


def test_a_training_goes_on_from_its_checkpoint_or_starts_anew(tmp_path):
    made = stage(tmp_path, "run")
    training = Stage("train", made.key, made.command, made.output, (), {})
    assert again(training) == []
    (made.output / "vault").mkdir(parents=True)
    assert again(training) == ["--force"]
    (made.output / "vault" / "checkpoints").mkdir()
    assert again(training) == ["--force"]
    (made.output / "vault" / "checkpoints" / "step-2").mkdir()
    assert again(training) == ["--resume"]
    assert again(made) == []


def blocked(work: Path, go: Path, *names: str) -> subprocess.Popen[bytes]:
    """A scheduler of stages in a chain, the last of which waits for the file ``go``."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "study")!r})
from pathlib import Path
from test_scheduler import stage, run, slots
work, every = Path({str(work)!r}), []
wait = "while not os.path.exists({str(go)!r}): time.sleep(0.05)"
for name in {names!r}:
    every.append(stage(work, name, *every[-1:], code=wait if name == {names[-1]!r} else ""))
run(every, work, slots(1, []))
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


def left_by(scheduler_: subprocess.Popen[bytes], work: Path, how: signal.Signals) -> int:
    """End a scheduler while its last stage waits; the stage's process."""
    deadline = time.monotonic() + 60
    while "b" not in ran(work) or not list((work / "running").glob("*.pid")):
        assert time.monotonic() < deadline
        assert scheduler_.poll() is None
        time.sleep(0.05)
    [mark] = (work / "running").glob("*.pid")
    scheduler_.send_signal(how)
    scheduler_.wait()
    return int(mark.read_text().split()[0])


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or scheduler._zombie(pid)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_it_goes_on_after_kill_9_and_ends_what_was_left_behind(tmp_path):
    left = left_by(blocked(tmp_path, tmp_path / "go", "a", "b"), tmp_path, signal.SIGKILL)
    assert not gone(left), "the stage outlives its scheduler"
    (tmp_path / "go2").touch()
    assert blocked(tmp_path, tmp_path / "go2", "a", "b", "c").wait() == 0
    assert ran(tmp_path) == ["a", "b", "b", "c"]
    assert gone(left)
    assert not list((tmp_path / "running").glob("*.pid"))
    names = {json.loads(p.read_text())["determined_by"]["name"] for p in tmp_path.glob("done/*")}
    assert names == {"a", "b", "c"}


@needs_proc
def test_what_was_left_behind_is_ended_though_its_stage_is_not_run_again(tmp_path):
    left = left_by(blocked(tmp_path, tmp_path / "go", "a", "b"), tmp_path, signal.SIGKILL)
    run([stage(tmp_path, "other")], tmp_path, slots(1, []))
    assert gone(left)
    assert ran(tmp_path)[-1] == "other"


@needs_proc
def test_it_ends_its_stages_when_it_is_terminated(tmp_path):
    one = blocked(tmp_path, tmp_path / "go", "a", "b")
    left = left_by(one, tmp_path, signal.SIGTERM)
    assert gone(left)
    assert one.returncode in (-signal.SIGINT, 130, 1)  # as Ctrl-C: it is no silent death
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_mark_of_another_process_ends_nobody(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        scheduler._end_left_behind(f"{bystander.pid} 12345")
        scheduler._end_left_behind("")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
