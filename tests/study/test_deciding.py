"""What a stage's program reads of the package is in the stage's key, or decides nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import llmsafe
from llmsafe.cli.library import find
from llmsafe.study.definition import Study
from llmsafe.study.stages import DECIDING, STAGES, StageName, deciding, jobs

PACKAGE = Path(llmsafe.__file__).parent
ENTRIES = {
    "notes": PACKAGE / "cli/synth.py",
    "prepare": PACKAGE / "study/prepare.py",
    "scrub": PACKAGE / "cli/scrub.py",
    "plant": PACKAGE / "cli/canary.py",
    "train": find("dp_lora.py").path,  # its digest is in the key by itself
    "audit": PACKAGE / "cli/audit.py",
    "evaluate": PACKAGE / "study/evaluate.py",
}
# How files are written, sealed, found and shown: not what is in them.
UNDECIDING = (
    "__init__.py", "artifacts", "chain.py", "cli/__init__.py", "cli/common.py", "cli/library.py",
    "disk.py", "errors.py", "files.py", "report", "seal", "study/__init__.py",
)  # fmt: skip
# The audit looks for personal data in generated text if --generate or --gold asks for it.
NOT_ASKED_FOR = {"audit": ("scrub", "gold.py")}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_program_imports_is_in_the_key(stage):
    """At any depth, and inside functions too, where heavy libraries are imported."""
    decided = set(deciding(stage))
    if stage != "train":
        assert ENTRIES[stage] in decided
    missing, seen, todo = set[str](), set[Path](), [ENTRIES[stage]]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        if file in decided or file == ENTRIES[stage]:
            todo += imported(file)
        elif not undeciding(file, stage):
            missing.add(str(file.relative_to(PACKAGE)))
    assert not missing
    assert len(seen) > 10


def undeciding(file: Path, stage: StageName) -> bool:
    names = (*UNDECIDING, *NOT_ASKED_FOR.get(stage, ()))
    return any(file.is_relative_to(PACKAGE / name) for name in names)


def imported(file: Path) -> Iterator[Path]:
    """The files of the package that a file imports, packages on the way to them included."""
    for name in names_imported(ast.parse(file.read_text(encoding="utf-8"))):
        parts = name.split(".")
        for end in range(1, len(parts) + 1) if parts[0] == "llmsafe" else ():
            place = PACKAGE.joinpath(*parts[1:end])
            for found in (place / "__init__.py", place.with_suffix(".py")):
                if found.is_file():
                    yield found


def names_imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case ast.Import():
                yield from (alias.name for alias in child.names)
            case ast.ImportFrom(module=str(module)):
                assert not child.level
                yield from (f"{module}.{alias.name}" for alias in child.names)
            case _:
                yield from names_imported(child)


# Python runs it as it starts, in the scrubber's workers too.
WATCH = """
import os, sys
log, package = os.environ["OPENED"], os.environ["PACKAGE"]
def watch(event, args):
    path = str(args[0]) if event == "open" else ""
    if path.startswith(package) and ".py" not in path:
        with open(log, "a") as file:
            file.write(f"{path}\\n")
sys.addaudithook(watch)
"""


def test_what_a_program_reads_is_in_the_key(tmp_path):
    """Lexicons, grammars, taggers: as the first stages open them in fact."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WATCH)
    study = Study.model_validate(
        {"name": "x", "corpora": {"a": {"patients": 10}}, "config": "configs/demo.yaml",
         "canaries": 20, "grids": [{"epsilon": 8, "kind": "phi"}]}
    )  # fmt: skip
    [job] = jobs(study, tmp_path, gpu=False)
    opened: dict[str, set[Path]] = {}
    for stage in job.stages[:4]:
        stage.output.parent.mkdir(parents=True, exist_ok=True)
        log = tmp_path / f"{stage.name}.opened"
        log.touch()
        environment = {"OPENED": str(log), "PACKAGE": str(PACKAGE)}
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "hook"), *sys.path])
        done = subprocess.run(stage.command, env=os.environ | environment, capture_output=True)
        assert done.returncode in stage.accept, done.stderr
        opened[stage.name] = {Path(line) for line in log.read_text().splitlines()}
        assert opened[stage.name] <= set(deciding(stage.name))
    assert any(file.suffix == ".safetensors" for file in opened["scrub"])
    assert any(file.name == "scrub_last.txt" for file in opened["scrub"])
    assert any(file.parent.name == "grammar" for file in opened["notes"])
    assert {file.name for file in opened["plant"]} >= {"canary_en.json"}


def test_every_part_is_there():
    for stage, parts in DECIDING.items():
        for part in parts:
            assert list(PACKAGE.glob(part)), (stage, part)
        assert not any("__pycache__" in file.parts for file in deciding(stage))
