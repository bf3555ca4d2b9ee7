"""Which words are somebody's name, and which are known as something else."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib import resources

from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.tagger import embedded_tagger

# Endings of ordinary words, and what the ground form has instead of them.
_ENDINGS = (
    ("ies", "y"), ("ied", "y"), ("ier", "y"), ("es", ""), ("es", "e"), ("s", ""), ("ed", ""),
    ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""), ("er", ""), ("er", "e"), ("ness", ""),
    ("less", ""), ("ful", ""),
)  # fmt: skip


@cache
def _tagger_list(name: str) -> frozenset[str]:
    """A word list that the tagger was trained with; its lists of names are longer than the rules',
    which must not take an everyday word for a name."""
    config = resources.files("llmsafe") / "assets" / "phi-ner-en" / "config.json"
    number = json.loads(config.read_text(encoding="utf-8"))["lists"].index(name)
    lists = embedded_tagger("en").features.lists
    return frozenset(word for word, numbers in lists.items() if number in numbers)


@lru_cache(maxsize=20_000)
def is_name(word: str) -> bool:
    """Whether somebody may be called so, by any list."""
    lexicon = english()
    listed = word in lexicon.first or word in lexicon.last or word in lexicon.everyday
    return listed or word in _tagger_list("first") or word in _tagger_list("last")


@lru_cache(maxsize=20_000)
def is_word(word: str) -> bool:
    """Whether the (lower-case) word is ordinary language, also in another form: parcels, wept."""
    lexicon = english()
    grounds = (
        word[: -len(ending)] + ground
        for ending, ground in _ENDINGS
        if word.endswith(ending) and len(word) > len(ending) + 2
    )
    forms = [word, *grounds]
    forms += [form[:-1] for form in forms if len(form) > 3 and form[-1] == form[-2]]  # petted
    return any(form in lexicon.words or form in lexicon.daily for form in forms)


@lru_cache(maxsize=20_000)
def is_thing(word: str) -> bool:
    """Whether it is known with a capital as something that is nobody: a people, a product, an
    eponym."""
    lexicon = english()
    listed = (lexicon.capitals, lexicon.brands, lexicon.eponyms, _tagger_list("products"))
    if any(word in words for words in listed):
        return not is_name(word)
    places = [at for at, letter in enumerate(word) if letter == "l"] if len(word) > 5 else []
    misread = (f"{word[:at]}i{word[at + 1 :]}" for at in places)  # as scanners do: Lanoxln
    return any(form in _tagger_list("products") for form in misread)


def is_eponym(word: str) -> bool:
    """Whether it is a name of a sign, a score or an instrument, and of no patient by our lists."""
    return word in english().eponyms and not is_name(word)


def is_product(word: str) -> bool:
    """Whether it is a product, a maker or a people by the lists of such, and nobody."""
    return (word in english().brands or word in _tagger_list("products")) and not is_name(word)


@lru_cache(maxsize=20_000)
def is_brand(word: str) -> bool:
    """Whether it is a people, a maker or a product, and nobody."""
    return is_product(word) or (word in english().capitals and not is_name(word))


def is_other(word: str) -> bool:
    """Whether it is known as something else and as nobody's name."""
    return is_thing(word) or (is_word(word) and not is_name(word))
