"""``llmsafe access``: who may open what, and who did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmsafe.cli.seal import KeyFile


def access(
    path: Annotated[Path, typer.Argument(help="Sealed file or folder.")],
    holds: Annotated[
        str | None,
        typer.Option("--holds", help="Hash that the log had once; refuse a log that lost it."),
    ] = None,
    key_file: KeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Policy and log on stdout.")] = False,
) -> None:
    """Show who may open what is sealed, and the log of who did, verified line by line.

    Exit 3 when the log was edited, reordered or forged. Lines cut off its end show only against a
    hash that was noted before: keep the last one elsewhere, and give it to --holds next time.

    \b
    Examples:
      llmsafe access runs/mine
      llmsafe access runs/mine --holds sha256:9f86d081884c...
      llmsafe access scrubbed --json | jq '.log[] | select(.action == "open")'
    """
    from llmsafe.cli.common import emit_json, say
    from llmsafe.errors import InputError
    from llmsafe.report.words import visible
    from llmsafe.seal.keys import needed_key
    from llmsafe.seal.log import read_log
    from llmsafe.seal.store import key_for, log_place, policy_folder
    from llmsafe.seal.tree import current_policy

    key = needed_key(key_file)
    policy = current_policy(path, key)
    if policy is None:
        raise InputError(f"{path} is not sealed (a folder needs access.json); llmsafe seal it")
    place = path.absolute()
    log = log_place(path, place if path.is_dir() else policy_folder(path))
    lines = read_log(log, key_for(log, key), holds=holds)
    if path.is_file() and policy_folder(path) is None:
        lines = [line for line in lines if line.what == path.name]
    head = lines[-1].hash if lines else None
    if as_json:
        emit_json(
            {
                "policy": policy.model_dump(mode="json"),
                "log": [line.model_dump(mode="json") for line in lines],
                "head": head,
            }
        )
        return
    for name, role in policy.roles.items():
        print(visible(f"{name}: {', '.join(role.may_open)}"))
        for one in role.keys:
            print(f"  {one}  {'you' if one == key.id else key.trusted.get(one, '')}".rstrip())
    print()
    for line in lines:
        who = "you" if line.who == key.id else key.name_of(line.who)
        why = f"  ({line.why})" if line.why else ""
        role = f" as {line.role}" if line.role else ""
        said = f"{line.what}  {who}{role}  {line.user}  {line.by}{why}"
        print(f"{line.time}  {line.action:<6}  {visible(said)}")  # others wrote it: no escapes
    say(f"{len(lines):,} lines, unbroken; last hash {head}")
