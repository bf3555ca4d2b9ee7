"""What to scrub and how, and what is refused before any work."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llmsafe.corpus import SHARD_NOTES, Bad, Columns, Corpus
from llmsafe.errors import InputError, SetupError
from llmsafe.files import VAULT, check_output
from llmsafe.notes import Note
from llmsafe.scrub.detect.language import check_lang
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.ner import NerModel
from llmsafe.scrub.replace.methods import check_mask_style

MANIFEST, PROGRESS = "scrub_manifest.json", "scrub_progress.json"


@dataclass(frozen=True)
class Request:
    """What to scrub, how, and where to."""

    source: Corpus
    output: Path
    columns: Columns = field(default_factory=Columns)
    method: str = "surrogate"
    lang: str = "auto"
    mask_style: str = "plain"
    day_first: bool = False  # 3/4/2021 is 3 April
    identities: Mapping[str, Identity] = field(default_factory=dict[str, Identity])
    shared: Identity | None = None
    identities_digest: str = "none"
    tables: tuple[Path, ...] = ()  # the files of known identifiers
    key_file: Path | None = None
    keep: tuple[str, ...] = ()
    recognisers: tuple[str, ...] = ()
    models: tuple[NerModel, ...] = ()
    note_seconds: float = 20.0
    workers: int = 1
    limit: int | None = None
    spans: Path | None = None
    resume: bool = False
    force: bool = False
    shard_notes: int = SHARD_NOTES  # and no more: it is what one file of a corpus holds

    @property
    def work(self) -> Path:
        """The hidden folder beside the output."""
        return self.output.parent / f".{self.output.name}.scrub"

    def files_read(self) -> tuple[Path, ...]:
        """Files that must outlive the run."""
        key = (self.key_file,) if self.key_file else ()
        return (*self.source.files, *self.tables, *key)


def check_request(request: Request) -> None:
    """Refuse what cannot work before anything but the first note is read.

    Raises:
        InputError: the output is finished, in the way, or holds an input; the language is
            unknown; canaries are planted already; no note can be read; the first lacks a column.
    """
    _check_places(request)
    check_lang(request.lang)
    check_mask_style(request.mask_style)
    place = Path(request.source.path)
    if (place / VAULT / "canaries.json").exists():
        raise InputError(
            f"{place} holds planted canaries, which scrubbing would change; scrub first, then plant"
        )
    first = _first_note(request)
    for name in request.keep:
        if name not in first.extra:
            raise InputError(
                f"the first note has no further column {name!r} to keep; further columns present: "
                f"{', '.join(sorted(first.extra)) or 'none'}"
            )


def _first_note(request: Request) -> Note:
    """The first note that can be read. Bad records are for the quarantine, but where all are bad it
    is the wrong corpus or the wrong column, and what is wrong with the first says which."""
    wrong: Bad | None = None
    for record in request.source.records(request.columns, request.limit):
        if isinstance(record, Note):
            return record
        wrong = wrong or record
    if wrong is not None:
        raise InputError(f"{wrong.where}: {wrong.reason} (and no note could be read)")
    raise InputError(f"{request.source.path} holds no note; give a corpus with at least one")


def _check_places(request: Request) -> None:
    """Nothing that is read may be replaced, and nothing finished be done again."""
    output, work = request.output, request.work.resolve()
    finished = (output / VAULT / MANIFEST).exists()
    if request.resume and finished and not (work / VAULT / PROGRESS).exists():
        raise InputError(f"{output} is finished; nothing to resume")
    inputs = [Path(request.source.path), *request.files_read()]
    for path in inputs:
        if work in path.resolve().parents:
            raise InputError(f"{path} lies in {work}, which is replaced; copy it elsewhere first")
    if request.spans is not None:
        spans = request.spans.resolve()
        if {output.resolve(), work} & {spans, *spans.parents}:
            raise InputError(f"--spans {request.spans} would be replaced by {output}; move it out")
        if spans in {path.resolve() for path in inputs}:
            raise InputError(f"--spans {request.spans} is an input; choose another file")
    check_output(output, force=request.force, inputs=inputs)


def check_spans(request: Request) -> None:
    """Make sure that the file of spans can be written when the work is done.

    Raises:
        SetupError: its folder does not exist or cannot be written, or it is a folder itself.
    """
    if request.spans is None:
        return
    if request.spans.is_dir():
        raise SetupError(f"cannot write --spans {request.spans}: it is a folder; name a file in it")
    try:
        with tempfile.NamedTemporaryFile(dir=request.spans.parent, prefix=".spans."):
            pass
    except OSError as error:
        raise SetupError(
            f"cannot write --spans {request.spans}: {error.strerror}; name a file in a folder that "
            "exists and is writable"
        ) from error
