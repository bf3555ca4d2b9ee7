"""English notes."""

from __future__ import annotations

from pathlib import Path

from ..core import Language
from . import contact, dates, numbers, people, places
from .styles import dress, vary

ENGLISH = Language(
    folder=Path(__file__).parent,
    slots={**people.SLOTS, **places.SLOTS, **dates.SLOTS, **contact.SLOTS, **numbers.SLOTS},
    date_forms=len(dates.FORMS),
    read_lexicon=people.read_lexicon,
    vary=vary,
    dress=dress,
)
