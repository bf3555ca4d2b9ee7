"""Numbers that point to a person: records, plans, accounts, licences, vehicles, devices."""

from __future__ import annotations

from ..core import Context, Slots, words
from .spoken import number

SLOTS = Slots()
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_VIN = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_BIOMETRICS = words("FP IRIS FACE VP BIO PV fp VX RT palm PALM FID")


def code(context: Context) -> str:
    """A number with letters and separators, as institutions invent them."""
    rng, d = context.rng, context.digits
    ab = context.some(LETTERS, rng.choice((1, 2, 2, 3)))
    year = str(rng.randrange(2, 26)).zfill(2)
    forms = (
        f"{ab}{d(rng.choice((4, 5, 6, 7)))}",
        f"{ab}-{d(rng.choice((3, 4, 5, 6)))}",
        f"{d(rng.choice((5, 6, 7, 8, 9)))}",
        f"{d(rng.choice((5, 6, 7, 8)))}",
        f"{d(2)}-{d(rng.choice((2, 3, 4)))}-{d(rng.choice((1, 2, 4)))}",
        f"{d(3)}-{d(2)}-{d(2)}",
        f"{ab}{year}-{d(rng.choice((3, 4, 5, 6)))}",
        f"{d(rng.choice((3, 4)))}-{d(rng.choice((3, 4)))}",
        f"{ab} {d(3)} {d(3)}",
        f"{d(3)}{ab}{d(2)}",
        f"{rng.randrange(2010, 2026)}-{d(rng.choice((4, 5, 6)))}",
        f"{ab}.{d(4)}.{d(2)}",
        f"{ab}-{d(3)}-{rng.choice(LETTERS)}",
        f"{d(2)}-{d(5)}",
        f"{rng.choice(LETTERS)}{d(2)}{rng.choice(LETTERS)}{d(3)}",
        f"{d(4)} {d(3)} {d(2)}",
        f"{d(1)}{ab}{d(1)}-{ab}{d(2)}",
        f"{ab}:{d(5)}",
        f"{ab}/{d(4)}/{year}",
        f"{d(5)}{rng.choice(LETTERS)}",
        f"{d(4)}-{ab}-{d(2)}",
        f"{d(3)} {d(4)}",
    )
    return rng.choice(forms)


@SLOTS.value("SSN", "ssn")
def ssn(context: Context) -> str:
    """Social security number, whole or masked."""
    a, b, c = context.digits(3), context.digits(2), context.digits(4)
    whole = (f"{a}-{b}-{c}", f"{a}-{b}-{c}", f"{a} {b} {c}", f"{a}{b}{c}")
    return number(context, context.rng.choice((*whole, f"xxx-xx-{c}", f"***-**-{c}")))


@SLOTS.value("SSN", "ssn4")
def ssn4(context: Context) -> str:
    """Its last four digits."""
    return number(context, context.digits(4))


@SLOTS.value("MRN", "mrn")
def mrn(context: Context) -> str:
    """Medical record number."""
    if context.rng.random() < 0.6:
        return number(context, context.digits(context.rng.choice((5, 6, 7, 7, 8, 8, 9, 10))))
    return number(context, code(context))


@SLOTS.value("OTHER_ID", "id")
def other_id(context: Context) -> str:
    """Any other number that points to a person."""
    return number(context, code(context))


@SLOTS.value("HEALTH_PLAN", "plan_id")
def plan_id(context: Context) -> str:
    """Member number."""
    rng, d = context.rng, context.digits
    a, b, c = context.some(LETTERS, 3)
    forms = (
        f"{a}{b}{c}{d(9)}",
        f"{a}{b}{c} {d(3)} {d(2)} {d(4)}",
        f"W{d(8)}",
        f"{d(1)}{a}{d(1)}{b}-{c}E{d(1)}-{b}K{d(2)}",
        f"{d(9)}{a}",
        f"{a}{d(4)} {d(5)} {d(2)}",
    )
    form = rng.choice(forms)
    return number(context, form if rng.random() < 0.6 else code(context))


@SLOTS.value("HEALTH_PLAN", "group")
def group(context: Context) -> str:
    """Group number."""
    d = context.digits
    forms = (d(5), d(6), f"{d(4)}-{context.rng.choice(LETTERS)}", code(context))
    return number(context, context.rng.choice(forms))


@SLOTS.value("ACCOUNT", "account")
def account(context: Context) -> str:
    """Account number."""
    d = context.digits
    forms = (d(8), d(10), f"{d(2)}-{d(4)}-{d(3)}", code(context), code(context))
    return number(context, context.rng.choice(forms))


@SLOTS.value("ACCOUNT", "card")
def card(context: Context) -> str:
    """Number of a credit card, whole, masked or its last four digits."""
    blocks = [context.digits(4) for _ in range(4)]
    whole = (" ".join(blocks), "-".join(blocks), "".join(blocks))
    return number(context, context.rng.choice((*whole, blocks[0], f"xxxx xxxx xxxx {blocks[0]}")))


@SLOTS.value("LICENSE", "driver")
def driver(context: Context) -> str:
    """Driving licence."""
    rng, d = context.rng, context.digits
    a = rng.choice(LETTERS)
    forms = (
        f"{a}{d(7)}",
        f"{a}{d(3)}-{d(4)}-{d(4)}",
        d(9),
        f"{a} {d(3)} {d(3)} {d(3)} {d(3)}",
        f"{a}{a}{d(6)}",
    )
    return number(context, rng.choice(forms))


@SLOTS.value("LICENSE", "license")
def professional(context: Context) -> str:
    """Licence of a profession."""
    rng, d = context.rng, context.digits
    forms = (
        f"{rng.choice(LETTERS)}{d(5)}",
        d(6),
        d(7),
        f"{rng.choice(('MD', 'RN', 'PA', 'A', 'PT', 'LCSW', 'DO'))}-{d(5)}",
        f"{rng.choice(('MD', 'RN', 'PH', 'G'))}{d(6)}",
        code(context),
    )
    return number(context, rng.choice(forms))


@SLOTS.value("LICENSE", "dea")
def dea(context: Context) -> str:
    """Number of a prescriber of controlled drugs."""
    rng = context.rng
    return number(context, f"{rng.choice('ABFM')}{rng.choice(LETTERS)}{context.digits(7)}")


@SLOTS.value("LICENSE", "npi")
def npi(context: Context) -> str:
    """National provider identifier."""
    return number(context, f"1{context.digits(9)}")


@SLOTS.value("VEHICLE", "plate")
def plate(context: Context) -> str:
    """Licence plate."""
    a, b, c = context.some(LETTERS, 3)
    form = context.rng.choice(
        (
            "{l}-{d4}",
            "{l} {d4}",
            "{d3} {l}",
            "{d}{l}{d3}",
            "{l}{d4}",
            "{a}{d2} {l}",
            "{d2}-{d5}",
            "{l} {d3}",
            "{d3}-{l}",
            "{a}{d2}-{d3}",
            "{d}{a}-{d4}",
            "{l}{d3}",
            "{a}{b}{d2} {l}",
        )
    )
    runs = {name: context.digits(int(name[1:] or 1)) for name in ("d", "d2", "d3", "d4", "d5")}
    return number(context, form.format(l=a + b + c, a=a, b=b, **runs))


@SLOTS.value("VEHICLE", "vin")
def vin(context: Context) -> str:
    """Number of a chassis."""
    return number(context, context.some(_VIN, 17))


@SLOTS.value("DEVICE", "serial")
def serial(context: Context) -> str:
    """Serial number."""
    rng, d = context.rng, context.digits
    ab = context.some(LETTERS, rng.choice((1, 2, 3, 4)))
    forms = (
        f"{ab}{d(6)}",
        f"{ab}-{d(4)}-{d(3)}",
        f"{ab}{d(5)}-{d(3)}",
        f"{d(8)}",
        f"{ab}-{d(2)}-{d(4)}-{ab[0]}{d(2)}",
        f"{d(2)}{ab}-{d(4)}",
        f"{ab}{d(3)}/{d(3)}",
        code(context),
    )
    return number(context, rng.choice(forms))


@SLOTS.value("DEVICE", "udi")
def udi(context: Context) -> str:
    """Unique device identifier."""
    d = context.digits
    return f"(01){d(14)}(17){d(6)}(10){context.rng.choice(LETTERS)}{d(5)}"


@SLOTS.value("DEVICE", "mac")
def mac(context: Context) -> str:
    """Address of a network card."""
    rng = context.rng
    return rng.choice((":", "-")).join(f"{rng.randrange(256):02X}" for _ in range(6))


@SLOTS.value("BIOMETRIC", "biometric")
def biometric(context: Context) -> str:
    """Number of a template of a finger, face or iris."""
    rng, d = context.rng, context.digits
    head = rng.choice((*_BIOMETRICS, ""))
    body = rng.choice(
        (
            f"{d(4)}-{d(4)}",
            f"0x{rng.randrange(16**6):06X}",
            f"{d(5)}-{rng.choice(LETTERS)}{rng.choice(LETTERS)}",
            "-".join(f"{rng.randrange(256):02X}" for _ in range(3)),
            code(context),
            f"{rng.randrange(16**8):08x}",
        )
    )
    return f"{head}{rng.choice(('-', ' ', ':', '_'))}{body}" if head else body
