"""The whole job on a corpus of yours, at several ε, and one page of results.

    python eval/whole_job.py notes.jsonl.gz --name mtsamples --epsilon 8 inf
    python eval/whole_job.py fhir/ --name fhir --known-identifiers fhir/Patient.000.ndjson \\
        --set train.steps=50 --set privacy.population=60

Scrubs, plants canaries, trains one adapter per ε with recipes/dp_lora.py, audits each, and writes
docs/results/NAME.md with the table, the commands and the digests. Nothing of the corpus' text is
written outside --work, which is private.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from llmsafe import __version__
from llmsafe.artifacts import Audit, Lineage, ScrubManifest
from llmsafe.cli.jobs import (
    AUDITED,
    command_line,
    config_file,
    keep_settings,
    recipe_command,
    run_command,
    run_verb,
)
from llmsafe.errors import LlmsafeError
from llmsafe.files import make_folder, write_text
from llmsafe.report.tables import comparison_markdown

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="file or folder; shown in the page by its last part only")
    parser.add_argument("--name", required=True, help="of the page: docs/results/NAME.md")
    parser.add_argument("--about", default="", help="a sentence on the corpus, for the page")
    parser.add_argument("--epsilon", nargs="+", type=float, default=[8.0, float("inf")])
    parser.add_argument("--canaries", type=int, default=200)
    parser.add_argument("--known-identifiers", nargs="*", default=[])
    parser.add_argument("--config", default="configs/default.yaml", help="name or file")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--work", type=Path, default=Path("runs/whole_job"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    args = parser.parse_args()

    work = make_folder(args.work / args.name, private=True)
    scrubbed, corpus = work / "scrubbed", work / "corpus"
    keep_settings(work, [args.corpus, args.canaries, args.known_identifiers, args.config, args.set])
    known = [word for path in args.known_identifiers for word in ("--known-identifiers", path)]
    if not scrubbed.exists():
        # Quarantined notes (exit 3) are set aside and counted; the rest goes on.
        run_verb("scrub", args.corpus, scrubbed, *known, accept=(0, 3))
    if not corpus.exists():
        run_verb("canary", scrubbed, corpus, "--count", args.canaries)
    rows: list[tuple[str, Audit]] = []
    for epsilon in args.epsilon:
        run = work / f"epsilon-{epsilon:g}"
        if not (run / "release" / "privacy.json").exists():
            words = [f"data.corpus={corpus}", f"output={run}", f"privacy.epsilon={epsilon:g}"]
            run_command(recipe_command(config_file(args.config), *words, *args.set))
        if not (run / "release" / "audit.json").exists():
            run_verb("audit", "--model", run, "--policy", "release", accept=AUDITED)
        rows.append((f"ε = {epsilon:g}", Audit.load(run / "release" / "audit.json")))
    page = make_folder(args.out) / f"{args.name}.md"
    write_text(page, render(args, work, rows))
    print(f"wrote {page}")


def render(args: argparse.Namespace, work: Path, rows: list[tuple[str, Audit]]) -> str:
    scrub = ScrubManifest.load(work / "scrubbed" / "vault" / "scrub_manifest.json")
    lines = [
        f"# The whole job on {args.name}",
        "",
        f"Written by `eval/whole_job.py` (llmsafe {__version__}); do not edit.",
        "",
        "```console",
        f"$ {command_line()}",
        "```",
        "",
    ]
    if args.about:
        lines += [args.about, ""]
    lines += [
        f"Corpus: {scrub.notes:,} notes, {scrub.patients:,} patients, {scrub.characters:,} "
        f"characters; {len(scrub.quarantined):,} notes quarantined; "
        f"{sum(scrub.spans_by_category.values()):,} spans replaced by `{scrub.method}` "
        f"in {scrub.seconds:.0f} s.",
        "",
        comparison_markdown(rows),
    ]
    for name, audit in rows:
        members = [m for m in audit.membership if m.population != "canaries" and m.primary]
        lines += [f"## {name}", ""]
        if audit.utility:
            lines += [
                f"- Held out: {audit.utility.notes:,} notes, {audit.utility.tokens:,} tokens."
            ]
        for found in members:
            lines += [
                f"- Membership of {found.population} ({found.attack}): AUC {found.auc.value:.3f} "
                f"[{found.auc.low:.3f}, {found.auc.high:.3f}], {found.members:,} members against "
                f"{found.non_members:,} others."
            ]
        if audit.blind_auc:
            lines += [
                f"- Blind baseline, no model: AUC {audit.blind_auc.value:.3f} "
                f"[{audit.blind_auc.low:.3f}, {audit.blind_auc.high:.3f}]."
            ]
        lines += [f"- Verdict: {audit.verdict.status}. {' '.join(audit.verdict.reasons)}".rstrip()]
        lines += [f"- Not measured: {u.what} ({u.why})." for u in audit.unmeasured]
        lines += [f"- Adapter {audit.model.weights_digest}, lineage:"]
        lineage = Lineage.load(work / f"epsilon-{name.removeprefix('ε = ')}" / "vault/lineage.json")
        for step in lineage.steps:
            outputs = {key: value[:19] + "…" for key, value in step.outputs.items()}
            lines += [f"  - {step.step}: {json.dumps(outputs)}"]
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except LlmsafeError as error:
        sys.exit(str(error))
