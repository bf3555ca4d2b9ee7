"""Which kind of canary shows a leak best, and what it costs the model.

    python eval/canary_power.py --name synthetic --patients 400 --canaries 400 --seeds 0 1 \\
        --set train.steps=40
    python eval/canary_power.py --corpus scrubbed/ --name mtsamples --population 2200

For every kind, ε and seed it plants the canaries in the same corpus, trains an adapter with
`accelerate launch recipes/dp_lora.py` and audits it; and once without canaries, for the utility.
Held-out notes are the same in all runs of a seed (they are chosen by a hash of the patient's id).
Writes docs/results/canary-power-NAME.md and .json; finished runs in --work are not run again.

The kind that is named at the end is chosen by a rule fixed here and not on the figures: of the
kinds whose held-out perplexity exceeds that without canaries by at most --tolerance at every ε
(mean over seeds), the one with the largest AUC of the primary attack (mean over ε and seeds).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean

import llmsafe
from llmsafe.artifacts import Audit, Membership, Rate
from llmsafe.canary import FITTED_KINDS
from llmsafe.cli.jobs import (
    AUDITED,
    command_line,
    config_file,
    keep_settings,
    recipe_command,
    run_command,
    run_verb,
    settings_of,
)
from llmsafe.errors import LlmsafeError
from llmsafe.files import make_folder, write_text

ROOT = Path(__file__).resolve().parents[1]
NONE = "none"
KINDS = ("phi", "resident_id", "diagnosis", "random", *FITTED_KINDS)


@dataclass(frozen=True)
class Row:
    """One audited adapter; figures of the primary attack, ``None`` for the run without canaries.

    ``attacks`` has AUC and TPR at 1 % FPR of every attack.
    """

    kind: str
    epsilon: float
    seed: int
    perplexity: float
    attack: str | None = None
    auc: tuple[float, float, float] | None = None
    tpr: tuple[float, float, float] | None = None
    bound: float | None = None
    ceiling: float | None = None
    exposure_excess: float | None = None
    extracted: float | None = None
    attacks: dict[str, tuple[float, float]] = field(default_factory=dict)


def main() -> None:
    args = arguments()
    work = make_folder(args.work / args.name, private=True)
    free = ("name", "about", "kinds", "epsilon", "seeds", "work", "out", "tolerance")
    keep_settings(work, settings_of(args, free=free))
    corpus = Path(args.corpus) if args.corpus else work / "notes"
    if not corpus.exists():
        run_verb("synth", corpus, "--patients", args.patients, "--short", "--max-notes", 1)
    rows = [
        one_run(args, corpus, work, kind, epsilon, seed)
        for seed in args.seeds
        for kind in (NONE, *args.kinds)
        for epsilon in args.epsilon
    ]
    out = make_folder(args.out)
    written = [asdict(row) | {"epsilon": finite(row.epsilon)} for row in rows]
    body = {"tool": f"llmsafe {llmsafe.__version__}", "rows": written}
    page = out / f"canary-power-{args.name}.md"
    write_text(page, render(args, rows))
    write_text(page.with_suffix(".json"), json.dumps(body, indent=2) + "\n")
    print(f"wrote {page} {page.with_suffix('.json')}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="of the page")
    parser.add_argument("--about", default="", help="a sentence on the corpus, for the page")
    parser.add_argument("--corpus", help="file or folder; without it, invented patients")
    parser.add_argument("--patients", type=int, default=400, help="invented ones")
    parser.add_argument("--population", type=int, help="public size; needed with --corpus")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--canaries", type=int, default=400)
    parser.add_argument("--base", default="llmsafe:base-en")
    parser.add_argument("--epsilon", nargs="+", type=float, default=[float("inf"), 8.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tolerance", type=float, default=0.01)
    parser.add_argument("--config", default="configs/default.yaml", help="name or file")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--work", type=Path, default=Path("runs/canary_power"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    if args.corpus and args.population is None:
        parser.error("--corpus needs --population, a public number: about how many units there are")
    return args


def one_run(
    args: argparse.Namespace, corpus: Path, work: Path, kind: str, epsilon: float, seed: int
) -> Row:
    """Plant, train and audit, as far as it is not done; a step's output appears complete or not."""
    place = make_folder(work / f"seed-{seed}" / kind, private=True)
    planted = corpus
    if kind != NONE:
        planted = place / "corpus"
        if not planted.exists():
            words = ("--kind", kind, "--count", args.canaries, "--seed", seed, "--base", args.base)
            run_verb("canary", corpus, planted, *words)
    run = place / f"epsilon-{epsilon:g}"
    if not (run / "release" / "privacy.json").exists():
        population = args.population or args.patients
        overrides = [
            f"data.corpus={planted}",
            f"output={run}",
            f"seed={seed}",
            f"model.base={args.base}",
            f"privacy.epsilon={epsilon:g}",
            f"privacy.population={population + args.canaries // 2}",
            "train.checkpoint_every=0",
            *args.set,
        ]
        config = config_file(args.config)
        run_command(recipe_command(config, "--force", *overrides))
    if not (run / "release" / "audit.json").exists():
        run_verb("audit", "--model", run, "--seed", seed, accept=AUDITED)
    return row_of(Audit.load(run / "release" / "audit.json"), kind, epsilon, seed)


def row_of(audit: Audit, kind: str, epsilon: float, seed: int) -> Row:
    """The figures of one audit."""
    if audit.utility is None:
        sys.exit("the audit has no held-out notes to measure utility on; raise data.held_out")
    perplexity = audit.utility.perplexity
    if audit.canaries is None:
        return Row(kind, epsilon, seed, perplexity)
    games = [m for m in audit.membership if m.population == "canaries"]
    [game] = [m for m in games if m.primary]
    at_one = at_one_percent(game)
    bound = audit.bounds[0]
    secrets = next(e for e in audit.extraction if e.about == "canaries" and e.method == "greedy")
    return Row(
        kind,
        epsilon,
        seed,
        perplexity,
        game.attack,
        (game.auc.value, game.auc.low, game.auc.high),
        (at_one.value, at_one.low, at_one.high),
        bound.epsilon_lower,
        bound.ceiling,
        audit.exposure.excess_bits.value if audit.exposure else None,
        secrets.rate.value,
        {m.attack: (m.auc.value, at_one_percent(m).value) for m in games},
    )


def at_one_percent(game: Membership) -> Rate:
    """True positive rate at 1 % false positives."""
    [found] = [point.tpr for point in game.tpr if point.fpr == 0.01]
    return found


def costs(rows: Sequence[Row], kind: str) -> dict[float, float]:
    """Held-out perplexity over that of the run without canaries, less one: per ε, mean over
    seeds."""
    control = {(r.epsilon, r.seed): r.perplexity for r in rows if r.kind == NONE}
    found: dict[float, list[float]] = {}
    for row in rows:
        if row.kind == kind:
            ratio = row.perplexity / control[row.epsilon, row.seed] - 1
            found.setdefault(row.epsilon, []).append(ratio)
    return {epsilon: mean(ratios) for epsilon, ratios in found.items()}


def strongest(rows: Sequence[Row], tolerance: float) -> tuple[str | None, dict[str, float]]:
    """The kind that the rule of this script names, and the mean AUC of every kind it may name."""
    power: dict[str, float] = {}
    for kind in dict.fromkeys(row.kind for row in rows if row.kind != NONE):
        if max(costs(rows, kind).values()) <= tolerance:
            power[kind] = mean(row.auc[0] for row in rows if row.kind == kind and row.auc)
    return (max(power, key=lambda kind: power[kind]) if power else None), power


def render(args: argparse.Namespace, rows: Sequence[Row]) -> str:
    """The page: one line a kind, ε and seed, and what the rule says."""
    population = args.population or args.patients
    lines = [
        f"# Power of canary kinds on {args.name}",
        "",
        f"Written by `eval/canary_power.py` (llmsafe {llmsafe.__version__}); do not edit.",
        "",
        "```console",
        f"$ {command_line()}",
        "```",
        "",
        *([args.about, ""] if args.about else []),
        f"{args.canaries} canaries of one kind a run, each planted by a fair coin: about "
        f"{args.canaries / 2 / (population + args.canaries / 2):.0%} of the units trained on. The "
        "primary attack on whole canaries, intervals at 95 %. ε bound: one run, attack and number "
        "of guesses chosen on the scores and corrected for; beside it the most that this design "
        "could have shown. Cost: held-out perplexity over that of the same run without canaries. "
        "Noise and draws are new in every run, so a "
        "private run's perplexity differs from another's a little without any canary.",
        "",
        "| kind | ε | seed | AUC | TPR at 1 % FPR | ε bound | could show | exposure above chance, "
        "bits | secrets extracted | held-out perplexity | cost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    control = {(r.epsilon, r.seed): r.perplexity for r in rows if r.kind == NONE}
    for row in sorted(rows, key=lambda r: (-r.epsilon, r.kind != NONE, -(r.auc or (0.0,))[0])):
        cost = row.perplexity / control[row.epsilon, row.seed] - 1
        cells = [row.kind, infinite(row.epsilon), str(row.seed)]
        cells += [interval(row.auc), interval(row.tpr), number(row.bound), number(row.ceiling)]
        cells += [number(row.exposure_excess), number(row.extracted), f"{row.perplexity:.2f}"]
        cells += ["" if row.kind == NONE else f"{100 * cost:+.1f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    best, power = strongest(rows, args.tolerance)
    lines += ["", *by_attack(rows)]
    cheap = f"at most {100 * args.tolerance:g} % at every ε"
    if best is None:
        lines += ["", f"No kind costs {cheap}, so none is named.", ""]
    else:
        ranked = sorted(power.items(), key=lambda pair: -pair[1])
        listed = ", ".join(f"{kind} {auc:.3f}" for kind, auc in ranked)
        lines += [
            "",
            f"Largest mean AUC among the kinds that cost {cheap}: **{best}**. {listed}.",
            "",
        ]
    return "\n".join(lines)


def by_attack(rows: Sequence[Row]) -> list[str]:
    """Kind against attack: AUC and TPR at 1 % FPR, means over seeds."""
    played = [row for row in rows if row.attacks]
    names = list(dict.fromkeys(name for row in played for name in row.attacks))
    lines = [
        "Every attack, AUC / TPR at 1 % FPR, mean over seeds. The primary one was fixed before any "
        "score was seen; the best of a line is the best of many and flatters.",
        "",
        f"| kind | ε | {' | '.join(names)} |",
        f"| --- | ---: |{' ---: |' * len(names)}",
    ]
    for kind, epsilon in dict.fromkeys((row.kind, row.epsilon) for row in played):
        same = [row.attacks for row in played if (row.kind, row.epsilon) == (kind, epsilon)]
        cells = [
            f"{mean(found[name][0] for found in same):.3f} / "
            f"{mean(found[name][1] for found in same):.3f}"
            for name in names
        ]
        lines.append(f"| {kind} | {infinite(epsilon)} | {' | '.join(cells)} |")
    return lines


def infinite(epsilon: float) -> str:
    return "∞" if epsilon == float("inf") else f"{epsilon:g}"


def finite(value: float) -> float | None:
    """JSON has no infinity; ``None`` stands for no privacy, as in every other file."""
    return None if value == float("inf") else value


def interval(value: tuple[float, float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    try:
        main()
    except LlmsafeError as error:
        sys.exit(str(error))
