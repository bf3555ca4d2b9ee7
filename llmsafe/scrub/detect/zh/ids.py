"""Chinese numbers that identify by their own form: identity documents, telephones, plates, cards.

A check digit (GB 11643, Luhn, those of Hong Kong and Taiwan) settles a doubt; what only a label
tells is in :mod:`.labels`. Patterns look at the normalised view: digits and punctuation are ASCII.
Every quantifier is bounded, so the time is linear in the length of the note.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.ids import luhn_valid

PROVINCES = frozenset(
    ("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41",
     "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71",
     "81", "82", "83")
)  # fmt: skip
PLATE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼滬雲遼魯蘇贛陝閩貴粵寧瓊"
_NUMERAL = "零〇○幺么妖一二两三四五六七八九拐洞勾壹贰叁肆伍陆柒捌玖"
_VALUES = dict(
    zip(_NUMERAL, "00011112" + "23456789" + "709" + "123456789", strict=True)
)  # fmt: skip
_NOT_BEFORE = r"(?<![\dA-Za-z])(?<!\d[.,-])"
_NOT_AFTER = r"(?![\dA-Za-z]|[.,-]\d)"

_RESIDENT = re.compile(rf"{_NOT_BEFORE}(?:\d[ \t.-]{{0,2}}){{17}}[\dXx]{_NOT_AFTER}")
_RESIDENT_OLD = re.compile(rf"{_NOT_BEFORE}\d{{15}}{_NOT_AFTER}")
_MASKED = re.compile(rf"{_NOT_BEFORE}\d{{3,14}}[*xX]{{4,14}}[\dXx]{{0,4}}{_NOT_AFTER}")
_HONG_KONG = re.compile(r"(?<![A-Za-z\d])[A-Z]{1,2}\d{6} ?\(? ?[\dA] ?\)?(?![A-Za-z\d])")
_TAIWAN = re.compile(r"(?<![A-Za-z\d])[A-Z][1289A-D]\d{8}(?![A-Za-z\d])")
_MACAU = re.compile(r"(?<![\w/])[1578]/?\d{6}(?:/\d|\(\d\))(?!\w)")
_DOCUMENTS = re.compile(
    r"(?<![A-Za-z\d])(?:(?<![准字])[HM]\d{8}(?:\d{2})?|E[A-HJ-NP-Z]\d{7}|[EGDSPK]\d{8}|[A-Z]{3}\d{12})(?![A-Za-z\d])"
    r"|[军軍南北沈兰蘭成济濟广廣海空参參政后後装裝武文]字第 ?\d{5,8} ?[号號]"
)
_PLATE = re.compile(
    # No plate has an I or an O, but people type them for 1 and 0.
    rf"[{PLATE}][·・•]?[A-Z] ?[·・•.-]? ?(?=[A-Z]{{0,3}}\d)[A-Z\d]{{4,6}}[挂学警港澳领]?(?![A-Za-z\d])"
)
_CARD = re.compile(rf"{_NOT_BEFORE}(?:\d[ -]{{0,2}}){{15,18}}\d{_NOT_AFTER}")

# A letter typed for a digit: 1896l203347, 135-5470-OO82.
_D = r"[\dlOo]"
EXTENSION = r"(?:[ ,、]{0,2}(?:转|轉|再?[按拨撥](?:分机)?|分机|分機|内线|內線|[eE]xt\.?|x)[ :]{0,2}\d{1,6}){0,2}"
_MOBILE = re.compile(
    rf"(?<![\dA-Za-z.])(?:\(?\+? ?(?:00)?86\)?[ -]{{0,2}})?1[ -]{{0,2}}[3-9](?:[ .,-]{{0,2}}{_D}){{9}}(?![\dA-Za-z]|[.]\d){EXTENSION}"
)
_LANDLINE = re.compile(
    rf"(?:(?<![\dA-Za-z.])|(?<=24[hH])|(?<=FAX)|(?<=Fax)|(?<=TEL)|(?<=Tel))(?:\+?86[ -]{{0,2}})?(?:\(0\d{{1,3}}\)[ -]{{0,2}}|0\d{{2,3}}[ -]{{1,2}}|0[2-8]-(?=\d{{3,4}}-?\d{{4}}(?!\d))|0[1-9]\d{{1,2}}(?=\d{{7,8}}(?!\d)))\d{{3,4}}[ -]{{0,2}}\d{{3,4}}(?![\dA-Za-z]|[.]\d)(?:-\d{{1,5}}(?![\d-])|{EXTENSION})"
    rf"|(?<![\dA-Za-z.])0\d{{3}}[ -]\d{{4}}[ -]\d{{3}}(?![\dA-Za-z]){EXTENSION}"
)
_SERVICE = re.compile(r"(?<![\dA-Za-z.])[48]00[ -]\d{3,4}[ -]?\d{3,4}(?![\dA-Za-z])")
_ABROAD = re.compile(r"(?<![\dA-Za-z])\+(?!86)\d{1,3}(?:[ -]{0,2}\(?\d{1,4}\)?){2,5}(?![\dA-Za-z])")
_EIGHT = re.compile(r"(?<![\dA-Za-z.,/×-])(?<!\d )[2-9]\d{3} \d{4}(?![\dA-Za-z,/×]|[.]\d| \d)")
_TAIWAN_MOBILE = re.compile(r"(?<![\dA-Za-z.])09\d\d[ -]?\d{3}[ -]?\d{3}(?![\dA-Za-z])")
_SPOKEN = re.compile(
    rf"(?<![{_NUMERAL}十百千万第])(?:[{_NUMERAL}][ ,、-]{{0,2}}){{6,18}}[{_NUMERAL}](?![{_NUMERAL}十百千万年月两斤米个年])"
)
_UNIT_AFTER = re.compile(
    r"\s{0,2}(?:CFU|IU|U/|copies|cps|×|x10|元|ng|ug|mg|ml|g/|/[LmuμhH]|拷贝|个|人|例|E\+)"
)
_FAX_BEFORE = re.compile(r"(?:传真|傳真|[Ff][Aa][Xx])[^\d\n]{0,8}$")

_MAIL = re.compile(
    r"(?<![A-Za-z0-9.+%_-])[A-Za-z0-9.+%_-]{1,64} ?@ ?[A-Za-z0-9-]{1,63}(?:(?: ?\. ?)(?<!\. (?=[A-Z][a-z]))[A-Za-z0-9-]{1,63}){1,5}"
)
_URL = re.compile(
    r"(?i)(?:https?|ftp)://[!-+\--~]{1,1000}|(?<![A-Za-z0-9@./-])(?:[a-z0-9-]{1,63}\.){1,4}(?:com|cn|net|org|edu|gov|hk|tw|mo|top|vip|info)(?![A-Za-z0-9@-])(?::\d{1,5})?(?:/[!-+\--~]{0,1000})?"
)
_IP = re.compile(
    r"(?:(?<![\d.A-Za-z])|(?<=(?<![A-Za-z])IP))(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.A-Za-z])"
)
_HARDWARE = re.compile(r"(?<![A-Za-z\d:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![A-Za-z\d:-])")
_CHAT = re.compile(
    r"(?<![A-Za-z\d])wxid_[A-Za-z0-9_]{4,40}|(?<=\s)@[A-Za-z][A-Za-z\d_.]{3,30}(?![A-Za-z\d_@.])"
)
_DOCUMENT = re.compile(
    r"[^\W\d_编号码书为是A-Za-z]{1,8}字?[〔\[(【]\d{4}[〕\])】]第? ?\d{1,6}号|(?:(?!号)[\u4e00-\u9fff]){2,8}字\d{4}第 ?\d{2,6}号?"
)
_LONG = re.compile(
    r"(?<![\d.A-Za-z/×^-])(?<!\d,)(?!\d{0,20}0{5})\d{7,25}(?![\dA-Za-z%/×]|[.]\d|,\d{3}(?!\d))"
)
# A name of an account: letters and digits in turn.
_HANDLE = re.compile(r"(?<![A-Za-z\d_.-])[a-z]{1,8}\d{2,6}[a-z]{1,4}\d{3,8}(?![A-Za-z\d_])")
# Hong Kong: TO 5695; Taiwan: AIE-5312, 6021-QX. A vehicle stands before them.
_HONG_KONG_PLATE = re.compile(
    r"(?:车牌|停车|泊车|车辆|车号|座驾|(?<![风快单火列电平推轮])车)(?:登记|号码?|证)?[ :为是(\[]{0,3}(?P<v>[A-Z]{2} ?\d{1,4}|[A-Z]{2,3}[- ]\d{3,4}|\d{4}-[A-Z]{2})(?![A-Za-z\d-])"
)
_PLAIN_CODE = re.compile(
    r"(?<![A-Za-z\d准字#-])(?!NCT|PMC|ISRCTN|IEC|ISO|QQ)(?:[A-Z]{1,6}|[A-Z]{2,5}-)\d{6,12}[A-Z]?(?![A-Za-z\d-]|[×*] ?\d)"
)
# 医字第048812号: of a doctor, a nurse, a pharmacist.
_PRACTICE = re.compile(r"(?:[医醫护護药藥技术術][师師]?|卫医|衛醫)字第? ?\d{4,8}[号號]")
# A maker's letters before the serial number of an implant: MDT-CZR889012L.
_SERIAL = re.compile(r"(?<![A-Za-z\d-])[A-Z]{2,4}-[A-Z]{1,4}\d{5,9}[A-Z]?(?![A-Za-z\d-])")
_BRACKETED = re.compile(r"(?<=[\u4e00-\u9fff] )\(\d{5,10}\)|(?<=[\u4e00-\u9fff])\(\d{6,10}\)")
_CODE = re.compile(
    r"(?<![A-Za-z\d-])(?!ICD|NCT|CPT|ISO|GB|WS|YY)[A-Z]{1,4}-?\d{2,14}-\d{3,12}(?:-\d{1,8})?(?![A-Za-z\d-])"
)


# 国械注准20173460123: what an authority admitted to the market.
_REGISTERED = re.compile(r"[械药食妆消][注备准健][准进许字]?$")
# The number of a service in the national catalogue of prices, before its name and its price.
_SERVICE_ITEM = re.compile(r"[1-4]\d{8}")
_PRICE = re.compile(
    r"[ \t|]{0,3}[A-Z\u4e00-\u9fff][^\n,。;]{0,30}?[ \t|]\d{1,5}(?:\.\d{1,2})?[ \t]?(?=[|元/\n]|$)"
)


def priced(text: str, start: int, end: int) -> bool:
    """Whether a number is that of a service whose name and price follow."""
    item = _SERVICE_ITEM.fullmatch(text, start, end)
    return item is not None and _PRICE.match(text, end) is not None


def resident_check(first17: str) -> str:
    """The last character of a resident number (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first17))
    return "10X98765432"[total % 11]


def resident_valid(number: str) -> bool:
    """Whether 18 characters are a resident number: region, date of birth and check digit."""
    return (
        bool(re.fullmatch(r"\d{17}[\dXx]", number))
        and number[:2] in PROVINCES
        and _day(number[6:14])
        and resident_check(number[:17]) == number[17].upper()
    )


def hong_kong_valid(number: str) -> bool:
    """The check digit of a Hong Kong identity card, ``A1234563`` without brackets."""
    letters, digits, check = number[:-7], number[-7:-1], number[-1]
    values = (
        [ord(c) - 55 for c in letters.rjust(2)] if len(letters) == 2 else [36, ord(letters) - 55]
    )
    total = sum(v * w for v, w in zip([*values, *map(int, digits)], range(9, 1, -1), strict=True))
    return (total + (10 if check == "A" else int(check))) % 11 == 0


def taiwan_valid(number: str) -> bool:
    """The check digit of a Taiwanese identity card, ``A123456789``."""
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    second = number[1]
    if not second.isdigit():  # the residence permit of old has a letter here
        second = str(("ABCDEFGHJKLMNPQRSTUVXYWZIO".index(second) + 10) % 10)
    digits = [code // 10, code % 10, *map(int, second + number[2:])]
    return (
        sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0
    )


def _day(compact: str) -> bool:
    try:
        return 1850 < date(int(compact[:4]), int(compact[4:6]), int(compact[6:])).year < 2100
    except ValueError:
        return False


def find_residents(text: str) -> Iterator[PhiSpan]:
    """Resident numbers of 18 or 15 digits, cards and permits of Hong Kong, Macau and Taiwan,
    passports, officers' cards. A resident number with a wrong check digit is one if it holds a
    region and a day: it is a slip of the pen."""
    for match in _RESIDENT.finditer(text):
        compact = re.sub(r"[^\dXx]", "", match[0])
        if resident_valid(compact):
            yield PhiSpan(*match.span(), "RESIDENT_ID", 0.99)
        elif compact[:2] in PROVINCES and _day(compact[6:14]):
            yield PhiSpan(*match.span(), "RESIDENT_ID", 0.9)
    for match in _RESIDENT_OLD.finditer(text):
        if match[0][:2] in PROVINCES and _day("19" + match[0][6:12]):
            yield PhiSpan(*match.span(), "RESIDENT_ID", 0.8)
    for match in _MASKED.finditer(text):
        yield PhiSpan(*match.span(), "RESIDENT_ID", 0.6)
    for match in _HONG_KONG.finditer(text):
        if "(" in match[0] or hong_kong_valid(re.sub(r"[() ]", "", match[0])):
            yield PhiSpan(*match.span(), "RESIDENT_ID", 0.9)
    for match in _TAIWAN.finditer(text):
        if taiwan_valid(match[0]):
            yield PhiSpan(*match.span(), "RESIDENT_ID", 0.9)
    for match in (*_MACAU.finditer(text), *_DOCUMENTS.finditer(text)):
        yield PhiSpan(*match.span(), "RESIDENT_ID", 0.85)


def find_telephones(text: str) -> Iterator[PhiSpan]:
    """Mobile and fixed telephones in any grouping, with extension, and numbers spoken aloud."""
    for match in _MOBILE.finditer(text):
        if sum(map(str.isdigit, match[0])) >= 8 and not _UNIT_AFTER.match(text, match.end()):
            yield _telephone(text, match, 0.95)
    for pattern, score in (
        (_LANDLINE, 0.95),
        (_SERVICE, 0.8),
        (_ABROAD, 0.9),
        (_TAIWAN_MOBILE, 0.9),
        (_EIGHT, 0.6),
    ):
        for match in pattern.finditer(text):
            yield _telephone(text, match, score)
    for match in _SPOKEN.finditer(text):
        digits = spoken_digits(match[0])
        if len(set(digits)) > 2:
            identity = len(digits) >= 13 and digits[:2] in PROVINCES
            yield PhiSpan(*match.span(), "RESIDENT_ID" if identity else "PHONE", 0.8)


def spoken_digits(text: str) -> str:
    """``138`` for ``幺三八``; what is no numeral is left out."""
    return "".join(_VALUES.get(character, "") for character in text)


def _telephone(text: str, match: re.Match[str], score: float) -> PhiSpan:
    before = text[max(0, match.start() - 14) : match.start()]
    return PhiSpan(*match.span(), "FAX" if _FAX_BEFORE.search(before) else "PHONE", score)


def find_formats(text: str) -> Iterator[PhiSpan]:
    """Plates, bank cards, mail, web and machine addresses, chat ids, long numbers and codes."""
    for match in _PLATE.finditer(text):
        if sum(map(str.isdigit, match[0])) >= 2:
            yield PhiSpan(*match.span(), "VEHICLE", 0.95)
    for match in _HONG_KONG_PLATE.finditer(text):
        yield PhiSpan(*match.span("v"), "VEHICLE", 0.9)
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if luhn_valid(digits) or digits.startswith("62"):
            yield PhiSpan(*match.span(), "ACCOUNT", 0.9)
    for match in (*_MAIL.finditer(text), *_URL.finditer(text)):
        end = match.end() - (len(match[0]) - len(match[0].rstrip(".,;:!?)]>\"'")))
        yield PhiSpan(match.start(), end, "EMAIL" if "@" in match[0] else "URL", 0.98)
    for pattern, category, score in (
        (_PRACTICE, "LICENSE", 0.85), (_SERIAL, "DEVICE", 0.7), (_IP, "IP", 0.85), (_HARDWARE, "DEVICE", 0.9), (_CHAT, "OTHER_ID", 0.9),
        (_HANDLE, "OTHER_ID", 0.5), (_DOCUMENT, "OTHER_ID", 0.7), (_CODE, "OTHER_ID", 0.5), (_PLAIN_CODE, "OTHER_ID", 0.5),
    ):  # fmt: skip
        for match in pattern.finditer(text):
            if category != "OTHER_ID" or not re.match(r"(?:国|國)[药藥械]", match[0]):
                yield PhiSpan(*match.span(), category, score)
    for match in _BRACKETED.finditer(text):
        yield PhiSpan(match.start() + 1, match.end() - 1, "MRN", 0.5)
    for match in _LONG.finditer(text):
        of_a_thing = _REGISTERED.search(text, max(0, match.start() - 4), match.start())
        if not (of_a_thing or priced(text, *match.span()) or _UNIT_AFTER.match(text, match.end())):
            yield PhiSpan(*match.span(), "OTHER_ID", 0.5)
