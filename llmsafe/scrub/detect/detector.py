"""Detection: every recogniser of a Presidio registry over the normalised note, failing closed.

Presidio's own ``AnalyzerEngine.analyze`` is not called, because some recognisers hide a failure
behind a log line and an empty answer (a regex that times out, a transformer that raises). Here
anything that Presidio logs as a warning while it looks at a note is a failure of that note, and
so is a recogniser that raises or takes too long.
"""

from __future__ import annotations

import copy
import importlib
import logging
import re
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from llmsafe.errors import InputError
from llmsafe.notes import FOREIGN_TYPES, PhiSpan
from llmsafe.scrub.detect import recognisers
from llmsafe.scrub.detect.en import company, edges, scanned
from llmsafe.scrub.detect.en import mentions as en_mentions
from llmsafe.scrub.detect.en.sense import apart, beside_date
from llmsafe.scrub.detect.engine import TAGGER, Reading, TaggerRecogniser, TaggingEngine
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.recognisers import INDEPENDENT, OURS, Finder
from llmsafe.scrub.detect.resolve import KNOWN, resolve, subtract, trim
from llmsafe.scrub.detect.tagger import embedded_tagger
from llmsafe.scrub.detect.zh import again, tagged
from llmsafe.scrub.detect.zh import company as zh_company
from llmsafe.scrub.detect.zh.view import chinese_view

MINIMUM_SCORE = 0.3


class DetectionError(Exception):
    """A recogniser failed on a note. ``reason`` names recogniser and kind of failure, no text."""

    def __init__(self, recogniser: str, kind: str) -> None:
        self.reason = f"{recogniser}: {kind}"
        super().__init__(self.reason)


_ECHOES = {"en": en_mentions.again, "zh": again.echoes}


def build_engine(extra: Sequence[EntityRecognizer] = (), language: str = "en") -> AnalyzerEngine:
    """A Presidio engine for a language with our recognisers and tagger, and the user's recognisers.

    Of Presidio's own recognisers none is registered: ours cover the same formats, and the e-mail
    and URL ones would fetch the public suffix list over the network.
    """
    tagger = embedded_tagger(language)
    ours = recognisers.chinese() if language == "zh" else recognisers.english()
    ours.append(TaggerRecogniser(tagger, language))
    registry = RecognizerRegistry(
        recognizers=[*ours, *(_speaking(language, recogniser) for recogniser in extra)],
        supported_languages=[language],
    )
    return AnalyzerEngine(
        registry=registry,
        nlp_engine=TaggingEngine(tagger, language),
        supported_languages=[language],
    )


def _speaking(language: str, recogniser: EntityRecognizer) -> EntityRecognizer:
    """The user's recogniser for notes of this language, whatever it says of itself."""
    if recogniser.supported_language == language:
        return recogniser
    other = copy.copy(recogniser)
    other.supported_language = language
    return other


def load_recognisers(places: Sequence[str]) -> list[EntityRecognizer]:
    """Recognisers named ``module:attribute``: an instance, a class or a function making one.

    Raises:
        InputError: there is no such thing, or it makes no Presidio recogniser.
    """
    made: list[EntityRecognizer] = []
    for place in places:
        module, _, attribute = place.partition(":")
        try:
            thing = getattr(importlib.import_module(module), attribute)
            recogniser = thing if isinstance(thing, EntityRecognizer) else thing()
        except Exception as error:
            raise InputError(
                f"cannot make recogniser {place!r} ({type(error).__name__}); give module:name of a "
                "presidio EntityRecognizer, its class or a function that returns one"
            ) from None
        if not isinstance(recogniser, EntityRecognizer):
            raise InputError(f"{place!r} makes a {type(recogniser).__name__}, no EntityRecognizer")
        made.append(recogniser)
    return made


@dataclass(frozen=True, repr=False)
class Detection:
    """Disjoint spans of a text, in order; and, where two searches that are independent of each
    other have read it, what each of them found: rules and tagger."""

    spans: list[PhiSpan]
    rules: list[PhiSpan] = field(default_factory=list[PhiSpan])
    tagged: list[PhiSpan] = field(default_factory=list[PhiSpan])


@dataclass(frozen=True)
class Detector:
    """Runs every recogniser of ``engine`` on a note; ``seconds`` is the limit for one note."""

    engine: AnalyzerEngine
    seconds: float = 20.0
    language: str = "en"

    def look_ahead(self, texts: Iterable[str]) -> None:
        """Prepare to examine these ASCII texts, which come next. Changes nothing that is found."""
        if isinstance(self.engine.nlp_engine, TaggingEngine):
            self.engine.nlp_engine.look_ahead(texts)

    def detect(self, text: str, known: Sequence[EntityRecognizer] = ()) -> list[PhiSpan]:
        """The spans of :meth:`examine`."""
        return self.examine(text, known).spans

    def examine(self, text: str, known: Sequence[EntityRecognizer] = ()) -> Detection:
        """What is found in ``text``. ``known`` are recognisers for this note alone.

        Raises:
            DetectionError: a recogniser raised, gave an impossible answer, hid a failure, or the
                note took too long.
        """
        if not text.strip():
            return Detection([])
        view = chinese_view(text) if self.language == "zh" else normalise(text, apart=True)
        found: list[PhiSpan] = []
        registered = self.engine.registry.get_recognizers(
            language=self.language, all_fields=True, ad_hoc_recognizers=list(known)
        )
        with _limit(self.seconds), _tripwire() as tripwire:
            artifacts = self._artifacts(view.text)
            for recogniser in registered:
                found.extend(_run(recogniser, view.text, artifacts))
                if tripwire.tripped:
                    raise DetectionError(recogniser.name, "hidden failure")
            if self.language == "en" and (right := scanned.reread(view.text)):
                reading = self._artifacts(right)
                for recogniser in registered:
                    if isinstance(recogniser, Finder | TaggerRecogniser):
                        found.extend(_run(recogniser, right, reading))
            if self.language == "zh":
                found = list(zh_company.kept(found, TAGGER))
                found = list(tagged.beside(view.text, found, TAGGER))
            else:
                found = list(company.kept(view.text, found))
            found += list(_ECHOES[self.language](view.text, found))
        mapped = [_map(view.span(s.start, s.end), s) for s in found]
        spans = resolve(filter(None, (trim(text, span) for span in _as_read(text, mapped))))
        if self.language == "en":
            others = [span for span in mapped if span.source not in OURS]
            spans = [one for span in spans for one in _each(text, span, others)]
        if not isinstance(artifacts, Reading):  # one search alone says nothing about the other
            return Detection(spans)
        return Detection(
            spans,
            [span for span in mapped if span.source in INDEPENDENT[self.language]],
            [span for span in mapped if span.source == TAGGER],
        )

    def _artifacts(self, text: str) -> NlpArtifacts:
        try:
            return self.engine.nlp_engine.process_text(text, self.language)
        except DetectionError:
            raise
        except Exception as error:
            raise DetectionError("NLP engine", type(error).__name__) from None


# Beside a date these say nothing more.
_WEEKDAY = re.compile(
    r"(?i)(?:on|the|of|(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
    r"|(?:星期|周|週|礼拜)[一二三四五六日天])[.,]?"
)


def _as_read(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """``found``, where a date that a rule has read keeps that rule's borders, for only such a date
    can be moved. What else the tagger takes for a part of it is PHI all the same, but no weekday.
    """
    read = resolve(s for s in found if s.category == "DATE" and s.source != TAGGER)
    holes = [(span.start, span.end) for span in read]
    for span in found:
        if span.source != TAGGER or span.category != "DATE":
            yield span
            continue
        for piece in subtract(text, [span], holes):
            if not _WEEKDAY.fullmatch(text, piece.start, piece.end) and not beside_date(
                text, piece
            ):
                yield piece


def _each(text: str, span: PhiSpan, others: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """People whom a comma joins, one by one, without what is no part of them; what is known of the
    patient is of one person, and what others than us have found stays as it is."""
    if span.source.startswith(KNOWN):
        return iter([span])
    if any(other.start < span.end and span.start < other.end for other in others):
        return apart(text, span)
    parts = (part for column in edges.columns(text, span) for part in apart(text, column))
    return (edges.trimmed(text, part) for part in parts)


def _map(place: tuple[int, int], span: PhiSpan) -> PhiSpan:
    if place == (span.start, span.end):
        return span
    return PhiSpan(*place, span.category, span.score, span.source)


def _run(recogniser: EntityRecognizer, text: str, artifacts: NlpArtifacts) -> Iterator[PhiSpan]:
    try:
        if isinstance(recogniser, Finder | TaggerRecogniser):  # ours, without a detour
            spans = [_own(span, recogniser) for span in recogniser.spans(text, artifacts)]
        else:
            results = recogniser.analyze(text, recogniser.supported_entities, artifacts)
            spans = [_span(result, recogniser.name) for result in results or ()]
    except DetectionError:
        raise
    except Exception as error:
        # The message of the error may quote the note, so only its class is kept.
        raise DetectionError(recogniser.name, type(error).__name__) from None
    for span in spans:
        if not 0 <= span.start <= span.end <= len(text):
            raise DetectionError(recogniser.name, "offsets outside the note")
        if span.start < span.end and span.score >= MINIMUM_SCORE:
            yield span


def _own(span: PhiSpan, recogniser: EntityRecognizer) -> PhiSpan:
    if span.source == recogniser.name:
        return span
    return PhiSpan(span.start, span.end, span.category, float(span.score), recogniser.name)


def _span(result: RecognizerResult, name: str) -> PhiSpan:
    # A user's own recogniser may find what has no category here; it is hidden all the same.
    category = FOREIGN_TYPES.get(result.entity_type) or "OTHER_ID"
    return PhiSpan(result.start, result.end, category, float(result.score), name)


class _Tripwire(logging.Handler):
    """Remembers that something was logged, and keeps none of it."""

    tripped = False

    def emit(self, record: logging.LogRecord) -> None:
        self.tripped = True


@contextmanager
def _tripwire() -> Generator[_Tripwire]:
    logger, wire = logging.getLogger("presidio-analyzer"), _Tripwire(logging.WARNING)
    handlers, propagate = logger.handlers, logger.propagate
    # The line itself may hold note text: it goes to the wire and nowhere else.
    logger.handlers, logger.propagate = [wire], False
    try:
        yield wire
    finally:
        logger.handlers, logger.propagate = handlers, propagate


@contextmanager
def _limit(seconds: float) -> Generator[None]:
    """Raise DetectionError when the block takes longer; only a main thread can be interrupted.

    The exception may be swallowed by the code that it interrupts, so it is raised again at the end.
    A C function that never returns to Python is beyond this: the pool kills its process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    error = DetectionError("time limit", f"{seconds:g} s")
    expired = False

    def expire(number: int, frame: FrameType | None) -> None:
        nonlocal expired
        expired = True
        raise error

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if expired:
        raise error
