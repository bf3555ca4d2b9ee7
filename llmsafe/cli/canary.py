"""``llmsafe canary``: plant invented patients in a corpus, withhold as many, remember both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmsafe import __version__
from llmsafe.cli.columns import DateColumn, IdColumn, PatientColumn, TextColumn
from llmsafe.cli.common import Advance, emit_json, finish, progress, say
from llmsafe.errors import InputError

if TYPE_CHECKING:
    from llmsafe.artifacts import Canary
    from llmsafe.canary import CanaryKind, Survey
    from llmsafe.corpus import Columns, Corpus
    from llmsafe.notes import Note

MANIFEST, LINEAGE, SCRUB = "canaries.json", "lineage.json", "scrub_manifest.json"
CEILING_DELTA = 1e-5


def canary(
    corpus: Annotated[str, typer.Argument(help="Corpus file or folder, or the output of scrub.")],
    output: Annotated[Path, typer.Argument(help="Folder to make: corpus/ and vault/.")],
    count: Annotated[int, typer.Option("--count", help="Canaries, planted and withheld.")] = 200,
    kind: Annotated[
        str, typer.Option("--kind", help="phi: numbers in short notes; random: random words.")
    ] = "phi",
    seed: Annotated[int, typer.Option("--seed", help="Fixes canaries, coins and places.")] = 0,
    probability: Annotated[
        float, typer.Option("--probability", help="Chance of each canary to be planted.")
    ] = 0.5,
    lang: Annotated[str, typer.Option("--lang", help="Language of the canaries.")] = "en",
    text_column: TextColumn = "text",
    id_column: IdColumn = None,
    patient_column: PatientColumn = None,
    date_column: DateColumn = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data on stdout.")] = False,
) -> None:
    """Plant canaries: invented patients whose secrets an audit later tries to get back.

    Each canary is planted or withheld by a fair coin of its own. Secrets, coins and ids go to
    OUTPUT/vault/canaries.json and nowhere else; the audit needs that file.

    \b
    Examples:
      llmsafe canary scrubbed/ planted/ --count 500
      llmsafe canary notes.csv planted/ --patient-column MRN --kind random --seed 7
    """
    from llmsafe.canary import make_canaries, survey
    from llmsafe.corpus import Columns, open_corpus
    from llmsafe.files import CORPUS, VAULT, check_output

    if kind not in ("phi", "random"):
        raise InputError(f"canary kind {kind!r} is unknown; choose phi or random")
    check_output(output, force=force, inputs=[Path(corpus)])
    columns = Columns(text=text_column, id=id_column, patient=patient_column, date=date_column)
    source = open_corpus(corpus)
    old_vault = Path(corpus) / VAULT
    if (old_vault / MANIFEST).exists():
        raise InputError(
            f"{corpus} already holds canaries ({old_vault / MANIFEST}); "
            "plant into the corpus it was made from"
        )
    canaries = make_canaries(count=count, kind=kind, seed=seed, probability=probability, lang=lang)
    surveyed = survey(source.notes(columns), canaries)
    ceiling = _say_design(canaries, surveyed, kind, lang)
    if not dry_run:
        draw = _Draw(canaries, kind, seed, probability, lang)
        _write(source, columns, draw, surveyed, output, old_vault, force=force)
    if as_json:
        emit_json(
            {
                "notes": surveyed.notes,
                "unit": "patient" if surveyed.patients else "note",
                "canaries": count,
                "planted": sum(one.planted for one in canaries),
                "kind": kind,
                "lang": lang,
                "probability": probability,
                "ceiling": ceiling,
                "dry_run": dry_run,
            }
        )
    if dry_run:
        say("dry run: nothing written")
    else:
        finish([output / CORPUS, output / VAULT / MANIFEST], as_json=as_json)


@dataclass(frozen=True)
class _Draw:
    canaries: list[Canary]
    kind: CanaryKind
    seed: int
    probability: float
    lang: str


def _say_design(canaries: list[Canary], surveyed: Survey, kind: str, lang: str) -> float:
    """Tell people what the audit can find; returns the ceiling of the one-run bound."""
    from llmsafe.stats import epsilon_one_run_ceiling

    count, planted = len(canaries), sum(one.planted for one in canaries)
    ceiling = epsilon_one_run_ceiling(count, max(1, count // 2), CEILING_DELTA)
    say(
        f"{surveyed.notes:,} notes; {count:,} canaries ({kind}, {lang}): {planted:,} planted, "
        f"{count - planted:,} withheld"
    )
    if not surveyed.patients:
        say("no patient column: the privacy unit is the note; name one with --patient-column")
    say(
        f"with {count:,} canaries an audit certifies at most epsilon {ceiling:.2f} (one-run bound, "
        f"delta {CEILING_DELTA:g}, 95 % confidence, half of them guessed, every guess right)"
    )
    if surveyed.notes < count:
        say("warning: more canaries than notes; the model will learn mostly canaries")
    return ceiling


def _write(
    source: Corpus,
    columns: Columns,
    draw: _Draw,
    surveyed: Survey,
    output: Path,
    old_vault: Path,
    *,
    force: bool,
) -> None:
    from llmsafe.artifacts import Lineage, LineageStep
    from llmsafe.canary import make_manifest, plant, planting_stream
    from llmsafe.corpus import open_corpus, write_corpus
    from llmsafe.files import CORPUS, VAULT, sha256_file, staged_folder, write_atomic

    lineage = Lineage()
    if (old_vault / LINEAGE).exists():
        lineage = Lineage.load(old_vault / LINEAGE)
    settings = {
        "kind": draw.kind,
        "lang": draw.lang,
        "count": len(draw.canaries),
        "probability": draw.probability,
    }
    with staged_folder(output, force=force) as stage, progress("notes", surveyed.notes) as advance:
        stream = plant(
            source.notes(columns), draw.canaries, planting_stream(draw.seed), surveyed=surveyed
        )
        write_corpus(stage / CORPUS, _counted(stream, advance), source.format, columns=columns)
        digest = open_corpus(stage).digest()
        vault = stage / VAULT
        manifest = make_manifest(
            draw.canaries,
            kind=draw.kind,
            seed=draw.seed,
            probability=draw.probability,
            lang=draw.lang,
            corpus_digest=digest,
        ).save(vault / MANIFEST, private=True)
        step = LineageStep(
            step="canary",
            version=__version__,
            inputs={"corpus": source.digest()},
            outputs={"corpus": digest, "canaries": sha256_file(manifest)},
            settings=settings,
        )
        lineage.then(step).save(vault / LINEAGE, private=True)
        if (old_vault / SCRUB).exists():
            write_atomic(vault / SCRUB, (old_vault / SCRUB).read_bytes(), private=True)


def _counted(notes: Iterator[Note], advance: Advance) -> Iterator[Note]:
    for note in notes:
        yield note
        advance()
