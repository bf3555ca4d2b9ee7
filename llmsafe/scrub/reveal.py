"""Turning encrypted spans back: a scrubbed corpus in, the notes that a key holder may read out.

What comes out is PHI again: it is written privately, its lineage says ``reveal``, and no text of it
is shown anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

from llmsafe import __version__
from llmsafe.artifacts import Lineage, LineageStep
from llmsafe.corpus import Columns, Corpus, open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import CORPUS, VAULT, check_output, staged_folder
from llmsafe.notes import CATEGORIES, Note
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.methods import Edited, move_spans
from llmsafe.scrub.replace.tokens import LIKE_A_TOKEN, ForeignKey, Tampered, category_of, unseal
from llmsafe.seal.store import keep_access


@dataclass
class Revealed:
    """Counts: tokens revealed by category, left closed because nobody asked, and refused."""

    notes: int = 0
    revealed: Counter[str] = field(default_factory=Counter[str])
    closed: int = 0
    foreign: int = 0
    tampered: int = 0

    @property
    def refused(self) -> int:
        """Tokens that stay as they are because they do not open."""
        return self.foreign + self.tampered


def check_categories(names: Collection[str]) -> frozenset[str]:
    """The categories to reveal; all of them if none is named.

    Raises:
        InputError: there is no such category.
    """
    for name in names:
        if name not in CATEGORIES:
            raise InputError(f"no category {name!r}; choose of {', '.join(CATEGORIES)}")
    return frozenset(names or CATEGORIES)


def reveal_note(note: Note, key: Key, categories: Collection[str], counts: Revealed) -> Note:
    """A note with its tokens turned back; one that is refused stays, and is counted.

    What comes out of a token is not looked at again: text that was a token before it was encrypted
    stays one.
    """
    pieces: list[str] = []
    edits: list[tuple[int, int, int]] = []
    position = 0
    for match in LIKE_A_TOKEN.finditer(note.text):
        category = category_of(match[0])
        if category is not None and category not in categories:
            counts.closed += 1
            continue
        try:
            value = unseal(key, note.note_id, match[0])
        except ForeignKey:
            counts.foreign += 1
            continue
        except Tampered:
            counts.tampered += 1
            continue
        counts.revealed[str(category)] += 1
        pieces += [note.text[position : match.start()], value]
        edits.append((*match.span(), len(value)))
        position = match.end()
    counts.notes += 1
    edited = Edited("".join(pieces) + note.text[position:], tuple(edits))
    return changed(note, text=edited.text, extra=move_spans(note.extra, edited))


def reveal_corpus(
    source: Corpus,
    output: Path,
    key: Key,
    *,
    columns: Columns | None = None,
    categories: Collection[str] = CATEGORIES,
    force: bool = False,
    keep: tuple[Path, ...] = (),
) -> Revealed:
    """Write ``source`` with its tokens turned back into ``output`` (``corpus/`` and ``vault/``).

    Tokens that are refused stay in the text; it is for the caller to end with exit code 3. ``keep``
    are files that no output may replace.

    Raises:
        InputError: the input cannot be read, or the output is in the way.
        EvidenceError: there are tokens and none of them opens; nothing is written.
        SetupError: the output cannot be written.
    """
    check_output(output, force=force, inputs=[Path(source.path), *source.files, *keep])
    counts = Revealed()

    def notes() -> Iterator[Note]:
        for note in source.notes(columns):
            yield reveal_note(note, key, categories, counts)

    with staged_folder(output, force=force) as stage:
        keep_access(source.path, stage)
        write_corpus(stage / CORPUS, notes(), source.format, columns=columns)
        if counts.refused and not counts.revealed:
            raise EvidenceError(f"{refusals(counts)}; none opens, so nothing is written")
        step = LineageStep(
            step="reveal",
            version=__version__,
            inputs={"corpus": source.digest()},
            outputs={"corpus": open_corpus(stage).digest()},
            settings={"key": key.fingerprint(), "categories": sorted(categories)},
        )
        before = Path(source.path) / VAULT / "lineage.json"
        lineage = Lineage.load(before) if before.exists() else Lineage()
        lineage.then(step).save(stage / VAULT / "lineage.json", private=True)
    return counts


def survey(source: Corpus, key: Key, categories: Collection[str], columns: Columns) -> Revealed:
    """The counts alone; nothing is written."""
    counts = Revealed()
    for note in source.notes(columns):
        reveal_note(note, key, categories, counts)
    return counts


def refusals(counts: Revealed) -> str:
    """What was refused, and why, as a person reads it."""
    total = counts.refused + counts.revealed.total() + counts.closed
    return (
        f"{counts.refused:,} of {total:,} tokens refused: {counts.foreign:,} of another key, "
        f"{counts.tampered:,} altered, cut, forged or moved from another note"
    )
