"""``llmsafe key``: make keys, hand sealed data on to other keys, lend one to a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmsafe.cli.seal import KeyFile, Why, state_reason, tell_left

if TYPE_CHECKING:
    from llmsafe.seal.keys import Key
    from llmsafe.seal.policy import AccessPolicy

key = typer.Typer(
    name="key",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Make keys, and say who may open what is sealed.

    A key is a file (0600) with a secret; its id (lsk_...) is public. Others seal for your id and
    cannot open. LLMSAFE_SEAL_KEY_FILE names the file, or LLMSAFE_SEAL_KEY holds the secret itself;
    no secret and no passphrase is ever an argument, for the list of processes shows those to
    everybody. A lost key opens nothing: seal for two keys, and keep one of them elsewhere.
    """,
)
Sealed = Annotated[Path, typer.Argument(help="Sealed file, or folder with access.json.")]


@key.command()
def new(
    file: Annotated[Path, typer.Argument(help="Key file to make.")],
    passphrase: Annotated[
        bool,
        typer.Option("--passphrase", help="Lock it with a passphrase (scrypt), which is asked."),
    ] = False,
) -> None:
    """Make a key; print its id.

    \b
    Examples:
      llmsafe key new ~/seal.key
      llmsafe key new ~/seal.key --passphrase
      LLMSAFE_SEAL_PASSPHRASE_FD=3 llmsafe key new ~/seal.key --passphrase 3< passphrase
    """
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import lock, new_key

    if file.exists():
        raise InputError(f"{file} exists; a key file is never overwritten: name another")
    made = new_key()
    if passphrase:
        made = lock(made, _new_passphrase())
    _save(file, made)
    print(made.id)


@key.command("show-id")
def show_id(
    file: Annotated[Path | None, typer.Argument(help="Key file; default: that of the job.")] = None,
) -> None:
    """Print the id of a key: what others need to seal for you. Asks for no passphrase."""
    from llmsafe.seal.keys import FILE, needed_key, read_key

    named = os.environ.get(FILE)
    file = file or (Path(named) if named else None)
    print((read_key(file) if file else needed_key()).id)


@key.command()
def trust(
    id: Annotated[str, typer.Argument(help="Id of the key whose seals you take for genuine.")],
    name: Annotated[str, typer.Option("--name", help="What you call it.")],
    key_file: KeyFile = None,
) -> None:
    """Open what another key sealed from now on.

    A file proves who sealed it, and one sealed by a stranger is refused: whoever can write to the
    disk and knows your id could otherwise put notes or a policy of theirs in the place of yours.

    \b
    Example:
      llmsafe key trust lsk_AnOfficersKeyId --name officer
    """
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import FILE, check_id, read_key

    named = os.environ.get(FILE)
    file = key_file or (Path(named) if named else None)
    if file is None:
        raise InputError(f"name your key file by --key-file or in {FILE}")
    _save(file, read_key(file).trusting(check_id(id), name))
    print(f"{file} trusts {name}")


@key.command()
def add(
    path: Sealed,
    id: Annotated[str, typer.Argument(help="Id of the key that may open it from now on.")],
    role: Annotated[str, typer.Option("--role", help="Role of the policy.")] = "recipients",
    key_file: KeyFile = None,
    why: Why = None,
) -> None:
    """Let one more key open what is sealed; nothing is encrypted again.

    \b
    Example:
      llmsafe key add runs/mine lsk_AnOfficersKeyId --role officer
    """
    _change(path, key_file, why, lambda policy, _: policy.with_key(id, role))


@key.command()
def remove(
    path: Sealed,
    id: Annotated[str, typer.Argument(help="Id of the key to take out.")],
    key_file: KeyFile = None,
    why: Why = None,
) -> None:
    """Take a key out of headers and policy; nothing is encrypted again.

    Whoever had the key and a copy of the old files can still open that copy. If that matters, open
    what is sealed and seal it anew.
    """
    from llmsafe.errors import InputError

    def without(policy: AccessPolicy, _: Key) -> AccessPolicy:
        if id not in policy.key_ids():
            raise InputError(f"{path} is not sealed for {id}")
        return policy.replacing(id, None)

    _change(path, key_file, why, without)


@key.command()
def rotate(
    path: Sealed,
    new_key_file: Annotated[Path, typer.Argument(help="Key file that takes the place of yours.")],
    key_file: KeyFile = None,
    why: Why = None,
) -> None:
    """Put a new key in the place of yours in headers and policy; nothing is encrypted again.

    The key of every file is unwrapped with your key and wrapped for the new one, at the speed of a
    copy. Interrupted, the same command finishes the work. Others who open it must trust the new id.

    \b
    Examples:
      llmsafe key new ~/seal-2027.key
      llmsafe key rotate runs/mine ~/seal-2027.key --key-file ~/seal.key
    """
    from llmsafe.seal.keys import read_key, unlocked

    fresh = unlocked(read_key(new_key_file), str(new_key_file))
    _change(path, key_file, why, lambda policy, own: policy.replacing(own.id, fresh.id), fresh)


@key.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="Command and arguments.")
    ],
    key_file: KeyFile = None,
) -> None:
    """Unlock a key once and run a command with it in the environment.

    For keys under a passphrase and jobs of several processes. The secret is in the environment of
    that command and its children, which your own account and root can read.

    \b
    Example:
      llmsafe key run -- accelerate launch dp_lora.py data.corpus=corpus output=run
    """
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import FILE, PASSPHRASE, SECRET, needed_key

    own = needed_key(key_file)
    kept = {k: v for k, v in os.environ.items() if k not in (FILE, PASSPHRASE)}
    try:
        os.execvpe(command[0], command, kept | {SECRET: own.to_text()})
    except OSError as error:
        raise InputError(f"cannot run {command[0]}: {error.strerror}") from error


def _change(
    path: Path,
    key_file: Path | None,
    why: str | None,
    change: Callable[[AccessPolicy, Key], AccessPolicy],
    fresh: Key | None = None,
) -> None:
    """Hand what is sealed on to the keys of the changed policy; ``fresh`` vouches for it."""
    from llmsafe.cli.common import finish, say
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import needed_key
    from llmsafe.seal.tree import current_policy, rewrap_path

    state_reason(why)
    own = needed_key(key_file)
    policy = current_policy(path, own)
    if policy is None:
        raise InputError(f"{path} is not sealed (a folder needs access.json); llmsafe seal it")
    policy = change(policy, own)
    action = "policy" if fresh is None else "rotate"
    work = rewrap_path(path, own, policy, sealer=fresh, action=action)
    say(f"{work.rewrapped:,} file{'' if work.rewrapped == 1 else 's'} given new keys")
    tell_left(work)
    finish([path])


def _save(file: Path, made: Key) -> None:
    """A key file is clear text in any case: it must not be sealed for itself."""
    from llmsafe.disk import atomic_file

    with atomic_file(file, private=True) as out:
        out.write(made.to_text().encode())


def _new_passphrase() -> bytes:
    from llmsafe.errors import InputError
    from llmsafe.seal.keys import PASSPHRASE, ask_passphrase

    first = ask_passphrase("New passphrase: ")
    if PASSPHRASE not in os.environ and ask_passphrase("The same again: ") != first:
        raise InputError("the two passphrases differ; start again")
    return first
