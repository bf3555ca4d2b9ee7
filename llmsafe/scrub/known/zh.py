"""Known Chinese names in a note: no borders around them, gaps inside, surname and title.

张三 is found in 患者张三诉, 张 三, over a line and as 張三. 张先生, 老张, 小张, 张某 and 张×× are
found for the surname of any known name. A given name of two characters counts alone unless it is
a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.lexicon import chinese, simplified
from llmsafe.scrub.detect.zh.reading import DOT, HAN, MASK
from llmsafe.scrub.detect.zh.roles import TITLE

_GAP = rf"[\s|]{{0,4}}(?:{DOT}[\s|]{{0,2}})?"


@dataclass(frozen=True, repr=False)
class ChineseNames:
    """Patterns for the Chinese names of one :class:`~.matcher.Identity`, over a simplified view.

    Guarantee: no whole name of two or more characters survives with up to four blanks between its
    characters, and no surname of the table before a title, behind 老 or 小, or before 某 or ×.
    """

    whole: re.Pattern[str]
    surnames: re.Pattern[str] | None

    def find(self, text: str) -> Iterator[PhiSpan]:
        """Findings in a normalised, simplified note."""
        for match in self.whole.finditer(text):
            yield PhiSpan(*match.span(), "NAME", 1.0)
        if self.surnames is not None:
            for match in self.surnames.finditer(text):
                found = next(name for name in ("a", "b", "c") if match[name])
                yield PhiSpan(*match.span(found), "NAME", 1.0)


def chinese_names(names: Iterable[str]) -> ChineseNames | None:
    """The patterns for those of the names that are Chinese, or ``None`` if none is."""
    lexicon = chinese()
    whole: dict[str, None] = {}
    surnames: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"[\s|]", "", simplified(normalise(name).text))
        if not re.fullmatch(rf"{HAN}(?:{HAN}|{DOT}){{1,24}}", plain):
            continue
        whole[plain] = None
        whole.update({part: None for part in re.split(DOT, plain) if len(part) > 1})
        length = 2 if plain[:2] in lexicon.compound else int(plain[0] in lexicon.single)
        given = plain[length:]
        if length and given and not re.search(DOT, plain):
            surnames[plain[:length]] = None
        if length and len(given) == 2 and not lexicon.plain(given):
            whole[given] = None
    if not whole:
        return None
    forms = [
        _GAP.join(map(re.escape, re.sub(DOT, "", name)))
        for name in sorted(whole, key=len, reverse=True)
    ]
    return ChineseNames(re.compile("|".join(forms)), _surnames(surnames))


def _surnames(names: Iterable[str]) -> re.Pattern[str] | None:
    listed = "|".join(sorted(names, key=len, reverse=True))
    if not listed:
        return None
    return re.compile(
        rf"(?P<a>{listed})(?=[ \t]?{TITLE.pattern})|(?<=[老小])(?P<b>{listed})(?!{HAN})"
        rf"|(?P<c>(?:{listed}){MASK})(?![些种个处时日年月])"
    )
