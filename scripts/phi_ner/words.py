"""The words that a tagger knows, by kind."""

from __future__ import annotations

import re
from pathlib import Path

from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.lexicon import chinese

LISTS = (
    "words",
    "first",
    "last",
    "everyday",
    "capitals",
    "eponyms",
    "places",
    "organisations",
    "products",
    "frequent",
    "seen",
)
"""Words of some kind; the last two are pairs of Chinese characters in ordinary prose."""
NAME_LISTS = ("first", "last", "places")
KINDS = {
    "en": {
        "first": "first nick",
        "last": "last",
        "eponyms": "eponym",
        "places": "city county place street",
        "organisations": "employer hospital clinic facility church school agency pharmacy",
        "products": "drug device",
    },
    "zh": {
        "words": "clinical disease",
        "first": "given nick minority foreign trad_given",
        "last": "surname trad_last pinyin_last",
        "everyday": "full",
        "places": "city district road village estate place province",
        "organisations": "company hospital school home office",
        "products": "drug herb formula",
    },
}
"""Which lists of words take which files: by name, or by what is before the first underscore."""


def word_lists(folder: Path, lang: str) -> dict[str, tuple[int, ...]]:
    """Lower-case word -> numbers of the lists that hold it."""
    found = {name: set[str]() for name in LISTS}
    if lang == "en":
        for name in ("words", "first", "last", "everyday", "capitals", "eponyms"):
            found[name] |= set(getattr(english(), name))
    else:
        lexicon = chinese()
        found["words"] |= lexicon.words
        found["first"] |= lexicon.given | lexicon.given_names
        found["last"] |= lexicon.single | lexicon.compound
        found["everyday"] |= lexicon.telling
        found["frequent"] |= lexicon.frequent
        found["seen"] |= lexicon.seen
    lists_of = {kind: name for name, kinds in KINDS[lang].items() for kind in kinds.split()}
    for path in sorted(folder.glob("*.txt")):
        name = lists_of.get(path.stem, lists_of.get(path.stem.split("_")[0]))
        if name is None:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.rpartition(", ")[0] if path.stem == "city_us" else line
            shortest = 2 if lang == "en" else 1
            words = re.findall(r"[^\W\d_]+", normalise(text).text.lower())
            found[name] |= {word for word in words if len(word) >= shortest}
    lists: dict[str, list[int]] = {}
    for number, name in enumerate(LISTS):
        for word in found[name]:
            if lang == "en" and name in ("places", "organisations") and word in found["words"]:
                continue  # "center", "street": ordinary words say nothing here
            lists.setdefault(word, []).append(number)
    return {word: tuple(numbers) for word, numbers in lists.items()}
