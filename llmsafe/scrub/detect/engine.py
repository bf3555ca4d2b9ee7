"""The tagger as what Presidio calls an NLP engine: one pass over a note, for every recogniser.

Presidio hands the artifacts of its engine to each recogniser. Here they hold the probabilities of
the tagger, which one recogniser turns into spans, and which rules that cannot tell a name from an
eponym ask for a second opinion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

import spacy
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.sense import senseless
from llmsafe.scrub.detect.lexicon import read_words
from llmsafe.scrub.detect.memory import Memory, coarse, read_alone
from llmsafe.scrub.detect.tagger import Tagger
from llmsafe.scrub.detect.zh import tagged

TAGGER = "tagger"
LEAST = 0.3
"""The score of the least sure finding; the detector takes none that is below."""


class Reading(NlpArtifacts):
    """What the tagger thinks of ``text``."""

    def __init__(
        self, tagger: Tagger, memory: Memory | None, text: str, empty: Any, language: str
    ) -> None:
        super().__init__([], empty, [], [], cast("Any", None), language)
        self.text = text
        self._tagger = tagger
        self._tokens, self._chances = memory.read(text) if memory else read_alone(tagger, text)

    def found(self) -> Iterator[PhiSpan]:
        """The spans that the tagger is sure enough of."""
        return self._tagger.spans(self.text, self._tokens, self._chances)

    def chance(self, start: int, end: int) -> float:
        """The largest probability that something in ``[start, end)`` is PHI."""
        first, last = self._tokens.inside(start, end)
        return float(1.0 - self._chances[first:last, 0].min()) if first < last else 0.0


class TaggingEngine(NlpEngine):
    """Runs the tagger, where the language has one, on each text. No spaCy model is loaded: our
    recognisers read text alone."""

    engine_name = "llmsafe"
    is_available = True

    def __init__(self, tagger: Tagger | None, language: str) -> None:
        self._tagger, self._language = tagger, language
        # Chinese has few lines that stand in two notes, and a character is read with what is near.
        self._memory = Memory(tagger) if tagger and language == "en" else None
        self._empty: Any = None

    def load(self) -> None:
        """Make the empty spaCy document that every note shares."""
        # English whatever the notes: it is never run, and a Chinese one would want a segmenter.
        self._empty = spacy.blank("en")("")

    def is_loaded(self) -> bool:
        """Whether :meth:`load` was called."""
        return self._empty is not None

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """A :class:`Reading`, or artifacts that say nothing where there is no tagger."""
        if self._empty is None:
            self.load()
        if self._tagger is None:
            empty, nobody = cast("Any", self._empty), cast("Any", None)
            return NlpArtifacts([], empty, [], [], nobody, self._language)
        return Reading(self._tagger, self._memory, text, self._empty, self._language)

    def look_ahead(self, texts: Iterable[str]) -> None:
        """Prepare to read these texts, which come next. Changes no answer."""
        if self._memory is not None:
            self._memory.look_ahead(texts)

    def process_batch(
        self,
        texts: Any,
        language: str,
        batch_size: int = 1,
        n_process: int = 1,
        **kwargs: Any,
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """A reading of each text."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """No word is."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """No word is."""
        return False

    def get_supported_entities(self) -> list[str]:
        """None: the recogniser speaks for the tagger."""
        return []

    def get_supported_languages(self) -> list[str]:
        """The one language."""
        return [self._language]


class TaggerRecogniser(EntityRecognizer):
    """The spans of the :class:`Reading` as Presidio results."""

    def __init__(self, tagger: Tagger, language: str) -> None:
        super().__init__(
            supported_entities=list(tagger.categories), name=TAGGER, supported_language=language
        )

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        """The spans; ``entities`` limits the categories unless it is empty."""
        return [
            RecognizerResult(span.category, span.start, span.end, span.score)
            for span in self.spans(text, nlp_artifacts)
            if not entities or span.category in entities
        ]

    def spans(self, text: str, artifacts: Any) -> Iterator[PhiSpan]:
        """The spans; a rule that knows the label or the check digit names what both have found."""
        if not isinstance(artifacts, Reading) or artifacts.text != text:
            raise TypeError("the tagger needs its own engine")
        read = tagged.read if self.supported_language == "zh" else called_so
        for span in (read(text, found) for found in artifacts.found()):
            if span is not None:
                score = max(LEAST, span.score / 2)
                yield PhiSpan(span.start, span.end, span.category, score, TAGGER)


# What ends the name of a department, made of words that name no institution.
_DEPARTMENT = ("department", "unit", "floor", "surgery", "service")
# With a capital, many of these words may be a name (Spring Clinic, City Hospital); these are not.
_FIELD = (
    r"\w*(?:olog(?:y|ists?)|iatrics?|iatry|surgery|therapy)|hospitalists?|pediatric|adult|plastic"
    r"|internal|medicine|emergency|intensive|critical|inpatient|outpatient|long[- ]term|term|acute"
    r"|transitional|step-?down|telemetry|rehabilitation|rehab|care|wound|lymphedema|management"
    r"|operating|operative|recovery|and|of|the"
)
_KIND = r"department|unit|floor|services?|clinic|facility|suite|team|division|room"
_FIELDS = re.compile(rf"(?i)hospital|(?:(?:{_FIELD})\s)*(?:{_KIND}|\w+(?:ology|iatrics|surgery))")


@cache
def _generic() -> frozenset[str]:
    return read_words("scrub_generic.txt").union(_DEPARTMENT, ("hospital", "center"))


def called_so(text: str, span: PhiSpan) -> PhiSpan | None:
    """A finding in an English note, unless it is any institution ("university hospital"), a
    department ("Pediatric Oncology Clinic") or what no note means by it."""
    if senseless(text, span):
        return None
    found = text[span.start : span.end]
    if span.category == "ORGANIZATION":
        if _FIELDS.fullmatch(found):
            return None
        if found.islower() or found.lower().endswith(_DEPARTMENT):
            words = found.lower().replace("’", "'").split()
            if _generic().issuperset(word.removesuffix("'s") for word in words):
                return None
    return PhiSpan(span.start, span.end, span.category, coarse(span.score))
