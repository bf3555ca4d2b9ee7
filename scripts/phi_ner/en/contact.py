"""How to reach somebody: telephones and addresses of the network."""

from __future__ import annotations

import re

from ..core import Context, Slots, words
from .people import invent
from .spoken import is_spelled, is_spoken, number, say_address

SLOTS = Slots()
_FORMS = (
    "({a}) {m}-{e}",
    "({a}) {m}-{e}",
    "{a}-{m}-{e}",
    "{a}-{m}-{e}",
    "{a}.{m}.{e}",
    "{a} {m} {e}",
    "{a}{m}{e}",
    "{a} {m}-{e}",
    "({a}){m}-{e}",
    "1-{a}-{m}-{e}",
    "+1 {a} {m} {e}",
    "{m}-{e}",
    "{a}/{m}-{e}",
    "{a} {m}{e}",
    "{m} {e}",
)
_ENDINGS = words("com org net example edu co.uk health example.org example")
_HOSTS = ("www.", "www.", "portal.", "my.", "", "https://", "http://", "https://www.")


@SLOTS.value("FAX", "fax")
@SLOTS.value("PHONE", "phone")
def phone(context: Context) -> str:
    """Mostly American, in many forms, some with an extension."""
    rng = context.rng
    area = str(rng.randrange(201, 990))
    mid = rng.choice(("555", str(rng.randrange(200, 999))))
    end = context.digits(4)
    if is_spoken(context) or is_spelled(context):
        whole = (f"{area} {mid} {end}", f"{area}, {mid}, {end}", f"{area}-{mid}-{end}")
        return number(context, rng.choice((*whole, f"{mid}-{end}")))
    if rng.random() < 0.08:
        return _foreign_phone(context)
    text = rng.choice(_FORMS).format(a=area, m=mid, e=end)
    if rng.random() < 0.08:
        text += rng.choice((" x", " ext ", " ext. ", "x")) + context.digits(rng.choice((3, 4)))
    return text


def _foreign_phone(context: Context) -> str:
    rng, d = context.rng, context.digits
    forms = (
        f"+44 {rng.randrange(20, 200)} {d(4)} {d(4)}",
        f"0{rng.randrange(1200, 1999)} {d(3)} {d(3)}",
        f"+{rng.randrange(30, 99)} {rng.randrange(1, 99)} {d(3)} {d(4)}",
        f"07{d(3)} {d(6)}",
        f"+91 {d(5)} {d(5)}",
        f"011 {rng.randrange(30, 99)} {d(2)} {d(3)} {d(4)}",
    )
    return rng.choice(forms)


@SLOTS.value("PHONE", "ext")
def extension(context: Context) -> str:
    """The digits of an extension."""
    rng = context.rng
    if rng.random() < 0.1:
        return f"{rng.randrange(1, 9)}-{context.digits(4)}"
    return number(context, context.digits(rng.choice((3, 4, 4, 4, 5))))


@SLOTS.value("PHONE", "pager")
def pager(context: Context) -> str:
    """Number of a pager."""
    d = context.digits
    return number(context, context.rng.choice((d(4), d(5), f"{d(3)}-{d(4)}", f"{d(2)}-{d(3)}")))


@SLOTS.value("OTHER_ID", "username")
def handle(context: Context) -> str:
    """The name of somebody in a network."""
    rng, who = context.rng, invent(context)
    first, last = (re.sub(r"[^a-z]", "", w.lower()) or "kim" for w in (who.first, who.last))
    forms = (
        f"{first}.{last}",
        f"{first}{last}",
        f"{first[0]}{last}",
        f"{first}_{last}{rng.randrange(1, 99)}",
        f"{last}{first[0]}",
        f"{first}{rng.randrange(40, 2010)}",
        f"{first[0]}.{last}",
        f"{last}.{first}",
        f"{first[0]}{last}{rng.randrange(1, 9)}",
    )
    return rng.choice(forms)


def _domain(context: Context) -> str:
    rng = context.rng
    kind = rng.choice(("employer", "hospital", "place", "clinic"))
    name = re.sub(r"[^a-z]", "", context.pick(kind).lower())[:18]
    return f"{rng.choice((name, name, 'mail', 'inbox', 'post'))}.{rng.choice(_ENDINGS)}"


@SLOTS.value("EMAIL", "email")
def email(context: Context) -> str:
    """Address of a mailbox."""
    text = f"{handle(context)}@{_domain(context)}"
    return say_address(text) if is_spoken(context) and context.rng.random() < 0.85 else text


@SLOTS.value("URL", "url")
def url(context: Context) -> str:
    """Address of a page."""
    rng = context.rng
    host = f"{rng.choice(_HOSTS)}{_domain(context)}"
    paths = (
        "",
        "",
        f"/{handle(context)}",
        f"/p/{context.digits(5)}",
        "/records",
        f"/{rng.choice(('u', 'img', 'fund', 'results'))}/{handle(context)}",
    )
    text = host + rng.choice(paths)
    if is_spoken(context) and rng.random() < 0.8:
        return say_address(text.removeprefix("https://").removeprefix("http://"))
    return text


@SLOTS.value("IP", "ip")
def ip(context: Context) -> str:
    """Address of a computer."""
    rng = context.rng
    if rng.random() < 0.1:
        return f"2001:db8::{rng.randrange(1, 65535):x}:{rng.randrange(1, 65535):x}"
    return ".".join(str(rng.randrange(1, 254)) for _ in range(4))
