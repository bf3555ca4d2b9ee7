"""``llmsafe check``: is a run what it says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmsafe.cli.common import emit_json, say
from llmsafe.errors import EvidenceError


def check(
    run: Annotated[Path, typer.Argument(help="Run folder with release/ and vault/.")],
    as_json: Annotated[bool, typer.Option("--json", help="Data on stdout.")] = False,
) -> None:
    """Verify a run: lineage, ledger against statement, a second accountant, file modes.

    Digests are taken and epsilon is computed anew. Exit 0 when everything that must be there is
    there and right, 3 otherwise. "absent" marks evidence that could not be looked at.

    \b
    Examples:
      llmsafe check runs/mine
      llmsafe check runs/mine --json
    """
    from llmsafe.privacy.check import audit_status, check_run

    checks = check_run(run)
    broken = [one for one in checks if one.broken]
    verdict = audit_status(run)
    if as_json:
        emit_json(
            {
                "run": run.name,
                "status": "broken" if broken else "ok",
                "audit_verdict": verdict,
                "checks": [
                    {
                        "name": one.name,
                        "status": one.status,
                        "detail": one.detail,
                        "required": one.required,
                    }
                    for one in checks
                ],
            }
        )
    else:
        width = max(len(one.name) for one in checks)
        for one in checks:
            print(f"{one.status:<7} {one.name:<{width}}  {one.detail}")
    if broken:
        names = "; ".join(one.name for one in broken)
        raise EvidenceError(
            f"{len(broken)} of {len(checks)} checks of {run} are broken or without evidence: "
            f"{names}; do not rely on this run"
        )
    # Sound evidence of a leak is sound: what it says is another matter.
    said = {
        None: "; the run has no audit",
        "none": "; its audit was judged by no policy",
        "pass": "",
    }.get(verdict, f"; the audit's verdict is {str(verdict).upper()}")
    say(f"{run}: every check that could be made is ok{said}")
