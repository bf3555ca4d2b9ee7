"""What the languages share: the context values are drawn in, and the register of slots."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from .noise import Piece
from .swap import Swap

DIGITS = "0123456789"
YEARS = (*range(1995, 2026), *range(2015, 2026))  # late years twice
Thing = TypeVar("Thing")


def words(text: str) -> tuple[str, ...]:
    """The words of a text: a list in little room."""
    return tuple(text.split())


@dataclass(frozen=True)
class Lexicon:
    """Lists of words to draw from, by kind; ``names`` pairs given and family names by culture."""

    lists: Mapping[str, Sequence[str]]
    names: Sequence[tuple[Sequence[str], Sequence[str]]] = ()


def read_lists(folder: Path) -> dict[str, list[str]]:
    """The lists of a folder, one entry a line, by the name of the file."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        found[path.stem] = [line.strip() for line in lines if line.strip()]
    return found


@dataclass
class Context:
    """One note that is being filled in: where chance comes from, the habits of its writer, and
    what its ties stand for.

    Most writers keep to one form of date, ``date_form``, and to dates near one ``year``.
    """

    rng: random.Random
    lexicon: Lexicon
    style: str
    date_form: int
    own_form: bool
    year: int
    _tied: dict[str, object] = field(default_factory=dict)

    @classmethod
    def start(cls, rng: random.Random, lexicon: Lexicon, style: str, date_forms: int) -> Context:
        """A new note; the habits of its writer are drawn."""
        return cls(
            rng,
            lexicon,
            style,
            date_form=rng.randrange(date_forms),
            own_form=rng.random() < 0.8,
            year=rng.choice(YEARS),
        )

    def pick(self, kind: str) -> str:
        """An entry of a list."""
        return self.rng.choice(self.lexicon.lists[kind])

    def digits(self, count: int) -> str:
        """So many digits."""
        return "".join(self.rng.choice(DIGITS) for _ in range(count))

    def some(self, characters: str, count: int) -> str:
        """So many of the characters."""
        return "".join(self.rng.choice(characters) for _ in range(count))

    def form(self, count: int) -> int:
        """Which of ``count`` forms of date this writer takes now."""
        return self.date_form if self.own_form else self.rng.randrange(count)

    def tied(self, key: str, tie: str | None, make: Callable[[Context], Thing]) -> Thing:
        """What ``make`` gives: something new without a tie, the same for the same key and tie."""
        if tie is None:
            return make(self)
        name = f"{key}#{tie}"
        if name not in self._tied:
            self._tied[name] = make(self)
        return self._tied[name]  # type: ignore[return-value]


Maker = Callable[[Context], str]


@dataclass(frozen=True)
class Slot:
    """What ``{slot#tie}`` stands for: ``draw(context, tie)`` gives its text."""

    category: str
    draw: Callable[[Context, str | None], str]


class Slots(dict[str, Slot]):
    """Slots by name."""

    def value(self, category: str, name: str) -> Callable[[Maker], Maker]:
        """Registers a function of the context as the maker of a slot."""

        def register(make: Maker) -> Maker:
            self[name] = Slot(category, lambda context, tie: context.tied(name, tie, make))
            return make

        return register

    def listed(self, category: str, *names: str) -> None:
        """Slots that take an entry of the list of the same name as it stands."""
        for name in names:
            self.value(category, name)(lambda context, kind=name: context.pick(kind))


@dataclass(frozen=True)
class Language:
    """Everything that makes notes of one language.

    ``vary`` gives the text for a literal of a category; ``dress`` writes a note in its style;
    ``swap`` makes what renews the words outside PHI.
    """

    folder: Path
    slots: Mapping[str, Slot]
    date_forms: int
    read_lexicon: Callable[[Path], Lexicon]
    vary: Callable[[Context, str, str], str]
    dress: Callable[[list[Piece], str, random.Random], list[Piece]]
    swap: Callable[[Lexicon], Swap]

    @property
    def categories(self) -> frozenset[str]:
        """The categories of PHI that its slots have."""
        return frozenset(slot.category for slot in self.slots.values())

    @property
    def templates(self) -> Path:
        """The folder of its templates."""
        return self.folder / "templates"

    @property
    def lexicon(self) -> Path:
        """The folder of its lists."""
        return self.folder / "lexicon"
