"""Chinese notes."""

from __future__ import annotations

from pathlib import Path

from ..core import Language, Lexicon
from ..swap import Swap
from . import contact, dates, numbers, people, places
from .styles import dress, vary


def swap(lexicon: Lexicon) -> Swap:
    """Drugs, herbs, formulas and diseases of at least two characters."""
    kinds = ("drug", "herb", "formula", "disease")
    return Swap([[w for w in lexicon.lists[kind] if len(w) > 1] for kind in kinds], bounded=False)


CHINESE = Language(
    folder=Path(__file__).parent,
    slots={**people.SLOTS, **places.SLOTS, **dates.SLOTS, **contact.SLOTS, **numbers.SLOTS},
    date_forms=len(dates.FORMS),
    read_lexicon=people.read_lexicon,
    vary=vary,
    dress=dress,
    swap=swap,
)
