"""What a tagger is trained on: notes of the templates above all, of the generator, and prose."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmsafe.synthetic import patients
from llmsafe.synthetic.grammar import Audience

from . import CHINESE, ENGLISH, LANGUAGES
from .core import Language
from .notes import Note, dressed, fill, labelled, notes
from .templates import Template, read_templates
from .zh.prose import prose_pieces, read_prose


@dataclass(frozen=True)
class Sources:
    """Where training notes come from; ``prose`` is a folder of public text or ``None``."""

    lang: str
    templates: Path
    lexicon: Path
    prose: Path | None
    seed: int

    @property
    def language(self) -> Language:
        """The language of the notes."""
        return LANGUAGES[self.lang]


AUDIENCES: dict[str, tuple[Audience, ...]] = {
    "en": ("private",),
    "zh": ("public", "private", "test", "exam", "proof", "trial", "final", "blind"),
}


def synthetic_notes(seed: int, lang: str) -> Iterator[Note]:
    """Notes of invented patients, cut to pieces as long as the templates'. None has the names and
    phrases of which a test is made."""
    rng, language = random.Random(seed), LANGUAGES[lang]
    streams = [patients(seed, 100_000, lang=lang, audience=one) for one in AUDIENCES[lang]]
    while True:
        person = next(rng.choice(streams))
        for note in person.notes[:6]:
            spans = [(s["start"], s["end"], s["category"]) for s in note.extra["spans"]]
            text = note.text
            start = rng.randrange(max(1, len(text) - 700))
            start = text.rfind("\n", 0, start) + 1
            end = min(len(text), start + rng.randrange(200, 900))
            inside = [(a - start, b - start, c) for a, b, c in spans if a >= start and b <= end]
            cut = [(a, b) for a, b, _ in spans if (a < start < b) or (a < end < b)]
            if not cut:
                yield dressed(text[start:end], inside, language, rng)


NAMED = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|et al|University|Hospital|Institute|Foundation|Copyright|Inc)\b"
    r"|@|www|https?:"
)


def prose_notes(folder: Path, seed: int) -> Iterator[Note]:
    """Passages in which nothing is PHI."""
    import pretrain_data

    rng = random.Random(seed)
    readers = [pretrain_data.read_trials, pretrain_data.read_medquad, pretrain_data.read_openstax]
    streams = [iter(read(folder)) for read in readers]
    while streams:
        stream = rng.choice(streams)
        document = next(stream, None)
        if document is None:
            streams.remove(stream)
            continue
        passages = [p for p in re.split(r"\n+|(?<=\.) (?=[A-Z])", document[1]) if len(p) > 40]
        rng.shuffle(passages)
        for passage in passages[:6]:
            months = re.search(
                r"\b(?:January|February|April|June|July|August|September|October|November|December)\b",
                passage,
            )
            if not NAMED.search(passage) and not months:
                yield dressed(passage[:600], [], ENGLISH, rng)


def chinese_prose_notes(folder: Path, lexicon: Path, seed: int) -> Iterator[Note]:
    """Ordinary prose with people, places and firms in the place of others."""
    rng = random.Random(seed)
    for pieces in prose_pieces(read_prose(folder), CHINESE.read_lexicon(lexicon), rng):
        yield labelled(CHINESE.dress([piece for piece in pieces if piece[0]], "plain", rng))


def held_out(template: Template) -> bool:
    """One in twelve, by the digest of its text: no training note is made of it."""
    return zlib.crc32(template.text.encode()) % 12 == 0


def held_notes(sources: Sources) -> Iterator[Note]:
    """Two notes of each template that is held out."""
    language = sources.language
    rng, lexicon = random.Random(sources.seed + 1), language.read_lexicon(sources.lexicon)
    held = [t for t in read_templates(sources.templates, language) if held_out(t)]
    for template in held * 2:
        yield labelled(fill(template, language, lexicon, rng))


def mixed(sources: Sources) -> Iterator[Note]:
    """Notes without end, templates above all."""
    rng, language, prose = random.Random(sources.seed), sources.language, sources.prose
    templates = [t for t in read_templates(sources.templates, language) if not held_out(t)]
    english = language is ENGLISH
    streams = [
        notes(templates, language, language.read_lexicon(sources.lexicon), rng),
        synthetic_notes(sources.seed + 77_000, sources.lang),
    ]
    weights = [0.75, 0.12 if english else 0.32]
    if prose:
        streams.append(
            prose_notes(prose, sources.seed)
            if english
            else chinese_prose_notes(prose, sources.lexicon, sources.seed)
        )
        weights.append(0.13 if english else 0.45)
    while True:
        note = next(rng.choices(streams, weights)[0], None)
        if note and note[0].strip():
            yield note
