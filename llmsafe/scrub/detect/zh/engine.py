"""What Presidio calls an NLP engine, for a language that has no tagger yet: it says nothing.

A Chinese tagger takes its place in :func:`llmsafe.scrub.detect.detector.build_engine`; the doubtful
rules then ask it for a second opinion, as the English ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import spacy
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine


class RuleEngine(NlpEngine):
    """An engine for recognisers that read the text alone."""

    engine_name = "llmsafe-rules"
    is_available = True

    def __init__(self, language: str) -> None:
        self._language = language
        self._artifacts: NlpArtifacts | None = None

    def load(self) -> None:
        """Make the empty artifacts that every note shares."""
        # A blank English pipeline: it is never run, and a Chinese one would ask for a segmenter.
        empty: Any = spacy.blank("en")("")
        self._artifacts = NlpArtifacts([], empty, [], [], cast("Any", None), self._language)

    def is_loaded(self) -> bool:
        """Whether :meth:`load` was called."""
        return self._artifacts is not None

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Nothing about ``text``."""
        if self._artifacts is None:
            self.load()
        assert self._artifacts is not None
        return self._artifacts

    def process_batch(
        self, texts: Any, language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Nothing about each text."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """No word is."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """No word is."""
        return False

    def get_supported_entities(self) -> list[str]:
        """None."""
        return []

    def get_supported_languages(self) -> list[str]:
        """The one language."""
        return [self._language]
