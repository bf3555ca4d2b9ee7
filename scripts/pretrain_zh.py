"""Text for the Chinese base: notes that this project makes itself, and nothing else.

Invented patients of the *public* audience, whose names, numbers and sentence frames the private
corpora never use, and the hand-written templates of the PHI tagger that hold no PHI.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from llmsafe.notes import Note

TEMPLATE_NOTES = 8  # of each template, every time with other drugs, numbers and habits of writing
DEMO_SEED, DEMO_PATIENTS = 0, 250  # of `llmsafe demo --lang zh`
IDENTIFYING = ("NAME", "LOCATION", "PHONE", "MRN", "HEALTH_PLAN", "ACCOUNT", "RESIDENT_ID", "EMAIL")


@cache
def public_notes(seed: int, count: int) -> tuple[tuple[str, Note], ...]:
    """Key of the patient, and note."""
    from llmsafe.synthetic import patients

    people = enumerate(patients(seed, count, lang="zh", audience="public"))
    return tuple((f"public-{index}", note) for index, person in people for note in person.notes)


def read_synthetic(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Key of the patient, and text."""
    for key, note in public_notes(seed, count):
        yield key, note.text


def read_templates(seed: int) -> Iterator[tuple[str, str]]:
    """Key of the template, and text. Notes of one template are kept back together."""
    import phi_ner
    from phi_ner import CHINESE
    from phi_ner.notes import fill, labelled

    lexicon, swap = CHINESE.read_lexicon(CHINESE.lexicon), None
    for template in phi_ner.read_templates(CHINESE.templates, CHINESE):
        if not template.clean:
            continue
        swap = swap or CHINESE.swap(lexicon)
        rng = random.Random(f"{seed} {template.text}")
        for _ in range(TEMPLATE_NOTES):
            pieces = fill(template, CHINESE, lexicon, rng, swap)
            yield f"template {template.text}", labelled(pieces)[0]


def tokenizer_sample(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """What the vocabulary is learnt on: the notes, the characters of whatever identifies set apart.

    An invented name then earns no merge of its own: it costs about a token a character, whoever's.
    """
    for key, note in public_notes(seed, count):
        parts: list[str] = []
        at = 0
        for span in note.extra["spans"]:
            parts += [note.text[at : span["start"]], *note.text[span["start"] : span["end"]]]
            at = span["end"]
        yield key, "\n".join([*parts, note.text[at:]])
    yield from read_templates(seed)


def demo_identities() -> set[str]:
    """What identifies the patients of the demo, as the notes have it; from three characters on."""
    from llmsafe.synthetic import patients

    people = patients(DEMO_SEED, DEMO_PATIENTS, lang="zh", length="short", max_notes=1)
    return {
        note.text[span["start"] : span["end"]]
        for person in people
        for note in person.notes
        for span in note.extra["spans"]
        if span["category"] in IDENTIFYING and span["end"] - span["start"] >= 3
    }


def facts(tokenizer: PreTrainedTokenizerFast, trained: str) -> str:
    """What the card says of vocabulary and demo patients, measured on the training text."""
    han = sorted({c for c in trained if "\u3400" <= c <= "\u9fff"})
    encoded = tokenizer.backend_tokenizer.encode_batch(han, add_special_tokens=False)
    single = sum(len(row.ids) == 1 for row in encoded)
    theirs = demo_identities()
    seen = sum(value in trained for value in theirs)
    return (
        f"{single:,} of the {len(han):,} different Chinese characters in the training text are one "
        "token; the others, and characters that are not in it, are two or three.\n\n"
        f"Of {len(theirs):,} different names, addresses and numbers in the notes of the demo's "
        f"{DEMO_PATIENTS} patients (`llmsafe demo --lang zh`, seed {DEMO_SEED}) {seen} "
        f"{'stands' if seen == 1 else 'stand'} anywhere in the training text."
    )
