"""Our recognisers as Presidio ``EntityRecognizer`` objects, in one table.

Importing this module imports Presidio. A user's own recogniser is any Presidio recogniser; this
table only saves writing a class for each of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en import dates, ids, names, places, ranges
from llmsafe.scrub.detect.engine import Reading

Find = Callable[[str], Iterable[PhiSpan]]

ENGLISH: tuple[tuple[str, tuple[str, ...], Find], ...] = (
    ("titled names", ("NAME",), names.find_titled),
    ("labelled names", ("NAME",), names.find_labelled_names),
    ("reversed names", ("NAME",), names.find_reversed),
    ("listed names", ("NAME",), names.find_listed),
    ("unknown names", ("NAME",), names.find_unknown),
    ("signed initials", ("NAME",), names.find_initials),
    ("dates", ("DATE",), dates.find_dates),
    ("date ranges", ("DATE",), ranges.find_ranges),
    ("ages", ("AGE",), dates.find_ages),
    ("addresses", ("LOCATION",), places.find_addresses),
    ("cities", ("LOCATION",), places.find_cities),
    ("institutions", ("ORGANIZATION",), places.find_institutions),
    ("labelled numbers", tuple(dict.fromkeys(c for c, _, _ in ids.LABELLED)), ids.find_labelled),
    ("number formats", (*dict.fromkeys(c for c, _, _ in ids.FORMATS), "FAX"), ids.find_formats),
    ("check digits", ("VEHICLE", "LICENSE", "ACCOUNT"), ids.find_checked),
)

DOUBTFUL = frozenset(("listed names", "reversed names", "unknown names", "cities", "institutions"))
TRACE = 0.05
INDEPENDENT = frozenset(name for name, _, _ in ENGLISH if name not in DOUBTFUL)
"""Rules that do not ask the tagger."""


class Finder(EntityRecognizer):
    """A Presidio recogniser around a function from text to findings.

    ``doubtful``: it cannot tell a name from an eponym, and a finding of which the tagger sees no
    trace is none.
    """

    def __init__(
        self,
        name: str,
        categories: Iterable[str],
        find: Find,
        language: str,
        *,
        doubtful: bool = False,
    ) -> None:
        self._find, self._doubtful = find, doubtful
        super().__init__(
            supported_entities=list(categories), name=name, supported_language=language
        )

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        """Run the function; ``entities`` limits the categories unless it is empty."""
        wanted = set(entities)
        doubtful = self._doubtful and isinstance(nlp_artifacts, Reading)
        return [
            RecognizerResult(span.category, span.start, span.end, span.score)
            for span in self._find(text)
            if (not wanted or span.category in wanted)
            and not (doubtful and nlp_artifacts.chance(span.start, span.end) < TRACE)
        ]


def english() -> list[EntityRecognizer]:
    """All our English recognisers."""
    return [
        Finder(name, categories, find, "en", doubtful=name in DOUBTFUL)
        for name, categories, find in ENGLISH
    ]
