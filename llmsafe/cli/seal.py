"""``llmsafe seal`` and ``llmsafe open``: encrypt files and folders where they lie, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from llmsafe.seal.keys import Key
    from llmsafe.seal.policy import AccessPolicy
    from llmsafe.seal.tree import Work

KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="Your key (mode 0600).", show_default="LLMSAFE_SEAL_KEY_FILE"),
]
Why = Annotated[
    str | None,
    typer.Option("--why", help="Reason, for the access log.", show_default="LLMSAFE_ACCESS_REASON"),
]


def seal(
    path: Annotated[Path, typer.Argument(help="File or folder to encrypt in its place.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="Id of a key that may open it, beside yours. Repeatable."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Access policy (YAML or JSON): roles, keys, patterns."),
    ] = None,
    key_file: KeyFile = None,
    why: Why = None,
) -> None:
    """Encrypt a file or a folder in its place; names stay.

    AES-256-GCM in authenticated segments, for your key and those of --to or --policy. Every verb
    and the recipe read sealed files with the key in LLMSAFE_SEAL_KEY_FILE, decrypted in memory,
    and with that key set they seal every private file that they write.

    A folder gets access.json (who may open what; sealed too) and access.log (who opened what, when
    and why). Seal it again to take in new files or another policy. release/ beside vault/ stays
    clear. Old blocks are overwritten; a disk that remaps blocks (SSD, snapshots) may keep them.

    \b
    A policy:
      roles:
        engineer: {keys: [lsk_...], may_open: ["*"]}
        analyst:  {keys: [lsk_...], may_open: ["corpus/*"]}
      reason_required: true

    \b
    Examples:
      llmsafe key new ~/seal.key && export LLMSAFE_SEAL_KEY_FILE=~/seal.key
      llmsafe seal notes.jsonl
      llmsafe seal scrubbed/ --to lsk_AnOfficersKeyId
      llmsafe seal runs/mine --policy access.yaml --why "ticket 42"
      llmsafe scrub notes.jsonl clean/        # reads and writes sealed files
    """
    from llmsafe.cli.common import finish, progress, say
    from llmsafe.seal.keys import needed_key
    from llmsafe.seal.tree import folder_size, seal_path

    state_reason(why)
    key = needed_key(key_file)
    wanted = _wanted(path, key, to or [], policy)
    with progress("bytes", folder_size(path) if path.exists() else 0) as advance:
        work = seal_path(path, key, wanted, advance)
    say(f"{_files(work.done)} sealed" + _rewrapped(work))
    tell_left(work)
    finish([path])


def open_(
    path: Annotated[Path, typer.Argument(help="Sealed file or folder; stays as it is.")],
    output: Annotated[Path, typer.Argument(help="File or folder to write, in clear.")],
    key_file: KeyFile = None,
    why: Why = None,
) -> None:
    """Decrypt a file or a folder into another place (0600 in 0700).

    Nothing is written of a file before it is authenticated, and nothing is left of a folder in
    which one file was altered. llmsafe itself needs no opened files: it reads sealed ones. The
    access is logged beside what is opened.

    \b
    Examples:
      llmsafe open notes.jsonl notes-clear.jsonl
      llmsafe open runs/mine/vault vault-clear --why "appeal of patient, ticket 42"
    """
    import os

    from llmsafe.cli.common import finish, progress, say
    from llmsafe.seal.keys import FILE
    from llmsafe.seal.tree import folder_size, open_path

    state_reason(why)
    if key_file is not None:
        os.environ[FILE] = str(key_file)
    with progress("bytes", folder_size(path) if path.exists() else 0) as advance:
        work = open_path(path, output, advance)
    say(f"{_files(work.done)} opened; they are clear now: guard them, and remove them after use")
    finish([output])


def state_reason(why: str | None) -> None:
    """Put the reason where every access of this process finds it."""
    import os

    from llmsafe.seal.log import REASON

    if why:
        os.environ[REASON] = why


def _wanted(path: Path, key: Key, to: list[str], file: Path | None) -> AccessPolicy | None:
    """The policy asked for: that of the file, or the present one with further keys."""
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import check_id
    from llmsafe.seal.policy import simple_policy
    from llmsafe.seal.tree import current_policy

    if file is not None:
        if to:
            raise InputError("--policy names the keys that may open it, so --to is not for it")
        return read_policy(file)
    if not to:
        return None
    wanted = current_policy(path, key) or simple_policy(key, ())
    for name in to:
        wanted = wanted.with_key(check_id(name), "recipients")
    return wanted


def read_policy(path: Path) -> AccessPolicy:
    """An access policy that a person wrote.

    Raises:
        InputError: it cannot be read, or is none.
    """
    import yaml

    from llmsafe.errors import InputError
    from llmsafe.seal.policy import check_policy

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read --policy {path}: {type(error).__name__}") from error
    return check_policy(data, str(path))


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _rewrapped(work: Work) -> str:
    return f", {_files(work.rewrapped)} given new keys" if work.rewrapped else ""


def tell_left(work: Work) -> None:
    """What was left as it is, by reason."""
    from llmsafe.cli.common import say

    reasons: dict[str, list[Path]] = {}
    for path, reason in work.left:
        reasons.setdefault(reason, []).append(path)
    for reason, paths in reasons.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        say(f"left as it is ({reason}): {paths[0]}{more}")
