"""Which texts are scored: canaries with their coins, members and non-members of the training.

Evidence is checked before it is used: corpus and notes must be those of the run, by digest (the
canaries: ``planted.py``). A thing that is missing becomes an ``Unmeasured`` line, with the doubt
that it casts; a thing that contradicts is an error.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmsafe.artifacts import CanaryManifest, Split, Unmeasured
from llmsafe.audit.evidence import Evidence
from llmsafe.audit.forward import Role, Text
from llmsafe.audit.membership import hold_back
from llmsafe.audit.planted import canary_texts, find_canaries
from llmsafe.audit.request import DEFAULT, Request
from llmsafe.audit.target import Target
from llmsafe.corpus import Columns, open_corpus
from llmsafe.errors import EvidenceError, InputError
from llmsafe.notes import (
    Unit,
    UnitKind,
    group_units,
    latest_notes,
    near_duplicate_groups,
    texts_digest,
)

PREFIX_UNITS = 8
"""Units whose notes stand before a text in ReCaLL, at most; a tenth of those there are."""


@dataclass(frozen=True, repr=False)
class Population:
    """All texts of an audit. ``unit`` is the privacy unit of members and non-members.

    ``trained`` are all notes that training saw, with the id of their unit, as far as known: what
    was generated is looked for in them. ``prefix`` are non-members that calibrate an attack and
    are judged by none.
    """

    texts: tuple[Text, ...]
    canaries: CanaryManifest | None
    unit: UnitKind
    unmeasured: tuple[Unmeasured, ...]
    trained: tuple[tuple[str, str], ...] = ()
    prefix: tuple[Text, ...] = ()

    def of(self, *roles: Role) -> list[Text]:
        """The texts of the given roles."""
        return [text for text in self.texts if text.role in roles]

    def with_prefix(self, rng: random.Random) -> Population:
        """Set some non-members aside as prefix; all of them stay where they are too few."""
        others = self.of("non_member")
        units = min(PREFIX_UNITS, len({text.unit_id for text in others}) // 10)
        if units < 1:
            return self
        aside, _ = hold_back(others, units, rng)
        left = {text.text_id for text in aside}
        kept = [t for t in self.texts if t.role != "non_member" or t.text_id not in left]
        return replace(self, texts=tuple(kept), prefix=tuple(aside))


def gather(
    target: Target,
    request: Request = DEFAULT,
    *,
    rng: random.Random,
) -> Population:
    """Find the canaries and the notes to score.

    Canaries come from ``request.canaries`` or from the vault of the run; all of them are scored:
    leaving some out after the coins fell would bias the game. Members and non-members come from
    the two files, or from the corpus of the run by its split: up to ``max_texts`` notes a side,
    whole privacy units drawn at random. Canaries are in neither, nor are notes that resemble
    another unit's.

    Raises:
        InputError: a bad corpus, or one whose every note is on both sides.
        EvidenceError: a canary file from another run, or a corpus changed since training.
    """
    missing: list[Unmeasured] = []
    manifest = find_canaries(target.name, target.evidence, request.canaries, missing)
    avoid = set[str]()
    if manifest is not None:
        avoid = {i for c in manifest.canaries for place in manifest.places(c) for i in place}
    if request.members is not None and request.non_members is not None:
        notes = _from_files(target.evidence, request, avoid=avoid, rng=rng, missing=missing)
    else:
        notes = _from_split(target.evidence, request, avoid=avoid, rng=rng, missing=missing)
    texts = canary_texts(manifest) if manifest else []
    texts += _drop_shared(notes.texts, missing)
    return Population(tuple(texts), manifest, notes.unit, tuple(missing), tuple(notes.trained))


@dataclass(frozen=True, repr=False)
class _Notes:
    """Members and non-members to score, and all notes that were trained on."""

    unit: UnitKind = "note"
    texts: Sequence[Text] = ()
    trained: Sequence[tuple[str, str]] = ()


def _from_files(
    evidence: Evidence,
    request: Request,
    *,
    avoid: Collection[str],
    rng: random.Random,
    missing: list[Unmeasured],
) -> _Notes:
    """Members and non-members of two files, less what resembles another unit's notes."""
    assert request.members is not None
    assert request.non_members is not None
    columns, cap = request.columns or Columns(), evidence.max_notes_per_unit
    sides: dict[Role, list[Unit]] = {}
    patients = False
    files: tuple[tuple[Role, str], ...] = (
        ("member", request.members),
        ("non_member", request.non_members),
    )
    for role, file in files:
        kind, units = group_units(open_corpus(file).notes(columns))
        patients = patients or kind == "patient"
        sides[role] = _without(units, avoid)
    named: dict[Role, list[str]] = {r: [u.unit_id for u in units] for r, units in sides.items()}
    _prove_members(evidence, sides, missing)
    both = set(named["member"]) & set(named["non_member"]) if patients else set[str]()
    if both:
        why = "they have notes among members and among non-members; left out on both sides"
        missing.append(Unmeasured(what=f"membership of {len(both)} patients", why=why))
    alike = alike_units([u for units in sides.values() for u in units if u.unit_id not in both])
    _tell_alike(alike, named, missing)
    texts: list[Text] = []
    for role, units in sides.items():
        kept = [unit for unit in units if unit.unit_id not in alike | both]
        rng.shuffle(kept)
        texts += _note_texts(kept, role, request.max_texts, cap)
    if not {text.role for text in texts} >= {"member", "non_member"}:
        raise InputError(
            "every note of --members or of --non-members is, or resembles, one of another unit; "
            "give two separate sets"
        )
    return _Notes("patient" if patients else "note", texts, _trained(sides["member"], cap))


def _prove_members(
    evidence: Evidence, sides: Mapping[Role, Sequence[Unit]], missing: list[Unmeasured]
) -> None:
    """Hold the notes of files given by hand against the split, if the run left one.

    An id proves nothing of a text, and outsiders are half of what is compared: of either side
    every unit must be in the split, with the very texts that training recorded.

    Raises:
        EvidenceError: members that training held out, or outsiders that it trained on.
    """
    split = evidence.split
    if split is not None and evidence.names_weights:
        inside, outside = ({unit.unit_id for unit in sides[r]} for r in ("member", "non_member"))
        wrong = len(inside & set(split.held_out)), len(outside & set(split.members))
        if any(wrong):
            raise EvidenceError(
                f"split.json holds out {wrong[0]} of the --members and trained on {wrong[1]} of "
                "the --non-members; give the right files, or none: the run brings its own"
            )
    if split is None or not evidence.names_split:
        why = "no lineage names both these weights and the split that says whom they saw"
    elif not split.texts:
        why = "split.json has no digests of texts; train anew with this version of llmsafe"
    else:
        why = _strangers(split, sides, evidence.max_notes_per_unit)
    if why is not None:
        _doubt_members(why, missing)


def _strangers(
    split: Split, sides: Mapping[Role, Sequence[Unit]], max_notes_per_unit: int | None
) -> str | None:
    """How many units are not in the split, or have other texts there; ``None`` for none."""
    lists: dict[Role, set[str]] = {
        "member": set(split.members),
        "non_member": set(split.held_out),
    }
    unknown = {r: sum(u.unit_id not in lists[r] for u in units) for r, units in sides.items()}
    if any(unknown.values()):
        return (
            f"{unknown['member']} of {len(sides['member'])} --members and "
            f"{unknown['non_member']} of {len(sides['non_member'])} --non-members are not in "
            "split.json"
        )
    units = [unit for side in sides.values() for unit in side]
    altered = sum(
        split.texts.get(unit.unit_id)
        != texts_digest(note.text for note in latest_notes(unit, max_notes_per_unit))
        for unit in units
    )
    if altered:
        return f"{altered} of {len(units)} units have other texts than training recorded of them"
    return None


def _doubt_members(why: str, missing: list[Unmeasured]) -> None:
    missing.append(
        Unmeasured(
            what="whether the members are this model's",
            why=f"{why}; figures of notes that a model never saw are low whatever it leaks",
            doubt="members",
        )
    )


def _from_split(
    evidence: Evidence,
    request: Request,
    *,
    avoid: Collection[str],
    rng: random.Random,
    missing: list[Unmeasured],
) -> _Notes:
    """Members and held-out notes of the run's own corpus."""

    def lacks(why: str) -> _Notes:
        missing.append(Unmeasured(what="membership of real notes, passages, perplexity", why=why))
        return _Notes()

    split, path, cap = evidence.split, evidence.corpus_path, evidence.max_notes_per_unit
    if split is None or evidence.train is None or path is None:
        return lacks(
            "no split and corpus of the training are known; give --members and --non-members"
        )
    if not split.held_out:
        return lacks("training held no note out; give --members and --non-members")
    place = next((p for p in _corpus_places(path, evidence.vault) if p.exists()), None)
    if place is None:
        return lacks(
            "the corpus is no longer where training read it; give --members and --non-members"
        )
    if split.unit == "patient" and cap is None:
        why = "the lineage does not record max_notes_per_unit; all notes of a patient are taken"
        what = "which notes of a patient were trained on"
        missing.append(Unmeasured(what=what, why=why, doubt="members"))
    corpus = open_corpus(place)
    if corpus.digest() != evidence.corpus_digest:
        raise EvidenceError(
            f"corpus {place} changed since training (its digest is not the one in lineage.json); "
            "restore it, or give --members and --non-members"
        )
    _, units = group_units(corpus.notes(request.columns or evidence.columns))
    by_id = {unit.unit_id: unit for unit in units}
    lost = sum(unit not in by_id for unit in (*split.members, *split.held_out))
    if not evidence.names_split:
        _doubt_members("the lineage does not name both these weights and the split", missing)
    elif lost:
        _doubt_members(f"{lost} units of split.json are not in the corpus", missing)
    alike = alike_units(units)
    named: dict[Role, list[str]] = {
        "member": [unit for unit in split.members if unit not in avoid],
        "non_member": [unit for unit in split.held_out if unit not in avoid],
    }
    sides: dict[Role, list[str]] = {
        role: [unit for unit in ids if unit in by_id and unit not in alike]
        for role, ids in named.items()
    }
    _tell_alike(alike, named, missing)
    for ids in sides.values():
        rng.shuffle(ids)
    # Both sides alike: as many units of each, up to the cap on notes.
    wanted = min(request.max_texts, *(len(ids) for ids in sides.values()))
    texts: list[Text] = []
    for role, ids in sides.items():
        picked = [by_id[unit] for unit in ids[:wanted]]
        texts += _note_texts(picked, role, request.max_texts, cap)
    trained = _trained([by_id[unit] for unit in split.members if unit in by_id], cap)
    if not {text.role for text in texts} >= {"member", "non_member"}:
        lacks("no note of the corpus is left among the members, or among the held-out, to compare")
        return _Notes(split.unit, [], trained)
    return _Notes(split.unit, texts, trained)


def _trained(units: Iterable[Unit], max_notes_per_unit: int | None) -> list[tuple[str, str]]:
    return [
        (unit.unit_id, note.text)
        for unit in units
        for note in latest_notes(unit, max_notes_per_unit)
    ]


def alike_units(units: Sequence[Unit]) -> set[str]:
    """Units with a note that resembles a note of any other unit, whichever list either is in.

    Training leaves held-out units that resemble a member out of its split, so members have twins
    and held-out units have none: that alone tells them apart. Being without a twin in the whole
    corpus does not depend on how the split fell, so it is asked of both sides.
    """
    owners = [unit.unit_id for unit in units for _ in unit.notes]
    labels = near_duplicate_groups([note.text for unit in units for note in unit.notes])
    sharing: dict[int, set[str]] = {}
    for owner, label in zip(owners, labels, strict=True):
        sharing.setdefault(label, set()).add(owner)
    return {owner for group in sharing.values() if len(group) > 1 for owner in group}


def _tell_alike(
    alike: Collection[str], named: Mapping[Role, Sequence[str]], missing: list[Unmeasured]
) -> None:
    lost = {role: sum(unit in alike for unit in ids) for role, ids in named.items()}
    if any(lost.values()):
        missing.append(
            Unmeasured(
                what="notes that resemble another patient's",
                why=f"{lost['member']} of {len(named['member'])} members and "
                f"{lost['non_member']} of {len(named['non_member'])} held out have such a note; "
                "left out on both sides",
            )
        )


def _corpus_places(path: str, vault: Path | None) -> Iterable[Path]:
    yield Path(path)
    if vault is not None:
        # A run folder that was moved together with its corpus.
        yield vault.parent / path
        yield vault / Path(path).name


def _note_texts(
    units: Sequence[Unit], role: Role, max_texts: int, max_notes_per_unit: int | None
) -> list[Text]:
    """Whole units until ``max_texts`` notes are reached; at least one unit."""
    texts: list[Text] = []
    for unit in units:
        notes = latest_notes(unit, max_notes_per_unit)
        if texts and len(texts) + len(notes) > max_texts:
            break
        texts += [Text(note.note_id, unit.unit_id, role, note.text) for note in notes]
    return texts[:max_texts]


def _without(units: Iterable[Unit], avoid: Collection[str]) -> list[Unit]:
    return [
        unit
        for unit in units
        if unit.unit_id not in avoid and not any(note.note_id in avoid for note in unit.notes)
    ]


def _drop_shared(texts: Sequence[Text], missing: list[Unmeasured]) -> list[Text]:
    """Leave out notes whose very text is on both sides: they are members and non-members."""
    members = {text.text for text in texts if text.role == "member"}
    shared = members & {text.text for text in texts if text.role == "non_member"}
    if not shared:
        return list(texts)
    kept = [text for text in texts if text.text not in shared]
    missing.append(
        Unmeasured(
            what=f"membership of {len(texts) - len(kept)} notes",
            why="the same text is among members and non-members; left out on both sides",
        )
    )
    if not {text.role for text in kept} >= {"member", "non_member"}:
        raise InputError("every note is among members and non-members; give two separate sets")
    return kept
