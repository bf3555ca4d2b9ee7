"""Small places that no list has: 去三里桥赶集, 搬回北闸口, 老家窑头."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.places import LETTER, any_place
from llmsafe.scrub.detect.zh.reading import in_word, meet

# A place by what it ends in, where somebody goes, lives or comes from: 去三里桥赶集, 回北闸口.
_HAMLET = re.compile(
    rf"(?:(?<=[在去到从回往住])|(?<=老家))(?![这那本该某各外当])(?P<v>{LETTER}{{1,3}}[桥口塘集沟坡湾庄铺坝屯岭坪墩埠圩滩])"
    r"(?=[赶来回卖买看摆租做打带那飞跑开寄]|种(?!枣|地|田|菜)|过年|拜年|上班|[,。;、)\s]|$)"
)
_NO_HAMLET = re.compile(
    r".*(?:[路门村街伤切入出窗关胸疮创造瘘井吻合裂脱交渡胃肛人吸开鼻下]口|[脑天搭立骨皮看]桥|[鱼池]塘|[收采聚密赶汇筹招市募征]集|[水山下臀腋侧肌裂]沟|[斜山下上]坡|[港海]湾|村庄|[床店卧老]铺|[桌茶]庄|[沙海河]滩)"
)
_OLD_HOME = re.compile(
    rf"老家(?:是|住)?(?P<v>(?![种养做务盖修买卖过农乡县山那这来的也还有没村父母儿女子孙亲人很在办遭发收潮])"
    rf"{LETTER}{{1,2}}[头塘集沟坡湾庄铺店坝屯岭坪墩埠圩滩桥口寨堡营沙洼子])(?=[,。;、)\s]|$)"
)


def find_hamlets(text: str) -> Iterator[PhiSpan]:
    """Small places that no list has, by their last character, or behind 老家."""
    words = chinese().words
    for match in _HAMLET.finditer(text):
        start, end = match.span("v")
        if (
            not _NO_HAMLET.fullmatch(match["v"])
            and meet(text[end - 2 : end]) < 2
            and not (
                in_word(text, start, end) or match["v"] in words or text[end - 2 : end] in words
            )
        ):
            yield PhiSpan(start, end, "LOCATION", 0.6)
    for match in _OLD_HOME.finditer(text):
        if match["v"] not in words and not any_place(match["v"]) and meet(match["v"][:2]) < 2:
            yield PhiSpan(*match.span("v"), "LOCATION", 0.6)
