"""Which figures of an audit the page shows, and what their legends say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from llmsafe.artifacts import Audit, Membership
from llmsafe.report import figures, gauge, headline, words
from llmsafe.stats import dp_tpr_ceiling

Named = tuple[str, Audit]
Allowed = Callable[[float], float]
GAUGE_WIDE, GAUGE_NARROW = 720, 340
_SHADE = Markup('<span class="key key-ruled-out"></span>')


@dataclass(frozen=True)
class Curves:
    """One figure pair: ROC on linear and on logarithmic scales, with what each line is.

    ``left_out`` results are in the table alone: more lines could not be told apart.
    """

    linear: Markup | None
    log: Markup | None
    legend: list[figures.Entry]
    left_out: int


def drawings(audit: Audit, runs: Sequence[Named]) -> dict[str, Any]:
    """Every figure of the page by the name its template uses; ``None`` where there is nothing."""
    marks = [gauge.mark(name, run) for name, run in runs]
    scores = audit.canaries.scores if audit.canaries else None
    sampled = headline.sampled_extraction(audit)
    claimed = headline.claimed_epsilon(audit.privacy)
    return {
        "gauge_wide": gauge.gauge(marks, name="gauge-wide", width=GAUGE_WIDE),
        "gauge_narrow": gauge.gauge(marks, name="gauge-narrow", width=GAUGE_NARROW),
        "histogram": figures.histogram(scores, name="histogram") if scores else None,
        "canary_curves": _canary_curves(audit, runs),
        "people_curves": _people_curves(audit),
        "guesses": figures.bounds(headline.drawn_bounds(audit), claimed, name="guesses"),
        "exposure": figures.exposure(audit.exposure, name="exposure") if audit.exposure else None,
        "samples": figures.extraction(sampled, name="samples") if sampled else None,
    }


def by_auc(results: Sequence[Membership]) -> list[Membership]:
    """The headline attack, which was named beforehand, then the others by falling AUC."""
    return sorted(results, key=lambda m: (not m.primary, _rank(m.auc.value)))


def _rank(auc: float) -> float:
    return -auc if math.isfinite(auc) else math.inf


def _canary_curves(audit: Audit, runs: Sequence[Named]) -> Curves | None:
    """The attacks on this run's canaries; with other runs, the headline attack on each."""
    if len(runs) == 1:
        own = by_auc([m for m in audit.membership if m.population == "canaries"])
        return _curves(own, [_label(m) for m in own], "canaries", allowed(audit))
    found = [(name, headline.canary_membership(run)) for name, run in runs]
    named = [(name, result) for name, result in found if result is not None]
    results = [result for _, result in named]
    return _curves(results, [f"{name}: {_label(r)}" for name, r in named], "canaries")


def _people_curves(audit: Audit) -> Curves | None:
    """The attacks on patients, or on notes where there are no patients."""
    leading = headline.people_membership(audit)
    if leading is None:
        return None
    own = by_auc([m for m in audit.membership if m.population == leading.population])
    return _curves(own, [_label(m) for m in own], "people")


def _label(result: Membership) -> str:
    return f"{result.attack}, AUC {words.number(result.auc.value)}"


def _curves(
    results: Sequence[Membership],
    labels: Sequence[str],
    name: str,
    limit: Allowed | None = None,
) -> Curves | None:
    # The first result has the first colour and lies on top.
    shown = results[: len(figures.SERIES)]
    linear = figures.roc(shown, name=f"roc-{name}", log=False, allowed=limit)
    if linear is None:
        return None
    swatches = [figures.line(*series) for series in figures.SERIES]
    legend = list(zip(swatches, labels, strict=False))
    if limit is not None:
        legend.append((_SHADE, "ruled out by the promise"))
    log = figures.roc(shown, name=f"roc-{name}-log", log=True, allowed=limit)
    return Curves(linear, log, legend, len(results) - len(shown))


def allowed(audit: Audit) -> Allowed | None:
    """A function from a false positive rate to the TPR that the claim permits, or ``None``."""
    epsilon = headline.claimed_epsilon(audit.privacy)
    if epsilon is None or audit.privacy is None:
        return None
    delta = audit.privacy.delta
    return lambda fpr: float(dp_tpr_ceiling(fpr, epsilon, delta))
