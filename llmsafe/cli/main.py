"""``llmsafe``: registers the verbs and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, NoReturn

import typer

from llmsafe import __version__
from llmsafe.cli.access import access
from llmsafe.cli.audit import audit
from llmsafe.cli.canary import canary
from llmsafe.cli.check import check
from llmsafe.cli.common import unexpected
from llmsafe.cli.demo import demo
from llmsafe.cli.key import key
from llmsafe.cli.library import cp, ls
from llmsafe.cli.plan import plan
from llmsafe.cli.release import release
from llmsafe.cli.report import report
from llmsafe.cli.reveal import reveal
from llmsafe.cli.scrub import scrub
from llmsafe.cli.seal import open_, seal
from llmsafe.cli.serve import serve
from llmsafe.cli.synth import synth
from llmsafe.cli.verify import verify
from llmsafe.errors import LlmsafeError

app = typer.Typer(
    name="llmsafe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print version.")
    ] = False,
) -> None:
    """Use medical text for language models without giving patients away.

    The job:  synth | your notes -> scrub -> canary -> plan -> train -> audit -> report, check
              -> release, verify, serve.
    Training: accelerate launch recipes/dp_lora.py (copy it with: llmsafe cp dp_lora.py .).
    At rest:  key new -> seal; every verb reads sealed files and seals what it writes.
    See it all at once: llmsafe demo
    """


_VERBS = (
    scrub, reveal, canary, plan, audit, report, check, release, verify, serve, seal, open_,
    access, ls, cp, synth, demo,
)  # fmt: skip
for verb in _VERBS:
    app.command(name=verb.__name__.rstrip("_"))(verb)
app.add_typer(key)


def main() -> None:
    """Entry point; exits 0 ok, 1 policy failed, 2 usage or input, 3 evidence, 4 environment."""
    try:
        app()
    except LlmsafeError as error:
        print(f"llmsafe: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            _unexpected(error)
        print(
            "llmsafe: error: a path is longer than the file system allows; give a shorter one",
            file=sys.stderr,
        )
        sys.exit(2)
    except Exception as error:
        _unexpected(error)
    except KeyboardInterrupt:
        print("llmsafe: interrupted", file=sys.stderr)
        sys.exit(130)


def _unexpected(error: Exception) -> NoReturn:
    """End with 4: a traceback could show note text, and Python's 1 reads as a failed policy."""
    if os.environ.get("LLMSAFE_DEBUG") == "1":
        raise error
    print(f"llmsafe: error: {unexpected(error)}", file=sys.stderr)
    sys.exit(4)
