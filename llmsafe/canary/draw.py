"""From texts to canaries: ids, coins and the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmsafe.artifacts import Canary, CanaryManifest
from llmsafe.canary.texts import CanaryText, Distinct, make_texts, stream
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import sha256_json


def make_canaries(
    *,
    count: int,
    kind: str | Mapping[str, int],
    seed: int,
    probability: float = 0.5,
    lang: str = "en",
) -> list[Canary]:
    """``count`` canaries of a kind, each planted with ``probability`` by a coin of its own.

    ``kind`` may also say how many of each kind; they must add up to ``count``. The kinds are
    described at :func:`llmsafe.canary.make_texts`. All prefixes and all secrets differ. The same
    arguments give the same canaries.

    Raises:
        InputError: a count below 1 or above what the lists can tell apart, counts that do not add
            up, an unknown kind or language, a probability outside (0, 1).
    """
    check_probability(probability)
    counts = {kind: count} if isinstance(kind, str) else dict(kind)
    if sum(counts.values()) != count:
        raise InputError(f"counts per kind add up to {sum(counts.values())}, not to {count}")
    texts = make_texts(counts, seed=seed, lang=lang)
    return flip_coins(texts, seed=seed, probability=probability, kind="+".join(counts), lang=lang)


def flip_coins(
    texts: Sequence[CanaryText], *, seed: int, probability: float, kind: str, lang: str = "en"
) -> list[Canary]:
    """Give each finished text ids and a coin of its own, from streams that no text has touched.

    ``kind`` (several joined by ``+``) and ``lang`` tell the streams of draws with one seed apart.

    Raises:
        InputError: no text, a subject or secret that occurs twice, a probability outside (0, 1).
    """
    check_probability(probability)
    if not texts:
        raise InputError("no canary text; ask for a count of at least 1")
    if len(Distinct(texts).texts) < len(texts):
        raise InputError("a subject or a secret occurs in two canaries; every one must be its own")
    notes = _identifiers(len(texts), seed, kind, lang, "note ids")
    patients = _identifiers(len(texts), seed, kind, lang, "patient ids")
    coins = stream(seed, kind, lang, "coins")
    return [
        Canary(
            canary_id=f"canary-{number:05d}",
            patient_id=patient,
            note_id=note,
            planted=coins.random() < probability,
            text=text.prefix + text.secret + text.end,
            secret_start=len(text.prefix),
            secret_end=len(text.prefix) + len(text.secret),
            sort=text.sort,
            secret_template=text.template,
            secret_space_bits=text.bits,
        )
        for number, (text, note, patient) in enumerate(zip(texts, notes, patients, strict=True))
    ]


def check_probability(probability: float) -> None:
    """Raises InputError unless canaries can be both planted and withheld."""
    if not (0 < probability < 1):
        raise InputError(
            f"probability {probability} must lie between 0 and 1: an audit needs planted and "
            "withheld canaries; 0.5 is the best choice"
        )


def make_manifest(
    canaries: Sequence[Canary],
    *,
    kind: str,
    seed: int,
    probability: float,
    lang: str,
    corpus_digest: str,
    base: str | None = None,
    copies: int = 1,
) -> CanaryManifest:
    """The vault file: every canary, planted or withheld, under an id that is their digest.

    ``corpus_digest`` is of the corpus with the canaries in it. ``base`` is the public name of the
    model that kinds fitted on one were made with.
    """
    return CanaryManifest(
        manifest_id=_digest(canaries),
        kind=kind,
        lang=lang,
        seed=seed,
        probability=probability,
        corpus_digest=corpus_digest,
        sorts=dict(Counter(canary.sort for canary in canaries if canary.sort)),
        base=base,
        copies=copies,
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
    if not (0 < manifest.probability < 1 and manifest.copies >= 1):
        raise EvidenceError(
            f"{path}: probability {manifest.probability} and copies {manifest.copies} cannot be; "
            "the file was changed: use the one that llmsafe canary wrote"
        )
    return manifest


def _identifiers(count: int, seed: int, kind: str, lang: str, purpose: str) -> list[str]:
    rng = stream(seed, kind, lang, purpose)
    chosen: dict[str, None] = {}
    while len(chosen) < count:
        chosen[f"{rng.getrandbits(48):012x}"] = None
    return list(chosen)


def _digest(canaries: Sequence[Canary]) -> str:
    # Without defaults: a manifest older than a field keeps its id.
    return sha256_json([canary.model_dump(exclude_defaults=True) for canary in canaries])
