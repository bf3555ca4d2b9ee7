"""The report: one self-contained HTML page made from ``audit.json``.

No script, no external address, a Content-Security-Policy that would stop both, every value
escaped, and text that cannot hide (:func:`llmsafe.report.words.visible`). Equal audits give equal
bytes, so a page can be made anew from its JSON and compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jinja2
from markupsafe import Markup

from llmsafe.artifacts import Audit, Membership
from llmsafe.files import write_text
from llmsafe.report import figures, gauge, headline, sentences, tables, words
from llmsafe.stats import dp_tpr_ceiling

Named = tuple[str, Audit]
GAUGE_WIDE, GAUGE_NARROW = 720, 340
_SHADE = Markup('<span class="key key-ruled-out"></span>')


@dataclass(frozen=True)
class Curves:
    """One figure pair: ROC on linear and on logarithmic scales, with what each line is."""

    linear: Markup | None
    log: Markup | None
    legend: list[tuple[Markup, str]]


def write_html(audit: Audit, path: Path, *, compare: Sequence[Named] = ()) -> Path:
    """Write the page of ``audit`` atomically; ``compare`` sets further runs beside it.

    Raises:
        SetupError: the folder cannot be written.
    """
    return write_text(path, render(audit, compare=compare))


def render(audit: Audit, *, compare: Sequence[Named] = ()) -> str:
    """The page of ``audit`` as a string of HTML."""
    runs: list[Named] = [(audit.model.name, audit), *compare]
    page = _environment().get_template("page.html.j2")
    return page.render(
        audit=audit,
        runs=runs,
        table=tables.comparison(runs) if compare else None,
        sentences=sentences.plain_words(audit),
        not_tested=sentences.NOT_TESTED,
        bound=headline.headline_bound(audit),
        broken=headline.bound_breaks_claim(audit),
        alarms=audit.verdict.alarms or _alarms(audit),
        claimed=headline.claimed_epsilon(audit.privacy),
        allowed=_allowed(audit),
        **_drawings(audit, runs),
    )


def _alarms(audit: Audit) -> list[str]:
    # An audit made elsewhere may carry none; the page does not rely on it for this one.
    if not headline.bound_breaks_claim(audit):
        return []
    return ["The attack proves more than the claimed ε: the training or its accounting is broken."]


def _drawings(audit: Audit, runs: Sequence[Named]) -> dict[str, Any]:
    marks = [gauge.mark(name, run) for name, run in runs]
    scores = audit.canaries.scores if audit.canaries else None
    people = [m for m in audit.membership if m.population != "canaries"]
    return {
        "gauge_wide": gauge.gauge(marks, name="gauge-wide", width=GAUGE_WIDE),
        "gauge_narrow": gauge.gauge(marks, name="gauge-narrow", width=GAUGE_NARROW),
        "histogram": figures.histogram(scores, name="histogram") if scores else None,
        "canary_curves": _canary_curves(audit, runs),
        "people_curves": _curves(people, [_label(m) for m in people], "people"),
    }


def _canary_curves(audit: Audit, runs: Sequence[Named]) -> Curves | None:
    """The attacks on this run's canaries; with other runs, the headline attack on each."""
    if len(runs) == 1:
        own = [m for m in audit.membership if m.population == "canaries"]
        return _curves(own, [_label(m) for m in own], "canaries", _allowed(audit))
    found = [(name, headline.canary_membership(run)) for name, run in runs]
    named = [(name, result) for name, result in found if result is not None]
    results = [result for _, result in named]
    return _curves(results, [f"{name}: {_label(r)}" for name, r in named], "canaries")


def _label(result: Membership) -> str:
    population = "" if result.population == "canaries" else f" on {result.population}"
    return f"{result.attack}{population}, AUC {words.number(result.auc.value)}"


def _curves(
    results: Sequence[Membership],
    labels: Sequence[str],
    name: str,
    allowed: Callable[[float], float] | None = None,
) -> Curves | None:
    # The headline attack is drawn first, so that it has the first colour and lies on top.
    order = sorted(range(len(results)), key=lambda i: (not results[i].primary, i))
    shown = [results[i] for i in order][: len(figures.SERIES)]
    linear = figures.roc(shown, name=f"roc-{name}", log=False, allowed=allowed)
    if linear is None:
        return None
    legend = [(swatch, labels[i]) for swatch, i in zip(_swatches(), order, strict=False)]
    if allowed is not None:
        legend.append((_SHADE, "ruled out by the promise"))
    log = figures.roc(shown, name=f"roc-{name}-log", log=True, allowed=allowed)
    return Curves(linear, log, legend)


def _swatches() -> list[Markup]:
    dash = {"-": "none", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}
    line = Markup(
        '<svg class="swatch" viewBox="0 0 28 8" aria-hidden="true"><path d="M0 4H28" '
        'stroke="{}" stroke-width="3" stroke-dasharray="{}" fill="none"/></svg>'
    )
    return [line.format(colour, dash[style]) for colour, style in figures.SERIES]


def _allowed(audit: Audit) -> Callable[[float], float] | None:
    """A function from a false positive rate to the TPR that the claim permits, or ``None``."""
    epsilon = headline.claimed_epsilon(audit.privacy)
    if epsilon is None or audit.privacy is None:
        return None
    delta = audit.privacy.delta

    def allowed(fpr: float) -> float:
        return float(dp_tpr_ceiling(fpr, epsilon, delta))

    return allowed


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return words.ABSENT
    return words.percent(part / whole)


def _finalize(value: Any) -> Any:
    """Every value that a template prints comes through here before it is escaped."""
    match value:
        case Markup():
            return value
        case None:
            return words.ABSENT
        case float() if not math.isfinite(value):
            return words.number(value)
        case _:
            return words.visible(str(value))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("llmsafe.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    _extend(environment)
    return environment


def _extend(environment: jinja2.Environment) -> None:
    loose = cast(Any, environment)  # jinja2 leaves the values of both tables untyped
    loose.filters.update(
        count=words.count,
        number=words.number,
        significant=words.significant,
        percent=words.percent,
        percent_interval=words.percent_interval,
        interval=words.interval,
        span=words.span,
        one_in=words.one_in,
    )
    loose.globals.update(
        status=words.STATUS,
        share=_share,
        excess=headline.excess,
        at_fpr=headline.at_fpr,
        style=Markup(_style()),
    )


def _style() -> str:
    return (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
