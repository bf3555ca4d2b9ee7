"""``llmsafe reveal``: turn encrypted spans back, for whoever has the key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmsafe.cli.columns import DateColumn, IdColumn, PatientColumn, TextColumn


def reveal(
    input: Annotated[str, typer.Argument(help="Corpus made by: llmsafe scrub --method encrypt.")],
    output: Annotated[Path, typer.Argument(help="Folder to write: corpus/ and vault/.")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="Key of the scrub (mode 0600).",
            show_default="environment: LLMSAFE_SCRUB_KEY",
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", help="Reveal only NAME, DATE, …  Repeatable."),
    ] = None,
    text_column: TextColumn = "text",
    id_column: IdColumn = None,
    patient_column: PatientColumn = None,
    date_column: DateColumn = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts as JSON on stdout.")] = False,
) -> None:
    """Turn encrypted spans back into what they were.

    Every token is authenticated with its note and category. One that was altered, cut, forged,
    moved from another note or made with another key stays as it is; such tokens are counted, and
    the exit code is 3. If none opens, nothing is written. Text comes back byte for byte; ids stay
    pseudonyms. OUTPUT is PHI again. No text is shown.

    \b
    Examples:
      llmsafe scrub notes.jsonl sealed/ --method encrypt --key-file key
      llmsafe reveal sealed/ notes-again/ --key-file key
      llmsafe reveal sealed/ names-only/ --key-file key --category NAME
      llmsafe reveal sealed/ none/ --key-file key --dry-run
    """
    from llmsafe.cli.common import emit_json, finish, say
    from llmsafe.corpus import Columns, open_corpus
    from llmsafe.errors import EvidenceError, InputError
    from llmsafe.files import CORPUS, VAULT
    from llmsafe.scrub.keys import VARIABLE, given_key
    from llmsafe.scrub.reveal import check_categories, refusals, reveal_corpus, survey

    categories = check_categories(category or ())
    key = given_key(key_file)
    if key is None:
        raise InputError(
            f"no key; name the one of the scrub with --key-file or in {VARIABLE} (without either, "
            "scrub left it in the vault: vault/scrub.key)"
        )
    source = open_corpus(input)
    columns = Columns(text=text_column, id=id_column, patient=patient_column, date=date_column)
    if dry_run:
        counts = survey(source, key, categories, columns)
    else:
        keep = (key_file,) if key_file else ()
        counts = reveal_corpus(
            source, output, key, columns=columns, categories=categories, force=force, keep=keep
        )
    if as_json:
        shown = {"notes": counts.notes, "revealed": dict(sorted(counts.revealed.items()))}
        shown |= {"closed": counts.closed, "foreign": counts.foreign, "tampered": counts.tampered}
        emit_json(shown | {"dry_run": dry_run})
    else:
        say(f"{counts.notes:,} notes, {counts.revealed.total():,} tokens revealed")
        for name, count in counts.revealed.most_common():
            say(f"  {name:14} {count:>10,}")
        if counts.closed:
            say(f"{counts.closed:,} tokens of other categories left closed")
    if dry_run:
        say("dry run: nothing written")
    else:
        finish([output / CORPUS, output / VAULT / "lineage.json"], as_json=as_json)
    if counts.refused:
        raise EvidenceError(refusals(counts))
