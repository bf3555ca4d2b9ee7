"""Numbers that identify somebody: well-formed, and as far as we know issued to nobody.

Resident numbers of the mainland carry a right check digit, birth date and sex, and the code of
the patient's city, but a county number (61 to 69) that no city uses. Mobile numbers begin with
prefixes that are not allotted (154, 160, 161, 163, 164, 168, 169, 194; 094 in Taiwan; 999 in Hong
Kong, where it calls the police), subscriber numbers of land lines with a digit that none has (9,
in Taiwan 1). Plates hold a letter I or O, which none does. Taiwan's numbers lie in a range that
is not reached, Hong Kong's begin with letters that are not used; both carry right check digits.
"""

from __future__ import annotations

import random
from datetime import date

from llmsafe.synthetic.draw import chance, digits, integer, pick
from llmsafe.synthetic.identity import Sex

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_MOBILE = ("154", "160", "161", "163", "164", "168", "169", "194")
# Taiwan: the number that stands for the first letter of an identity number.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def check_digit(body: str) -> str:
    """The last character of a resident number with these 17 digits (GB 11643-1999)."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True))
    return "10X98765432"[total % 11]


def resident_id(rng: random.Random, city: str, born: date, sex: Sex) -> str:
    """A resident number; `city` is the four-digit code. Odd sequence numbers are men's."""
    order = integer(rng, 0, 499) * 2 + (sex == "m")
    body = f"{city}{integer(rng, 61, 69)}{born:%Y%m%d}{order:03d}"
    return body + check_digit(body)


def taiwan_check_digit(body: str) -> str:
    """The last digit of a number of Taiwan that begins with this letter and eight digits."""
    code = _LETTERS.index(body[0]) + 10
    total = code // 10 + 9 * (code % 10)
    total += sum((8 - i) * int(digit) for i, digit in enumerate(body[1:]))
    return str(-total % 10)


def taiwan_id(rng: random.Random, letter: str, sex: Sex) -> str:
    body = f"{letter}{'1' if sex == 'm' else '2'}5{integer(rng, 0, 999999):06d}"
    return body + taiwan_check_digit(body)


def hong_kong_check_digit(body: str) -> str:
    """The character in brackets after a letter and six digits."""
    total = 9 * 36 + 8 * (ord(body[0]) - 55)
    total += sum((7 - i) * int(digit) for i, digit in enumerate(body[1:]))
    rest = -total % 11
    return "A" if rest == 10 else str(rest)


def hong_kong_id(rng: random.Random) -> str:
    body = f"{pick(rng, 'OQTU')}{digits(rng, 6)}"
    return f"{body}({hong_kong_check_digit(body)})"


def mobile(rng: random.Random) -> str:
    """A mainland mobile number, written in one of the usual ways."""
    head, a, b = pick(rng, _MOBILE), digits(rng, 4), digits(rng, 4)
    form = pick(rng, ("{}{}{}",) * 6 + ("{}-{}-{}", "{} {} {}", "+86 {}{}{}"))
    return form.format(head, a, b)


def landline(rng: random.Random, area: str, *, extension: bool = False) -> str:
    """A mainland land line; eight digits in the larger cities."""
    number = "9" + digits(rng, 7 if len(area) == 3 or chance(rng, 0.5) else 6)
    text = pick(rng, ("{}-{}", "{}-{}", "({}){}", "{} {}", "{}{}")).format(area, number)
    if extension:
        text += pick(rng, ("转{}", "-{}", "转{}")).format(digits(rng, integer(rng, 3, 4)))
    return text


def taiwan_mobile(rng: random.Random) -> str:
    form = pick(rng, ("094{}-{}-{}", "094{}{}{}", "094{}-{}{}", "+886-94{}-{}-{}"))
    return form.format(integer(rng, 0, 9), digits(rng, 3), digits(rng, 3))


def taiwan_landline(rng: random.Random, area: str) -> str:
    number = f"1{digits(rng, 3)}-{digits(rng, 4)}"
    text = pick(rng, ("({}){}", "{}-{}", "({}) {}")).format(area, number)
    return f"{text}轉{digits(rng, 3)}" if chance(rng, 0.1) else text


def hong_kong_phone(rng: random.Random) -> str:
    return pick(rng, ("999{} {}", "999{}{}", "999{}-{}", "+852 999{} {}")).format(
        integer(rng, 0, 9), digits(rng, 4)
    )


def plate(rng: random.Random, head: str) -> str:
    """A mainland plate; `head` is the province's character and the city's letter."""
    tail = list(digits(rng, 5))
    tail[integer(rng, 0, 4)] = pick(rng, "IO")
    if chance(rng, 0.4):
        tail[0] = pick(rng, "ABCDEFGHJKLMN")
        tail[1] = pick(rng, "IO")
    return head + pick(rng, ("", "·", "·", " ")) + "".join(tail)
