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
from llmsafe.study.scheduler import again, finished, run, slots
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
    assert "error: no such thing" in state.failed[bad]
    assert state.failed[behind] == state.failed[bad]
    assert "ended with 0" in state.failed[silent]
    assert oct((tmp_path / "logs" / f"{bad.label}.log").stat().st_mode)[-3:] == "600"
    # What failed is tried again.
    assert finished(tmp_path, bad) is None


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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_it_goes_on_after_kill_9_and_ends_what_was_left_behind(tmp_path):
    """The second stage blocks until a file is there; its scheduler is killed meanwhile."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "study")!r})
from pathlib import Path
from test_scheduler import stage, run, slots
work = Path({str(tmp_path)!r})
first = stage(work, 'a')
wait = "while not os.path.exists({str(tmp_path / "go")!r}): time.sleep(0.05)"
second = stage(work, 'b', first, code=wait)
run([first, second, stage(work, 'c', second)], work, slots(1, []))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    killed = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    marks = tmp_path / "running"
    while "b" not in ran(tmp_path) or not list(marks.glob("*.pid")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    [mark] = marks.glob("*.pid")
    left = int(mark.read_text().split()[0])
    assert Path(f"/proc/{left}").exists(), "the stage outlives its scheduler"
    (tmp_path / "go2").touch()
    again_code = code.replace(str(tmp_path / "go"), str(tmp_path / "go2"))
    subprocess.run([sys.executable, "-c", again_code], env=environment, check=True)
    assert ran(tmp_path) == ["a", "b", "b", "c"]
    assert scheduler._zombie(left) or not Path(f"/proc/{left}").exists()
    assert not list(marks.glob("*.pid"))
    names = {json.loads(p.read_text())["determined_by"]["name"] for p in tmp_path.glob("done/*")}
    assert names == {"a", "b", "c"}


def test_a_mark_of_another_process_ends_nobody(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        scheduler._end_left_behind(f"{bystander.pid} 12345")
        scheduler._end_left_behind("")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
