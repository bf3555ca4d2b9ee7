"""One note at a time: detect, resolve, replace, and what becomes of its other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import lru_cache
from typing import Any

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.dates import shift_date
from llmsafe.scrub.detect import DetectionError, Detector, build_engine, load_recognisers
from llmsafe.scrub.known import Identity, KnownMatcher, build_matcher
from llmsafe.scrub.normalise import mostly_cjk
from llmsafe.scrub.recognisers import Finder
from llmsafe.scrub.replace import TAG, Edited, replace
from llmsafe.scrub.settings import Outcome, Settings
from llmsafe.scrub.surrogate import Person, date_offset, roles


@dataclass(frozen=True, repr=False)
class Scrubber:
    """Scrubs notes with one detector. Build it once per process: Presidio takes seconds to load."""

    settings: Settings
    detector: Detector
    shared: KnownMatcher | None = field(default=None)

    def scrub(self, note: Note, identity: Identity | None = None) -> Outcome:
        """Scrub a note; ``identity`` is what is known of its patient.

        Never raises for what is in the note: whatever goes wrong quarantines it, and the reason
        names recogniser and kind of failure, no text.
        """
        try:
            return self._scrub(note, identity)
        except DetectionError as error:
            return Outcome(None, reason=error.reason)
        except Exception as error:
            return Outcome(None, reason=f"scrubber: {type(error).__name__}")

    def _scrub(self, note: Note, identity: Identity | None) -> Outcome:
        if mostly_cjk(note.text):
            return Outcome(None, reason="language: no recogniser for Chinese, Japanese or Korean")
        matchers = [_matcher(identity)] if identity else []
        known = [
            Finder(matcher.source, _KNOWN_CATEGORIES, matcher.find, "en")
            for matcher in [*matchers, *([self.shared] if self.shared else [])]
        ]
        found = self.detector.detect(note.text, known)
        earlier = bytearray(len(note.text))  # what an earlier scrub wrote is no PHI
        for tag in TAG.finditer(note.text):
            earlier[tag.start() : tag.end()] = b"\1" * len(tag[0])
        spans = [s for s in found if not any(earlier[s.start : s.end])]
        person = make_person(note, identity, spans)
        settings = self.settings
        edited = replace(note.text, spans, settings.method, settings.key, person)
        return Outcome(rewrite(note, edited, settings, person), tuple(spans))


_KNOWN_CATEGORIES = (
    "NAME", "DATE", "LOCATION", "ORGANIZATION", "PHONE", "FAX", "EMAIL", "SSN", "MRN",
    "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC",
    "RESIDENT_ID", "OTHER_ID",
)  # fmt: skip


@lru_cache(maxsize=4096)
def _matcher(identity: Identity) -> KnownMatcher:
    return build_matcher(identity)


def build_scrubber(settings: Settings) -> Scrubber:
    """Load recognisers and word lists.

    Raises:
        InputError: a recogniser named in the settings cannot be made.
    """
    engine = build_engine(load_recognisers(settings.recognisers))
    shared = build_matcher(settings.shared, shared=True) if settings.shared else None
    return Scrubber(settings, Detector(engine, settings.note_seconds), shared)


def make_person(note: Note, identity: Identity | None, spans: Sequence[PhiSpan]) -> Person:
    """The scope of consistency: the patient, or the note where there is no patient."""
    mentions = tuple(note.text[s.start : s.end] for s in spans if s.category == "NAME")
    year = note.date[:4] if note.date else ""
    return Person(
        scope=f"patient {note.patient_id}" if note.patient_id else f"note {note.note_id}",
        own=identity.own_parts() if identity else frozenset(),
        avoid=identity.parts() if identity else frozenset(),
        female=identity.female if identity else None,
        year=int(year) if year.isdigit() and int(year) > 0 else None,
        mentions=mentions,
        roles=roles(mentions) | (roles(identity.names) if identity else {}),
    )


def rewrite(note: Note, edited: Edited, settings: Settings, person: Person) -> Note:
    """The note to publish: pseudonyms for its ids, its date moved, further columns dropped unless
    they are kept by name. Gold ``spans`` that are kept move with the text."""
    key = settings.key
    extra: dict[str, Any] = {name: note.extra[name] for name in settings.keep if name in note.extra}
    if isinstance(extra.get("spans"), list):
        extra["spans"] = [_moved(span, edited) for span in extra["spans"]]
    return changed(
        note,
        note_id="n-" + key.token(16, "note", note.note_id),
        patient_id=None
        if note.patient_id is None
        else "p-" + key.token(12, "patient", note.patient_id),
        text=edited.text,
        date=shift_date(note.date, date_offset(key, person.scope)) if note.date else None,
        extra=extra,
    )


def _moved(span: Any, edited: Edited) -> Any:
    start, end = edited.move(int(span["start"]), int(span["end"]))
    return {**span, "start": start, "end": end}
