"""Leakage against ε: the whole job over a grid of settings, to figures that can be reviewed.

    python eval/leakage_vs_epsilon.py --study quick --dry-run       # cells and time, nothing run
    python eval/leakage_vs_epsilon.py --study quick
    python eval/leakage_vs_epsilon.py --study mine.yaml --work runs/mine --out results/mine

A study (llmsafe ls studies; llmsafe cp studies/quick.yaml mine.yaml) is a grid over ε, seeds,
privacy unit, kind and repetition of canaries, scrubbing, adapter rank, base model and corpus. Each
cell is the real job: scrub, plant, accelerate launch dp_lora.py, audit, utility. Cells, and what
they share, are kept by digest in --work: stop it, kill it, start it again, and it goes on where it
was; a second run is all cache. With GPUs one stage runs on each; without, --jobs at once.

Writes study.csv, figures/ (SVG, PNG, CSV), study.html and study.md; with --page FILE.md the summary
there too, its figures and tables in a folder beside it, for a documentation tree: a new file, or
one that this program wrote. --work holds notes and is private; nothing of them is written
elsewhere.

Exit codes: 0 ok, 2 wrong study, 3 some cells failed (the others are reported), 4 environment.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import llmsafe
from llmsafe.cli.common import run_program, say, unexpected
from llmsafe.cli.jobs import command_line
from llmsafe.errors import EvidenceError, InputError, LlmsafeError, SetupError
from llmsafe.files import locked_folder, make_folder
from llmsafe.study.definition import Study, load_study
from llmsafe.study.estimate import Estimate, training_config, unique
from llmsafe.study.scheduler import Failure, State, finished, run, slots
from llmsafe.study.stages import STAGES, Job, Stage, jobs

if TYPE_CHECKING:
    from llmsafe.privacy.budget import Budget
    from llmsafe.report.study_rows import Row

MARK = "Written by `eval/leakage_vs_epsilon.py`"
"""Stands in every summary: what holds it may be replaced."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", required=True, help="name (llmsafe ls studies) or YAML file")
    parser.add_argument("--dry-run", action="store_true", help="show cells and time, run nothing")
    parser.add_argument("--work", type=Path, help="private; default: runs/studies/NAME")
    parser.add_argument("--out", type=Path, help="default: the study's work folder, report/")
    parser.add_argument(
        "--page", type=Path, metavar="FILE.md", help="the summary as a page of docs"
    )
    cores = min(4, os.cpu_count() or 1)
    parser.add_argument(
        "--jobs", type=at_least_one, default=cores, help="stages at once on CPUs; %(default)s"
    )
    parser.add_argument("--limit", type=at_least_one, help="first cells only, to try a study")
    args = parser.parse_args()
    study, _ = load_study(args.study)
    work = args.work or Path("runs/studies") / study.name
    out = args.out or work / "report"
    check_targets(out, args.page)
    gpus = devices()
    every = jobs(study, work, gpu=bool(gpus))[: args.limit]
    places = slots(args.jobs, gpus)
    threads = int(places[0].environment.get("OMP_NUM_THREADS", 0)) or None
    estimate = Estimate(study, every, work, threads=threads)
    stages = unique(job.stages for job in every)
    waiting = [stage for stage in stages if finished(work, stage) is None]
    announce(study, every, work, waiting, estimate, len(places), shown=args.dry_run)
    if args.dry_run:
        return 0
    make_folder(work, private=True)
    check_writable(out, *([args.page.parent] if args.page else []))
    with locked_folder(work):
        cached = set(stages) - set(waiting)
        with watching(estimate, len(places), cached) as watch:
            state = run(stages, work, places, watch=watch)
        return report(study, every, state, work, out, args.page)


def at_least_one(word: str) -> int:
    """A whole number above 0, for an option."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is refused; give a whole number above 0")
    return int(word)


def check_targets(out: Path, page: Path | None) -> None:
    """Refuse to replace what this program did not write, before hours of work and not after.

    Raises:
        InputError: a page of another name than ``*.md``, or a file of somebody else.
    """
    if page is not None:
        if page.suffix != ".md" or page.is_dir():
            raise InputError(f"--page {page} is no page; name a file that ends in .md")
        if page.with_suffix("").is_file():
            raise InputError(
                f"--page {page}: its figures go into {page.with_suffix('')}, which is a file; "
                "choose another name"
            )
    for path in filter(None, (page, out / "study.md")):
        if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise InputError(
                f"{path} was not written by this program, which does not replace it; choose "
                "another name or remove it yourself"
            )


def check_writable(*folders: Path) -> None:
    """Make the folders, and see that files can be written there.

    Raises:
        SetupError: they cannot.
    """
    for folder in folders:
        try:
            tempfile.TemporaryFile(dir=make_folder(folder)).close()
        except OSError as error:
            raise SetupError(
                f"cannot write into {folder}: {error.strerror}; choose a writable output"
            ) from error


def devices() -> list[str]:
    """Names of the GPUs, without torch: starting it takes seconds and memory on the first of them.

    ``CUDA_VISIBLE_DEVICES`` is obeyed as CUDA does: what stands behind the first word that names
    no device does not count.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        names = (name.strip() for name in allowed.split(","))
        device = re.compile(r"\d+|(GPU|MIG)-.+").fullmatch
        return list(itertools.takewhile(device, names))
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.split()


def announce(
    study: Study,
    every: Sequence[Job],
    work: Path,
    waiting: Sequence[Stage],
    estimate: Estimate,
    places: int,
    *,
    shown: bool,
) -> None:
    """The grid, what of it is done, and how long the rest will take."""
    cached = sum(all(finished(work, s) is not None for s in job.stages) for job in every)
    if shown:
        for job in every:
            left = [s.name for s in job.stages if finished(work, s) is None]
            todo = "cached" if not left else f"to do: {', '.join(left)}"
            print(f"{job.cell.cell_id}  {job.cell.name}  ({todo})")
    seconds = sum(estimate.seconds(stage) for stage in waiting) / places
    counts = ", ".join(
        f"{n} {name}" for name in STAGES if (n := sum(s.name == name for s in waiting))
    )
    say(f"study {study.name}: {len(every)} cells, {cached} cached; {len(waiting)} stages to run")
    if waiting:
        place = f"{places} at once" if places > 1 else "one at a time"
        say(f"{counts}; about {clock(seconds)}, {place} (from {estimate.source})")


@contextmanager
def watching(
    estimate: Estimate, places: int, cached: Iterable[Stage]
) -> Generator[Callable[[State], None], None, None]:
    """A table of progress on a terminal; elsewhere a line for each stage that ends.

    Of ``cached`` stages nothing is said, and the estimate knows them.
    """
    told = set(cached)

    def learn(state: State, tell: bool) -> None:
        for stage, record in list(state.done.items()):
            if stage not in told:
                told.add(stage)
                estimate.learn(record)
                if tell:
                    left = clock(remaining(state, estimate, places))
                    say(f"done {stage.label} in {clock(record.seconds)}; about {left} left")
        for stage, why in state.failed.items():
            if stage not in told:
                told.add(stage)
                say(f"failed {stage.label}: {why}")

    if not sys.stderr.isatty():
        yield lambda state: learn(state, tell=True)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=2, transient=True) as live:

        def show(state: State) -> None:
            learn(state, tell=False)
            live.update(progress_table(state, estimate, places))

        yield show


def progress_table(state: State, estimate: Estimate, places: int):
    """Stages by kind, those that run, and the time that is left."""
    from rich import box
    from rich.table import Table

    left = clock(remaining(state, estimate, places))
    table = Table(box=box.SIMPLE_HEAD, caption=f"about {left} left", caption_justify="left")
    for name in ("stage", "done", "running", "waiting", "failed"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for name in STAGES:
        counts = [
            sum(stage.name == name for stage in group)
            for group in (state.done, [s for s, *_ in state.running], state.waiting, state.failed)
        ]
        if any(counts):
            table.add_row(name, *map(str, counts))
    for stage, place, begun in state.running:
        took = clock(time.monotonic() - begun)
        table.add_row(f"{place}: {stage.label}", "", took, clock(estimate.seconds(stage)), "")
    return table


def remaining(state: State, estimate: Estimate, places: int) -> float:
    """Seconds until all is done, as far as is known."""
    seconds = sum(estimate.seconds(stage) for stage in state.waiting)
    now = time.monotonic()
    seconds += sum(max(0.0, estimate.seconds(s) - (now - begun)) for s, _, begun in state.running)
    return seconds / places


def clock(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def report(
    study: Study, every: Sequence[Job], state: State, work: Path, out: Path, page: Path | None
) -> int:
    """Write what the cells show; those without a result are listed. The exit code."""
    from llmsafe.report.study import Facts, write_page, write_report

    rows: list[Row] = []
    failed: list[tuple[str, Failure]] = []
    for job in every:
        found = figures(study, job, state, work)
        if isinstance(found, Failure):
            say(f"failed: {job.cell.name}: {found}")
            failed.append((job.cell.name, found))
        else:
            rows += found
    if not rows:
        say("no cell was finished; there is nothing to report")
        return 3
    facts = Facts(
        name=study.name,
        about=study.about,
        command=command_line(),
        tool=f"llmsafe {llmsafe.__version__}",
        failed=[(name, why.public) for name, why in failed],
        budgets=spent_together(work),
        design=design(study, every, work),
    )
    written = write_report(rows, facts, out)
    written += write_page(rows, facts, page) if page else []
    print("wrote " + "  ".join(str(path) for path in written))
    return 3 if failed else 0


def figures(study: Study, job: Job, state: State, work: Path) -> list[Row] | Failure:
    """The figures of a cell, or why it has none: one that cannot be read spoils no other."""
    from llmsafe.study.measures import rows_of

    for stage in job.stages:
        if stage in state.failed:
            return state.failed[stage]
    try:
        rows = rows_of(study.name, job, work)
        for row in rows:
            numbers = (row.value, row.low, row.high, row.base)
            if not all(math.isfinite(one) for one in numbers if one is not None):
                raise EvidenceError(f"{row.measure} is not finite")
        return rows
    except LlmsafeError as error:
        return Failure("its figures cannot be read", str(error))
    except Exception as error:
        return Failure("its figures cannot be read", unexpected(error))


def spent_together(work: Path) -> list[Budget]:
    """What all runs of the study spent; their folders are named from ``work`` on.

    Every run below it counts: a patient does not care which of them failed.
    """
    from llmsafe.privacy.budget import compose, find_runs, read_charges

    charges = [
        replace(
            found,
            run=found.run.relative_to(work),
            problem=found.problem and found.problem.replace(f"{work}{os.sep}", ""),
        )
        for found in map(read_charges, find_runs(work / "train"))
    ]
    return compose(charges)


def design(study: Study, every: Sequence[Job], work: Path) -> list[str]:
    """The study in a few lines, for the page."""
    config = training_config(study)
    used = {job.cell.corpus for job in every}
    corpora = [
        f"{name}: " + (f"{spec.patients:,} invented patients" if spec.patients else
                       f"about {spec.units:,} units of {Path(str(spec.path)).name}")
        for name, spec in study.corpora.items() if name in used
    ]  # fmt: skip
    asked = len(study.cells())
    cells = f"{asked} cells" if len(every) == asked else f"The first {len(every)} of {asked} cells"
    stages = unique(job.stages for job in every)
    spent = [record.seconds for stage in stages if (record := finished(work, stage))]
    trained = config.train
    return [
        f"Corpora: {'; '.join(corpora)}.",
        f"{study.canaries:,} canaries a cell, each planted by a fair coin; δ = {study.delta:g}.",
        f"{trained.steps} steps of {trained.units_per_step} units, at most "
        f"{config.data.max_tokens} tokens of {config.data.max_notes_per_unit} note(s) a unit, "
        f"learning rate {trained.learning_rate:g}, clip norm {config.privacy.clip_norm:g}; "
        f"{config.data.held_out:.0%} of the units held out.",
        f"{cells}, {len(spent)} stages, {clock(sum(spent))} of one worker in all.",
    ]


if __name__ == "__main__":
    run_program(
        "leakage_vs_epsilon",
        main,
        interrupted="interrupted; the same command goes on where it was",
    )
