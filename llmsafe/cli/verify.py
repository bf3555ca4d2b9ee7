"""``llmsafe verify``: is a release what its maker signed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    release: Annotated[Path, typer.Argument(help="Release folder.")],
    key: Annotated[
        Path, typer.Option(help="Public key of whoever released it (PEM), got by another way.")
    ],
    policy: Annotated[
        str | None,
        typer.Option(help="Judge its figures by a policy of your own: a file, release, or strict."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Data on stdout.")] = False,
) -> None:
    """Check a release that you received, before it is loaded.

    A file that was changed, added, removed or renamed is named and the release refused (exit 3);
    so is one signed by another key, and one whose audit, claim and weights do not belong together.
    A policy that has expired since, or an audit that has grown too old, is told and does not
    refuse. With --policy its figures are judged anew, by yours: exit 1 when they fail it, 3 when
    they cannot tell. Loads no model and needs no GPU; the signature is in the format of the
    OpenSSF's model-signing, whose own program checks it too.

    \b
    Examples:
      llmsafe verify mine-release --key hospital.pub
      llmsafe verify mine-release --key hospital.pub --policy ours.yaml
      llmsafe verify mine-release --key hospital.pub --json | jq .epsilon
    """
    from llmsafe.audit.verdict import judge, load_policy
    from llmsafe.cli.common import VERDICT_EXIT, emit_json, say
    from llmsafe.release.verify import verify_release
    from llmsafe.report import words

    own = load_policy(policy) if policy else None
    found = verify_release(release, key)
    note, theirs = found.note, found.audit.policy
    assert theirs is not None  # verified
    ours = judge(found.audit, own) if own else None
    if as_json:
        emit_json(
            {
                "status": "ok",
                "release": note.model_dump(mode="json"),
                "epsilon": found.statement.claimed,
                "delta": found.statement.delta,
                "unit": found.statement.unit,
                "verdict": found.audit.verdict.status,
                "remarks": list(found.remarks),
            }
            | ({"own_verdict": ours.model_dump(mode="json")} if ours else {})
        )
    else:
        rows = {
            "release": f"{note.name}, {note.made_on}, {note.tool}",
            "form": note.method,
            "base": note.base,
            "claimed ε": f"{words.claim(found.statement)} per {found.statement.unit}",
            "audit": f"of these very weights, {found.audit.measured_on}: "
            f"{words.STATUS[found.audit.verdict.status]} by policy {theirs.name!r}",
            "signed by": f"the owner of the key with SHA-256 {note.signer}",
        }
        if ours and own:
            rows["your policy"] = f"{words.STATUS[ours.status]} by policy {own.name!r}"
        for name, value in rows.items():
            print(f"{name:<11} {words.visible(value)}")
    for remark in found.remarks:
        say(f"note: {remark}")
    say(f"{release}: every file is as it was signed")
    if ours and (code := VERDICT_EXIT[ours.status]):
        for reason in ours.reasons:
            say(reason)
        raise typer.Exit(code)
