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
    from llmsafe.privacy.check import check_run

    checks = check_run(run)
    broken = [one for one in checks if one.broken]
    if as_json:
        emit_json(
            {
                "run": run.name,
                "status": "broken" if broken else "ok",
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
    say(f"{run}: every check that could be made is ok")
