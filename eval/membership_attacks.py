"""Which membership attack finds most: every attack on one run, side by side.

    python eval/membership_attacks.py --model runs/control --name mtsamples
    python eval/membership_attacks.py --model runs/control --name mtsamples \\
        --variants lowercase recall neighbourhood --shadows runs/shadow-1 runs/shadow-2
    python eval/membership_attacks.py --scores runs/control/vault/scores.parquet --name mtsamples

With --scores nothing but the table of an earlier audit is read, and no model is needed. With
--model the notes of the run's own split are scored anew. All attacks of a table judge the same
notes: those that calibrate an attack (the prefix of ReCaLL, the population of RMIA) are set aside
first and judged by none. Writes docs/results/membership-NAME.md and .json; scores stay in --work,
which is private.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llmsafe import __version__
from llmsafe.artifacts import Membership, Rate
from llmsafe.audit.blind import blind_auc
from llmsafe.audit.forward import Text
from llmsafe.audit.membership import hold_back, judge_rows, note_membership
from llmsafe.audit.population import gather
from llmsafe.audit.scores import Row, read_scores, score_texts
from llmsafe.audit.shadow import score_shadows, shadow_membership
from llmsafe.audit.target import open_target
from llmsafe.audit.variants import (
    Variant,
    lowercase,
    neighbourhood,
    recall,
    score_variant,
    variant_scorer,
)
from llmsafe.errors import LlmsafeError
from llmsafe.files import make_folder, write_text

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = ("lowercase", "recall", "neighbourhood")
FPRS = (0.1, 0.01, 0.001)


def main() -> None:
    args = arguments()
    work = make_folder(args.work / args.name, private=True)
    try:
        found, about = from_table(args) if args.scores else from_model(args, work)
    except LlmsafeError as error:
        sys.exit(f"{error}")
    folder = make_folder(args.out)
    page, data = (folder / f"membership-{args.name}.{kind}" for kind in ("md", "json"))
    write_text(page, render(args, found, about))
    record = {"tool": f"llmsafe {__version__}", "about": about}
    record["membership"] = [m.model_dump(mode="json") for m in found]
    write_text(data, json.dumps(record, indent=1) + "\n")
    print(f"wrote {page}  {data}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="run folder with its vault and a split")
    what.add_argument("--scores", type=Path, help="score table of an audit")
    parser.add_argument("--name", required=True, help="of the page: membership-NAME.md")
    parser.add_argument("--about", default="", help="a sentence on the run, for the page")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=[])
    parser.add_argument("--shadows", nargs="*", type=Path, default=[])
    parser.add_argument("--limit", type=int, default=4000, help="most notes a side")
    parser.add_argument("--prefix", type=int, default=8, help="units in the prefix of ReCaLL")
    parser.add_argument("--copies", type=int, default=5, help="neighbours of each note")
    parser.add_argument("--seed", type=int, default=0, help="draws notes, prefix and neighbours")
    parser.add_argument("--work", type=Path, default=Path("runs/membership_attacks"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    if args.scores and (args.variants or args.shadows):
        parser.error("--variants and --shadows need the model: give --model, not --scores")
    return args


def from_table(args: argparse.Namespace) -> tuple[list[Membership], list[str]]:
    """The attacks that a score table alone allows."""
    table = read_scores(args.scores)
    members, others = table.of("member"), table.of("non_member")
    if not members or not others:
        sys.exit(f"{args.scores} holds no members, or no non-members; audit a run with a split")
    found = note_membership(
        members, others, patients=several_a_unit(members, others), has_base=table.has_base
    )
    return found, [f"Score table of notes of at most {table.max_tokens} tokens."]


def from_model(args: argparse.Namespace, work: Path) -> tuple[list[Membership], list[str]]:
    """Score the run's own members and held-out notes, then every attack asked for."""
    target = open_target(args.model)
    rng = random.Random(args.seed)
    population = gather(target, max_texts=args.limit, rng=rng)
    members, others = population.of("member"), population.of("non_member")
    if not members or not others:
        sys.exit(" ".join(f"{u.what}: {u.why}." for u in population.unmeasured))
    aside: list[Text] = []
    if "recall" in args.variants:
        aside, others = hold_back(others, args.prefix, rng)
    judged, limit = [*members, *others], target.max_tokens()
    started = time.monotonic()
    table = score_texts(target, judged, work / "scores.parquet", max_tokens=limit)
    seconds = {"score table": time.monotonic() - started}
    inside, outside = table.of("member"), table.of("non_member")
    patients = population.unit == "patient"
    found = note_membership(inside, outside, patients=patients, has_base=table.has_base)
    for name in args.variants:
        started = time.monotonic()
        variant = variant_of(name, aside, args.copies, rng)
        path = work / f"scores.{name}.parquet"
        copies = score_variant(target, variant, judged, path, max_tokens=limit)
        score = variant_scorer(variant, copies)
        found += judge_rows(name, score, inside, outside, patients=patients)
        seconds[name] = time.monotonic() - started
    if args.shadows:
        started = time.monotonic()
        shadows = score_shadows(target, args.shadows, judged, work, max_tokens=limit)
        found += shadow_membership(inside, outside, shadows, patients=patients, rng=rng)
        seconds[f"{len(shadows)} shadows"] = time.monotonic() - started
    blind = blind_auc(members, others, np.random.default_rng(args.seed))
    return found, [
        f"Adapter {target.weights_digest} on {target.base_name}; notes of at most {limit} tokens.",
        f"Blind baseline, no model: AUC {span(blind)}." if blind else "No blind baseline.",
        f"Seconds: {', '.join(f'{what} {spent:.0f}' for what, spent in seconds.items())}.",
        *(f"{u.what}: {u.why}." for u in population.unmeasured if "resemble" in u.what),
    ]


def variant_of(name: str, aside: Sequence[Text], copies: int, rng: random.Random) -> Variant:
    match name:
        case "lowercase":
            return lowercase()
        case "recall":
            return recall(aside)
        case _:
            return neighbourhood(rng, copies=copies)


def several_a_unit(members: Sequence[Row], others: Sequence[Row]) -> bool:
    """Whether any unit has more than one note; then the unit is the patient."""
    return any(len({r.unit_id for r in rows}) < len(rows) for rows in (members, others))


def render(args: argparse.Namespace, found: Sequence[Membership], about: Sequence[str]) -> str:
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    lines = [
        f"# Membership attacks on {args.name}",
        "",
        f"Written by `eval/membership_attacks.py` (llmsafe {__version__}); do not edit.",
        "",
        "```console",
        f"$ python eval/membership_attacks.py {shlex.join(words)}",
        "```",
        "",
        *([args.about, ""] if args.about else []),
        *(f"- {line}" for line in about),
        "",
        "Each figure with its 95 % interval. A rate in parentheses rests on fewer non-members than "
        "3 / FPR, too few to know that FPR. The primary attack was fixed before any score was "
        "seen; that another is best here is known after the fact.",
        "",
    ]
    for level in ("patients", "notes"):
        rows = [m for m in found if m.population == level]
        if rows:
            lines += [f"## {level.capitalize()}", "", *markdown(rows), ""]
    return "\n".join(lines)


def markdown(rows: Sequence[Membership]) -> list[str]:
    """The table of one population, the best at 1 % FPR first."""
    head = ["attack", "members", "others", "AUC", *(f"TPR at {fpr:.1%} FPR" for fpr in FPRS)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    for row in sorted(rows, key=lambda row: -row.tpr[1].tpr.value):
        name = f"{row.attack} (primary)" if row.primary else row.attack
        rates = [span(t.tpr) if t.meaningful else f"({span(t.tpr)})" for t in row.tpr]
        cells = [name, f"{row.members:,}", f"{row.non_members:,}", span(row.auc), *rates]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def span(rate: Rate) -> str:
    return f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"


if __name__ == "__main__":
    main()
