"""What a canary says: the kinds whose text needs word lists and nothing else.

Texts are made from public lists alone, never from the corpus they will hide in: a rare word or the
start of a real note in a canary would carry one patient's data in another one's unit, and the
guarantee is one unit's.
"""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from llmsafe.canary.lexicon import Carrier, Lexicon, load_lexicon
from llmsafe.canary.secret import DIGIT, fill_template, template_bits
from llmsafe.errors import InputError

CanaryKind = Literal[
    "phi", "mrn", "phone", "ssn", "insurance", "account", "resident_id", "diagnosis", "random"
]
KINDS: tuple[str, ...] = get_args(CanaryKind)
FITTED_KINDS = ("tokens", "unigram", "bigram", "suffix", "fitted")
"""Kinds that ask a base model; :mod:`llmsafe.fitted_canaries` makes them."""

DEFAULT_KIND: CanaryKind = "random"
"""The strongest of the kinds that leave utility alone, by a rule fixed before the comparison
(docs/results/canary-power-kinds.md)."""

PHI_SORTS = ("mrn", "phone", "ssn", "insurance", "account")
"""What the kind ``phi`` mixes: numbers with 8 free digits, 26.6 bits, whatever their shape."""
PREFIX_WORDS = 5
SECRET_WORDS = 8
_FIRST_BIRTH, _BIRTH_DAYS = datetime.date(1925, 1, 1), 29_000


@dataclass(frozen=True, repr=False)
class CanaryText:
    """A canary before its coin: ``prefix + secret + end``.

    ``subject`` names it among all others; ``template`` and ``bits`` say what the secret could have
    been (uniformly), where that is known.
    """

    sort: str
    subject: str
    prefix: str
    secret: str
    end: str = ""
    template: str | None = None
    bits: float | None = None

    def __repr__(self) -> str:
        return f"CanaryText(<{len(self.prefix + self.secret + self.end)} characters>)"


def make_texts(counts: Mapping[str, int], *, seed: int, lang: str = "en") -> list[CanaryText]:
    """Texts of several kinds, in the order of ``counts``; no subject and no secret occurs twice.

    ``mrn``, ``phone``, ``ssn``, ``insurance``, ``account``: a note about an invented patient that
    ends in such a number, its 8 free digits uniform over 10^8 values. Numbers are in ranges never
    given out: area codes starting with 0 or 1, Chinese mobiles with 160, 161 or 164, social
    security numbers starting with 9 (of which Chinese has none). The name is unique, so the text
    before the secret names the canary. ``phi``: those five, a carrier drawn for each.
    ``resident_id``: the 18-digit number of a Chinese identity card with its check character, in a
    region that does not exist; the date of birth stands before it, 7 digits are free.
    ``diagnosis``: two conditions of the named patient, an ordered pair of a list.
    ``random``: 5 random words and then 8 more as the secret, uniform over 256^8 values.

    Raises:
        InputError: an unknown kind or language, a count below 1 or above what the lists can tell
            apart.
    """
    lexicon = load_lexicon(lang)
    taken = Distinct()
    for kind, count in counts.items():
        if kind not in KINDS:
            raise InputError(f"canary kind {kind!r} is unknown; choose from {', '.join(KINDS)}")
        if count < 1:
            raise InputError(f"count {count} must be at least 1; 200 or more make a useful audit")
        rng = stream(seed, kind, lang, "text")
        make = _maker(lexicon, kind)
        found = taken.collect(lambda make=make, rng=rng: make(rng), count)
        if found < count:
            raise InputError(
                f"count {count} is more than the {lang} lists for {kind!r} can tell apart; "
                f"ask for at most {found}"
            )
    return taken.texts


def kinds_in(lang: str) -> tuple[str, ...]:
    """The kinds that the lists of ``lang`` have.

    Raises:
        InputError: there are no lists for this language.
    """
    sorts = {carrier.sort for carrier in load_lexicon(lang).carriers}
    return tuple(kind for kind in KINDS if kind in ("phi", "random") or kind in sorts)


class Distinct:
    """Texts gathered so far, of which no two share a subject or a secret.

    Discarding repeats before any coin falls keeps planted and withheld alike.
    """

    def __init__(self, texts: Sequence[CanaryText] = ()) -> None:
        self.texts: list[CanaryText] = []
        self._subjects: set[str] = set()
        self._secrets: set[str] = set()
        for text in texts:
            self.add(text)

    def add(self, text: CanaryText) -> bool:
        """Keep ``text`` if it is new; says whether it was."""
        if text.subject in self._subjects or text.secret in self._secrets:
            return False
        self._subjects.add(text.subject)
        self._secrets.add(text.secret)
        self.texts.append(text)
        return True

    def collect(self, make: Callable[[], CanaryText], count: int) -> int:
        """Add ``count`` new texts, or as many as a fair number of attempts gives; says how many."""
        found = 0
        for _ in range(20 * count + 1000):
            found += self.add(make())
            if found == count:
                break
        return found


def stream(seed: int, kind: str, lang: str, purpose: str) -> random.Random:
    """The random stream of one purpose. A string seed goes through SHA-512: streams of different
    purposes are unrelated."""
    return random.Random(f"llmsafe canary {seed} {kind} {lang} {purpose}")


def _maker(lexicon: Lexicon, kind: str) -> Callable[[random.Random], CanaryText]:
    if kind == "random":
        return lambda rng: _random_words(lexicon, rng)
    sorts = PHI_SORTS if kind == "phi" else (kind,)
    carriers = [carrier for carrier in lexicon.carriers if carrier.sort in sorts]
    if not carriers:
        known = ", ".join(kinds_in(lexicon.lang))
        raise InputError(f"no {kind!r} canaries in language {lexicon.lang!r}; choose from {known}")
    return lambda rng: _phi(lexicon, carriers, rng)


def _phi(lexicon: Lexicon, carriers: Sequence[Carrier], rng: random.Random) -> CanaryText:
    carrier = rng.choice(carriers)
    name = lexicon.name
    for part, values in lexicon.name_parts.items():
        name = name.replace(f"{{{part}}}", rng.choice(values))
    text = carrier.text.replace("{name}", name).replace("{reason}", rng.choice(lexicon.reasons))
    form, template, bits = carrier.secret, None, None
    if "{birth}" in text:
        born = _FIRST_BIRTH + datetime.timedelta(days=rng.randrange(_BIRTH_DAYS))
        text = text.replace("{birth}", f"{born:%Y-%m-%d}")
        form = form.replace("{digits}", f"{born:%Y%m%d}")
    if DIGIT in form:
        template, bits = form, template_bits(form)
        digits = "".join(str(rng.randrange(10)) for _ in range(form.count(DIGIT)))
        secret = fill_template(form, int(digits))
    else:
        size = len(lexicon.conditions)
        bits = math.log2(size * (size - 1))
        both = lexicon.conjunction.join(rng.sample(lexicon.conditions, 2))
        secret = form.replace("{conditions}", both)
    before, _, after = text.partition("{secret}")
    return CanaryText(carrier.sort, name, before, secret, after, template, bits)


def _random_words(lexicon: Lexicon, rng: random.Random) -> CanaryText:
    """The prefix is its own subject, and nothing follows the secret."""
    prefix = lexicon.separator.join(rng.choices(lexicon.words, k=PREFIX_WORDS)) + lexicon.separator
    size, draw = _secret_words(lexicon)
    return CanaryText("random", prefix, prefix, draw(rng), bits=math.log2(size))


def random_words(lang: str) -> tuple[int, Callable[[random.Random], str]]:
    """How many secrets the kind ``random`` has in ``lang``, and a draw of one of them.

    Raises:
        InputError: there are no lists for this language.
    """
    return _secret_words(load_lexicon(lang))


def _secret_words(lexicon: Lexicon) -> tuple[int, Callable[[random.Random], str]]:
    def draw(rng: random.Random) -> str:
        return lexicon.separator.join(rng.choices(lexicon.words, k=SECRET_WORDS))

    return len(lexicon.words) ** SECRET_WORDS, draw
