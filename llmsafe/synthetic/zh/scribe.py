"""Writes one Chinese note: expands the grammar and lays it out as the author would."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from llmsafe.synthetic.course import Encounter
from llmsafe.synthetic.draw import chance
from llmsafe.synthetic.grammar import Grammar
from llmsafe.synthetic.identity import Staff
from llmsafe.synthetic.telling import Patient, Story, Teller
from llmsafe.synthetic.zh.hant import spell
from llmsafe.synthetic.zh.page import Page
from llmsafe.synthetic.zh.style import Style

CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫"


class Scribe(Teller):
    """Expands phrases into one Chinese note."""

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
        place = style.place
        out = Page(lambda text: spell(style.restyle(text), place))
        super().__init__(rng, grammar, patient, story, encounter, author, slots, out)
        self.style = style
        self.place = place
        female = self.identity.sex == "f"
        self.words = {
            "sex": "女" if female else "男",
            "he": "她" if female else "他",
            "side": "左" if self.episode.side == "left" else "右",
            "oside": "右" if self.episode.side == "left" else "左",
        }

    def sentence(self, name: str, probability: float = 1.0) -> None:
        """Expand a rule as a sentence of its own."""
        if probability < 1.0 and not chance(self.rng, probability):
            return
        self.fill(name)
        self.out.stop()

    # -- layout ----------------------------------------------------------------------------------

    def header(self, name: str) -> None:
        """Open a section, the way this author does."""
        style = self.style
        options = self.grammar.rule(f"h.{name}").sources
        title = options[(style.number * 7 + len(name)) % len(options)]
        if style.layout == "run-on":
            if self.out.last != "\n":
                self.out.newline()
            self.out.text(title + "：")
            return
        self.out.newline()
        self.out.text(style.header.format(title))
        if style.layout == "block" and style.header[-1] in "】]":
            self.out.newline()

    def label(self, name: str) -> None:
        """The label of a field such as `姓名：`."""
        options = self.grammar.rule(f"l.{name}").sources
        self.out.text(options[(self.style.number + len(name)) % len(options)] + "：")

    def items(self, writers: Sequence[Callable[[], None]]) -> None:
        """A list in the author's manner: numbered or run together."""
        style = self.style
        inline = style.layout == "run-on" or (style.layout == "inline" and style.number % 2 == 0)
        for number, write in enumerate(writers):
            if inline:
                write()
                self.out.text("；" if number < len(writers) - 1 else "。")
                continue
            if not (number == 0 and style.layout == "inline"):
                self.out.newline()
            mark = style.bullet.replace("1", str(number + 1))
            self.out.plain(mark.replace("①", CIRCLED[min(number, len(CIRCLED) - 1)]))
            write()
            self.out.text("；" if number < len(writers) - 1 else "。")

    def listing(self, writers: Sequence[Callable[[], None]], last: str = "、") -> None:
        """a、b、c."""
        for i, write in enumerate(writers):
            if i:
                self.out.text(last)
            write()
