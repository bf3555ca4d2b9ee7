"""Stand-ins for Chinese names: surname for surname, given name for given name.

A surname has one stand-in for a patient and so has a given name, so that 张三, 张先生, 老张, 张某
and 三儿's full name agree in all notes. A stand-in has the gender and the length class of the
original (one or two characters, single or compound surname) and is no name of the patient, of
their relatives or of anybody in the note. A romanised name follows the Chinese one of the note
whose surname reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from llmsafe.scrub.detect.lexicon import read_json, read_words
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.lexicon import chinese, simplified
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.person import Person

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff〇]")
_DOT = re.compile(r"[·・•‧∙⋅]")
_MASK = re.compile(r"(?:某{1,3}|[×xX*＊○]{1,3})$")
_FEMALE = frozenset(
    "芳娜敏静丽娟艳玲英华玉萍红霞燕秀兰凤洁梅琳素莲真环雪荣爱妹香月莺媛瑞佳琼勤珍贞莉桂娣叶璧璐娅琦晶妍茜秋珊莎锦黛青倩婷姣婉娴瑾颖露瑶怡婵雁蓓纨仪荷丹蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰韵融园"
    "艺咏卿聪澜纯毓悦昭冰爽琬茗羽希欣飘育滢馥筠柔竹霭凝晓欢霄枫芸菲寒伊亚宜可姬舒影荔枝思娥姝婧娇媚妮妙巧彩慧惠淑芬芝"
)
_MALE = frozenset(
    "伟刚勇毅俊峰强军平保东文辉力明永健世广志义兴良海山仁波宁贵福生龙元全国胜学祥才发武新利清飞彬富顺信子杰涛昌成康星光天达安岩中茂进林有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆磊民友裕河哲江超浩亮政谦亨奇"
    "固之轮翰朗伯宏言若鸣朋斌梁栋维启克伦翔旭鹏泽晨辰士以建家致树炎德行时泰盛雄琛钧冠策腾楠榕风航弘根柱铁"
)  # fmt: skip
_LATIN = re.compile(r"[A-Za-z][A-Za-z'’-]*")


@cache
def _listing(name: str) -> tuple[tuple[str, str], ...]:
    """(characters, pinyin) of a list of stand-ins; without pinyin where none is given."""
    text: str = read_json("scrub_zh/surrogates.json")[name]
    items = text.split("|") if "|" in text else text.split()
    pairs = (item.partition(" ") for item in items)
    return tuple((word, sound) for word, _, sound in pairs)


def split_name(name: str) -> tuple[str, str]:
    """Surname and given name of a whole Chinese name; no surname where it has none."""
    plain, lexicon = simplified(name), chinese()
    length = 2 if plain[:2] in lexicon.compound else int(plain[:1] in lexicon.single)
    return (name[:length], name[length:]) if len(name) - length <= 2 else ("", name)


def compact(text: str) -> str:
    """A name without what stands between its characters."""
    return re.sub(r"[\s|]", "", normalise(text).text)


def whole_name(person: Person, text: str) -> str:
    """The longest name of the note or the table that ``text`` is the surname or the given name of
    (张, 张某, 三), or ``text`` itself without gaps."""
    name = _MASK.sub("", simplified(compact(text)))
    longer = (
        known
        for known in sorted(_mentions(person), key=lambda n: (-len(n), n))
        if name in split_name(known) and split_name(known)[1]
    )
    return next(longer, name or text)


def chinese_name(key: Key, person: Person, text: str) -> str | None:
    """The stand-in for ``text``; ``None`` if it is no Chinese name."""
    name = compact(text)
    if not HAN.search(name):
        return _romanised(key, person, text)
    new = _whole(key, person, name)
    if name != simplified(name):
        new = traditional(new)
    return _spread(text, name, new)


def _whole(key: Key, person: Person, name: str) -> str:
    plain = simplified(name)
    if masked := _MASK.search(plain):
        return _family(key, person, plain[: masked.start()]) + masked[0]
    if _DOT.search(plain):
        parts = _DOT.split(plain)
        dot = plain[len(parts[0])]
        return dot.join(_other(key, person, part, plain) for part in parts)
    family, given = split_name(plain)
    if not given and not (plain in _givens(person) and plain not in _families(person)):
        return _family(key, person, family)
    if not family or plain in _givens(person):
        return _given(key, person, plain)
    return _family(key, person, family) + _given(key, person, given)


def _families(person: Person) -> frozenset[str]:
    return frozenset(split_name(name)[0] for name in _mentions(person))


def _givens(person: Person) -> frozenset[str]:
    """Given names of the whole names that the note or the table knows."""
    pairs = (split_name(name) for name in _mentions(person))
    return frozenset(given for family, given in pairs if family and given)


def _mentions(person: Person) -> list[str]:
    return [simplified(compact(name)) for name in person.mentions if HAN.search(name)]


def _family(key: Key, person: Person, family: str) -> str:
    listing = "compound" if len(family) > 1 else "family"
    return _pick(key, person, listing, "zh family", family, _families(person) | person.avoid)


def _given(key: Key, person: Person, given: str) -> str:
    lexicon = chinese()
    if (len(given) == 2 and given[0] == given[1]) or given in lexicon.nicknames:
        return _pick(key, person, "nick", "zh given", given, person.avoid)
    if len(given) > 2 or (given in lexicon.other_names):
        return _other(key, person, given)
    sex = "female" if _female(person, given) else "male"
    taken = _givens(person) | person.avoid
    return _pick(key, person, f"{sex}{len(given)}", "zh given", given, taken)


def _other(key: Key, person: Person, name: str, whole: str = "") -> str:
    """A name of another people for one of its kind, which ``whole`` tells."""
    kind = whole or name
    tibetan = any(
        part in kind for part in ("卓", "扎", "措", "仁", "桑", "央", "次", "旦", "丹", "吉")
    )
    western = any(
        part in kind for part in ("约翰", "史密", "夫", "娃", "罗·", "德罗", "里奥", "安娜")
    )
    listing = "western" if western else "tibetan" if tibetan else "foreign"
    return _pick(key, person, listing, "zh other", name, person.avoid)


def _female(person: Person, given: str) -> bool:
    own = {split_name(simplified(name))[1] for name in person.own}
    if person.female is not None and given in own:
        return person.female
    marks = sum((c in _FEMALE) - (c in _MALE) for c in given[-1:] + given)
    return marks > 0


def _pick(
    key: Key, person: Person, listing: str, role: str, original: str, taken: frozenset[str]
) -> str:
    words = [word for word, _ in _listing(listing)]
    for attempt in range(50 * len(words)):
        word = key.choice(words, "pick", listing, *person.draw, role, original, str(attempt))
        if word != original and word not in taken:
            return word
    raise LookupError(listing)


def _spread(text: str, name: str, new: str) -> str:
    """The new name with the gaps of the old one (邝 永 贤), if it has as many characters."""
    places = [i for i, c in enumerate(text) if not c.isspace() and normalise(c).text]
    if len(name) == len(text) or len(places) != len(new) or not any(c.isspace() for c in text):
        return new
    characters = list(text)
    for place, character in zip(places, new, strict=True):
        characters[place] = character
    return "".join(c for i, c in enumerate(characters) if i in places or c.isspace())


@cache
def _traditional() -> dict[int, str]:
    pairs = sorted(read_words("scrub_zh/simplified.txt"))
    kept = {
        "云": "雲",
        "丰": "豐",
        "志": "志",
        "后": "后",
        "台": "台",
        "松": "松",
        "谷": "谷",
        "余": "余",
    }
    return {**{ord(pair[1]): pair[0] for pair in pairs}, **{ord(k): v for k, v in kept.items()}}


def traditional(text: str) -> str:
    """Simplified characters of the stand-ins in traditional ones."""
    return text.translate(_traditional())


# --- romanised ----------------------------------------------------------------------------------


@cache
def _sounds() -> dict[str, str]:
    """The pinyin of surnames: those of the stand-ins and the commonest."""
    return dict((*_listing("family"), *_listing("compound"), *_COMMON))


_ABROAD = dict(
    pair.split(":")
    for pair in [
        "chan:chen",
        "wong:wang",
        "lee:li",
        "cheung:zhang",
        "lam:lin",
        "leung:liang",
        "lau:liu",
        "ng:wu",
        "chow:zhou",
        "tsang:zeng",
        "yip:ye",
        "kwok:guo",
        "ho:he",
        "cheng:zheng",
        "tse:xie",
        "yeung:yang",
        "lin:lin",
        "tsai:cai",
        "hsu:xu",
        "hsieh:xie",
    ]
)
_COMMON: Sequence[tuple[str, str]] = tuple(
    zip(
        "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖袁蔡蒋余于杜叶程魏苏吕丁章董潘卢庄曲",
        [
            "wang",
            "li",
            "zhang",
            "liu",
            "chen",
            "yang",
            "huang",
            "zhao",
            "wu",
            "zhou",
            "xu",
            "sun",
            "ma",
            "zhu",
            "hu",
            "guo",
            "he",
            "lin",
            "gao",
            "luo",
            "zheng",
            "liang",
            "xie",
            "song",
            "tang",
            "xu",
            "han",
            "deng",
            "feng",
            "cao",
            "peng",
            "zeng",
            "xiao",
            "yuan",
            "cai",
            "jiang",
            "yu",
            "yu",
            "du",
            "ye",
            "cheng",
            "wei",
            "su",
            "lv",
            "ding",
            "zhang",
            "dong",
            "pan",
            "lu",
            "zhuang",
            "qu",
        ],
        strict=True,
    )
)


def _romanised(key: Key, person: Person, text: str) -> str | None:
    """``Shen Jingyi`` for ``Zhang Xiaomei``, in the order of the original."""
    words = list(_LATIN.finditer(normalise(text).text))
    if not 1 <= len(words) <= 3 or any(len(word[0]) < 2 for word in words):
        return None
    sounds = {*_sounds().values(), *_ABROAD}
    at = next((i for i in (0, len(words) - 1) if words[i][0].lower() in sounds), None)
    if at is None or len(words) == 1:
        return None
    family = words[at][0]
    rest = [word[0] for i, word in enumerate(words) if i != at]
    new_family, new_given = _sound_of(key, person, family.lower(), "".join(rest).lower())
    new = [_like(family, new_family), _like(rest[0], new_given)]
    comma = ", " if "," in text else " "
    return comma.join(new if at == 0 else reversed(new))


def _sound_of(key: Key, person: Person, family: str, given: str) -> tuple[str, str]:
    family = _ABROAD.get(family, family)
    meant = [name for name in _mentions(person) if _sounds().get(split_name(name)[0]) == family]
    whole = next((name for name in sorted(meant, key=len, reverse=True) if split_name(name)[1]), "")
    if whole:
        new = split_name(_whole(key, person, whole))
        spoken = dict(
            pair
            for part in ("1", "2")
            for sex in ("fe", "")
            for pair in _listing(f"{sex}male{part}")
        )
        if new[0] in _sounds() and new[1] in spoken:
            return _sounds()[new[0]], spoken[new[1]]
    families = dict(_listing("family"))
    new_family = _pick(key, person, "family", "pinyin family", family, person.avoid)
    new_given = _pick(key, person, "female2", "pinyin given", given, person.avoid)
    return families[new_family], dict(_listing("female2"))[new_given]


def _like(word: str, new: str) -> str:
    return new.upper() if word.isupper() and len(word) > 1 else new.capitalize()
