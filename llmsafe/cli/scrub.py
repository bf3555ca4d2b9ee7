"""``llmsafe scrub``: take names, dates, numbers and places out of notes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmsafe.cli.columns import DateColumn, IdColumn, PatientColumn, TextColumn

if TYPE_CHECKING:
    from llmsafe.scrub.request import Request


def scrub(
    input: Annotated[
        str, typer.Argument(help="Corpus: file, folder, FHIR export, HL7 v2, C-CDA or hub id.")
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write: corpus/ and vault/.")],
    method: Annotated[
        str, typer.Option(help="surrogate, random, instance, tag, mask, redact, hash or encrypt.")
    ] = "surrogate",
    lang: Annotated[
        str, typer.Option(help="en, zh, or auto: by the letters of each note.")
    ] = "auto",
    mask_style: Annotated[
        str, typer.Option(help="Of --method mask: plain, or classic (138****5678, shows a part).")
    ] = "plain",
    text_column: TextColumn = "text",
    id_column: IdColumn = None,
    patient_column: PatientColumn = None,
    date_column: DateColumn = None,
    day_first: Annotated[
        bool, typer.Option("--day-first", help="3/4/2021 is 3 April, not March 4.")
    ] = False,
    known_identifiers: Annotated[
        list[Path] | None,
        typer.Option(
            "--known-identifiers",
            help="Identities: CSV or JSONL by patient_id, FHIR ndjson, HL7 v2, C-CDA. Repeatable.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="Secret key (mode 0600).",
            show_default="environment: LLMSAFE_SCRUB_KEY; else a new one in the vault",
        ),
    ] = None,
    recognizer: Annotated[
        list[str] | None,
        typer.Option("--recognizer", help="Your own Presidio recogniser, module:name. Repeatable."),
    ] = None,
    ner: Annotated[
        list[str] | None,
        typer.Option(
            "--ner", help="Your own model: hf:PATH, gliner:PATH, spacy:NAME, or YAML. Repeatable."
        ),
    ] = None,
    keep_column: Annotated[
        list[str] | None,
        typer.Option("--keep-column", help="Further column to keep; others go. Repeatable."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", min=0, help="Processes, of one thread each; 0: one per core."),
    ] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="First notes only.")] = None,
    spans: Annotated[
        Path | None, typer.Option("--spans", help="Write the spans found, a JSON line per note.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after an interruption.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts as JSON on stdout.")] = False,
) -> None:
    """Scrub protected health information from notes.

    Known identifiers of each patient come first, then recognisers for all eighteen HIPAA
    identifiers. A note that a recogniser fails on, and a record that cannot be read, goes to
    OUTPUT/vault/quarantine.jsonl and the exit code is 3. Ids become pseudonyms, dates move by whole
    weeks per patient, columns that are not kept by name are dropped.

    Notes in English and in Chinese have rules of their own; one in both goes through both. A note
    that is Japanese or Korean is quarantined.

    jsonl, parquet and csv keep their format. A folder of txt, FHIR ndjson, HL7 v2, C-CDA and a hub
    id can only be read and become jsonl. FHIR, HL7 v2 and C-CDA name their patients themselves:
    those known identifiers are always used.

    \b
    What each --method makes of "Dr. Lee saw Ann Okafor on Tuesday, 3/2/2021, for gout":
      surrogate  Dr. Holloway saw Deborah Barlowe on Tuesday, 7/20/2021, for gout
                 one stand-in per value and patient, in every note
      random     Dr. Fairbrother saw Lavinia Bainbridge on Tuesday, 7/20/2021, for gout
                 a new stand-in for every mention: what was missed hides best
      instance   Dr. [NAME-93285] saw [NAME-1] on [DATE-31586], for gout
                 one number per value and patient, 1 is the patient
      tag        Dr. [NAME] saw [NAME] on [DATE], for gout
      mask       Dr. **** saw **** on ****, for gout
      redact     Dr.  saw  on , for gout
      hash       Dr. [NAME:62de7c52c770] saw [NAME:450580383b64] on ...
                 the same for a value in the whole corpus. There are few dates and not
                 many numbers: whoever has the key can try them all
      encrypt    Dr. [NAME:v1.6937d7a1.FdV73i38ISlX-fqPEY-cDvyBH6ryFz3HUpnN...
                 llmsafe reveal turns it back with the key

    --ner adds a model of your own to rules and tagger: what any of them finds is replaced. It is
    loaded from a folder or the local cache, only with safetensors weights. A YAML file says more:
    models: [{kind: hf, model: PATH, lang: en, threshold: 0.5, labels: {HCW: NAME, VENDOR: null}}]

    All but tag, mask and redact are keyed (HMAC-SHA256; encrypt: AES-256-SIV): without the key
    nothing can be recomputed, with it everything can. Keep it apart from the corpus. It is read
    from --key-file or LLMSAFE_SCRUB_KEY, never from the command line.

    \b
    Examples:
      llmsafe scrub notes.jsonl clean/ --known-identifiers patients.csv
      llmsafe scrub notes.jsonl clean/ --method random
      llmsafe scrub fhir/ clean/ --method instance
      llmsafe scrub messages.hl7 clean/ --known-identifiers patients.csv
      llmsafe scrub notes.jsonl sealed/ --method encrypt --key-file key
      llmsafe scrub notes.csv clean/ --text-column report --patient-column mrn --day-first
      llmsafe scrub notes.jsonl clean/ --ner hf:/models/deid-roberta --ner spacy:en_core_web_lg
      llmsafe scrub notes.parquet clean/ --dry-run --limit 500
    """
    from llmsafe.cli.common import emit_json, finish, progress, say
    from llmsafe.corpus import Columns, open_corpus
    from llmsafe.errors import EvidenceError
    from llmsafe.files import CORPUS, VAULT, sha256_files
    from llmsafe.scrub.detect.captures import residual
    from llmsafe.scrub.known.identities import identity_files, read_identities
    from llmsafe.scrub.ner import read_models
    from llmsafe.scrub.pipeline import QUARANTINE, preview, scrub_corpus
    from llmsafe.scrub.replace.methods import check_method
    from llmsafe.scrub.request import MANIFEST, Request

    check_method(method)
    source = open_corpus(input)
    tables = (*identity_files(source), *(known_identifiers or ()))
    identities, shared = read_identities(known_identifiers or (), source)
    request = Request(
        source=source,
        output=output,
        columns=Columns(text=text_column, id=id_column, patient=patient_column, date=date_column),
        method=method,
        lang=lang,
        mask_style=mask_style,
        day_first=day_first,
        identities=identities,
        shared=shared,
        identities_digest=sha256_files(tables) if tables else "none",
        tables=tables,
        key_file=key_file,
        keep=tuple(keep_column or ()),
        recognisers=tuple(recognizer or ()),
        models=read_models(ner or ()),
        workers=workers or os.cpu_count() or 1,
        limit=limit,
        spans=spans,
        resume=resume,
        force=force,
    )
    with progress("notes", limit) as advance:
        done = 0

        def report(now: int) -> None:
            nonlocal done
            advance(now - done)
            done = now

        if dry_run:
            tally = preview(request, report)
            hidden = {"schema_version", "seconds", "empty", "with_patient", "captures"}
            counts: dict[str, Any] = tally.model_dump(exclude=hidden)
            left = residual(tally.captures)
            counts["quarantined"] = len(tally.quarantined)
            counts |= {"unit": tally.unit(), "empty_notes": tally.empty}
        else:
            try:
                manifest = scrub_corpus(request, report)
            except KeyboardInterrupt:
                say("interrupted; finished shards are kept: repeat the command with --resume")
                raise
            keys = ("notes", "patients", "characters", "spans_by_category", "spans_by_source")
            counts = {key: getattr(manifest, key) for key in keys}
            left = manifest.residual
            for key in ("dropped_columns", "unit", "empty_notes"):
                counts[key] = manifest.settings[key]
            counts["quarantined"] = len(manifest.quarantined)
            counts["seconds"] = manifest.seconds
    counts["residual"] = {category: estimate.model_dump() for category, estimate in left.items()}
    if as_json:
        emit_json(counts | {"method": method, "dry_run": dry_run})
    else:
        _show(counts, request)
    if dry_run:
        say("dry run: nothing written")
    else:
        vault = output / VAULT
        paths = [output / CORPUS, vault / MANIFEST, *([spans] if spans else [])]
        finish(paths, as_json=as_json)
    if counts["quarantined"]:
        where = "" if dry_run else f" in {output / VAULT / QUARANTINE}"
        total = counts["quarantined"] + counts["notes"]
        raise EvidenceError(
            f"{counts['quarantined']:,} of {_many(total, 'note')} "
            f"{'is' if counts['quarantined'] == 1 else 'are'} quarantined{where}, untouched and "
            "not in the corpus; reasons are beside it"
        )


def _show(counts: dict[str, Any], request: Request) -> None:
    """A table of counts on stderr; no text, no id."""
    from llmsafe.cli.common import say
    from llmsafe.corpus import written_format

    notes, characters = _many(counts["notes"], "note"), _many(counts["characters"], "character")
    say(f"{notes}, {characters}, by {request.method}")
    written = written_format(request.source.format)
    if written != request.source.format:
        say(f"{request.source.format} can only be read: the corpus is written as {written}")
    advice = " (no patient column; name one with --patient-column)"
    say(f"unit: {counts['unit']}" + (advice if counts["unit"] == "note" else ""))
    if empty := counts["empty_notes"]:
        say(f"{_many(empty, 'note')} without text")
    for category, count in sorted(counts["spans_by_category"].items(), key=lambda c: -c[1]):
        say(f"  {category:14} {count:>10,}")
    if missed := sum(estimate["missed"] for estimate in counts["residual"].values()):
        say(
            f"left, at the least: {missed:,.1f} spans that rules and tagger both missed "
            "(an estimate; by category: residual in the manifest)"
        )
    if counts["dropped_columns"]:
        say("columns dropped: " + ", ".join(counts["dropped_columns"]))
    if request.identities:
        say(f"known identifiers of {_many(len(request.identities), 'patient')}")
    else:
        say("no known identifiers given: --known-identifiers is the strongest layer")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
