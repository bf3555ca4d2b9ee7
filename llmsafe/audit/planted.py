"""The canaries of an audit: found, held against the run, and made into texts to score.

The manifest must be the one that training recorded, and what it says of the coins must agree with
the split: by digests. What lacks becomes an ``Unmeasured`` line, with the doubt that it casts;
what contradicts is an error.
"""

from __future__ import annotations

from pathlib import Path

from llmsafe.artifacts import CanaryManifest, Split, Unmeasured
from llmsafe.audit.evidence import Evidence
from llmsafe.audit.forward import Role, Text
from llmsafe.canary import load_manifest
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import sha256_file
from llmsafe.notes import texts_digest


def find_canaries(
    name: str, evidence: Evidence, given: Path | None, missing: list[Unmeasured]
) -> CanaryManifest | None:
    """The canary manifest of the run ``name``, checked against its lineage.

    What lacks goes to ``missing``.

    Raises:
        EvidenceError: canaries of another run, or none where training recorded some.
        InputError: the file given does not exist.
    """
    path = given or evidence.canaries
    recorded = evidence.canaries_digest
    if path is None:
        if recorded not in (None, "none"):
            raise EvidenceError(
                f"{name}: training recorded canaries, but the vault holds no canaries.json; "
                "restore it or name it with --canaries"
            )
        why = "training planted none" if recorded == "none" else "no canary manifest; --canaries"
        missing.append(Unmeasured(what="canary game: ε bound, exposure, extraction", why=why))
        return None
    if not path.is_file():
        wrong = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"canary manifest {path} {wrong}; give the canaries.json of the run")
    manifest = load_manifest(path)
    if not manifest.canaries:
        raise EvidenceError(f"{path} holds no canary; plant some with `llmsafe canary`")
    if recorded is not None and sha256_file(path) != recorded:
        raise EvidenceError(
            f"{path} is from another run: its digest is not the one in the lineage of "
            f"{name}; give the canaries.json that was planted for this training"
        )
    if evidence.split is not None:
        _check_split(manifest, evidence.split, path)
    doubt = _canary_doubt(manifest, evidence)
    if doubt is not None:
        why = f"{doubt}; figures of canaries that a model never saw are low whatever it leaks"
        what = "whether the canaries belong to this model"
        missing.append(Unmeasured(what=what, why=why, doubt="canaries"))
    return manifest


def _canary_doubt(manifest: CanaryManifest, evidence: Evidence) -> str | None:
    """What is lacking to know that these weights were trained on the planted texts, and no others.

    The manifest must be the one that training recorded, and its texts those of the corpus: by the
    digests of the split, or because it was written for that very corpus.
    """
    if evidence.canaries_digest is None or not evidence.names_weights:
        return "no lineage says that these weights were trained on them"
    by_split = evidence.names_split and evidence.split is not None and bool(evidence.split.texts)
    if by_split or manifest.corpus_digest == evidence.corpus_digest:
        return None
    return (
        "the manifest was written for another corpus than the one trained on, and split.json has "
        "no digests of texts to tell whether they were in it"
    )


def _check_split(manifest: CanaryManifest, split: Split, path: Path) -> None:
    members = set(split.members)
    trained_on = {split.texts[unit] for unit in members if unit in split.texts}
    absent = leaked = other = 0
    for canary in manifest.canaries:
        units = [unit for unit in (canary.patient_id, canary.note_id) if unit in members]
        text = texts_digest([canary.text])
        if canary.planted:
            absent += not units
            other += bool(units and split.texts) and split.texts.get(units[0]) != text
        else:
            leaked += bool(units) or text in trained_on
    if absent or leaked or other:
        raise EvidenceError(
            f"{path}: {absent} planted canaries are not among the members of split.json, {other} "
            f"have another text there and {leaked} withheld ones are among them; give the files of "
            "one and the same run"
        )


def canary_texts(manifest: CanaryManifest) -> list[Text]:
    """The canaries to score, each with the span of its secret.

    Raises:
        EvidenceError: a secret that lies outside of its text.
    """
    texts: list[Text] = []
    for canary in manifest.canaries:
        role: Role = "planted" if canary.planted else "withheld"
        secret = (canary.secret_start, canary.secret_end)
        if not 0 <= secret[0] < secret[1] <= len(canary.text):
            raise EvidenceError(
                f"canary {canary.canary_id}: secret {secret[0]}:{secret[1]} lies outside its text "
                f"of {len(canary.text)} characters; make the canaries anew"
            )
        texts.append(Text(canary.canary_id, canary.patient_id, role, canary.text, secret))
    return texts
