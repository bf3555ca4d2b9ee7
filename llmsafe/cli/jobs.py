"""Running the steps of the job as commands: what the demo and the programs of eval/ share."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsafe.cli.common import say
from llmsafe.cli.library import find
from llmsafe.errors import InputError, SetupError
from llmsafe.files import write_text

AUDITED = (0, 1, 3)
"""Exit codes of an audit that was made, whatever it found."""


def launch_command(*, gpu: bool | None = None) -> list[str]:
    """`accelerate launch` for one process, named in full: no machine's configuration changes it.

    ``gpu`` says where; by default wherever torch finds one.
    """
    if gpu is None:
        import torch

        gpu = torch.cuda.is_available()
    place = [] if gpu else ["--cpu"]
    fixed = "--num_processes=1 --num_machines=1 --mixed_precision=no --dynamo_backend=no"
    return [sys.executable, "-m", "accelerate.commands.launch", *place, *fixed.split()]


def verb_command(*words: object) -> list[str]:
    """One verb of the command line, in this very Python."""
    return [sys.executable, "-m", "llmsafe", *map(str, words)]


def recipe_command(config: Path, *words: object, gpu: bool | None = None) -> list[str]:
    """Training by the shipped recipe with ``config`` and further words."""
    recipe = str(find("dp_lora.py").path)
    return [*launch_command(gpu=gpu), recipe, "--config", str(config), *map(str, words)]


def shown(command: Sequence[str]) -> str:
    """A command of these as it would be typed."""
    words = list(command)
    for index, word in enumerate(words):
        if word.endswith("dp_lora.py"):
            return f"accelerate launch {shlex.join(['dp_lora.py', *words[index + 1 :]])}"
    return shlex.join(["llmsafe", *words[3:]] if words[1:3] == ["-m", "llmsafe"] else words)


def run_verb(*words: object, accept: Sequence[int] = (0,)) -> None:
    """Run a verb; see :func:`run_command`."""
    run_command(verb_command(*words), accept=accept)


def run_command(command: Sequence[str], *, accept: Sequence[int] = (0,)) -> None:
    """Run a command, shown as it is typed; what it says is kept to itself unless it fails.

    Raises:
        SetupError: it ends with another code than one of ``accept``.
    """
    say(f"$ {shown(command)}")
    begun = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in accept:
        raise SetupError(f"{done.stdout}\nended with {done.returncode}")
    say(f"  {time.monotonic() - begun:.0f} s")


def config_file(name: str) -> Path:
    """A configuration by path, or by the name that ``llmsafe ls`` shows."""
    return Path(name) if Path(name).is_file() else find(name).path


def keep_settings(work: Path, settings: Any) -> None:
    """Refuse a work folder of other settings: its figures must not end up under this command.

    Raises:
        InputError: ``work`` holds results of other settings.
    """
    path, text = work / "settings.json", json.dumps(settings, default=str)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{work} holds results of other settings; name another --work or remove it"
        )
    write_text(path, text, private=True)


def settings_of(args: Any, *, free: Sequence[str]) -> Mapping[str, Any]:
    """What of an argument parser's result decides the figures: all but the names in ``free``."""
    return {name: value for name, value in vars(args).items() if name not in free}


def command_line() -> str:
    """The command under way for a page: paths by their last part, program by its folder."""
    program = Path(sys.argv[0])
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return f"python {program.parent.name}/{program.name} {shlex.join(words)}".rstrip()
