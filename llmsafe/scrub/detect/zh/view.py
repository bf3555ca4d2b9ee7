"""What the Chinese rules look at: the normalised note, simplified, and not spread out."""

from __future__ import annotations

import re
from dataclasses import replace

from llmsafe.scrub.detect.normalise import View, normalise
from llmsafe.scrub.detect.zh.lexicon import simplified

# 检 查 日 期 : 2 0 2 3 年 8 月 1 4 日
_SPREAD = re.compile(r"(?<!\S)(?:\S ){6,2000}\S(?![^\s,，。;；:：、)）])")
# ①3月5日: the number of an item is none of the date.
_ITEM = re.compile(r"(?:(?<=[\s。;；,，、:：])|^)[①-⑳](?![①-⑳])", re.MULTILINE)
_HAN = re.compile(r"[\u3400-\u9fff]")


def chinese_view(text: str) -> View:
    """The view with traditional characters as simplified ones, and without the spaces of a line
    that is written with one between any two characters (of which a quarter are Chinese: a row of
    single digits is a table). The circled number of an item is a space."""
    view = replace(normalise(_ITEM.sub(" ", text)), original=text)
    plain = simplified(view.text)
    dropped = {
        place
        for match in _SPREAD.finditer(plain)
        if 8 * len(_HAN.findall(match[0])) >= len(match[0])
        for place in range(match.start() + 1, match.end(), 2)
    }
    if not dropped:
        return replace(view, text=plain)
    starts = view.starts or range(len(plain))
    ends = view.ends or range(1, len(plain) + 1)
    kept = [place for place in range(len(plain)) if place not in dropped]
    return View(
        text,
        "".join(plain[place] for place in kept),
        [starts[place] for place in kept],
        [ends[place] for place in kept],
    )
