"""Our recognisers as Presidio ``EntityRecognizer`` objects, in one table.

Importing this module imports Presidio. A user's own recogniser is any Presidio recogniser; this
table only saves writing a class for each of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en import (
    charted,
    clues,
    dates,
    described,
    events,
    firms,
    hints,
    hl7,
    ids,
    listed,
    names,
    places,
    quiet,
    ranges,
    tables,
)
from llmsafe.scrub.detect.engine import Reading
from llmsafe.scrub.detect.memory import GLIMPSE, HINT, TRACE
from llmsafe.scrub.detect.zh import (
    cells,
    frames,
    hamlets,
    meant,
    mentions,
    organizations,
    romanised,
    slots,
)
from llmsafe.scrub.detect.zh import dates as zh_dates
from llmsafe.scrub.detect.zh import ids as zh_ids
from llmsafe.scrub.detect.zh import labels as zh_labels
from llmsafe.scrub.detect.zh import names as zh_names
from llmsafe.scrub.detect.zh import places as zh_places

Find = Callable[[str], Iterable[PhiSpan]]

ENGLISH: tuple[tuple[str, tuple[str, ...], Find], ...] = (
    ("titled names", ("NAME",), names.find_titled),
    ("labelled names", ("NAME",), names.find_labelled_names),
    ("reversed names", ("NAME",), listed.find_reversed),
    ("listed names", ("NAME",), listed.find_listed),
    ("unknown names", ("NAME",), listed.find_unknown),
    ("signed initials", ("NAME",), hints.find_initials),
    ("signatures", ("NAME",), hints.find_signatures),
    ("charted initials", ("NAME",), charted.find_charted),
    ("names by what they do", ("NAME",), hints.find_subjects),
    ("names by trade", ("NAME",), hints.find_trades),
    ("everyday names", ("NAME",), hints.find_everyday),
    ("described people", ("NAME",), described.find_described),
    ("addressed names", ("NAME",), hints.find_addressed),
    ("table cells", ("NAME", "DATE", "LOCATION", "AGE"), tables.find_cells),
    ("HL7 fields", hl7.CATEGORIES, hl7.find_fields),
    ("dates", ("DATE",), dates.find_dates),
    ("dated events", ("DATE",), events.find_events),
    ("date ranges", ("DATE",), ranges.find_ranges),
    ("bare dates", ("DATE",), dates.find_bare),
    ("ages", ("AGE",), dates.find_ages),
    ("addresses", ("LOCATION",), places.find_addresses),
    ("corners", ("LOCATION",), places.find_corners),
    ("cities", ("LOCATION",), places.find_cities),
    ("institutions", ("ORGANIZATION",), places.find_institutions),
    ("firms", ("ORGANIZATION",), firms.find_firms),
    ("plans", ("ORGANIZATION",), described.find_plans),
    ("labelled numbers", tuple(dict.fromkeys(c for c, _, _ in ids.LABELLED)), ids.find_labelled),
    ("number formats", (*dict.fromkeys(c for c, _, _ in ids.FORMATS), "FAX"), ids.find_formats),
    ("clues", clues.CATEGORIES, clues.find_clues),
    ("notes without capitals", ("NAME", "ORGANIZATION", "DATE"), quiet.find_quiet),
    ("check digits", ("VEHICLE", "LICENSE", "ACCOUNT"), ids.find_checked),
)

CHINESE: tuple[tuple[str, tuple[str, ...], Find], ...] = (
    ("labelled names", ("NAME",), zh_names.find_labelled),
    ("names by role", ("NAME",), zh_names.find_roles),
    ("neighbouring names", ("NAME",), zh_names.find_neighbours),
    ("described names", ("NAME",), zh_names.find_described),
    ("titled names", ("NAME",), mentions.find_titled),
    ("addressed names", ("NAME",), mentions.find_addressed),
    ("marked names", ("NAME",), mentions.find_marked),
    ("listed names", ("NAME",), mentions.find_listed),
    ("signed names", ("NAME",), mentions.find_signed),
    ("names in slots", ("NAME",), slots.find_slots),
    ("names that are words", ("NAME",), meant.find_meant),
    ("names in frames", ("NAME",), frames.find_framed),
    ("staff in cells", ("NAME",), cells.find_cells),
    ("free names", ("NAME",), mentions.find_free),
    ("romanised names", ("NAME",), romanised.find_pinyin),
    ("dates", ("DATE",), zh_dates.find_dates),
    ("lunar dates", ("DATE",), zh_dates.find_lunar),
    ("festivals", ("DATE",), zh_dates.find_festivals),
    ("ages", ("AGE",), zh_dates.find_ages),
    ("addresses", ("LOCATION",), zh_places.find_addresses),
    ("places", ("LOCATION",), zh_places.find_places),
    ("cities", ("LOCATION",), zh_places.find_cities),
    ("hamlets", ("LOCATION",), hamlets.find_hamlets),
    ("streets", ("LOCATION",), zh_places.find_streets),
    ("landmarks", ("LOCATION",), zh_places.find_landmarks),
    ("institutions", ("ORGANIZATION",), organizations.find_institutions),
    ("identity documents", ("RESIDENT_ID",), zh_ids.find_residents),
    ("telephones", ("PHONE", "FAX", "RESIDENT_ID"), zh_ids.find_telephones),
    (
        "number formats",
        ("VEHICLE", "ACCOUNT", "EMAIL", "URL", "IP", "DEVICE", "LICENSE", "OTHER_ID"),
        zh_ids.find_formats,
    ),
    (
        "labelled numbers",
        (
            "RESIDENT_ID", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE",
            "BIOMETRIC", "OTHER_ID",
        ),
        zh_labels.find_labelled,
    ),
    ("called numbers", ("PHONE", "FAX"), zh_labels.find_called),
)  # fmt: skip

DOUBTFUL: dict[str, dict[str, dict[float, float]]] = {
    "en": {
        "listed names": {0.8: TRACE},
        "reversed names": {0.8: TRACE},
        "unknown names": {0.8: TRACE},
        "bare dates": {0.8: TRACE},
        "everyday names": {0.8: HINT},
        "cities": {0.8: TRACE},
        "institutions": {0.9: TRACE},
    },
    "zh": {"free names": {mentions.BARE: TRACE, 0.35: GLIMPSE}},
}
"""Rules of each language that cannot tell a name from an eponym or a word: the score up to which
they ask the tagger, and the chance of PHI that it must see. Scores ascend."""
INDEPENDENT = {
    "en": frozenset(name for name, _, _ in ENGLISH if name not in DOUBTFUL["en"]),
    "zh": frozenset(name for name, _, _ in CHINESE if name not in DOUBTFUL["zh"]),
}
"""Rules of each language that do not ask the tagger."""

OURS = frozenset(("tagger", "whole", "echo", "day", *(name for name, _, _ in ENGLISH)))
"""Sources of findings in English notes that are not of the user's own recognisers."""


class Finder(EntityRecognizer):
    """A Presidio recogniser around a function from text to findings.

    ``doubtful``: a finding up to a score is none where the tagger sees less than the chance that
    goes with the first such score.
    """

    def __init__(
        self,
        name: str,
        categories: Iterable[str],
        find: Find,
        language: str,
        *,
        doubtful: Mapping[float, float] = MappingProxyType({}),
    ) -> None:
        self._find, self._doubtful = find, tuple(doubtful.items())
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
        return [
            RecognizerResult(span.category, span.start, span.end, span.score)
            for span in self.spans(text, nlp_artifacts)
            if not wanted or span.category in wanted
        ]

    def spans(self, text: str, artifacts: Any) -> Iterator[PhiSpan]:
        """What the function finds and the tagger does not deny."""
        return (span for span in self._find(text) if self._stands(span, artifacts))

    def _stands(self, span: PhiSpan, artifacts: Any) -> bool:
        if not isinstance(artifacts, Reading):
            return True
        asked = next((chance for most, chance in self._doubtful if span.score <= most), None)
        return asked is None or artifacts.chance(span.start, span.end) >= asked


_CERTAIN = (frames.find_framed,)
"""Rules for names that find them even in the name of a thing: the herb 薄荷 in 薄荷本人来电."""


def english() -> list[EntityRecognizer]:
    """All our English recognisers."""
    return [
        Finder(
            name,
            categories,
            find,
            "en",
            doubtful=DOUBTFUL["en"].get(name, {}),
        )
        for name, categories, find in ENGLISH
    ]


def chinese() -> list[EntityRecognizer]:
    """All our Chinese recognisers."""
    return [
        Finder(
            name,
            categories,
            meant.people(find) if categories == ("NAME",) and find not in _CERTAIN else find,
            "zh",
            doubtful=DOUBTFUL["zh"].get(name, {}),
        )
        for name, categories, find in CHINESE
    ]
