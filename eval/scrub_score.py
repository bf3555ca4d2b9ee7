"""What a scrubber found of the gold in one note, and rates over many notes.

Recall does not ask for the right category: what counts is that the text is gone. Precision does not
ask either: what counts is that what went was PHI. Both are counted for

    spans    found with the very borders of the gold
    tokens   words and numbers wholly covered (titles, "of", "the" and their like excepted)
    chars    letters and digits covered

Not counted as PHI, but told: bare years and ages under 90, which Safe Harbor lets stay, and types
that are no Safe Harbor identifier (a profession, a state). A type that is not known counts as PHI
under its own name, and is told too. To touch any of these is never wrong.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from llmsafe.gold import GoldNote
from llmsafe.notes import CATEGORIES, FOREIGN_TYPES, PhiSpan
from llmsafe.stats import Interval, binomial_interval, ratio_interval

_YEAR = re.compile(r"(?:18|19|20)\d\d")
_TOKEN = re.compile(r"[^\W_]+")
_TITLES = ("dr", "mr", "mrs", "ms", "prof", "md")
_EMPTY = frozenset((*_TITLES, "of", "the", "in", "at", "and", "for", "on", "st"))
MEASURES = ("spans", "tokens", "chars")


@dataclass(frozen=True)
class Gold:
    """A gold note with the spans that count, by our categories, and how many of the others."""

    note: GoldNote
    spans: tuple[PhiSpan, ...]
    left_out: Counter[str] = field(default_factory=Counter)


def in_scope(gold: GoldNote) -> Gold:
    """Map types to categories and leave out what is not counted."""
    spans: list[PhiSpan] = []
    left_out: Counter[str] = Counter()
    for span in gold.spans:
        text = gold.note.text[span.start : span.end]
        category = FOREIGN_TYPES.get(span.category, span.category)
        ages = [int(number) for number in re.findall(r"\d+", text)]
        if category is None:
            left_out[span.category] += 1
        elif category == "DATE" and _YEAR.fullmatch(text.strip()):
            left_out["bare years"] += 1
        elif category == "AGE" and ages and max(ages) < 90:
            left_out["ages under 90"] += 1
        else:
            spans.append(replace(span, category=category))
    return Gold(gold, tuple(spans), left_out)


def unknown_types(golds: Iterable[Gold]) -> Counter[str]:
    """Types that no table maps, with the number of their spans."""
    return Counter(
        span.category for gold in golds for span in gold.spans if span.category not in CATEGORIES
    )


# --- one note -----------------------------------------------------------------------------------


@dataclass
class Count:
    """Hits out of trials, for each of the three measures."""

    trials: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)

    def add(self, measure: str, hits: int, trials: int = 1) -> None:
        self.hits[measure] += hits
        self.trials[measure] += trials


@dataclass
class NoteScore:
    """Recall by category of the gold, precision by category found, and what leaked."""

    style: str
    has_phi: bool  # by the gold, what is not counted included
    recall: defaultdict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    precision: defaultdict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    leaked: list[PhiSpan] = field(default_factory=list)
    touched: bool = False
    words: int = 0
    words_touched: int = 0

    @property
    def counts(self) -> bool:
        """Whether anything in the note could leak."""
        return bool(self.recall)


def score_note(gold: Gold, found: Sequence[PhiSpan]) -> NoteScore:
    """Compare what was found with the gold, both in offsets of the note's text."""
    text, every = gold.note.note.text, gold.note.spans
    covered, marked = _mask(text, found), _mask(text, every)
    score = NoteScore(str(gold.note.note.extra.get("style", "")), bool(every), touched=bool(found))
    borders = {(span.start, span.end) for span in found}
    for span in gold.spans:
        count, tokens = score.recall[span.category], list(_core_tokens(text, span))
        whole = sum(all(covered[start:end]) for start, end in tokens)
        places = _letters(text, span)
        count.add("spans", (span.start, span.end) in borders)
        count.add("tokens", whole, len(tokens))
        count.add("chars", sum(covered[place] for place in places), len(places))
        if whole < len(tokens):
            score.leaked.append(span)
    borders = {(span.start, span.end) for span in every}
    for span in found:
        count, places = score.precision[span.category], _letters(text, span)
        tokens = [t.span() for t in _TOKEN.finditer(text, span.start, span.end)]
        count.add("spans", (span.start, span.end) in borders)
        count.add("tokens", sum(any(marked[a:b]) for a, b in tokens), len(tokens))
        count.add("chars", sum(marked[place] for place in places), len(places))
    for token in _TOKEN.finditer(text):
        score.words += 1
        score.words_touched += any(covered[token.start() : token.end()])
    return score


def _core_tokens(text: str, span: PhiSpan) -> Iterator[tuple[int, int]]:
    for token in _TOKEN.finditer(text, span.start, span.end):
        if token[0].lower() not in _EMPTY:
            yield token.span()


def _letters(text: str, span: PhiSpan) -> list[int]:
    return [place for place in range(span.start, span.end) if text[place].isalnum()]


def _mask(text: str, spans: Iterable[PhiSpan]) -> list[bool]:
    mask = [False] * len(text)
    for span in spans:
        mask[span.start : span.end] = [True] * (span.end - span.start)
    return mask


# --- many notes ---------------------------------------------------------------------------------

Side = Callable[[NoteScore], "defaultdict[str, Count]"]


def recall(score: NoteScore) -> defaultdict[str, Count]:
    return score.recall


def precision(score: NoteScore) -> defaultdict[str, Count]:
    return score.precision


def rate(
    scores: Sequence[NoteScore], side: Side, measure: str, category: str | None = None
) -> Interval | None:
    """A rate over all notes with its 95 % interval, in which a note is one observation; ``None``
    where nothing was counted."""
    hits: list[int] = []
    trials: list[int] = []
    for score in scores:
        counts = [c for name, c in side(score).items() if category in (None, name)]
        hits.append(sum(count.hits[measure] for count in counts))
        trials.append(sum(count.trials[measure] for count in counts))
    return ratio_interval(hits, trials) if sum(trials) else None


def leaking(scores: Sequence[NoteScore], category: str | None = None) -> Interval | None:
    """The share of notes with any token of the gold left, of those that hold PHI that counts."""
    having = [s for s in scores if (s.counts if category is None else category in s.recall)]
    with_leak = sum(any(category in (None, span.category) for span in s.leaked) for s in having)
    return binomial_interval(with_leak, len(having)) if having else None


def clean_touched(scores: Sequence[NoteScore]) -> Interval | None:
    """The share of notes without PHI in which anything was found."""
    clean = [score for score in scores if not score.has_phi]
    return binomial_interval(sum(s.touched for s in clean), len(clean)) if clean else None


def clean_words_touched(scores: Sequence[NoteScore]) -> Interval | None:
    """The share of words of notes without PHI that were touched."""
    clean = [score for score in scores if not score.has_phi and score.words]
    if not clean:
        return None
    return ratio_interval([s.words_touched for s in clean], [s.words for s in clean])
