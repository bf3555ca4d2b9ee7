"""``llmsafe ls`` and ``llmsafe cp``: what comes with the package, and a copy to call your own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

FILES = ("recipes", "configs", "accelerate", "studies", "policies", "data")
KINDS = (*FILES, "attacks")


@dataclass(frozen=True)
class Item:
    """One file of the library: ``name`` is what ``cp`` takes, ``about`` its first line."""

    kind: str
    name: str
    path: Path

    @property
    def about(self) -> str:
        return _first_line(self.path)


def ls(
    kind: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON on stdout.")] = False,
) -> None:
    """List recipes, their configurations, studies, audit policies and test data (copy with
    `llmsafe cp`), and what an audit can measure.

    \b
    Examples:
      llmsafe ls
      llmsafe ls configs
      llmsafe ls attacks
    """
    from llmsafe.audit.catalogue import CATALOGUE
    from llmsafe.cli.common import emit_json

    if kind is not None and kind not in KINDS:
        raise _unknown("kind", kind, KINDS)
    rows = [(item.kind, item.name, item.about) for item in library()]
    for entry in CATALOGUE:
        how = f" ({entry.option})" if entry.option else ""
        rows.append(("attacks", entry.name, entry.about + how))
    rows = [row for row in rows if kind in (None, row[0])]
    if as_json:
        emit_json([{"kind": kind, "name": name, "about": about} for kind, name, about in rows])
        return
    width = max((len(name) for _, name, _ in rows), default=0)
    for index, (own, name, about) in enumerate(rows):
        if index == 0 or rows[index - 1][0] != own:
            print(f"{'' if index == 0 else chr(10)}{own}")
        print(f"  {name:<{width}}  {about}".rstrip())


def cp(
    name: Annotated[str, typer.Argument(help="A name that `llmsafe ls` shows.")],
    dest: Annotated[Path, typer.Argument(help="A folder, or the file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Copy one recipe, configuration, policy or data set, to read and to change.

    A recipe reads the config that you give it, so copy one as well.

    \b
    Examples:
      llmsafe cp dp_lora.py .
      llmsafe cp configs/default.yaml my.yaml
    """
    from llmsafe.cli.common import finish
    from llmsafe.errors import InputError
    from llmsafe.files import write_atomic

    item = find(name)
    target = dest / item.path.name if dest.is_dir() else dest
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the file to write")
    if target.exists() and not force:
        raise InputError(f"{target} exists; choose another name or pass --force")
    finish([write_atomic(target, item.path.read_bytes())])


def library() -> list[Item]:
    """Every file that comes with the package, by kind and name."""
    found = [Item(kind, name, path) for kind, name, path in _files()]
    return sorted(found, key=lambda item: (FILES.index(item.kind), item.name))


def find(name: str) -> Item:
    """The item of a full name, or of a file name or stem that only one item has.

    Raises:
        InputError: nothing, or more than one thing, has this name.
    """
    from llmsafe.errors import InputError

    items = library()
    for found in (
        [item for item in items if item.name == name],
        [item for item in items if item.path.name == name],
        [item for item in items if item.path.stem == name],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(item.name for item in found)
            raise InputError(f"name {name!r} fits {names}; give the whole name")
    raise _unknown("name", name, [item.name for item in items])


def _files() -> Iterator[tuple[str, str, Path]]:
    from importlib.resources import files

    package = Path(str(files("llmsafe")))
    recipes = _beside(package, "recipes")
    for path in _in(recipes, "*.py"):
        yield "recipes", path.name, path
    for kind in ("configs", "accelerate", "studies"):
        for path in _in(recipes / kind, "*.yaml"):
            yield kind, f"{kind}/{path.name}", path
    for path in _in(package / "assets" / "policies", "*.yaml"):
        yield "policies", f"policies/{path.name}", path
    for path in _in(_beside(package, "eval"), "*.jsonl"):
        # A data set is told by its card.
        if path.with_suffix(".md").is_file():
            yield "data", f"data/{path.name}", path


def _beside(package: Path, name: str) -> Path:
    """`recipes` and `eval` lie inside an installed package and beside it in a checkout."""
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def _in(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _first_line(path: Path) -> str:
    """The first line of words in a file's docstring, leading comment or card."""
    path = path.with_suffix(".md") if path.suffix == ".jsonl" else path
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        import ast

        text = ast.get_docstring(ast.parse(text)) or ""
        lines = text.splitlines()
    else:
        lines = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]
    return next((line.strip() for line in lines if any(map(str.isalpha, line))), "")


def _unknown(what: str, value: str, names: Sequence[str]) -> Exception:
    from llmsafe.errors import InputError

    # A path and its last part are both things a user may have half remembered.
    short = {name.rsplit("/", 1)[-1]: name for name in names}
    near = difflib.get_close_matches(value, [*names, *short], n=1, cutoff=0.5)
    hint = f"; did you mean {short.get(near[0], near[0])}?" if near else ""
    return InputError(f"unknown {what} {value!r}{hint} (see: llmsafe ls)")
