"""``llmsafe canary``: plant invented patients in a corpus, withhold as many, remember both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    from llmsafe.canary import CanaryText, Survey
    from llmsafe.corpus import Columns, Corpus
    from llmsafe.notes import Note

MANIFEST, LINEAGE, SCRUB = "canaries.json", "lineage.json", "scrub_manifest.json"
CEILING_DELTA = 1e-5


def canary(
    corpus: Annotated[str, typer.Argument(help="Corpus file or folder, or the output of scrub.")],
    output: Annotated[Path, typer.Argument(help="Folder to make: corpus/ and vault/.")],
    count: Annotated[
        int | None, typer.Option("--count", help="Canaries, planted and withheld; 200 by default.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Kind or KIND=COUNT, repeatable; kinds above."),
    ] = None,
    base: Annotated[
        str, typer.Option("--base", help="Public base model that fitted kinds ask.")
    ] = "llmsafe:base-en",
    seed: Annotated[int, typer.Option("--seed", help="Fixes canaries, coins and places.")] = 0,
    probability: Annotated[
        float, typer.Option("--probability", help="Chance of each canary to be planted.")
    ] = 0.5,
    copies: Annotated[
        int, typer.Option("--copies", min=1, help="Patients that each planted one is written for.")
    ] = 1,
    lang: Annotated[str, typer.Option("--lang", help="en or zh: what the notes are in.")] = "en",
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
    Kinds of secret:
      random       random words (the default: of the kinds that cost a model little, the one
                   that shows the most, by docs/results/canary-power-kinds.md)
      phi          mrn, phone, ssn, insurance and account mixed
      mrn phone ssn insurance account resident_id diagnosis (ssn in English alone)
      mixed        all of the above in equal parts, but phi
    English kinds that --base finds unlikely, after the start of an invented note:
      tokens       random words of its vocabulary
      unigram      words that it rarely says
      bigram       words that do not follow each other
      suffix       words that do not follow from all that stands before
      fitted       words with the largest gradient, by search

    With --copies K a secret stands in K patients' notes, to see how repetition is memorised. The
    audit then gives no bound on epsilon: what it finds is of groups of K patients.

    \b
    Examples:
      llmsafe canary scrubbed/ planted/ --count 500
      llmsafe canary notes.csv planted/ --patient-column MRN --kind mrn --seed 7
      llmsafe canary scrubbed/ planted/ --kind random=300 --kind phi=200
      llmsafe canary scrubbed/ planted/ --lang zh
    """
    from llmsafe.canary import DEFAULT_KIND, check_probability, flip_coins, survey
    from llmsafe.corpus import Columns, open_corpus
    from llmsafe.files import CORPUS, VAULT, check_output

    counts = kind_counts(kind or [DEFAULT_KIND], count, lang)
    check_probability(probability)
    check_output(output, force=force, inputs=[Path(corpus)])
    columns = Columns(text=text_column, id=id_column, patient=patient_column, date=date_column)
    source = open_corpus(corpus)
    old_vault = Path(corpus) / VAULT
    if (old_vault / MANIFEST).exists():
        raise InputError(
            f"{corpus} already holds canaries ({old_vault / MANIFEST}); "
            "plant into the corpus it was made from"
        )
    texts, fitted_on = _texts(counts, seed=seed, lang=lang, base=base)
    name = "+".join(counts)
    canaries = flip_coins(texts, seed=seed, probability=probability, kind=name, lang=lang)
    surveyed = survey(source.notes(columns), canaries, copies=copies)
    ceiling = _say_design(canaries, surveyed, name, lang, copies)
    if not dry_run:
        draw = _Draw(canaries, name, seed, probability, lang, fitted_on, copies)
        _write(source, columns, draw, surveyed, output, old_vault, force=force)
    if as_json:
        emit_json(
            {
                "notes": surveyed.notes,
                "unit": "patient" if surveyed.patients else "note",
                "canaries": len(canaries),
                "planted": sum(one.planted for one in canaries),
                "kind": name,
                "kinds": counts,
                "lang": lang,
                "probability": probability,
                "copies": copies,
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
    kind: str
    seed: int
    probability: float
    lang: str
    base: str | None
    copies: int


def kind_counts(kinds: Sequence[str], count: int | None, lang: str = "en") -> dict[str, int]:
    """How many canaries of each kind ``--kind`` and ``--count`` ask for.

    Raises:
        InputError: an unknown kind or language, a kind named twice, a count that is none, counts
            given for some kinds only or beside ``--count``, fewer canaries than kinds.
    """
    from llmsafe.canary import FITTED_KINDS, KINDS, kinds_in

    if list(kinds) == ["mixed"]:
        kinds = [kind for kind in kinds_in(lang) if kind != "phi"]
    names = [kind.partition("=")[0] for kind in kinds]
    unknown = [name for name in names if name not in (*KINDS, *FITTED_KINDS)]
    if unknown:
        others = [name for name in (*KINDS, *FITTED_KINDS) if name not in ("phi", "random")]
        raise InputError(
            f"canary kind {unknown[0]!r} is unknown; choose phi or random, mixed, or one of "
            f"{', '.join(others)}"
        )
    if len(set(names)) < len(names):
        raise InputError(f"a kind is named twice in {', '.join(kinds)}; name each once")
    given = [kind.partition("=")[2] for kind in kinds if "=" in kind]
    if given:
        if len(given) < len(kinds) or count is not None:
            raise InputError("give a count to every --kind (KIND=COUNT), or --count for them all")
        wrong = [value for value in given if not value.isdecimal() or int(value) < 1]
        if wrong:
            raise InputError(f"count {wrong[0]!r} of a kind is no whole number of at least 1")
        return {name: int(value) for name, value in zip(names, given, strict=True)}
    total = 200 if count is None else count
    if total < len(names):
        raise InputError(f"count {total} must be at least 1 of each kind ({len(names)} kinds)")
    share, rest = divmod(total, len(names))
    return {name: share + (place < rest) for place, name in enumerate(names)}


def _texts(
    counts: dict[str, int], *, seed: int, lang: str, base: str
) -> tuple[list[CanaryText], str | None]:
    """Every text before any coin falls, and the public name of the base that was asked, if any."""
    from llmsafe.canary import KINDS, kinds_in, make_texts

    plain = {kind: number for kind, number in counts.items() if kind in KINDS}
    fitted = [kind for kind in counts if kind not in plain]
    if fitted and lang != "en":
        raise InputError(
            f"kind {fitted[0]!r} is made of a base model's English words; with --lang {lang} "
            f"choose from {', '.join(kinds_in(lang))}"
        )
    texts = make_texts(plain, seed=seed, lang=lang)
    if not fitted:
        return texts, None
    from llmsafe.fitted_canaries import fitted_texts, open_fitter
    from llmsafe.models import public_name

    fitter = open_fitter(base)
    for kind in fitted:
        say(f"fitting {counts[kind]:,} canaries ({kind}) on {public_name(base)}")
        texts += fitted_texts(kind, counts[kind], seed=seed, fitter=fitter, avoid=texts)
    return texts, public_name(base)


def _say_design(
    canaries: list[Canary], surveyed: Survey, kind: str, lang: str, copies: int
) -> float | None:
    """Tell people what the audit can find; returns the ceiling of the one-run bound, if any."""
    from llmsafe.stats import epsilon_one_run_ceiling

    count, planted = len(canaries), sum(one.planted for one in canaries)
    ceiling = epsilon_one_run_ceiling(count, max(1, count // 2), CEILING_DELTA)
    say(
        f"{surveyed.notes:,} notes; {count:,} canaries ({kind}, {lang}): {planted:,} planted, "
        f"{count - planted:,} withheld" + (f", {copies} copies of each" if copies > 1 else "")
    )
    if not surveyed.patients:
        say("no patient column: the privacy unit is the note; name one with --patient-column")
    if copies == 1:
        say(
            f"with {count:,} canaries an audit certifies at most epsilon {ceiling:.2f} (one-run "
            f"bound, delta {CEILING_DELTA:g}, 95 % confidence, half of them guessed, every guess "
            "right)"
        )
    if surveyed.notes < count * copies:
        say("warning: more canaries than notes; the model will learn mostly canaries")
    return ceiling if copies == 1 else None


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
    from llmsafe.files import CORPUS, VAULT, read_bytes, sha256_file, staged_folder, write_atomic
    from llmsafe.seal.store import keep_access

    lineage = Lineage()
    if (old_vault / LINEAGE).exists():
        lineage = Lineage.load(old_vault / LINEAGE)
    settings = {
        "kind": draw.kind,
        "lang": draw.lang,
        "count": len(draw.canaries),
        "probability": draw.probability,
    }
    settings |= {"base": draw.base} if draw.base else {}
    settings |= {"copies": draw.copies} if draw.copies > 1 else {}
    with staged_folder(output, force=force) as stage, progress("notes", surveyed.notes) as advance:
        keep_access(source.path, stage)
        stream = plant(
            source.notes(columns),
            draw.canaries,
            planting_stream(draw.seed),
            surveyed=surveyed,
            copies=draw.copies,
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
            base=draw.base,
            copies=draw.copies,
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
            write_atomic(vault / SCRUB, read_bytes(old_vault / SCRUB), private=True)


def _counted(notes: Iterator[Note], advance: Advance) -> Iterator[Note]:
    for note in notes:
        yield note
        advance()
