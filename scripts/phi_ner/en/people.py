"""Invented people and the ways to write their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core import Context, Lexicon, Slot, Slots, read_lists, words
from .spoken import is_spelled, spell

SLOTS = Slots()
WEIGHTS = {"anglo": 4, "hispanic": 2}
"""How often a culture is drawn, others being 1."""
_ONSETS = words("b br c ch d dr f g gr h j k kh kl l m n ng nd p qu r s sh sl st t th tr v w x y z")
_VOWELS = words("a e i o u ae ai au ei ia ie io oo ou ya yu")
_CODAS = ("", *words("n r l s m k t th nd ng sh v x z rt lk sky vich ez ski son ton wala ova ene"))


@dataclass(frozen=True)
class Person:
    """Somebody whom a note mentions, perhaps more than once."""

    first: str
    last: str
    middle: str
    nick: str


def read_lexicon(folder: Path) -> Lexicon:
    """The lists of a folder: ``first_*.txt`` and ``last_*.txt`` are paired by culture."""
    lists = read_lists(folder)
    cultures = sorted(
        kind.removeprefix("last_")
        for kind in lists
        if kind.startswith("last_") and kind.replace("last_", "first_") in lists
    )
    names = [
        (lists[f"first_{culture}"], lists[f"last_{culture}"])
        for culture in cultures
        if culture != "common_word"
        for _ in range(WEIGHTS.get(culture, 1))
    ]
    return Lexicon(lists, names)


def invent(context: Context) -> Person:
    """A new person of some culture; some names mix cultures and some are in no list."""
    rng, names = context.rng, context.lexicon.names
    first, last = rng.choice(names)
    if rng.random() < 0.12:
        last = rng.choice(names)[1]
    given, family, middle = rng.choice(first), rng.choice(last), rng.choice(first)
    draw = rng.random()
    if draw < 0.05:
        family = context.pick("last_common_word")
    elif draw < 0.12:
        family = f"{family}-{rng.choice(rng.choice(names)[1])}"
    elif draw < 0.14:
        family = context.pick("last_compound")
    elif draw < 0.16:
        family = f"{family} {rng.choice(last)}"
    if rng.random() < 0.06:
        given = context.pick("first_common_word")
    elif rng.random() < 0.03:
        given = f"{given}-{middle}" if rng.random() < 0.5 else f"{given} {middle}"
    if rng.random() < 0.06:
        family = _unheard(context)
    if rng.random() < 0.06:
        given = _unheard(context)
    return Person(given, family, middle, context.pick("nick"))


def _unheard(context: Context) -> str:
    """A name that can be pronounced and is in no list."""
    rng = context.rng
    syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 3)))]
    return ("".join(syllables) + rng.choice(_CODAS)).capitalize()


Writer = Callable[[Context, Person], str]


def _written(slot: str) -> Callable[[Writer], Writer]:
    """Registers a way to write a person's name."""

    def register(write: Writer) -> Writer:
        def draw(context: Context, tie: str | None) -> str:
            text = write(context, context.tied("person", tie, invent))
            if is_spelled(context) and context.rng.random() < 0.4:
                return spell(context, text)
            return text

        SLOTS[slot] = Slot("NAME", draw)
        return write

    return register


@_written("first")
def first(context: Context, who: Person) -> str:
    """Maria."""
    return who.first


@_written("last")
def last(context: Context, who: Person) -> str:
    """Okafor."""
    return who.last


@_written("nick")
def nick(context: Context, who: Person) -> str:
    """Skip."""
    return who.nick


@_written("full")
def full(context: Context, who: Person) -> str:
    """Maria Okafor, Maria J. Okafor, Maria "Skip" Okafor, Maria Okafor Jr."""
    rng = context.rng
    draw = rng.random()
    if 0.7 <= draw < 0.82:
        return f"{who.first} {who.middle[0]}{rng.choice(('.', '.', ''))} {who.last}"
    if 0.82 <= draw < 0.88:
        return f"{who.first} {who.middle} {who.last}"
    if 0.88 <= draw < 0.91:
        return f'{who.first} "{who.nick}" {who.last}'
    if 0.91 <= draw < 0.94:
        return f"{who.first} {who.last} {rng.choice(('Jr', 'Sr', 'Jr.', 'II', 'III', 'IV'))}"
    return f"{who.first} {who.last}"


@_written("last_first")
def last_first(context: Context, who: Person) -> str:
    """Okafor, Maria J."""
    rng, initial = context.rng, who.middle[0]
    middle = rng.choice(("", "", f" {initial}", f" {initial}.", f" {who.middle}"))
    comma = rng.choice((", ", ", ", ", ", ",", " , "))
    family = who.last.upper() if rng.random() < 0.15 else who.last
    return f"{family}{comma}{who.first}{middle}"


@_written("initials")
def initials(context: Context, who: Person) -> str:
    """A signature: MO, m.o."""
    a, b, c = who.first[0], who.middle[0], who.last[0]
    dotted = (f"{a}.{c}.", f"{a}.{b}.{c}.", f"{a}. {c}.")
    text = context.rng.choice((f"{a}{c}", f"{a}{c}", f"{a}{b}{c}", *dotted)).upper()
    return text.lower() if context.rng.random() < 0.3 else text


@_written("initial_last")
def initial_last(context: Context, who: Person) -> str:
    """M. Okafor."""
    return f"{who.first[0]}{context.rng.choice(('. ', '. ', ' ', '.'))}{who.last}"


@_written("first_initial")
def first_initial(context: Context, who: Person) -> str:
    """Maria O."""
    return f"{who.first} {who.last[0]}{context.rng.choice(('.', ''))}"


@_written("hl7_name")
def hl7_name(context: Context, who: Person) -> str:
    """OKAFOR^MARIA^J."""
    initial = who.middle[0]
    tail = context.rng.choice(("", f"^{initial}", f"^{who.middle}", "^^", f"^{initial}^JR"))
    text = f"{who.last}^{who.first}{tail}"
    return text.upper() if context.rng.random() < 0.6 else text
