from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import sha256_json
from llmsafe.privacy.ledger import Ledger, is_open, read_ledger, refuse_if_held
from llmsafe.privacy.plan import Plan

PLAN = Plan(
    epsilon=1.5, delta=1e-5, population=1000, units_per_step=10, steps=100, noise_multiplier=1.1,
    sampling_probability=0.01, clip_norm=1.0, unit="patient", noise="standard",
)  # fmt: skip

# A run in miniature: charge, then "apply" by writing the number of applied steps.
CHILD = f"""
import os, sys
from pathlib import Path
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.plan import Plan
plan = {PLAN!r}
path, applied = Path(sys.argv[1]), Path(sys.argv[2])
fault, order = int(sys.argv[3]), sys.argv[4]
fsync, calls = os.fsync, 0
def fatal(descriptor):
    global calls
    calls += 1
    if calls == fault:
        os.kill(os.getpid(), 9)
    fsync(descriptor)
os.fsync = fatal
done = int(applied.read_text()) if applied.exists() else 0
ledger = Ledger.resume(path, plan, applied=done) if path.exists() else Ledger.create(path, plan)
out = os.open(applied, os.O_WRONLY | os.O_CREAT)
for step in range(ledger.charges, 10**9):
    if order == "charge-first":
        ledger.charge(step)
    done += 1
    os.pwrite(out, str(done).encode(), 0)
    if order == "apply-first":
        ledger.charge(step)
    print(step, flush=True)
"""


def written(path: Path, steps: int = 5) -> Path:
    with Ledger.create(path, PLAN) as ledger:
        for step in range(steps):
            ledger.charge(step)
    return path


def rechain(lines: list[dict]) -> str:
    """What a forger writes who does know how the chain is made."""
    previous, out = "sha256:" + "0" * 64, []
    for index, line in enumerate(lines):
        body = {k: v for k, v in line.items() if k != "hash"} | {
            "index": index,
            "previous": previous,
        }
        previous = sha256_json(body)
        out.append(json.dumps(body | {"hash": previous}) + "\n")
    return "".join(out)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "ledger.jsonl"


def test_charges_are_on_disk_before_charge_returns(path):
    with Ledger.create(path, PLAN) as ledger:
        for step in range(3):
            ledger.charge(step)
            assert ledger.charges == read_ledger(path).charges == step + 1
    summary = read_ledger(path, at_least=3)
    assert (summary.plan_digest, summary.resumes, summary.torn) == (PLAN.digest(), 0, False)
    assert (summary.noise_multiplier, summary.sampling_probability) == (1.1, 0.01)


def test_modes(path):
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_resume_goes_on_and_counts_repeated_steps(path):
    written(path)
    with Ledger.resume(path, PLAN, applied=3) as ledger:
        ledger.charge(3)
        ledger.charge(4)
        ledger.charge(5)
        assert ledger.charges == 8
    summary = read_ledger(path)
    assert (summary.charges, summary.resumes, summary.last_step) == (8, 1, 5)


def test_refusals(path):
    with pytest.raises(EvidenceError, match="cannot read"):
        Ledger.resume(path, PLAN)
    written(path)
    with pytest.raises(InputError, match="cannot be forgotten"):
        Ledger.create(path, PLAN)
    with pytest.raises(EvidenceError, match="another plan"):
        Ledger.resume(path, replace(PLAN, noise_multiplier=1.0))
    with pytest.raises(EvidenceError, match="5 charges for 6 applied steps"):
        Ledger.resume(path, PLAN, applied=6)
    with Ledger.resume(path, PLAN) as ledger, pytest.raises(EvidenceError, match="missing between"):
        ledger.charge(7)
    with pytest.raises(EvidenceError, match="closed"):
        ledger.charge(5)


def test_every_line_names_its_step(path):
    lines = [json.loads(line) for line in written(path, 3).read_text().splitlines()]
    told = [(line["kind"], line["index"], line["step"]) for line in lines]
    assert told == [("open", 0, 0), ("charge", 1, 0), ("charge", 2, 1), ("charge", 3, 2)]


def test_two_runs_cannot_share_a_folder(path):
    with Ledger.create(path, PLAN) as ledger:
        with pytest.raises(InputError, match="held by another run"):
            Ledger.resume(path, PLAN)
        ledger.charge(0)
    Ledger.resume(path, PLAN).close()


def _edit(lines):
    lines[2]["noise_multiplier"] = 2.0


def _forged_edit(lines):
    lines[2]["noise_multiplier"] = 2.0
    return rechain(lines)


def _forged_skip(lines):
    del lines[3]
    return rechain(lines)


def _second_open(lines):
    lines[3]["kind"] = "open"
    return rechain(lines)


def _no_open(lines):
    return rechain(lines[1:])


def _numbered_anew(lines):
    """Only the number is wrong, or only the link: each is seen by itself."""
    lines[2]["index"] = 7
    lines[2]["hash"] = sha256_json({k: v for k, v in lines[2].items() if k != "hash"})


def _linked_anew(lines):
    lines[2]["previous"] = lines[0]["hash"]
    lines[2]["hash"] = sha256_json({k: v for k, v in lines[2].items() if k != "hash"})


def _reorder(lines):
    lines[2], lines[3] = lines[3], lines[2]


def _duplicate(lines):
    lines.insert(3, lines[2])


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_edit, "line 3 was changed"),
        (lambda lines: lines.pop(2) and None, "line 3 does not follow"),
        (_reorder, "line 3 does not follow"),
        (_numbered_anew, "line 3 does not follow"),
        (_linked_anew, "line 3 does not follow"),
        (_duplicate, "line 4 does not follow"),
        (lambda lines: lines[2].update(hash="sha256:0"), "line 3 was changed"),
        (lambda lines: lines[2].pop("step"), "line 3 is no ledger line"),
        (lambda lines: lines[2].update(extra=1), "line 3 is no ledger line"),
        (_forged_edit, "line 3 belongs to another plan"),
        (_forged_skip, "line 4 skips a charge"),
        (_second_open, "line 4 cannot be of kind 'open'"),
        (_no_open, "line 1 cannot be of kind 'charge'"),
        (lambda lines: lines.clear(), "no complete line"),
    ],
)
def test_tampering_is_seen(path, tamper, words):
    lines = [json.loads(line) for line in written(path).read_text().splitlines()]
    forged = tamper(lines)
    path.write_text(
        forged if isinstance(forged, str) else "".join(json.dumps(x) + "\n" for x in lines)
    )
    with pytest.raises(EvidenceError, match=words):
        read_ledger(path)
    with pytest.raises(EvidenceError, match=words):
        Ledger.resume(path, PLAN)


def test_cutting_the_end_is_seen_by_whoever_knows_the_steps(path):
    lines = written(path).read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert read_ledger(path).charges == 4
    with pytest.raises(EvidenceError, match="4 charges for 5 applied"):
        read_ledger(path, at_least=5)


def test_a_torn_last_line_counts_as_charged(path):
    whole = written(path).read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    # Only four steps were applied: a crash tore the write of the fifth charge, at any byte.
    for cut in (*range(start + 1, len(whole), 29), len(whole) - 1):
        path.write_bytes(whole[:cut])
        summary = read_ledger(path, at_least=4)
        assert (summary.charges, summary.torn) == (5, True)
        with Ledger.resume(path, PLAN, applied=4) as ledger:
            assert ledger.charges == 5
            ledger.charge(5)
        after = read_ledger(path)
        assert (after.charges, after.torn, after.resumes) == (6, False, 1)


def test_a_torn_first_line_claims_nothing(path):
    whole = written(path).read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(EvidenceError, match="no complete line"):
        Ledger.resume(path, PLAN)


def start(path: Path, applied: Path, *, fault: int = 0, order: str = "charge-first"):
    arguments = [sys.executable, "-c", CHILD, str(path), str(applied), str(fault), order]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_kill_9_never_leaves_fewer_charges_than_steps(path, tmp_path):
    applied, rng = tmp_path / "applied", random.Random(5)
    total = 0
    for _ in range(5):
        with start(path, applied) as child:
            assert child.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            child.send_signal(signal.SIGKILL)
        steps, summary = int(applied.read_text()), read_ledger(path)
        assert steps > total
        assert steps <= summary.charges <= steps + summary.resumes + 1
        total = steps


def test_kill_inside_a_charge_and_the_wrong_order_is_caught(path, tmp_path):
    # The fifth fsync of a run is that of its third charge: open, folder, charge 0, 1, 2.
    applied = tmp_path / "applied"
    assert start(path, applied, fault=5).wait() == -signal.SIGKILL
    assert int(applied.read_text()) == 2
    assert read_ledger(path, at_least=2).charges == 3
    # Negative control: a run that applies first and charges afterwards, killed at its charge's
    # write, has applied more than the disk would hold without the page cache.
    other, applied = tmp_path / "b" / "ledger.jsonl", tmp_path / "applied-b"
    assert start(other, applied, fault=5, order="apply-first").wait() == -signal.SIGKILL
    lines = other.read_text().splitlines(keepends=True)
    other.write_text("".join(lines[:-1]))  # the un-synced line is lost with the power
    with pytest.raises(EvidenceError, match="lines are missing"):
        read_ledger(other, at_least=int(applied.read_text()))


FULL = f"""
import resource, signal, sys
from pathlib import Path
from llmsafe.errors import SetupError
from llmsafe.privacy.ledger import Ledger, read_ledger
from llmsafe.privacy.plan import Plan
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
ledger = Ledger.create(path, {PLAN!r})
ledger.charge(0)
limit = path.stat().st_size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    ledger.charge(1)
except SetupError as error:
    print(error)
print(read_ledger(path).charges, read_ledger(path).torn, ledger.charges)
"""


def test_full_disk_refuses_the_step_and_keeps_the_chain(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    message, counts = done.stdout.splitlines()
    assert "was not applied" in message
    assert counts == "1 False 1"


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError):
        Ledger.create(tmp_path / "file" / "ledger.jsonl", PLAN)


def test_resume_right_after_a_checkpoint_keeps_the_ledger_whole(path):
    """Killed between the checkpoint of step 4 (counted from 0) and the charge of step 5."""
    with Ledger.create(path, PLAN) as ledger:
        for step in range(5):
            ledger.charge(step)
    with Ledger.resume(path, PLAN, applied=5) as ledger:
        ledger.charge(5)
    summary = read_ledger(path)
    assert (summary.charges, summary.resumes, summary.last_step) == (6, 1, 5)
    with Ledger.resume(path, PLAN, applied=6) as ledger, pytest.raises(EvidenceError):
        ledger.charge(7)


def test_a_ledger_without_a_whole_line_was_never_opened(tmp_path):
    path = tmp_path / "vault" / "ledger.jsonl"
    assert not is_open(path)
    Ledger.create(path, PLAN).close()
    assert is_open(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_open(path)
    path.write_bytes(b"")
    assert not is_open(path)


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(tmp_path, monkeypatch):
    path = tmp_path / "vault" / "ledger.jsonl"
    ledger = Ledger.create(path, PLAN)
    ledger.charge(0)
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(SetupError, match=r"No space left on device; the step was not applied"):
        ledger.charge(1)
    monkeypatch.undo()
    assert path.read_bytes() == before
    ledger.charge(1)  # room again: the chain goes on
    ledger.close()
    assert read_ledger(path).charges == 2


def test_the_first_step_is_0_or_1(tmp_path):
    for first in (0, 1):
        with Ledger.create(tmp_path / f"{first}" / "ledger.jsonl", PLAN) as ledger:
            assert ledger.path == tmp_path / f"{first}" / "ledger.jsonl"
            ledger.charge(first)
    with (
        Ledger.create(tmp_path / "2" / "ledger.jsonl", PLAN) as ledger,
        pytest.raises(EvidenceError, match="step 2 cannot follow step 0"),
    ):
        ledger.charge(2)


def test_a_run_killed_before_its_first_charge_resumes(tmp_path):
    path = tmp_path / "vault" / "ledger.jsonl"
    Ledger.create(path, PLAN).close()
    with Ledger.resume(path, PLAN) as ledger:
        assert ledger.path == path
        assert ledger.charges == 0
        ledger.charge(0)
    assert read_ledger(path).resumes == 1


def test_a_ledger_that_is_held_is_not_to_be_moved(tmp_path):
    path = tmp_path / "vault" / "ledger.jsonl"
    with Ledger.create(path, PLAN), pytest.raises(InputError, match=f"{path} is held"):
        refuse_if_held(path)
    refuse_if_held(path)


def test_what_is_broken_names_the_ledger_and_the_line(tmp_path):
    path = tmp_path / "vault" / "ledger.jsonl"
    with Ledger.create(path, PLAN) as ledger:
        assert read_ledger(path).charges == 0  # nothing is demanded unless it is asked for
        ledger.charge(0)
        ledger.charge(1)
    whole = path.read_text().splitlines(keepends=True)
    for damaged in ([whole[0], "{}\n", *whole[2:]], [whole[0], *whole[2:]], [*whole, whole[1]]):
        path.write_text("".join(damaged))
        with pytest.raises(EvidenceError, match=str(path)):
            read_ledger(path)
