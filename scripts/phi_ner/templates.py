"""Hand-written notes with slots; README.md has the format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .core import Language

MARK = re.compile(
    r"\{(?P<slot>[a-z0-9_]+)(?:#(?P<tie>\w+))?\}|\[\[(?P<category>[A-Z_]+)\|(?P<text>.*?\]?)\]\]",
    re.DOTALL,
)
"""A slot ``{slot#tie}`` or a literal ``[[CATEGORY|text]]``."""


@dataclass(frozen=True)
class Template:
    """A note with slots and literals, to be written in ``style``."""

    style: str
    text: str

    @property
    def clean(self) -> bool:
        """Whether there is no PHI in it."""
        return MARK.search(self.text) is None


def read_templates(folder: Path, language: Language) -> list[Template]:
    """All templates of the files of a folder, in order.

    Raises:
        ValueError: the language has no such slot or category, or a mark is broken.
    """
    found: list[Template] = []
    for path in sorted(folder.glob("*.txt")):
        blocks = re.split(r"(?m)^=== *", path.read_text(encoding="utf-8"))
        for block in blocks[1:]:
            style, _, text = block.partition("\n")
            template = Template(style.strip().split()[0], text.strip("\n"))
            _check(template, language, path.name)
            if template.text.strip():
                found.append(template)
    return found


def _check(template: Template, language: Language, file: str) -> None:
    for mark in MARK.finditer(template.text):
        slot, category = mark["slot"], mark["category"]
        if slot and slot not in language.slots:
            raise ValueError(f"{file}: no slot {slot!r} in {template.text!r}")
        if category and category not in language.categories:
            raise ValueError(f"{file}: no category {category!r} in {template.text!r}")
    if re.search(r"[{}]|\[\[|\]\]", MARK.sub("", template.text)):
        raise ValueError(f"{file}: a broken mark in {template.text!r}")
