"""Places and organisations."""

from __future__ import annotations

import re

from ..core import Context, Slots
from .spoken import is_spoken, say

SLOTS = Slots()
SLOTS.listed("LOCATION", "place")
SLOTS.listed(
    "ORGANIZATION",
    *("hospital", "clinic", "facility", "pharmacy", "employer", "school", "church", "agency"),
)


@SLOTS.value("LOCATION", "street")
def street(context: Context) -> str:
    """Number and street, perhaps with a flat; sometimes a box."""
    rng, name = context.rng, context.pick("street")
    sizes = (rng.randrange(1, 99), rng.randrange(100, 9999), rng.randrange(100, 19999))
    number = str(rng.choice(sizes))
    if is_spoken(context) and rng.random() < 0.7:
        number = say(context, number)
    elif rng.random() < 0.05:
        number = f"{number}{rng.choice(('A', 'B', ' 1/2', '-B'))}"
    unit = f"{rng.randrange(1, 99)}{rng.choice(('', '', 'A', 'B', 'C'))}"
    flats = (f", Apt {unit}", f" Apt {unit}", f" #{unit}", f", Unit {unit}", f" apt {unit}")
    tail = rng.choice(("", "", "", "", *flats))
    if rng.random() < 0.06:
        boxes = (
            f"PO Box {number}",
            f"P.O. Box {number}",
            f"RR {rng.randrange(1, 9)} Box {rng.randrange(2, 400)}",
            f"Lot {rng.randrange(2, 90)}, {name}",
            f"Flat {unit}, {number} {name}",
        )
        return rng.choice(boxes)
    return f"{number} {name}{tail}"


def us_city(context: Context) -> tuple[str, str]:
    """An American city and its state."""
    name, _, state = context.pick("city_us").rpartition(", ")
    return name, state


@SLOTS.value("LOCATION", "city")
def city(context: Context) -> str:
    """A city, mostly American."""
    draw = context.rng.random()
    if draw < 0.75:
        return us_city(context)[0]
    return context.pick("city_uk_ca_au" if draw < 0.88 else "city_world")


@SLOTS.value("LOCATION", "foreign_city")
def foreign_city(context: Context) -> str:
    """A city elsewhere."""
    return context.pick("city_world")


@SLOTS.value("LOCATION", "city_state")
def city_state(context: Context) -> str:
    """City, ST."""
    name, state = us_city(context)
    return context.rng.choice((f"{name}, {state}", f"{name}, {state}", f"{name} {state}"))


@SLOTS.value("LOCATION", "zip")
def postcode(context: Context) -> str:
    """Five digits, sometimes nine."""
    rng = context.rng
    text = f"{rng.randrange(501, 99951):05d}"
    if is_spoken(context) and rng.random() < 0.7:
        return say(context, text)
    return text + (f"-{rng.randrange(1, 9999):04d}" if rng.random() < 0.15 else "")


@SLOTS.value("LOCATION", "address")
def address(context: Context) -> str:
    """A whole address."""
    name, state = us_city(context)
    joint = context.rng.choice((", ", ", ", " ", "\n", " / "))
    comma = context.rng.choice((", ", ", ", " "))
    return f"{street(context)}{joint}{name}{comma}{state} {postcode(context)}"


@SLOTS.value("LOCATION", "hl7_address")
def hl7_address(context: Context) -> str:
    """A whole address with carets."""
    rng = context.rng
    name, state = us_city(context)
    road = f"{rng.randrange(1, 9999)} {context.pick('street')}"
    text = f"{road}^^{name}^{state}^{rng.randrange(501, 99951):05d}"
    return text.upper() if rng.random() < 0.5 else text


@SLOTS.value("LOCATION", "county")
def county(context: Context) -> str:
    """A county or parish."""
    name = context.pick("county")
    if re.search(r"(?i)county|parish", name):
        return name
    kinds = ("County", "County", "County", "Co.", "Parish", "county")
    return f"{name} {context.rng.choice(kinds)}"


@SLOTS.value("LOCATION", "crossing")
def crossing(context: Context) -> str:
    """Where two streets meet, or a point of a highway."""
    rng = context.rng
    road = f"{rng.choice(('I-', 'I-', 'US ', 'Hwy ', 'Route ', 'SR '))}{rng.randrange(2, 400)}"
    road += rng.choice(("", "", " WB", " NB", " EB", " SB", " north", " westbound"))
    a, b = _bare_street(context), _bare_street(context)
    points = (
        f"{road} at mile marker {rng.randrange(1, 400)}",
        f"{road} mm {rng.randrange(1, 400)}",
        f"{road} exit {rng.randrange(1, 300)}",
        f"{road} near {us_city(context)[0]}",
    )
    return rng.choice((f"{a} and {b}", f"{a} & {b}", f"{a} at {b}", f"{a}/{b}", *points))


def _bare_street(context: Context) -> str:
    name = context.pick("street")
    return name.rsplit(" ", 1)[0] if context.rng.random() < 0.5 and " " in name else name
