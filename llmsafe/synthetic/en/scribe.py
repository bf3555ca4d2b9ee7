"""Writes one English note: expands the grammar and lays it out as the author would.

What a name in the grammar such as `<pt>` or `<visit>` writes is a slot, see `slots`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from llmsafe.synthetic.course import Encounter
from llmsafe.synthetic.draw import chance
from llmsafe.synthetic.en.style import Style
from llmsafe.synthetic.grammar import Grammar
from llmsafe.synthetic.identity import Staff
from llmsafe.synthetic.telling import Patient, Story, Teller
from llmsafe.synthetic.writer import Writer


class Scribe(Teller):
    """Expands phrases into one English note."""

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        style: Style,
        patient: Patient,
        story: Story,
        encounter: Encounter,
        author: Staff,
        slots: Mapping[str, Callable[[Scribe], None]],
    ) -> None:
        out = Writer(style.restyle, upper=style.upper)
        super().__init__(rng, grammar, patient, story, encounter, author, slots, out)
        self.style = style
        age = self.age
        female = self.identity.sex == "f"
        self.words = {
            "he": "she" if female else "he",
            "him": "her" if female else "him",
            "his": "her" if female else "his",
            "himself": "herself" if female else "himself",
            "man": ("girl" if female else "boy") if age < 15 else ("woman" if female else "man"),
            "male": "female" if female else "male",
        }

    @property
    def title(self) -> str:
        return "Ms." if self.identity.sex == "f" else "Mr."

    # -- layout ----------------------------------------------------------------------------------

    def header(self, name: str) -> None:
        """Open a section, the way this author does."""
        style = self.style
        options = self.grammar.rule(f"h.{name}").options
        phrase = options[(style.number * 7 + len(name)) % len(options)]
        if style.layout == "run-on":
            if self.out.last not in "\n":
                self.out.newline(2)
            if chance(self.rng, 0.5):
                return
        else:
            self.out.newline(style.blank_lines)
        title = Writer()
        keep, self.out = self.out, title
        self.write(phrase)
        self.out = keep
        text = title.result()[0]
        self.out.capital()
        self.out.text((text.upper() if style.caps else text) + (style.colon or ":"))
        if style.layout == "block" and style.colon != " -":
            self.out.newline()
        else:
            self.out.text(" ")

    def items(self, writers: Sequence[Callable[[], None]]) -> None:
        """A list in the author's manner: numbered, bulleted or run together."""
        style = self.style
        inline = style.layout == "run-on" or (style.layout == "inline" and not style.bullet)
        for number, write in enumerate(writers, start=1):
            if inline:
                self.out.capital()
                write()
                self.out.stop()
                continue
            self.out.newline()
            bullet = style.bullet.replace("1", str(number))
            if bullet:
                self.out.text(bullet + ("" if bullet == "#" else " "))
            self.out.capital()
            write()
            if not style.terse:
                self.out.stop()
        if not inline:
            self.out.newline()

    def listing(self, writers: Sequence[Callable[[], None]], last: str = "and") -> None:
        """a, b and c."""
        for i, write in enumerate(writers):
            if i:
                self.out.text(f" {last} " if i == len(writers) - 1 else ", ")
            write()
