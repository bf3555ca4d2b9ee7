"""Canaries: invented patients, each with one short note that ends in a secret.

Every canary is generated first and only then meets its own fair coin, from an independent stream:
planted and withheld ones come from one distribution, and a withheld secret is an exact reference
for a planted one (Carlini et al., arXiv:1802.08232). Coins are independent and not halves of a
shuffled list, which is what the one-run bound assumes (Steinke et al., arXiv:2305.08846, Theorem
5.2). Each canary is planted once: planted k times it would answer for k-fold group privacy.

The seed decides canaries and coins, so whoever knows it knows the secrets: it is kept with them in
the vault. A language is one data file, ``assets/lexicons/canary_<lang>.json``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsafe.artifacts import Canary, CanaryManifest
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import sha256_json
from llmsafe.notes import Note

CanaryKind = Literal["phi", "random"]

# Free digits in every "phi" secret: 10^8 values, 26.6 bits, whatever its shape.
PHI_DIGITS = 8
PREFIX_WORDS = 5
SECRET_WORDS = 8
_INITIALS = "ABCDEFGHJKLMNPRSTW"


class _Carrier(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str
    secret: str


class _Lexicon(BaseModel):
    """The data file of one language; ``#`` in a carrier's secret stands for a digit."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: str
    separator: str
    first_names: list[str]
    surname_heads: list[str]
    surname_tails: list[str]
    reasons: list[str]
    carriers: list[_Carrier]
    words: list[str]


@dataclass(frozen=True)
class Survey:
    """What planting must know of a corpus beforehand: its size, and whether it names patients."""

    notes: int
    patients: bool


def make_canaries(
    *, count: int, kind: CanaryKind, seed: int, probability: float = 0.5, lang: str = "en"
) -> list[Canary]:
    """``count`` canaries, each planted with ``probability`` by a coin of its own.

    ``phi``: a note about an invented patient that ends in a number shaped like a record,
    telephone, social security or insurance number, its 8 free digits uniform over 10^8 values.
    Numbers are in ranges never given out (area codes starting with 0 or 1, social security
    numbers starting with 9). The name is unique, so the text before the secret names the canary.
    ``random``: 5 random words and then 8 more as the secret, uniform over 256^8 values.

    All prefixes and all secrets differ. The same arguments give the same canaries.

    Raises:
        InputError: a count below 1 or above what the lists can tell apart, an unknown kind or
            language, a probability outside (0, 1).
    """
    if kind not in get_args(CanaryKind):
        raise InputError(f"canary kind {kind!r} is unknown; choose phi or random")
    if count < 1:
        raise InputError(f"count {count} must be at least 1; 200 or more make a useful audit")
    if not (0 < probability < 1):
        raise InputError(
            f"probability {probability} must lie between 0 and 1: an audit needs planted and "
            "withheld canaries; 0.5 is the best choice"
        )
    lexicon = _load_lexicon(lang)
    texts = _texts(lexicon, kind, count, _stream(seed, kind, lang, "text"))
    notes = _identifiers(count, _stream(seed, kind, lang, "note ids"))
    patients = _identifiers(count, _stream(seed, kind, lang, "patient ids"))
    coins = _stream(seed, kind, lang, "coins")
    return [
        Canary(
            canary_id=f"canary-{number:05d}",
            patient_id=patient,
            note_id=note,
            planted=coins.random() < probability,
            text=prefix + secret + end,
            secret_start=len(prefix),
            secret_end=len(prefix) + len(secret),
        )
        for number, ((prefix, secret, end), note, patient) in enumerate(
            zip(texts, notes, patients, strict=True)
        )
    ]


def make_manifest(
    canaries: Sequence[Canary],
    *,
    kind: CanaryKind,
    seed: int,
    probability: float,
    lang: str,
    corpus_digest: str,
) -> CanaryManifest:
    """The vault file: every canary, planted or withheld, under an id that is their digest.

    ``corpus_digest`` is of the corpus with the canaries in it.
    """
    return CanaryManifest(
        manifest_id=_digest(canaries),
        kind=kind,
        lang=lang,
        seed=seed,
        probability=probability,
        corpus_digest=corpus_digest,
        canaries=list(canaries),
    )


def load_manifest(path: Path) -> CanaryManifest:
    """Read a manifest and check that its id is the digest of its canaries.

    Raises:
        EvidenceError: absent, of another form, or changed since it was written.
    """
    manifest = CanaryManifest.load(path)
    if manifest.manifest_id != _digest(manifest.canaries):
        raise EvidenceError(
            f"{path}: its canaries do not match their manifest id; the file was changed: "
            "use the one that llmsafe canary wrote"
        )
    return manifest


def survey(notes: Iterable[Note], canaries: Sequence[Canary]) -> Survey:
    """Count a corpus and check that no id of a canary is taken, withheld ones included.

    Raises:
        InputError: an id occurs twice; choose another seed.
    """
    note_ids = {canary.note_id for canary in canaries}
    patient_ids = {canary.patient_id for canary in canaries}
    total, patients = 0, False
    for note in notes:
        if note.note_id in note_ids or note.patient_id in patient_ids:
            raise InputError(
                f"an id of note {total + 1} is also that of a canary; "
                "choose another --seed, or a corpus without these canaries"
            )
        total += 1
        patients = patients or note.patient_id is not None
    return Survey(total, patients)


def plant(
    notes: Iterable[Note],
    canaries: Sequence[Canary],
    rng: random.Random,
    *,
    surveyed: Survey | None = None,
) -> Iterator[Note]:
    """Stream ``notes`` with the planted canaries at random places among them.

    Order and content of the notes stay. A canary takes the date, the language mark and the
    columns (emptied) of the note before it, and a patient id where the corpus has patients: its
    unit is then ``patient_id``, else ``note_id``. Give ``surveyed`` to stream a corpus of any
    size; without it the notes are held in memory.

    Raises:
        InputError: an id of a canary is taken, or the corpus is empty.
    """
    if surveyed is None:
        notes = list(notes)
        surveyed = survey(notes, canaries)
    if surveyed.notes == 0:
        raise InputError("the corpus holds no note; canaries need notes to hide among")
    planted = [canary for canary in canaries if canary.planted]
    rng.shuffle(planted)
    places = sorted(rng.randrange(surveyed.notes + 1) for _ in planted)
    waiting = list(zip(places, planted, strict=True))[::-1]
    neighbour: Note | None = None
    for index, note in enumerate(notes):
        while waiting and waiting[-1][0] == index:
            yield _as_note(waiting.pop()[1], neighbour or note, patients=surveyed.patients)
        yield note
        neighbour = note
    assert neighbour is not None
    while waiting:
        yield _as_note(waiting.pop()[1], neighbour, patients=surveyed.patients)


def planting_stream(seed: int) -> random.Random:
    """The stream of places that belongs to ``seed``, independent of texts and coins."""
    return random.Random(f"llmsafe canary {seed} places")


def _as_note(canary: Canary, neighbour: Note, *, patients: bool) -> Note:
    return Note(
        note_id=canary.note_id,
        text=canary.text,
        patient_id=canary.patient_id if patients else None,
        date=neighbour.date,
        lang=neighbour.lang,
        extra={name: _empty(value) for name, value in neighbour.extra.items()},
    )


def _empty(value: Any) -> Any:
    match value:
        case list():
            return []
        case dict():
            return {}
        case _:
            return None


def _stream(seed: int, kind: str, lang: str, purpose: str) -> random.Random:
    # A string seed goes through SHA-512: streams of different purposes are unrelated.
    return random.Random(f"llmsafe canary {seed} {kind} {lang} {purpose}")


def _texts(
    lexicon: _Lexicon, kind: CanaryKind, count: int, rng: random.Random
) -> list[tuple[str, str, str]]:
    """``count`` triples of prefix, secret and end; no subject and no secret twice."""
    make = _phi if kind == "phi" else _random_words
    subjects: set[str] = set()
    secrets: set[str] = set()
    triples: list[tuple[str, str, str]] = []
    for _ in range(20 * count + 1000):
        subject, prefix, secret, end = make(lexicon, rng)
        if subject in subjects or secret in secrets:
            continue
        subjects.add(subject)
        secrets.add(secret)
        triples.append((prefix, secret, end))
        if len(triples) == count:
            return triples
    raise InputError(
        f"count {count} is more than the {lexicon.lang} word lists can tell apart; "
        f"ask for at most {len(triples)}"
    )


def _phi(lexicon: _Lexicon, rng: random.Random) -> tuple[str, str, str, str]:
    """Name, text before the secret, secret, text after it."""
    carrier = rng.choice(lexicon.carriers)
    surname = rng.choice(lexicon.surname_heads) + rng.choice(lexicon.surname_tails)
    parts = [rng.choice(lexicon.first_names), surname]
    if lexicon.separator:
        parts.insert(1, rng.choice(_INITIALS) + ".")
    name = lexicon.separator.join(parts)
    text = carrier.text.replace("{name}", name).replace("{reason}", rng.choice(lexicon.reasons))
    before, _, after = text.partition("{secret}")
    secret = "".join(str(rng.randrange(10)) if c == "#" else c for c in carrier.secret)
    return name, before, secret, after


def _random_words(lexicon: _Lexicon, rng: random.Random) -> tuple[str, str, str, str]:
    """The same four parts; the prefix is its own subject, and nothing follows the secret."""
    prefix = lexicon.separator.join(rng.choices(lexicon.words, k=PREFIX_WORDS)) + lexicon.separator
    secret = lexicon.separator.join(rng.choices(lexicon.words, k=SECRET_WORDS))
    return prefix, prefix, secret, ""


def _identifiers(count: int, rng: random.Random) -> list[str]:
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        chosen[f"{rng.getrandbits(48):012x}"] = None
    return list(chosen)


def _digest(canaries: Sequence[Canary]) -> str:
    return sha256_json([canary.model_dump() for canary in canaries])


def _load_lexicon(lang: str) -> _Lexicon:
    folder = resources.files("llmsafe") / "assets" / "lexicons"
    names = sorted(entry.name for entry in folder.iterdir())
    known = [n[7:-5] for n in names if n.startswith("canary_") and n.endswith(".json")]
    if lang not in known:
        raise InputError(f"no canaries in language {lang!r}; choose from {', '.join(known)}")
    name = f"canary_{lang}.json"
    try:
        lexicon = _Lexicon.model_validate(json.loads((folder / name).read_text("utf-8")))
    except (ValidationError, json.JSONDecodeError) as error:
        raise SetupError(
            f"assets/lexicons/{name} is no canary lexicon ({type(error).__name__}); "
            "reinstall llmsafe"
        ) from error
    for carrier in lexicon.carriers:
        digits, holes = carrier.secret.count("#"), ("{name}", "{reason}", "{secret}")
        if digits != PHI_DIGITS or any(carrier.text.count(hole) != 1 for hole in holes):
            raise SetupError(
                f"assets/lexicons/{name}: every carrier needs {', '.join(holes)} once and "
                f"{PHI_DIGITS} digits; mend the file"
            )
    return lexicon
