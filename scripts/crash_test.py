"""Kills training at random moments, resumes it, and checks that nothing was lost or used twice.

    python scripts/crash_test.py                        # 20 kills, test noise and standard noise
    python scripts/crash_test.py --kills 4 --noise test --disk-full 4

Each case starts a small run of recipes/dp_lora.py on invented patients, ends it by SIGKILL (half
of the cases at a random time, half just before or after a random write, fsync or rename) or by a
full disk at a random write, resumes it until it is done, and then demands:

- the ledger's chain is whole, and holds at least as many charges as steps were applied;
- with ``test`` noise the released weights are, bit for bit, those of a run never interrupted;
- with other noise no noise vector and no draw was made twice, and the statement claims exactly
  the planned number of steps;
- a full disk ends the run with one line and exit 4, and no file is torn.

Exit 1 when one of these fails.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from llmsafe.artifacts import PrivacyStatement
from llmsafe.corpus import write_corpus
from llmsafe.errors import LlmsafeError
from llmsafe.files import LOCK, sha256_file
from llmsafe.privacy.ledger import is_open, read_ledger
from llmsafe.synthetic import patients
from llmsafe.train.run_folder import finished

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
STEPS = 8
MOST_RESUMES = 5


@dataclass(frozen=True)
class Fault:
    """Ends the run at the ``call``-th file operation: before or after it, or with a full disk."""

    call: int
    kind: str  # "before", "after" or "full"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, help="for each level of noise")
    parser.add_argument("--disk-full", type=int, default=6, help="for each level of noise")
    parser.add_argument("--noise", nargs="+", default=["test", "standard"])
    parser.add_argument("--seed", type=int, default=None, help="of the moments; default: random")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    moments = random.Random(seed)
    print(f"seed of the moments: {seed}")
    recipe = load_recipe()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), recipe)
        failures = 0
        for noise in args.noise:
            whole = bench.run(noise, f"whole-{noise}")
            started = time.monotonic()
            calls = bench.run(noise, f"counted-{noise}", count=True)
            seconds = time.monotonic() - started
            for index in range(args.kills + args.disk_full):
                if index >= args.kills:
                    fault: Fault | float = Fault(moments.randrange(calls), "full")
                elif index % 2:
                    fault = Fault(moments.randrange(calls), moments.choice(["before", "after"]))
                else:
                    fault = moments.uniform(0, seconds)
                said = bench.case(noise, f"{noise}-{index}", fault, whole)
                failures += bool(said[1])
                print(f"{noise:<9} {describe(fault, calls):<34} {said[0]}", flush=True)
                for line in said[1]:
                    print(f"  FAIL {line}", flush=True)
    print(f"{failures} of {len(args.noise) * (args.kills + args.disk_full)} cases failed")
    sys.exit(1 if failures else 0)


class Bench:
    """Starts the recipe in forked children: its libraries are imported once."""

    def __init__(self, folder: Path, recipe: ModuleType) -> None:
        self.folder, self.recipe = folder, recipe
        notes = (note for patient in patients(3, 24) for note in patient.notes)
        write_corpus(folder / "corpus.jsonl", notes)

    def run(self, noise: str, name: str, *, count: bool = False) -> Any:
        """An uninterrupted run: digest of its weights, or the number of its file operations."""
        code = self.child(noise, name, resume=False, fault=Fault(-1, "count") if count else None)
        if code:
            raise SystemExit(f"the uninterrupted run failed: {self.log(name)}")
        if count:
            return int((self.folder / f"{name}.calls").read_text())
        return sha256_file(self.folder / name / "release" / "adapter_model.safetensors")

    def case(
        self, noise: str, name: str, fault: Fault | float, whole: str
    ) -> tuple[str, list[str]]:
        """What happened in words, and what is wrong."""
        wrong: list[str] = []
        code = self.child(noise, name, resume=False, fault=fault)
        vault = self.folder / name / "vault"
        ledger = vault / "ledger.jsonl"
        charged = 0
        if is_open(ledger):  # one without a whole line holds no charge
            try:
                charged = read_ledger(ledger).charges
            except LlmsafeError as error:
                wrong.append(f"ledger after the crash: {error}")
            applied = max(
                [0, *(int(p.parent.name[5:]) for p in vault.glob("checkpoints/*/step.json"))]
            )
            if charged < applied:
                wrong.append(f"{applied} steps applied, {charged} charged")
        if isinstance(fault, Fault) and fault.kind == "full" and code not in (0, 4):
            wrong.append(f"a full disk gave exit {code}: {self.log(name)}")
        resumes = 0
        while code and resumes < MOST_RESUMES:
            resumes += 1
            code = self.child(noise, name, resume=True, fault=None)
            if code == 2 and finished(self.folder / name):
                code = 0  # killed between its last write and its end
            if code:
                wrong.append(f"resume gave exit {code}: {self.log(name)}")
                break
        if not code:
            wrong += self.judge(noise, name, whole)
        return f"{charged} of {STEPS} charged, {resumes} resumes", wrong

    def judge(self, noise: str, name: str, whole: str) -> list[str]:
        run = self.folder / name
        wrong: list[str] = []
        charges = read_ledger(run / "vault" / "ledger.jsonl", at_least=STEPS).charges
        statement = PrivacyStatement.load(run / "release" / "privacy.json")
        if statement.steps != charges:
            wrong.append(f"{charges} charges, {statement.steps} claimed")
        digest = sha256_file(run / "release" / "adapter_model.safetensors")
        if noise == "test" and digest != whole:
            wrong.append("the weights differ from those of the uninterrupted run")
        if noise != "test":
            if charges != STEPS:
                wrong.append(f"{charges} charges for a plan of {STEPS}")
            seen = (self.folder / f"{name}.random").read_text().split()
            if len(seen) != len(set(seen)):
                wrong.append("a noise vector or a draw was made twice")
            if len(seen) < 2:
                wrong.append("no noise was seen: the test looks at the wrong place")
        torn = [p.name for p in run.rglob(".*") if p.is_file() and p.name != LOCK]
        if torn:
            wrong.append(f"temporary files left in the finished run: {torn}")
        return wrong

    def child(self, noise: str, name: str, *, resume: bool, fault: Fault | float | None) -> int:
        """Exit code of one start of the recipe; −9 when it was killed."""
        pid = os.fork()
        if pid == 0:
            self._train(noise, name, resume, fault)
        if isinstance(fault, float):
            time.sleep(fault)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _train(self, noise: str, name: str, resume: bool, fault: Fault | float | None) -> None:
        log = os.open(self.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        counter = [0]
        begun = (self.folder / name).exists()  # killed before its first file, it starts anew
        sys.argv = [
            "dp_lora.py", f"data.corpus={self.folder / 'corpus.jsonl'}", "data.max_tokens=24",
            "data.held_out=0", f"output={self.folder / name}", f"privacy.noise={noise}",
            "privacy.population=24", "privacy.delta=1e-3", "train.units_per_step=12",
            f"train.steps={STEPS}", "train.checkpoint_every=2", "model.lora_rank=2",
            "model.target_modules=[q_proj]", *(["--resume"] if resume and begun else []),
        ]  # fmt: skip
        code: Any = 0
        try:
            self._watch_randomness(name)
            if isinstance(fault, Fault):
                inject(fault, counter)
            self.recipe.main()
        except SystemExit as ended:
            code = ended.code
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            code = 70
        finally:
            if isinstance(fault, Fault) and fault.kind == "count":
                (self.folder / f"{name}.calls").write_text(str(counter[0]))
            os._exit(code)

    def _watch_randomness(self, name: str) -> None:
        """Keep a digest of every noise vector and draw, across kills."""
        record = os.open(
            self.folder / f"{name}.random", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        make_source, make_draw = self.recipe.gaussian_source, self.recipe.poisson_draw

        def keep(kind: str, data: bytes) -> None:
            WRITE(record, f"{kind}{hashlib.sha256(data).hexdigest()}\n".encode())

        def source(*args: Any, **settings: Any) -> Any:
            made = make_source(*args, **settings)
            sample = made.sample

            def kept(n: int, std: float) -> Any:
                noise = sample(n, std)
                keep("noise", noise.numpy().tobytes())
                return noise

            made.sample = kept
            return made

        def draw(population: int, *args: Any, **settings: Any) -> list[int]:
            drawn = make_draw(population, *args, **settings)
            # 24 units at 1/2: two honest draws are the same once in 2^24 pairs.
            keep("draw", repr(drawn).encode())
            return drawn

        setattr(self.recipe, "gaussian_source", source)  # noqa: B010
        setattr(self.recipe, "poisson_draw", draw)  # noqa: B010

    def log(self, name: str) -> str:
        text = (self.folder / f"{name}.log").read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "no output"


WRITE, FDOPEN = os.write, os.fdopen


def inject(fault: Fault, counter: list[int]) -> None:
    """Count the file operations of this process and fail at one of them."""

    def wrap(operation: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **settings: Any) -> Any:
            mine = counter[0] == fault.call
            counter[0] += 1
            if mine and fault.kind == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if mine and fault.kind == "full":
                if operation is WRITE:  # a full disk takes a part of what is written
                    WRITE(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise OSError(28, "No space left on device")
            result = operation(*args, **settings)
            if mine and fault.kind == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    class Unbuffered:
        """A file whose writes are counted operations too."""

        def __init__(self, descriptor: int, mode: str = "r", *_: Any, **__: Any) -> None:
            self._descriptor = descriptor

        def write(self, data: bytes) -> None:
            os.write(self._descriptor, data)

        def flush(self) -> None:
            """Nothing is held back."""

        def fileno(self) -> int:
            return self._descriptor

        def __enter__(self) -> Unbuffered:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self._descriptor)

    def fdopen(descriptor: int, mode: str = "r", *more: Any, **settings: Any) -> Any:
        if mode == "wb":
            return Unbuffered(descriptor)
        return FDOPEN(descriptor, mode, *more, **settings)

    for name in ("write", "fsync", "replace", "ftruncate"):
        setattr(os, name, wrap(getattr(os, name)))
    setattr(os, "fdopen", fdopen)  # noqa: B010


def describe(fault: Fault | float, calls: int) -> str:
    match fault:
        case Fault(call, "full"):
            return f"disk full at operation {call} of {calls}"
        case Fault(call, kind):
            return f"killed {kind} operation {call} of {calls}"
        case _:
            return f"killed after {fault:.2f} s"


def load_recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dp_lora", RECIPES / "dp_lora.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
