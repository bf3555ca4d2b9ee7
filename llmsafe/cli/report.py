"""``llmsafe report``: the page and the tables, made anew from audit.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from llmsafe.artifacts import Audit


def report(
    path: Annotated[Path, typer.Argument(help="Run, release folder, audit.json or its folder.")],
    compare: Annotated[
        list[Path] | None,
        typer.Option(help="A further audit to set beside it; repeatable, needs --out."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file to write; default, of one audit: beside audit.json."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON on stdout.")] = False,
) -> None:
    """Render audit.html anew from audit.json and print the table of headline figures.

    Measures nothing: the page says what the JSON says. The table is drawn on a terminal and
    Markdown in a pipe. A page that compares is no page of a release: it holds other runs' figures.

    \b
    Examples:
      llmsafe report runs/demo
      llmsafe report runs/private --compare runs/control --out side-by-side.html
      llmsafe report runs/demo > table.md
    """
    import sys

    from llmsafe.artifacts import Audit
    from llmsafe.cli.common import emit_json, finish
    from llmsafe.report import tables
    from llmsafe.report.html import write_html

    file = audit_file(path)
    target = _target(out, file, alone=not compare)
    audits = [(each, Audit.load(audit_file(each))) for each in (path, *(compare or []))]
    for each, audit in audits:
        _check_verdict(each, audit)
    names = [audit.model.name for _, audit in audits]
    # Two runs of one name are told apart by their paths.
    unique = len(set(names)) == len(names)
    rows = [(audit.model.name if unique else str(each), audit) for each, audit in audits]
    write_html(rows[0][1], target, compare=rows[1:])
    terminal = sys.stdout.isatty()
    if as_json:
        emit_json({"html": str(target), "runs": [tables.figures(*row) for row in rows]})
    elif terminal:
        tables.print_comparison(rows)
    else:
        print(tables.comparison_markdown(rows), end="")
    # In a pipe stdout carries the table and nothing else.
    finish([target], as_json=as_json or not terminal)


def audit_file(path: Path) -> Path:
    """The audit.json of a run, a release folder or the folder of an audit.

    Raises:
        InputError: no such place.
        EvidenceError: it holds no audit.
    """
    from llmsafe.errors import EvidenceError, InputError
    from llmsafe.files import RELEASE

    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path} does not exist; name a run, a release folder or an audit.json")
    for file in (path / "audit.json", path / RELEASE / "audit.json"):
        if file.is_file():
            return file
    raise EvidenceError(f"{path} holds no audit.json; make one: llmsafe audit --model {path}")


def _check_verdict(path: Path, audit: Audit) -> None:
    """Raises EvidenceError for a verdict that the figures beside it do not bear out."""
    from llmsafe.audit.verdict import overstated
    from llmsafe.errors import EvidenceError

    if overstated(audit):
        raise EvidenceError(
            f"{path}: its verdict {audit.verdict.status!r} does not follow from its figures and "
            "its policy: the file was changed, or an older llmsafe judged it; judge it again by "
            "llmsafe audit --from-scores"
        )


def _target(out: Path | None, audit: Path, *, alone: bool) -> Path:
    """Where the page goes. One that compares never lies beside an audit.json, as its page does.

    Raises:
        InputError: no HTML file, or a place where a comparison does not belong.
    """
    from llmsafe.errors import InputError

    if out is not None and (out.is_dir() or out.suffix.lower() not in (".html", ".htm")):
        raise InputError(f"--out {out} is no HTML file; give a name that ends in .html")
    if alone:
        return out or audit.with_name("audit.html")
    if out is None or (out.parent / "audit.json").exists():
        wrong = "--compare needs --out" if out is None else f"--out {out} lies beside an audit.json"
        raise InputError(
            f"{wrong}: a page with other runs' figures does not replace the page of a release; "
            "write it elsewhere, --out side-by-side.html"
        )
    return out
