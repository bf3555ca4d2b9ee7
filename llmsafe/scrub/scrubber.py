"""One note at a time: detect, resolve, replace, and what becomes of its other columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.detect.captures import captures
from llmsafe.scrub.detect.detector import (
    Detection,
    DetectionError,
    Detector,
    build_engine,
    load_recognisers,
)
from llmsafe.scrub.detect.language import languages, readings
from llmsafe.scrub.detect.mixed import merge
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.recognisers import Finder
from llmsafe.scrub.detect.resolve import KNOWN, resolve, subtract
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity, KnownMatcher, build_matcher, part_forms
from llmsafe.scrub.replace.methods import STAND_INS, TAG, Edited, move_spans, replace
from llmsafe.scrub.replace.person import Person, date_offset, mention_words, roles
from llmsafe.scrub.replace.shift import ASSUMED, Shift, read_date, shift_date
from llmsafe.scrub.replace.tokens import LIKE_A_TOKEN, may_hold_tokens, opens
from llmsafe.scrub.replace.zh.dates import read_chinese
from llmsafe.scrub.settings import Outcome, Settings

if TYPE_CHECKING:
    from llmsafe.scrub.detect.models import ModelRecogniser


@dataclass(frozen=True, repr=False)
class Scrubber:
    """Scrubs notes with one detector per language. Build it once per process: Presidio takes
    seconds to load."""

    settings: Settings
    detectors: Mapping[str, Detector]
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

    def look_ahead(self, notes: Iterable[Note]) -> None:
        """Prepare to scrub these notes, which come next: part of the work is done faster for all of
        them at once. Changes no outcome, and whatever goes wrong is left for :meth:`scrub`."""
        if self.settings.lang == "zh":
            return
        # Others are normalised first, and may be read in parts.
        texts = [note.text for note in notes if note.text.isascii()]
        with suppress(Exception):
            self.detectors["en"].look_ahead(texts)

    def _scrub(self, note: Note, identity: Identity | None) -> Outcome:
        found = self.find(note, identity)
        written, edited = self._write(note, identity, found)
        if self.settings.method not in STAND_INS:
            # A tag where a name was shows other recognisers what they had not seen before. Looked
            # at until there is no more, so that a second scrub changes nothing; text that gives
            # up a little each time (one word a thousand times) is left after a few looks.
            for _ in range(_LOOKS):
                more = self._more(found, written, edited)
                if not more:
                    break
                found = changed(found, spans=more)
                written, edited = self._write(note, identity, found)
        # Counted over the spans of all languages, so that what two of them see counts once.
        others = [span for span in found.spans if not span.source.startswith(KNOWN)]
        seen = captures(others, found.rules, found.tagged)
        return Outcome(written, tuple(found.spans), captures=seen)

    def _more(self, found: Detection, written: Note, edited: Edited) -> list[PhiSpan]:
        """The spans of ``found`` and what is seen in the note as ``written``; nothing if that is
        no more. The tables of known identifiers have said all they know."""
        if not found.spans or not self._spoken(written.text):
            return []
        new: list[PhiSpan] = []
        for span in self.find(written, None).spans:
            if span.source.startswith(KNOWN):
                continue
            start, end = edited.back(span.start, span.end)
            if not any(old.start <= start and end <= old.end for old in found.spans):
                new.append(changed(span, start=start, end=end))
        return resolve([*found.spans, *new]) if new else []

    def _spoken(self, text: str) -> tuple[str, ...]:
        return languages(_plain(text), self.settings.lang)

    def find(self, note: Note, identity: Identity | None = None) -> Detection:
        """What a scrub replaces: disjoint spans, in order. Methods that leave tags may see more
        beside them.

        Raises:
            DetectionError: :meth:`scrub` would quarantine the note.
        """
        spoken = self._spoken(note.text)
        if not spoken:
            raise DetectionError("language", "no recogniser for what it is written in")
        sealed, forged = find_tokens(note, self.settings.key)
        texts = readings(note.text, spoken, _plain(note.text))
        detections = {lang: self._detect(lang, text, identity) for lang, text in texts.items()}
        found = merge(note.text, {lang: one.spans for lang, one in detections.items()})
        # Nothing in what an earlier scrub wrote is PHI, unless the tables say so.
        tags = [tag.span() for tag in TAG.finditer(note.text)]
        known_spans = [span for span in found if span.source.startswith(KNOWN)]
        others = [span for span in found if not span.source.startswith(KNOWN)]
        everything = resolve([*known_spans, *forged, *subtract(note.text, others, tags)])
        return Detection(
            list(subtract(note.text, everything, sealed)),
            [span for one in detections.values() for span in one.rules],
            [span for one in detections.values() for span in one.tagged],
        )

    def _write(
        self, note: Note, identity: Identity | None, found: Detection
    ) -> tuple[Note, Edited]:
        """The note to publish, and where it was edited."""
        key, settings, spans = self.settings.key, self.settings, found.spans
        lang = "zh" if "zh" in self._spoken(note.text) else "en"
        person = make_person(note, identity, spans, settings, lang)
        sealed, _ = find_tokens(note, key)
        note_id = note.note_id if sealed else "n-" + key.token(16, "note", note.note_id)
        edited = replace(
            note.text, spans, settings.method, key, person, note_id, settings.mask_style
        )
        return rewrite(note, edited, settings, person, note_id), edited

    def _detect(self, language: str, text: str, identity: Identity | None) -> Detection:
        matchers = [_matcher(identity)] if identity else []
        known = [
            Finder(matcher.source, _KNOWN_CATEGORIES, matcher.find, language)
            for matcher in [*matchers, *([self.shared] if self.shared else [])]
        ]
        return self.detectors[language].examine(text, known)


_LOOKS = 5


def _plain(text: str) -> str:
    """The text without what an earlier scrub wrote, which says nothing about the language."""
    if not may_hold_tokens(text):
        return text
    return _WRITTEN.sub(lambda match: " " * len(match[0]), text)


def find_tokens(note: Note, key: Key) -> tuple[list[tuple[int, int]], list[PhiSpan]]:
    """Tokens that open, and what only looks like one.

    A token of this key and note can only stand where an earlier scrub wrote it, under the id that
    it gave the note: both stay. Anything else may hold PHI and is PHI as a whole.
    """
    sealed: list[tuple[int, int]] = []
    forged: list[PhiSpan] = []
    for match in LIKE_A_TOKEN.finditer(note.text) if may_hold_tokens(note.text) else ():
        if opens(key, note.note_id, match[0]):
            sealed.append(match.span())
        else:
            forged.append(PhiSpan(*match.span(), "OTHER_ID", 1.0, "token"))
    return sealed, forged


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
        InputError: a recogniser or model named in the settings cannot be made.
        SetupError: what a model needs is not installed.
    """
    extra = load_recognisers(settings.recognisers)
    models: list[ModelRecogniser] = []
    if settings.models:  # of which each may need torch
        from llmsafe.scrub.detect.models import load_model

        models = [load_model(model) for model in settings.models]
    spoken = ("en",) if settings.lang == "en" else ("zh", "en")
    detectors: dict[str, Detector] = {}
    for lang in spoken:
        readers = [model for model in models if model.lang in (None, lang)]
        engine = build_engine([*extra, *readers], lang)
        detectors[lang] = Detector(engine, settings.note_seconds, lang)
    shared = build_matcher(settings.shared, shared=True) if settings.shared else None
    return Scrubber(settings, detectors, shared)


def make_person(
    note: Note,
    identity: Identity | None,
    spans: Sequence[PhiSpan],
    settings: Settings,
    lang: str = "en",
) -> Person:
    """The scope of consistency: the patient, or the note where there is no patient.

    A name that is found in this note is no stand-in in it, even if it would be one in another.
    """
    mentions = tuple(note.text[s.start : s.end] for s in spans if s.category == "NAME")
    known = identity.names if identity else ()
    avoid, taken = _reserved(identity) if identity else (frozenset[str](), frozenset[str]())
    shared = _reserved(settings.shared) if settings.shared else (frozenset[str](), frozenset[str]())
    scope = f"patient {note.patient_id}" if note.patient_id else f"note {note.note_id}"
    return Person(
        scope=scope,
        own=identity.own_parts() if identity else frozenset(),
        avoid=avoid.union(shared[0], _forms(w for m in mentions for w in mention_words(m))),
        taken=taken | shared[1],
        female=identity.female if identity else None,
        shift=_shift(note, spans, date_offset(settings.key, scope), settings.day_first),
        mentions=(*mentions, *known),
        roles={**roles(mentions), **roles(known)},
        lang=lang,
    )


@lru_cache(maxsize=4096)
def _reserved(identity: Identity) -> tuple[frozenset[str], frozenset[str]]:
    """What no stand-in may be: words of known names and places, letters and digits of numbers."""
    places = ("LOCATION", "ORGANIZATION", "EMAIL")
    words = [w for kind, value in identity.values if kind in places for w in _words(value)]
    numbers = ["".join(_words(value)) for kind, value in identity.values if kind not in places]
    phones = [n[-length:] for n in numbers if n.isdigit() for length in (7, 10)]
    return _forms([*identity.parts(), *words]), frozenset([*numbers, *phones])


def _forms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(form for word in words for form in part_forms(word))


_WRITTEN = re.compile(f"{TAG.pattern}|{LIKE_A_TOKEN.pattern}")
_WITH_YEAR = re.compile(r"(?:19|20)\d\d|民[國国]|[〇○零一二三四五六七八九]{4}年")


def _words(value: str) -> list[str]:
    return re.findall(r"[^\W_]+", normalise(value).text.lower())


def _shift(note: Note, spans: Sequence[PhiSpan], days: int, day_first: bool) -> Shift:
    """How the dates of a note move; if it has none, its text says about when it was written."""
    shift = Shift(days, day_first=day_first)
    day = read_date(note.date, shift) if note.date else None
    if day is not None:
        return changed(shift, near=day, noted=day)
    written = [note.text[s.start : s.end] for s in spans if s.category == "DATE"]
    whole = [text for text in written if _WITH_YEAR.search(normalise(text).text)]
    days_read = [read_date(text, shift) or read_chinese(text, shift) for text in whole]
    near = max((day for day in days_read if day), default=ASSUMED)
    return changed(shift, near=near, noted=max(near, ASSUMED))


def rewrite(note: Note, edited: Edited, settings: Settings, person: Person, note_id: str) -> Note:
    """The note to publish: pseudonyms for its ids, its date moved, further columns dropped unless
    they are kept by name. Gold ``spans`` that are kept move with the text."""
    extra: dict[str, Any] = {name: note.extra[name] for name in settings.keep if name in note.extra}
    return changed(
        note,
        note_id=note_id,
        patient_id=None
        if note.patient_id is None
        else "p-" + settings.key.token(12, "patient", note.patient_id),
        text=edited.text,
        date=shift_date(note.date, person.shift) if note.date else None,
        extra=move_spans(extra, edited),
    )
