"""Chinese names in Latin letters: Zhuang Xiaomei, CHAN Yuen Yee, and beside their Chinese form."""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import split_words
from llmsafe.scrub.detect.zh.reading import HAN, name_span, surname_length

_SYLLABLE = r"(?:[zcs]h?|[bpmfdtnlgkhjqxrywv])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uan|uai|an|en|in|un|ai|ei|ao|ou|ia|ie|iu|ua|uo|ui|ue|ve|er|a|o|e|i|u|v)"
_PINYIN = re.compile(rf"(?:{_SYLLABLE}){{1,3}}", re.IGNORECASE)
_PAIR = re.compile(
    r"(?<![A-Za-z\d@./_-])(?P<a>[A-Z][a-z]{1,8}|[A-Z]{2,8}),? {1,2}(?P<b>[A-Z][a-z]{1,14}|[A-Z]{2,14}|[A-Z][a-z]{1,6}[- ][A-Z]?[a-z]{1,6})(?![A-Za-z\d@_-])"
)
_SURNAMES = split_words(
    "zhang wang li liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he lin gao luo zheng "
    "liang xie song tang deng han feng cao peng zeng xiao tian dong pan yuan cai jiang yu du ye "
    "cheng wei su lv lu ding ren yao shen zhong cui tan fan liao shi jin jia xia fu fang zou "
    "xiong bai meng qin qiu hou yin xue yan duan lei long tao mao hao gu gong shao wan qian dai "
    "mo kong xiang chang kang yi qiao lai wen niu ge xing an qi zhuang lan ouyang sima "
    "shangguan zhuge situ huangfu murong dongfang chan cheung wong lee lam leung ng kwok yip "
    "tsang chow ho lau tse"
)
_IN_BRACKETS = re.compile(
    rf"(?<={HAN}) ?\((?P<v>[A-Z][A-Za-z]{{1,14}}(?:,? [A-Z][a-z]{{1,14}}){{1,3}})\)"
)
_GLOSS = re.compile(rf"[ \t]?\((?P<v>{HAN}{{2,4}}|{HAN}(?: {{1,3}}{HAN}){{1,3}})\)")


def find_pinyin(text: str) -> Iterator[PhiSpan]:
    """Romanised names, and the Chinese one in brackets behind: Li Guangyao(黎光耀)."""
    for match in _PAIR.finditer(text):
        a, b = match["a"].lower(), re.sub(r"[- ]", "", match["b"].lower())
        if any(
            first in _SURNAMES and _PINYIN.fullmatch(second) for first, second in ((a, b), (b, a))
        ):
            yield name_span(*match.span(), 0.8)
            gloss = _GLOSS.match(text, match.end())
            if gloss and surname_length(text, gloss.start("v")):
                yield name_span(gloss.start("v"), gloss.end("v"), 0.85)
    for match in _IN_BRACKETS.finditer(text):
        if any(surname_length(text, match.start() - n) for n in (2, 3)):
            yield name_span(match.start("v"), match.end("v"), 0.6)
