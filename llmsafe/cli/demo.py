"""``llmsafe demo``: the whole job on invented patients, private and not private side by side."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Annotated

import typer

PRIVATE, CONTROL = "private", "control"
BASES = {"en": "llmsafe:base-en", "zh": "llmsafe:base-zh"}
TEXTS = 300
"""Texts that each audit draws from the model, and from its base; fewer of a small corpus."""


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("llmsafe-demo"),
    lang: Annotated[str, typer.Option(help="Language of notes and base model: en or zh.")] = "en",
    epsilon: Annotated[float, typer.Option(help="ε of the private run.")] = 8.0,
    patients: Annotated[int, typer.Option(min=50, help="Invented patients.")] = 250,
    canaries: Annotated[int, typer.Option(min=20, help="Canaries, planted or withheld.")] = 200,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of each run; default: as in configs/demo.yaml.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of patients, canaries and initialisation.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
) -> None:
    """Run the whole job in a few minutes and see the difference that DP makes.

    Invents patients, scrubs their notes, plants canaries, trains one adapter with a privacy
    guarantee and one without, attacks both, and prints one table. Each step is shown as the
    command you would type for your own notes.

    \b
    Examples:
      llmsafe demo
      llmsafe demo --lang zh
      llmsafe demo --epsilon 2 --out /data/demo
    """
    import shutil

    import yaml

    from llmsafe.artifacts import Audit
    from llmsafe.cli.audit import audit
    from llmsafe.cli.canary import canary
    from llmsafe.cli.common import finish, say
    from llmsafe.cli.library import find
    from llmsafe.cli.scrub import scrub
    from llmsafe.cli.synth import synth
    from llmsafe.errors import InputError
    from llmsafe.files import RELEASE, check_output, make_folder, write_text
    from llmsafe.report.html import write_html
    from llmsafe.report.tables import comparison_markdown, print_comparison

    if lang not in BASES:
        raise InputError(f"--lang {lang!r} has no embedded base; choose from {', '.join(BASES)}")
    made_here = (out / "demo.log").is_file()
    if not (force and made_here):  # --force replaces a demo, and nothing else
        check_output(out, force=False)
    elif out.exists():
        shutil.rmtree(out)
    make_folder(out, private=True)
    notes, scrubbed, corpus = out / "notes", out / "scrubbed", out / "corpus"
    config = find("configs/demo.yaml").path
    started = time.monotonic()

    log = out / "demo.log"
    log.touch(mode=0o600)
    spoken = "" if lang == "en" else f" --lang {lang}"
    command = f"llmsafe synth {notes} --patients {patients} --short --max-notes 1 --seed {seed}"
    command += spoken
    with _step(log, "1/6  Invent patients, with every identifier marked", command):
        synth(notes, patients=patients, seed=seed, lang=lang, short=True, max_notes=1)
    found = out / "found.jsonl"
    command = (
        f"llmsafe scrub {notes} {scrubbed} --known-identifiers {notes}/identities.csv "
        f"--spans {found}"
    )
    with _step(log, "2/6  Scrub: put surrogates for what identifies them", command):
        scrub(str(notes), scrubbed, known_identifiers=[notes / "identities.csv"], spans=found)
    command = f"llmsafe canary {scrubbed} {corpus} --count {canaries} --seed {seed}{spoken}"
    with _step(log, "3/6  Plant canaries: invented secrets, each in or out by a coin", command):
        canary(str(scrubbed), corpus, count=canaries, seed=seed, lang=lang)

    population = patients + canaries // 2
    shared = [f"data.corpus={corpus}", f"privacy.population={population}", f"seed={seed}"]
    shared += [f"train.units_per_step={min(100, population // 3)}"]
    shared += [f"model.base={BASES[lang]}"] if lang != "en" else []
    shared += [f"train.steps={steps}"] if steps else []
    runs = {
        PRIVATE: [*shared, f"privacy.epsilon={epsilon:g}", f"output={out / PRIVATE}"],
        CONTROL: [*shared, "privacy.epsilon=inf", f"output={out / CONTROL}"],
    }
    say(f"\n4/6  Fine-tune twice: with ε = {epsilon:g}, and without privacy as the control")
    for overrides in runs.values():
        say(f"     $ accelerate launch dp_lora.py --config demo.yaml {' '.join(overrides)}")
    begun = time.monotonic()
    _train(config, runs, steps or yaml.safe_load(config.read_text())["train"]["steps"], out)
    say("\n".join(f"     {name}: {_claim(out / name)}" for name in runs))
    say(f"     {time.monotonic() - begun:.0f} s")

    texts = min(TEXTS, 2 * patients)
    more = f"--generate {texts} --gold {notes} --spans {found}"
    commands = [f"llmsafe audit --model {out / name} --policy release {more}" for name in runs]
    with _step(log, "5/6  Attack both: canaries, membership, extraction, free texts", *commands):
        for name in runs:
            with suppress(typer.Exit):  # the control is meant to fail the policy
                audit(
                    model=str(out / name),
                    policy="release",
                    generate=texts,
                    gold=str(notes),
                    spans=found,
                )
    page = out / "report.html"
    command = f"llmsafe report {out / PRIVATE} --compare {out / CONTROL} --out {page}"
    with _step(log, "6/6  Report: both side by side", command):
        loaded = {name: Audit.load(out / name / RELEASE / "audit.json") for name in runs}
        rows = list(loaded.items())
        write_html(loaded[PRIVATE], page, compare=[(CONTROL, loaded[CONTROL])])
        write_text(out / "report.md", comparison_markdown(rows))

    print()
    print_comparison(rows)
    say(f"done in {time.monotonic() - started:.0f} s; open {out / 'report.html'}")
    finish([out / "report.html", out / "report.md", out / PRIVATE, out / CONTROL])


@contextmanager
def _step(log: Path, title: str, *commands: str) -> Generator[None, None, None]:
    """Print title and commands; what the verbs inside print goes to ``log``."""
    from llmsafe.cli.common import say

    say(f"\n{title}")
    for command in commands:
        say(f"     $ {command}")
    begun = time.monotonic()
    with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
        yield
    say(f"     {time.monotonic() - begun:.0f} s")


def _train(config: Path, runs: dict[str, list[str]], steps: int, out: Path) -> None:
    """Both runs at once, sharing the cores; the bar follows the runs' own metrics files."""
    from llmsafe.cli.common import progress
    from llmsafe.cli.jobs import recipe_command
    from llmsafe.errors import SetupError

    cores = os.cpu_count() or 1
    environment = os.environ | {
        "OMP_NUM_THREADS": str(max(1, cores // len(runs))),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    logs = {name: out / f"{name}.log" for name in runs}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    for name, overrides in runs.items():
        with logs[name].open("wb") as log:
            processes[name] = subprocess.Popen(
                recipe_command(config, *overrides),
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    try:
        with progress("training", steps * len(runs)) as advance:
            done = 0
            while any(process.poll() is None for process in processes.values()):
                time.sleep(1)
                now = sum(_steps(out / name) for name in runs)
                advance(now - done, " · ".join(f"{n} {_steps(out / n)}/{steps}" for n in runs))
                done = now
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.terminate()
    for name, process in processes.items():
        if process.returncode:
            lines = logs[name].read_text(errors="replace").strip().splitlines()
            last = next((line for line in lines if "error:" in line), "no message")
            raise SetupError(
                f"training {name!r} ended with {process.returncode}: {last}; see {logs[name]}"
            )


def _steps(run: Path) -> int:
    path = run / "vault" / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def _claim(run: Path) -> str:
    statement = json.loads((run / "release" / "privacy.json").read_text())
    if statement["epsilon"] is None:
        return "no privacy guarantee"
    return f"ε = {statement['epsilon']:.2f} at δ = {statement['delta']:g} per {statement['unit']}"
