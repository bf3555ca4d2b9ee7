"""Which membership attack finds most: every attack of an audit, side by side.

    llmsafe audit --model runs/control --limit 4000 --also lowercase --also recall
    python eval/membership_attacks.py runs/control --name mtsamples

Reads the audit.json of a run (or of the folder of an audit) and writes
docs/results/membership-NAME.md: one table for canaries, patients and notes each, the best at 1 %
false positives first. All attacks of a table judge the same texts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from llmsafe.artifacts import Audit, Membership, Rate
from llmsafe.cli.jobs import command_line
from llmsafe.cli.report import audit_file
from llmsafe.errors import LlmsafeError
from llmsafe.files import make_folder, write_text

ROOT = Path(__file__).resolve().parents[1]
FPRS = (0.1, 0.01, 0.001)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audit", type=Path, help="run folder, audit.json or its folder")
    parser.add_argument("--name", required=True, help="of the page: membership-NAME.md")
    parser.add_argument("--about", default="", help="a sentence on the run, for the page")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()
    try:
        audit = Audit.load(audit_file(args.audit))
    except LlmsafeError as error:
        sys.exit(str(error))
    if not audit.membership:
        sys.exit(f"{args.audit} judged no membership attack; audit a run with a split or canaries")
    page = make_folder(args.out) / f"membership-{args.name}.md"
    write_text(page, render(audit, args.name, args.about))
    print(f"wrote {page}")


def render(audit: Audit, name: str, about: str) -> str:
    """The page: what was audited, then a table for each population."""
    lines = [
        f"# Membership attacks on {name}",
        "",
        f"Written by `eval/membership_attacks.py` ({audit.tool}); do not edit.",
        "",
        "```console",
        f"$ {command_line()}",
        "```",
        "",
        *([about, ""] if about else []),
        f"- Adapter {audit.model.weights_digest} on {audit.model.base}.",
        f"- Blind baseline, no model: AUC {span(audit.blind_auc)}."
        if audit.blind_auc
        else "- No blind baseline.",
        *(
            f"- {missing.what}: {missing.why}."
            for missing in audit.unmeasured
            if "resemble" in missing.what
        ),
        "",
        "Each figure with its 95 % interval. A rate in parentheses rests on fewer outsiders than "
        "3 / FPR, too few to know that FPR. The primary attack was fixed before any score was "
        "seen; that another is best here is known after the fact.",
        "",
    ]
    for level in ("patients", "notes", "canaries"):
        rows = [m for m in audit.membership if m.population == level]
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
