"""Slots that name somebody or something: the patient, identifiers, other people and places.

A slot is a function `slot_x` that fills `<x>`: it writes into the note, and what identifies
somebody it writes through `Writer.phi`.
"""

from __future__ import annotations

from llmsafe.synthetic.draw import chance, digits, integer, pick
from llmsafe.synthetic.en.scribe import Scribe
from llmsafe.synthetic.identity import Staff
from llmsafe.synthetic.slots import write_name

# -- the patient -----------------------------------------------------------------------------


def slot_pt(s: Scribe) -> None:
    way = s.rng.random()
    if s.age < 15:
        if way < 0.35:
            write_name(s, s.identity.first)
        else:
            s.out.text("the patient" if way < 0.8 else s.words["he"])
    elif way < 0.42:
        s.out.text("the patient")
    elif way < 0.68 and s.named:
        s.out.text(s.words["he"])
    elif way < 0.72 and s.identity.nickname:
        write_name(s, s.identity.nickname)
    elif way < 0.94:
        s.named = True
        s.out.text(f"{s.title} ")
        write_name(s, s.identity.last)
    else:
        s.named = True
        write_name(s, f"{s.identity.first} {s.identity.last}")


def slot_pts(s: Scribe) -> None:
    slot_pt_plain(s)
    s.out.text("'s")


def slot_pt_plain(s: Scribe) -> None:
    if chance(s.rng, 0.5):
        s.out.text("the patient")
    else:
        slot_mr(s)


def slot_mr(s: Scribe) -> None:
    if s.age < 15:
        write_name(s, s.identity.first)
        return
    s.out.text(f"{s.title} ")
    write_name(s, s.identity.last)


def slot_fullname(s: Scribe) -> None:
    who = s.identity
    form = integer(s.rng, 0, 4)
    if form == 0:
        write_name(s, f"{who.first} {who.middle[0]}. {who.last}")
    elif form == 1:
        write_name(s, f"{who.first} {who.middle} {who.last}")
    else:
        write_name(s, f"{who.first} {who.last}")


def slot_lastfirst(s: Scribe) -> None:
    who = s.identity
    form = pick(s.rng, ("{l}, {f}", "{l}, {f} {m}.", "{L}, {F}", "{L},{F}", "{L}, {F} {m}"))
    write_name(
        s,
        form.format(
            l=who.last, f=who.first, m=who.middle[0], L=who.last.upper(), F=who.first.upper()
        ),
    )


def slot_first(s: Scribe) -> None:
    write_name(s, s.identity.first)


def slot_age(s: Scribe) -> None:
    if s.age > 89:
        s.out.phi(str(s.age), "AGE")
    elif s.age < 2:
        months = (s.encounter.date - s.identity.birth_date).days // 30
        s.out.text(f"{max(1, months)}-month-old")
        return
    else:
        s.out.text(str(s.age))


def slot_agesex(s: Scribe) -> None:
    """`67-year-old woman` in one of the usual notations."""
    if s.age < 2:
        slot_age(s)
        s.out.text(f" {s.words['man']}")
        return
    slot_age(s)
    letter = s.identity.sex.upper()
    if s.style.terse:
        forms = (f" y/o {letter}", f"yo {letter}", f"{letter}", f" yo {s.words['male']}")
    else:
        forms = (
            f"-year-old {s.words['male']}",
            f"-year-old {s.words['man']}",
            f" year old {s.words['man']}",
            f"-year-old {s.words['man']}",
        )
    s.out.text(pick(s.rng, forms))


def slot_weight(s: Scribe) -> None:
    kilos = s.encounter.vitals.weight
    if s.age < 13 or chance(s.rng, 0.6):
        s.out.text(f"{kilos:.1f} kg")
    else:
        s.out.text(f"{round(kilos * 2.2046)} {pick(s.rng, ('pounds', 'lb', 'lbs'))}")


# -- identifiers -----------------------------------------------------------------------------


def slot_dob(s: Scribe) -> None:
    s.out.phi(s.style.date(s.identity.birth_date), "DATE")


def slot_ssn(s: Scribe) -> None:
    ssn = s.identity.ssn or ""
    s.out.phi(ssn if chance(s.rng, 0.8) else ssn.replace("-", pick(s.rng, (" ", ""))), "SSN")


def slot_ssn4(s: Scribe) -> None:
    s.out.phi((s.identity.ssn or "")[-4:], "SSN")


def slot_insurer(s: Scribe) -> None:
    s.out.phi(s.identity.insurer, "ORGANIZATION")


def slot_phone(s: Scribe) -> None:
    own = s.identity.phone if chance(s.rng, 0.5) else s.identity.mobile
    s.out.phi(own, "PHONE")


def slot_email(s: Scribe) -> None:
    if s.identity.email:
        s.out.phi(s.identity.email, "EMAIL")
    else:
        s.out.phi(s.identity.phone, "PHONE")


def slot_city(s: Scribe) -> None:
    s.out.phi(s.identity.city, "LOCATION")


def slot_address(s: Scribe) -> None:
    """Street, city, state, ZIP code: four spans."""
    who = s.identity
    _address(s, who.street, who.city, who.state, who.zip)


def slot_hospital_address(s: Scribe) -> None:
    place = s.identity.institution
    _address(s, place.street, place.city, place.state, place.zip)


def _address(s: Scribe, street: str, city: str, state: str, code: str) -> None:
    for value, after in ((street, ", "), (city, ", "), (state, " "), (code, "")):
        s.out.phi(value, "LOCATION")
        s.out.text(after)


def slot_employer(s: Scribe) -> None:
    s.out.phi(s.identity.employer or s.identity.institution.name, "ORGANIZATION")


def slot_occupation(s: Scribe) -> None:
    s.out.text(s.identity.occupation or "retired worker")


def slot_device(s: Scribe) -> None:
    letters = "".join(pick(s.rng, "ABCDEFGHKLMNPRSTVX") for _ in range(3))
    s.out.phi(f"{letters}{digits(s.rng, 6)}{pick(s.rng, ('', 'H', '-A'))}", "DEVICE")


def slot_accession(s: Scribe) -> None:
    s.out.phi(f"{pick(s.rng, ('RA', 'S', 'XR', 'ACC'))}-{digits(s.rng, 7)}", "OTHER_ID")


def slot_fingerprint(s: Scribe) -> None:
    s.out.phi(f"FP-{digits(s.rng, 8)}", "BIOMETRIC")


# -- other people and places -----------------------------------------------------------------


def slot_rel(s: Scribe) -> None:
    """Chooses a relative and writes the relationship: `his wife`, `his wife Mary`."""
    who = s.relative = pick(s.rng, s.identity.relatives)
    s.out.text(f"{s.words['his']} {who.relationship}")
    if chance(s.rng, 0.45):
        s.out.text(pick(s.rng, (" ", " ", ", ")))
        write_name(s, who.first if chance(s.rng, 0.6) else f"{who.first} {who.last}")


def slot_relationship(s: Scribe) -> None:
    who = s.relative = s.relative or pick(s.rng, s.identity.relatives)
    s.out.text(who.relationship)


def slot_relname(s: Scribe) -> None:
    who = s.relative = s.relative or pick(s.rng, s.identity.relatives)
    write_name(s, f"{who.first} {who.last}")


def slot_relfirst(s: Scribe) -> None:
    who = s.relative = s.relative or pick(s.rng, s.identity.relatives)
    write_name(s, who.first)


def slot_relphone(s: Scribe) -> None:
    who = s.relative = s.relative or pick(s.rng, s.identity.relatives)
    s.out.phi(who.phone, "PHONE")


def write_doctor(s: Scribe, who: Staff) -> None:
    way = s.rng.random()
    if way < 0.55:
        s.out.text("Dr. ")
        write_name(s, who.last)
    elif way < 0.8:
        s.out.text("Dr. ")
        write_name(s, who.name)
    elif way < 0.92:
        write_name(s, who.name)
        s.out.text(f", {who.credential}")
    else:
        s.out.text("Dr. ")
        write_name(s, f"{who.first[0]}. {who.last}")


def slot_pcp(s: Scribe) -> None:
    write_doctor(s, s.identity.primary_care)


def slot_attending(s: Scribe) -> None:
    write_doctor(s, s.story.team["attending"])


def slot_specialist(s: Scribe) -> None:
    write_doctor(s, s.story.team["specialist"])


def slot_colleague(s: Scribe) -> None:
    """Some other physician of the house."""
    people = [s for s in s.identity.institution.staff if s.role == "physician"]
    write_doctor(s, pick(s.rng, people))


def slot_nurse(s: Scribe) -> None:
    who = s.story.team["nurse"]
    write_name(s, who.first if chance(s.rng, 0.4) else who.name)
    if chance(s.rng, 0.6):
        s.out.text(f", {who.credential}")


def slot_worker(s: Scribe) -> None:
    write_name(s, s.story.team["social"].name)


def slot_author(s: Scribe) -> None:
    write_name(s, s.author.name)
    s.out.text(f", {s.author.credential}")


def slot_author_name(s: Scribe) -> None:
    write_name(s, s.author.name)


def slot_initials(s: Scribe) -> None:
    write_name(s, f"{s.author.first[0]}{s.author.last[0]}")


def slot_pager(s: Scribe) -> None:
    s.out.phi(s.author.pager, "PHONE")


def slot_ext(s: Scribe) -> None:
    s.out.phi(str(integer(s.rng, 201, 9989)), "PHONE")


def slot_specialty(s: Scribe) -> None:
    s.out.text(s.story.team["specialist"].specialty)
