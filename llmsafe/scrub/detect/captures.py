"""Which of two searches saw a span: the rules, the tagger, or both.

The two look at different things (formats and labels; words and context), so what only one of them
saw says how much both may have missed: :func:`llmsafe.stats.missed_by_both`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from llmsafe.artifacts import Residual
from llmsafe.notes import PhiSpan
from llmsafe.stats import missed_by_both

BOTH, RULES, TAGGER = "both", "rules", "tagger"


def captures(
    spans: Iterable[PhiSpan], rules: Sequence[PhiSpan], tagger: Sequence[PhiSpan]
) -> dict[str, int]:
    """Count the disjoint ``spans`` by category and who saw any of each: ``{"NAME both": 3}``. What
    neither saw is left out."""
    counts: Counter[str] = Counter()
    for span in spans:
        match _touched(span, rules), _touched(span, tagger):
            case True, True:
                counts[f"{span.category} {BOTH}"] += 1
            case True, False:
                counts[f"{span.category} {RULES}"] += 1
            case False, True:
                counts[f"{span.category} {TAGGER}"] += 1
            case _:
                pass
    return dict(counts)


def _touched(span: PhiSpan, found: Sequence[PhiSpan]) -> bool:
    return any(other.start < span.end and span.start < other.end for other in found)


def residual(counts: Mapping[str, int]) -> dict[str, Residual]:
    """Per category, how many spans neither search saw, from counts of :func:`captures`."""
    estimates: dict[str, Residual] = {}
    for category in sorted({key.rpartition(" ")[0] for key in counts}):
        both, rules, tagger = (counts.get(f"{category} {who}", 0) for who in (BOTH, RULES, TAGGER))
        missed = missed_by_both(both, rules, tagger)
        estimates[category] = Residual(
            both=both,
            rules_only=rules,
            tagger_only=tagger,
            missed=missed.value,
            low=missed.low,
            # Where the searches never agree there is no upper end, and JSON has no infinity.
            high=missed.high if missed.high < float("inf") else None,
        )
    return estimates
