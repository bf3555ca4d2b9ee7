"""English notes."""

from __future__ import annotations

import re
from pathlib import Path

from llmsafe.scrub.detect.lexicon import english

from ..core import Language, Lexicon
from ..swap import Swap
from . import contact, dates, numbers, people, places
from .styles import dress, vary


def swap(lexicon: Lexicon) -> Swap:
    """Drugs of one word, and the names in eponyms ("Conn's syndrome" gives Conn)."""
    ordinary = english().words
    drugs = [w for w in lexicon.lists["drug"] if re.fullmatch(r"[A-Za-z]{4,}", w)]
    named = re.findall(r"[A-Z][a-z]{2,}(?:-[A-Z][a-z]{2,})*", "\n".join(lexicon.lists["eponym"]))
    groups = [[w for w in group if w.lower() not in ordinary] for group in (drugs, named)]
    return Swap(groups, bounded=True)


ENGLISH = Language(
    folder=Path(__file__).parent,
    slots={**people.SLOTS, **places.SLOTS, **dates.SLOTS, **contact.SLOTS, **numbers.SLOTS},
    date_forms=len(dates.FORMS),
    read_lexicon=people.read_lexicon,
    vary=vary,
    dress=dress,
    swap=swap,
)
