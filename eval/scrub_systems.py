"""The scrubbers compared, each a function from a note to the spans found, and how fast they are."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from llmsafe.notes import FOREIGN_TYPES, Note, PhiSpan
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.settings import Settings
from llmsafe.scrub.workers import CHUNK, collect_less, one_thread_each

SYSTEMS = {"llmsafe": "llmsafe", "presidio": "Presidio's patterns"}
FINDING = {"finding": "llmsafe, finding only"}
"""What Presidio's analyzer does too: nothing is replaced."""
Job = tuple[Note, Identity | None]
Find = Callable[[Note, Identity | None], "Sequence[PhiSpan] | None"]


def build(system: str) -> Find:
    """A scrubber; it answers ``None`` where it quarantines the note."""
    return {"llmsafe": _Llmsafe, "finding": _Finding, "presidio": _presidio}[system]()


class _Llmsafe:
    """The default method; those that leave tags look again and find a little more."""

    def __init__(self) -> None:
        from llmsafe.scrub.scrubber import build_scrubber

        settings = Settings("surrogate", Key(b"evaluation of detection only"))
        self._scrubber = build_scrubber(settings)

    def __call__(self, note: Note, identity: Identity | None) -> Sequence[PhiSpan] | None:
        outcome = self._scrubber.scrub(note, identity)
        return outcome.spans if outcome.note else None

    def look_ahead(self, notes: Sequence[Note]) -> None:
        """As the processes of ``llmsafe scrub`` do with the notes that they are handed."""
        self._scrubber.look_ahead(notes)


class _Finding(_Llmsafe):
    def __call__(self, note: Note, identity: Identity | None) -> Sequence[PhiSpan]:
        return self._scrubber.find(note, identity).spans


def _presidio() -> Find:
    """Presidio as it comes, less what needs a model or the network: all its default recognisers for
    English over a blank spaCy pipeline, at its default threshold. It is given no identities."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # The e-mail recogniser would fetch the public suffix list; the copy in the package is used.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Blank(SpacyNlpEngine):
        def load(self) -> None:
            self.nlp = {"en": spacy.blank("en")}

    engine = Blank([{"lang_code": "en", "model_name": "blank"}])
    engine.load()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def find(note: Note, identity: Identity | None) -> Sequence[PhiSpan]:
        # The same place found as several types is one finding.
        best = {
            (r.start, r.end): FOREIGN_TYPES.get(r.entity_type) or "OTHER_ID"
            for r in sorted(analyzer.analyze(note.text, "en"), key=lambda r: r.score)
        }
        return [PhiSpan(*place, category, source="presidio") for place, category in best.items()]

    return find


# --- speed --------------------------------------------------------------------------------------


def rates(
    jobs: Sequence[Job], systems: Sequence[str], processes: int, rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Notes per second of each system with ``processes`` processes: median, least and most of
    ``rounds``, in which the systems take turns over the same notes, which go to the processes by
    sixteen, as ``llmsafe scrub`` hands them out. No note comes twice, for
    llmsafe remembers lines; start and warm-up, with the first tenth, are not counted. llmsafe
    replaces by its default method."""
    warm = max(1, len(jobs) // 10)
    context = multiprocessing.get_context("spawn")
    with one_thread_each():
        pools = {s: context.Pool(processes, partial(_start, s)) for s in systems}
    measured: dict[str, list[float]] = {system: [] for system in systems}
    try:
        for pool in pools.values():
            pool.map(_work, _chunks(jobs[:warm]), chunksize=1)
        for turn in range(rounds):
            part = jobs[warm + turn :: rounds]
            for system in systems if turn % 2 else reversed(systems):
                began = time.perf_counter()
                for _ in pools[system].imap_unordered(_work, _chunks(part)):
                    pass
                measured[system].append(len(part) / (time.perf_counter() - began))
    finally:
        for pool in pools.values():
            pool.terminate()
    return {s: (statistics.median(all_), min(all_), max(all_)) for s, all_ in measured.items()}


_find: Find | None = None


def _start(system: str) -> None:
    global _find
    _find = build(system)
    if isinstance(_find, _Llmsafe):
        collect_less()  # as its own processes do


def _chunks(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    return [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]


def _work(jobs: Sequence[Job]) -> int:
    assert _find is not None
    if isinstance(_find, _Llmsafe):
        _find.look_ahead([note for note, _ in jobs])
    return sum(len(_find(*job) or ()) for job in jobs)
