"""What every verb shares: where output goes, progress, and the last line."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from llmsafe.errors import LlmsafeError


class Advance(Protocol):
    """Report progress: ``advance(n)`` after ``n`` more items; ``text`` replaces the status."""

    def __call__(self, n: int = 1, text: str | None = None) -> None: ...


VERDICT_EXIT = {"pass": 0, "none": 0, "fail": 1, "inconclusive": 3}
"""The exit code that tells a verdict; see the README."""


def say(message: str = "") -> None:
    """Print to stderr: everything that is not data goes there."""
    print(message, file=sys.stderr)


def emit_json(data: Any) -> None:
    """The one thing that ``--json`` puts on stdout."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def finish(paths: Iterable[Path], *, as_json: bool = False) -> None:
    """Last line of a verb: the paths written (on stderr when stdout carries JSON)."""
    line = "wrote " + "  ".join(str(path) for path in paths)
    print(line, file=sys.stderr if as_json else sys.stdout)


@contextmanager
def progress(label: str, total: int | None) -> Generator[Advance, None, None]:
    """A rich progress bar on a terminal, silence otherwise."""
    if not sys.stderr.isatty():
        yield lambda n=1, text=None: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=total, text="")

        def advance(n: int = 1, text: str | None = None) -> None:
            if text is not None:
                bars.update(task, text=text)
            bars.advance(task, n)

        yield advance


def unexpected(error: Exception) -> str:
    """One line for an error nobody foresaw: its kind and place, never its text (it may be PHI)."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "llmsafe" in frame.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "unknown place"
    return (
        f"unexpected {type(error).__name__} at {place}; this is a defect of llmsafe, please report "
        "it (LLMSAFE_DEBUG=1 shows the traceback, which may hold note text)"
    )


def run_program(
    name: str, main: Callable[[], int | None], *, interrupted: str = "interrupted"
) -> NoReturn:
    """Run a program that is no verb, and exit as verbs do: an error is one line and a code.

    A traceback, or a library's own message, could show note text.
    """
    try:
        sys.exit(main())
    except LlmsafeError as error:
        say(f"{name}: error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say(f"{name}: {interrupted}")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("LLMSAFE_DEBUG") == "1":
            raise
        say(f"{name}: error: {unexpected(error)}")
        sys.exit(4)


def quiet_libraries() -> None:
    """Keep the libraries' own bars and notices off stderr."""
    import warnings

    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    warnings.simplefilter("ignore")
    disable_progress_bar()
    set_verbosity_error()
