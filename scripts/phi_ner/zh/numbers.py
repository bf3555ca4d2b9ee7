"""Numbers that point to a person: identity cards, records, insurance, vehicles, devices."""

from __future__ import annotations

import datetime

from ..core import Context, Slot, Slots, words
from .numerals import number
from .people import somebody

SLOTS = Slots()
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
PROVINCES = words(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PLATES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_BIOMETRICS = words("FP IRIS FACE VP BIO PV fp face FID ZW RL ZJM FV")


def check_digit(seventeen: str) -> str:
    """The last character of an identity number (GB 11643)."""
    total = sum(int(c) * weight for c, weight in zip(seventeen, _WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def _born(context: Context, tie: str | None) -> datetime.date:
    return somebody(context, tie).born


def _area(context: Context) -> str:
    rng = context.rng
    return f"{rng.choice(PROVINCES)}{rng.randrange(1, 30):02d}{rng.randrange(1, 30):02d}"


def id18(context: Context, born: datetime.date) -> str:
    """An identity number; one in ten has a wrong check digit."""
    rng = context.rng
    text = f"{_area(context)}{born:%Y%m%d}{context.digits(3)}"
    last = check_digit(text)
    if rng.random() < 0.1:
        last = rng.choice("0123456789X")
    elif last == "X" and rng.random() < 0.25:
        last = "x"
    text += last
    a, b, c = text[:6], text[6:14], text[14:]
    draw = rng.random()
    if draw < 0.82:
        return number(context, text) if text.isdigit() else text
    forms = (
        f"{a} {b} {c}",
        f"{a} {b[:4]} {b[4:]} {c}",
        f"{a}-{b}-{c}",
        f"{a}{b[:4]}****{c}",
        f"{a}********{c}",
        f"{text[:3]}***********{c}",
        f"{text[:10]} {text[10:]}",
        " ".join(text),
        f"{a} {b}{c}",
    )
    return rng.choice(forms)


def _id18(context: Context, tie: str | None) -> str:
    born = _born(context, tie)
    return context.tied("id18", tie, lambda context: id18(context, born))


def _id15(context: Context, tie: str | None) -> str:
    born = _born(context, tie)
    return context.tied("id15", tie, lambda c: f"{_area(c)}{born:%y%m%d}{c.digits(3)}")


SLOTS["id18"] = Slot("RESIDENT_ID", _id18)
SLOTS["id15"] = Slot("RESIDENT_ID", _id15)


@SLOTS.value("OTHER_ID", "id_other")
def id_other(context: Context) -> str:
    """A passport, a permit to travel, an identity card of Hong Kong or Taiwan, of an officer."""
    rng, d = context.rng, context.digits
    a, b = context.some(LETTERS, 2)
    forms = (
        f"E{d(8)}",
        f"E{rng.choice('ABCDEFGH')}{d(7)}",
        f"G{d(8)}",
        f"P{d(7)}",
        f"{a}{b}{d(7)}",
        f"{a}{d(6)}({d(1)})",
        f"{a}{d(6)}（{d(1)}）",
        f"H{d(8)}",
        f"H{d(8)}({d(2)})",
        f"M{d(8)}",
        d(8),
        f"{a}{rng.choice('12')}{d(8)}",
        f"军字第{d(7)}号",
        f"{rng.choice('南北沈济成广空海政后装')}字第{d(6)}号",
        f"8{rng.choice('123')}0000{_some_day(context)}{d(4)}",
        d(9),
        f"{a}{d(7)}",
    )
    return rng.choice(forms)


def _some_day(context: Context) -> str:
    rng = context.rng
    return f"{rng.randrange(1940, 2015)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"


def _today(context: Context) -> str:
    """A day of the year of the note, as numbers begin with it."""
    rng = context.rng
    return f"{context.year}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"


def code(context: Context) -> str:
    """A number with letters and separators, as institutions invent them."""
    rng, d = context.rng, context.digits
    ab = context.some(LETTERS, rng.choice((1, 1, 2, 2, 3)))
    year, day = str(context.year), _today(context)
    forms = (
        f"{ab}{d(rng.choice((5, 6, 7, 8)))}",
        f"{ab}{d(rng.choice((5, 6, 7, 8)))}",
        f"{ab}-{d(rng.choice((4, 5, 6)))}",
        d(rng.choice((6, 7, 8, 9, 10))),
        d(rng.choice((6, 7, 8, 9, 10))),
        d(rng.choice((10, 11, 12, 13, 14))),
        f"{ab}{day}{d(rng.choice((3, 4)))}",
        f"{day}{d(rng.choice((3, 4, 5)))}",
        f"{ab}{year}-{d(rng.choice((4, 5, 6)))}",
        f"{year}-{d(rng.choice((4, 5, 6)))}",
        f"{ab}{year[2:]}-{d(5)}",
        f"{ab}{year[2:]}{d(5)}",
        f"{day}-{d(3)}",
        f"{ab}-{day}-{d(2)}",
        f"{d(2)}-{d(5)}",
        f"{d(4)}-{d(4)}",
        f"{ab} {d(6)}",
        f"{ab}{d(3)}/{d(4)}",
        f"No.{d(7)}",
        f"NO：{d(6)}",
        f"{d(5)}{rng.choice(LETTERS)}",
        f"{rng.choice(LETTERS)}{d(2)}{rng.choice(LETTERS)}{d(4)}",
        f"〔{year}〕{d(3)}号",
        f"#{d(4)}",
    )
    return rng.choice(forms)


@SLOTS.value("OTHER_ID", "id")
def other_id(context: Context) -> str:
    """Number of a specimen, film, receipt, case, member of staff."""
    return number(context, code(context)) if context.rng.random() < 0.85 else context.digits(5)


@SLOTS.value("MRN", "mrn")
def mrn(context: Context) -> str:
    """Number of a record, of a stay, of an out-patient, of a card."""
    rng, d = context.rng, context.digits
    if rng.random() < 0.5:
        return number(context, d(rng.choice((5, 6, 6, 7, 7, 8, 8, 9, 10, 12))))
    forms = (
        f"ZY{d(rng.choice((6, 8, 10)))}",
        f"MZ{d(rng.choice((6, 8, 10)))}",
        f"{rng.choice('HMPBZ')}{d(rng.choice((6, 7, 8)))}",
        f"00{d(rng.choice((6, 8)))}",
        f"{context.year}{d(rng.choice((4, 5, 6)))}",
        f"{d(7)}-{rng.randrange(1, 9)}",
        f"{d(6)}#",
        code(context),
        code(context),
    )
    return rng.choice(forms)


@SLOTS.value("HEALTH_PLAN", "insurance")
def insurance(context: Context) -> str:
    """Number of an insurance, public or private."""
    rng, d = context.rng, context.digits
    a, b = context.some(LETTERS, 2)
    forms = (
        d(8),
        d(9),
        d(10),
        d(12),
        f"{a}{d(8)}",
        f"{a}{b}{d(8)}",
        f"{_area(context)}{d(6)}",
        f"YB{d(8)}",
        f"P{context.year}{d(9)}",
        f"{a}{d(3)}-{d(6)}",
        f"{d(4)} {d(4)} {d(4)}",
    )
    return number(context, rng.choice(forms))


@SLOTS.value("ACCOUNT", "bankcard")
def bankcard(context: Context) -> str:
    """Number of a bank card, whole, masked or its last four digits."""
    rng, d = context.rng, context.digits
    text = f"62{d(rng.choice((14, 17, 17)))}"
    blocks = " ".join(text[i : i + 4] for i in range(0, len(text), 4))
    masked = (f"{text[:4]}********{text[-4:]}", f"{text[:4]} **** **** {text[-4:]}", text[-4:])
    return number(context, rng.choice((text, text, text, blocks, blocks, *masked)))


@SLOTS.value("LICENSE", "license")
def professional(context: Context) -> str:
    """Licence of a profession, or to drive."""
    rng, d = context.rng, context.digits
    forms = (
        f"{rng.choice(('110', '120', '141', '210', '220'))}{_area(context)}{d(6)}",
        f"{context.year}{_area(context)[:2]}{d(rng.choice((6, 8)))}",
        f"{_area(context)}{d(6)}",
        f"{context.year}11{d(21)}",
        f"{rng.choice(LETTERS)}{d(8)}",
        f"{rng.choice(_PLATES)}卫医执{d(8)}号",
        d(12),
    )
    return rng.choice(forms)


@SLOTS.value("VEHICLE", "plate")
def plate(context: Context) -> str:
    """Licence plate of a car."""
    rng, d = context.rng, context.digits
    a, b, c = context.some(LETTERS, 3)
    if context.style == "traditional" and rng.random() < 0.7:
        return rng.choice(
            (f"{a}{b} {d(4)}", f"{a}{b}{c}-{d(4)}", f"{d(4)}-{a}{b}", f"{a}{b}-{d(4)}")
        )
    tail = rng.choice((d(5), d(5), f"{b}{d(4)}", f"{d(3)}{b}{c}", f"{d(2)}{b}{d(2)}", f"D{d(5)}"))
    forms = (f"{a}{tail}", f"{a}{tail}", f"{a}{tail}", f"{a}·{tail}", f"{a}-{tail}", f"{a} {tail}")
    more = (f"{a}{d(4)}{rng.choice('警学挂')}", f" {a}{tail}", f"{a}•{tail}")
    return rng.choice(_PLATES) + rng.choice((*forms, *more))


@SLOTS.value("DEVICE", "serial")
def serial(context: Context) -> str:
    """Serial number of an implant or a machine."""
    rng, d = context.rng, context.digits
    ab = context.some(LETTERS, rng.choice((1, 2, 3)))
    forms = (
        f"{ab}{d(6)}",
        f"{ab}{d(6)}",
        f"{ab}-{d(4)}-{d(3)}",
        f"{ab}{d(5)}-{d(3)}",
        d(8),
        f"{ab}-{d(2)}-{d(4)}{ab[0]}",
        f"SN{d(8)}",
        f"{d(2)}{ab}-{d(4)}",
        f"(01){d(14)}(21){d(6)}",
        f"{ab}{d(3)}{ab[0]}{d(4)}",
        code(context),
    )
    return rng.choice(forms)


@SLOTS.value("BIOMETRIC", "biometric")
def biometric(context: Context) -> str:
    """Number of a template of a finger, face or iris."""
    rng, d = context.rng, context.digits
    body = rng.choice(
        (
            f"{d(4)}-{d(4)}",
            f"{_today(context)}-{d(4)}",
            f"{rng.randrange(16**8):08x}",
            f"0x{rng.randrange(16**6):06X}",
            f"{d(6)}",
            f"{d(5)}-{rng.choice(LETTERS)}",
        )
    )
    return f"{rng.choice(_BIOMETRICS)}{rng.choice(('-', '_', '-', '', ':'))}{body}"
