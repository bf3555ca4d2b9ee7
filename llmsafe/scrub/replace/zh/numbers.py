"""Stand-ins for Chinese numbers: identity documents, telephones, plates.

A resident number is valid and agrees with the rest of the note: the birth date is the moved one,
the sex that of the original, the region its province (its last four digits are 0000, which no
person's number has, so that nobody real is named). Mobile numbers begin with 154, which no operator
has; fixed ones with a 1 behind the area code, which no subscriber has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh.ids import PROVINCES, resident_check
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.numbers import number, number_stream
from llmsafe.scrub.replace.person import Person
from llmsafe.scrub.replace.shift import move_day

_AREAS = ("020", "021", "022", "023", "024", "025", "027", "028", "029")
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_PLATES = "沪苏浙皖闽赣鲁豫鄂湘粤桂川黔滇陕甘青辽吉黑蒙冀晋津渝琼藏宁新"
_MOBILE = re.compile(r"(?:86)?1[3-9]\d{9}")
_FIXED = re.compile(r"0\d{9,11}")
_FULL = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_SPOKEN = "零一二三四五六七八九"
_EXTENSION = re.compile(r"[ ,]{0,2}(?:转|轉|分机|分機|ext\.?|x)[ :]{0,2}\d{1,6}$", re.IGNORECASE)


def chinese_number(key: Key, person: Person, category: str, text: str) -> str | None:
    """The stand-in for a number of a Chinese note, or ``None`` if the common ones will do."""
    plain = normalise(text).text
    compact = re.sub(r"[^\dA-Za-z]", "", plain)
    stream = number_stream(key, *person.draw, "zh", category, compact.lower() or plain)
    made: str | None
    if category == "RESIDENT_ID" and (resident := _resident(person, compact, stream)):
        made = fill(plain, resident)
    elif category in ("PHONE", "FAX"):
        made = _telephone(plain, stream)
    elif category == "VEHICLE":
        made = _plate(plain, stream)
    elif re.search(r"[^\W\d_A-Za-z]", plain):
        made = _worded(plain, stream)
    else:
        made = number(key, person, category, text)
    return full_width(made) if made and text != plain and is_full_width(text) else made


def _resident(person: Person, compact: str, stream: Iterator[int]) -> str | None:
    """A valid number for one of 18 or 15 digits."""
    if not re.fullmatch(r"\d{17}[\dXx]|\d{15}", compact):
        return None
    old = len(compact) == 15
    born = _born("19" + compact[6:12] if old else compact[6:14])
    moved = (move_day(born, person.shift) if born else None) or date(
        1950 + next(stream) % 50, 1, 15
    )
    region = (compact[:2] if compact[:2] in PROVINCES else "11") + "0000"
    order = 10 * (next(stream) % 100) + (
        int(compact[14 if old else 16]) % 2 + 2 * (next(stream) % 5)
    )
    if old:
        return f"{region}{moved:%y%m%d}{order:03d}"
    first = f"{region}{moved.year:04d}{moved:%m%d}{order:03d}"
    return first + resident_check(first)


def _born(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _telephone(plain: str, stream: Iterator[int]) -> str | None:
    tail = _EXTENSION.search(plain)
    extension = re.sub(r"\d", lambda _: str(next(stream) % 10), tail[0]) if tail else ""
    main = plain[: tail.start()] if tail else plain
    digits = re.sub(r"[^\dlOo]", "", main)
    if not re.search(r"\d", main):
        new = "154" + _digits(max(0, sum(map(str.isalnum, main)) - 3), stream)
        return fill(main, "".join(_SPOKEN[int(d)] for d in new))
    if _MOBILE.fullmatch(re.sub(r"[lOo]", "0", digits)):
        country = "86" if len(digits) > 11 else ""
        return fill(main, f"{country}154{_digits(8, stream)}") + extension
    if _FIXED.fullmatch(digits):
        area = _AREAS[next(stream) % len(_AREAS)]
        long = len(digits) == 12 or re.match(r"\D?\d{4}\D", main) is not None
        head = (
            f"0{3 + next(stream) % 6}{1 + next(stream) % 7}{_digits(1, stream)}" if long else area
        )
        return fill(main, head + "1" + _digits(len(digits) - len(head) - 1, stream)) + extension
    if digits.startswith("0") and len(digits) == 9:  # Taiwan: no number begins with 1 either
        return fill(main, f"0{2 + next(stream) % 7}1{_digits(6, stream)}") + extension
    if len(digits) < 7:
        return fill(main, _digits(len(digits), stream)) + extension
    return fill(main, "1" + _digits(len(digits) - 1, stream)) + extension


def _plate(plain: str, stream: Iterator[int]) -> str:
    out, first = "", True
    for character in plain:
        if character.isdigit():
            out += str(next(stream) % 10)
        elif character.isascii() and character.isalpha():
            out += _PLATE_LETTERS[next(stream) % len(_PLATE_LETTERS)]
        elif character.isalpha() and first:
            others = _PLATES.replace(character, "")
            out += others[next(stream) % len(others)]
        else:
            out += character
        first = first and not character.isalnum()
    return out


def _worded(plain: str, stream: Iterator[int]) -> str:
    """军字第0428817号, 临人社工认字〔2023〕0618号: other digits, 某 for the place."""
    head, mark, rest = plain.partition("字")
    words = re.sub(r"[\u4e00-\u9fff]+", "某", head) + mark + rest if mark else plain
    spoken = re.sub(rf"[{_SPOKEN}〇幺]", lambda _: _SPOKEN[next(stream) % 10], words)
    return re.sub(r"\d", lambda _: str(next(stream) % 10), spoken)


def fill(plain: str, new: str) -> str:
    """``plain`` with its letters and digits replaced one by one."""
    characters = iter(new)
    return "".join(next(characters, "") if c.isalnum() else c for c in plain)


def _digits(count: int, stream: Iterator[int]) -> str:
    return "".join(str(next(stream) % 10) for _ in range(count))


def is_full_width(text: str) -> bool:
    return _FULL.search(text) is not None


def full_width(text: str) -> str:
    """ASCII as full-width characters."""
    return "".join(
        "\u3000" if c == " " else chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    )
