"""The Chinese pages: their commands exist, their links lead somewhere, their table was measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer.main

from llmsafe.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "docs" / "zh" / name for name in ("README.md", "tutorial.md")]


def commands(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line[2:].split("#")[0] for block in blocks for line in block.splitlines()]
    return [words for line in lines for part in line.split("&&") if (words := part.split())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    verbs = typer.main.get_command(app)
    context = typer.Context(verbs)
    found = 0
    for program, *words in commands(page):
        if Path(program).name != "llmsafe":
            continue
        verb, *rest = words
        command = verbs.get_command(context, verb)
        assert command is not None, verb
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, (verb, rest)
        found += 1
    assert found >= 7


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            heads = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8"))
            assert unquote(heading) in [head.replace(" ", "-").lower() for head in heads], target


def test_the_table_is_that_of_a_demo() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    table = text.split("<!-- demo-table -->")[1].split("<!-- /demo-table -->")[0]
    for row in ("Claimed ε", "Held-out perplexity", "Canary secrets extracted", "Verdict"):
        assert row in table


def test_a_page_takes_a_table_in_its_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    sys.modules.pop("update_readme", None)
    from update_readme import with_table

    page = "a\n<!-- demo-table -->\nold\n<!-- /demo-table -->\nb\n"
    assert with_table(page, "new\n") == (
        "a\n<!-- demo-table -->\n\nnew\n\n<!-- /demo-table -->\nb\n"
    )
    with pytest.raises(SystemExit, match="needs one"):
        with_table("a page without", "new")
