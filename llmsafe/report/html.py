"""The report: one self-contained HTML page made from ``audit.json``.

No script, no external address, a Content-Security-Policy that would stop both, every value
escaped, and text that cannot hide (:func:`llmsafe.report.words.visible`). Equal audits give equal
bytes, so a page can be made anew from its JSON and compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
from markupsafe import Markup

from llmsafe.artifacts import Audit
from llmsafe.audit.catalogue import CATALOGUE
from llmsafe.audit.verdict import canary_doubt, claim_doubt, member_doubt
from llmsafe.files import write_text
from llmsafe.report import headline, rows, sentences, tables, words
from llmsafe.report.drawings import Named, allowed, by_auc, drawings


def write_html(audit: Audit, path: Path, *, compare: Sequence[Named] = ()) -> Path:
    """Write the page of ``audit`` atomically; ``compare`` sets further runs beside it.

    Raises:
        SetupError: the folder cannot be written.
    """
    return write_text(path, render(audit, compare=compare))


def render(audit: Audit, *, compare: Sequence[Named] = ()) -> str:
    """The page of ``audit`` as a string of HTML."""
    runs: list[Named] = [(audit.model.name, audit), *compare]
    page = environment().get_template("page.html.j2")
    tried = {result.attack for result in audit.membership}
    return page.render(
        audit=audit,
        runs=runs,
        table=tables.comparison(runs) if compare else None,
        sentences=sentences.plain_words(audit),
        not_tested=sentences.NOT_TESTED,
        bound=headline.headline_bound(audit),
        breaking=audit.breaking,
        alarms=audit.verdict.alarms or _alarms(audit),
        claimed=headline.claimed_epsilon(audit.privacy),
        allowed=allowed(audit),
        attacks=[(one.name, one.plain) for one in CATALOGUE if one.plain and one.name in tried],
        canary_doubt=canary_doubt(audit),
        member_doubt=member_doubt(audit),
        claim_doubt=claim_doubt(audit),
        **drawings(audit, runs),
    )


def _alarms(audit: Audit) -> list[str]:
    # An audit made elsewhere may carry none; the page does not rely on it for this one.
    if not audit.breaking:
        return []
    return ["The attack proves more than the claimed ε: the training or its accounting is broken."]


def _share(part: int | None, whole: int | None) -> str:
    if part is None or not whole:
        return words.ABSENT
    return words.percent(part / whole)


def _of(part: int | None, whole: int | None) -> str:
    """``3 of 512``; a dash where either was not counted."""
    if part is None or whole is None:
        return words.ABSENT
    return f"{words.count(part)} of {words.count(whole)}"


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


def environment() -> jinja2.Environment:
    """Templates of the pages: everything escaped, nothing hidden, nothing undefined."""
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
        by_auc=by_auc,
        count=words.count,
        number=words.number,
        significant=words.significant,
        percent=words.percent,
        percent_interval=words.percent_interval,
        interval=words.interval,
        span=words.span,
        one_in=words.one_in,
        unbroken=words.unbroken,
    )
    loose.globals.update(
        status=words.STATUS,
        share=_share,
        of=_of,
        excess=headline.excess,
        at_fpr=headline.at_fpr,
        repeated=headline.over_repeated_runs,
        false_alarms=headline.false_alarms,
        rows=rows,
        style=style(),
    )


def style() -> Markup:
    """The one style sheet, to stand inside a page."""
    return Markup((Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8"))
