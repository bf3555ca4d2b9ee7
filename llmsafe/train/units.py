"""From notes to tokenised privacy units, and the split into members and held-out units.

Whether a unit is trained on depends on its own id alone: a split that looked at other units (to
keep near-duplicates together, say) would let one patient move another in or out of the training
set, and no per-patient guarantee would survive that. Near-duplicates are handled on the other
side: a held-out unit that resembles a member is dropped from the held-out set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmsafe.artifacts import Split
from llmsafe.models import encode_note
from llmsafe.notes import Unit, UnitKind, latest_notes, near_duplicate_groups

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, repr=False)
class TokenUnit:
    """The notes of one unit as token rows; ``targets`` is the number of predicted tokens."""

    unit_id: str
    rows: tuple[tuple[int, ...], ...]

    @property
    def targets(self) -> int:
        """Tokens that a loss is taken over: every token after the first of its row."""
        return sum(len(row) - 1 for row in self.rows)

    def __repr__(self) -> str:
        return f"TokenUnit(<{len(self.rows)} rows, {self.targets} targets>)"


def tokenise_unit(
    unit: Unit, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int, max_notes: int
) -> TokenUnit:
    """Encode at most ``max_notes`` notes (the latest by date) of at most ``max_tokens`` tokens.

    The caps are public settings and look at this unit alone. A blank note is no row, and a unit
    without a row contributes nothing.
    """
    notes = [note for note in latest_notes(unit, max_notes) if note.text.strip()]
    rows = (tuple(encode_note(tokenizer, note.text, max_tokens)[0]) for note in notes)
    return TokenUnit(unit.unit_id, tuple(row for row in rows if len(row) > 1))


def split_units(
    units: Sequence[Unit],
    kind: UnitKind,
    *,
    held_out: float,
    seed: int,
    always_members: Collection[str] = (),
) -> Split:
    """Hold out each unit independently with probability ``held_out``, by a hash of its id.

    ``always_members`` (planted canaries) are never held out. Held-out units of which a note
    shares over half of its 10-grams with a member's note are in neither list.
    """
    chosen = {
        unit.unit_id
        for unit in units
        if unit.unit_id not in always_members and _uniform(seed, unit.unit_id) < held_out
    }
    members = [unit.unit_id for unit in units if unit.unit_id not in chosen]
    if not chosen:
        return Split(unit=kind, members=members, held_out=[])
    owners = [unit.unit_id for unit in units for _ in unit.notes]
    labels = near_duplicate_groups([note.text for unit in units for note in unit.notes])
    seen = {label for owner, label in zip(owners, labels, strict=True) if owner not in chosen}
    near = {owner for owner, label in zip(owners, labels, strict=True) if label in seen}
    kept = [unit.unit_id for unit in units if unit.unit_id in chosen - near]
    return Split(unit=kind, members=members, held_out=kept)


def _uniform(seed: int, unit_id: str) -> float:
    digest = hashlib.sha256(f"split:{seed}:{unit_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
