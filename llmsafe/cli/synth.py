"""``llmsafe synth``: invented patients with gold PHI spans, to try everything without a patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synth(
    output: Annotated[Path, typer.Argument(help="Folder to write: corpus/ and identities.csv.")],
    patients: Annotated[int, typer.Option(min=1, help="Number of patients.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    lang: Annotated[str, typer.Option(help="en, zh (simplified) or zh-Hant (traditional).")] = "en",
    format: Annotated[str, typer.Option(help="jsonl, parquet or csv.")] = "jsonl",
    short: Annotated[bool, typer.Option("--short", help="Short notes, as of calls.")] = False,
    max_notes: Annotated[
        int | None, typer.Option(min=1, help="At most so many notes per patient.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts as JSON on stdout.")] = False,
) -> None:
    """Write a synthetic longitudinal corpus: several dated notes per invented patient.

    Every identifier in the text carries a gold span (column `spans`), and identities.csv holds
    each patient's identity for `llmsafe scrub --known-identifiers`. No line of it is about a real
    person.

    \b
    Examples:
      llmsafe synth notes --patients 200
      llmsafe synth big --patients 100000 --format parquet --seed 7
      llmsafe synth chinese --patients 200 --lang zh
    """
    import csv
    import io

    from llmsafe import __version__
    from llmsafe.artifacts import Lineage, LineageStep
    from llmsafe.cli.common import emit_json, finish, progress
    from llmsafe.corpus import open_corpus, write_corpus
    from llmsafe.errors import InputError
    from llmsafe.files import CORPUS, VAULT, staged_folder, write_text
    from llmsafe.synthetic import patients as generate

    if format not in ("jsonl", "parquet", "csv"):
        raise InputError(f"--format {format!r} is unknown; choose jsonl, parquet or csv")
    table = io.StringIO(newline="")
    writer: csv.DictWriter[str] | None = None
    count = 0
    with staged_folder(output, force=force) as stage, progress("patients", patients) as advance:

        def notes():
            nonlocal writer, count
            for patient in generate(
                seed,
                patients,
                lang=lang,
                length="short" if short else "mixed",
                max_notes=max_notes,
            ):
                row = patient.identity.as_row()
                if writer is None:
                    writer = csv.DictWriter(table, list(row))
                    writer.writeheader()
                writer.writerow(row)
                for note in patient.notes:
                    count += 1
                    yield note
                advance()

        write_corpus(stage / CORPUS, notes(), format)
        write_text(stage / "identities.csv", table.getvalue(), private=True)
        step = LineageStep(
            step="synth",
            version=__version__,
            inputs={},
            outputs={"corpus": open_corpus(stage).digest()},
            settings={"patients": patients, "seed": seed, "lang": lang, "short": short},
        )
        Lineage().then(step).save(stage / VAULT / "lineage.json", private=True)
    if as_json:
        emit_json({"patients": patients, "notes": count})
    finish([output / CORPUS, output / "identities.csv"], as_json=as_json)
