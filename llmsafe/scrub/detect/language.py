"""Which rules can read a note, by the letters in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from llmsafe.errors import InputError

Lang = Literal["en", "zh", "auto"]
LANGS: tuple[Lang, ...] = get_args(Lang)

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
# Greek, Cyrillic, Hebrew, Arabic, Georgian, Ethiopic, Khmer, and what is written in India and Siam.
_OTHER = re.compile(r"[\u0370-\u052f\u0590-\u10ff\u1200-\u137f\u1780-\u17ff]")
# Full-width letters are Latin, too. Abbreviations (CT, WBC) are in every Chinese note.
_LATIN = re.compile(r"[A-Za-z\uff21-\uff3a\uff41-\uff5a]")
_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]?[a-z]{3,}(?![A-Za-z])")


# A stretch without Chinese is English if it has a word that only a sentence or a title needs.
_STRETCH = re.compile(r"[^\u2e80-\u9fff\uf900-\ufaff\u3002\n\r]{3,}")
_FUNCTION = re.compile(
    r"(?i)\b(?:the|of|and|with|is|was|were|has|had|by|to|for|from|on|at|in|his|her|she|he|who|not"
    r"|dr|mr|mrs|ms|prof|name|patient|pt|attending|referring|wife|husband|mother|father|son)\b"
)


def check_lang(name: str) -> Lang:
    """The language of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for lang in LANGS:
        if name == lang:
            return lang
    raise InputError(f"--lang {name!r} has no recognisers; choose one of {', '.join(LANGS)}")


def languages(text: str, lang: Lang) -> tuple[str, ...]:
    """The languages whose rules read ``text``; none where it must be quarantined.

    ``auto``: Chinese characters go through the Chinese rules, English words through the English
    ones, and a note that has both through both. ``en`` and ``zh`` always use their own rules, but a
    note of which they can read little is quarantined all the same: ``en`` one that is over a third
    Chinese, both one that is Japanese or Korean (over a tenth of it kana or hangul) or is written
    for the most part in another script. Other languages in Latin letters are read as English.
    """
    if text.isascii():
        return ("zh", "en") if lang == "zh" else ("en",)
    han = len(_HAN.findall(text))
    other = len(_KANA.findall(text)) + len(_HANGUL.findall(text))
    latin = len(_LATIN.findall(text))
    if other and 10 * other > han + other + latin:
        return ()
    if len(_OTHER.findall(text)) > latin + han:
        return ()
    if lang == "en":
        return () if 2 * han > latin else ("en",)
    words = len(_WORD.findall(text))
    english = 2 * latin > han or words >= 3
    if lang == "zh":
        return ("zh", "en") if english else ("zh",)
    if not han:
        return ("en",)
    return ("zh", "en") if english else ("zh",)


def english_part(text: str) -> str:
    """``text`` with spaces for all that is no English, so that every offset stays."""
    plenty = 2 * len(_HAN.findall(text)) < len(_LATIN.findall(text))
    kept = [" "] * len(text)
    for match in _STRETCH.finditer(text):
        if plenty or _FUNCTION.search(match[0]):
            kept[match.start() : match.end()] = match[0]
    for place, character in enumerate(text):
        if character in "\r\n":
            kept[place] = character
    return "".join(kept)


def readings(text: str, spoken: Sequence[str], plain: str | None = None) -> dict[str, str]:
    """What the rules of each language in ``spoken`` are given of ``text``, every offset its own.

    Where there are several the English ones see the English parts alone. ``plain``: the text with
    spaces for what says nothing about its language.
    """
    seen = dict.fromkeys(spoken, text)
    if len(seen) > 1 and "en" in seen:
        seen["en"] = english_part(text if plain is None else plain)
    return seen
