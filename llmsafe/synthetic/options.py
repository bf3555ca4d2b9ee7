"""What a caller may ask of the notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmsafe.errors import InputError

KINDS = (
    "admission", "emergency", "progress", "discharge", "clinic", "consult", "radiology",
    "operative", "nursing", "phone", "social",
)  # fmt: skip
Length = Literal["mixed", "short"]


@dataclass(frozen=True)
class Options:
    """`length="short"`: only brief notes, about 50 to 150 words; `max_notes` caps a patient."""

    length: Length = "mixed"
    max_notes: int | None = None

    def __post_init__(self) -> None:
        if self.length not in ("mixed", "short"):
            raise InputError(f"length is {self.length!r}; it must be 'mixed' or 'short'")
        if self.max_notes is not None and self.max_notes < 1:
            raise InputError(f"max_notes is {self.max_notes}; it must be at least 1, or None")
